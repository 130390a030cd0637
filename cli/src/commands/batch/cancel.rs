//! `callscribe batch cancel`.

use std::process::ExitCode;

use callscribe::ledger::cancel_batch;
use clap::Args;

use super::show::unknown;
use crate::{
    commands::{Ended, requeue::refusal},
    output::Output,
    setup,
};

#[derive(Debug, Args)]
#[command(after_help = "What runs is left to end. `callscribe requeue --state cancelled --in-batch NAME` brings the rest back.\n\n\
                        Example:\n  callscribe batch cancel provider-is-back --why \"it is not\"")]
pub(crate) struct Arguments {
    /// The batch
    name: String,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let cancelled = cancel_batch(&store, &arguments.name, &setup::actor(), arguments.why.as_deref()).await.map_err(refusal)?;
    let Some(changed) = cancelled else { return Err(unknown(&arguments.name)) };
    if arguments.json {
        output.json(&serde_json::json!({ "jobs": changed.jobs, "audit_id": changed.audit }))?;
    } else {
        output.line(format_args!("cancelled {} jobs that waited", changed.jobs))?;
    }
    Ok(ExitCode::SUCCESS)
}
