//! `callscribe jobs cancel`.

use std::process::ExitCode;

use callscribe::ledger::{ByHand, cancel, cancel_tally};
use clap::Args;

use crate::{
    commands::{
        Ended,
        requeue::{refusal, tell_tallies},
    },
    failure::Failure,
    filter_arguments::FilterArguments,
    output::Output,
    setup,
};

#[derive(Debug, Args)]
#[command(after_help = "Jobs that run are left to end. A cancelled job's transcript becomes `error` with reason `cancelled`; \
                        `callscribe requeue --state cancelled` brings both back.\n\n\
                        Examples:\n  callscribe jobs cancel --session 6a1f0f1e --why \"customer asked\"\n  \
                        callscribe jobs cancel --kind recording --until 30d --dry-run")]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Cancel every job that waits or is dead
    #[arg(long)]
    all: bool,
    /// At most so many, oldest first
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    limit: Option<i64>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Only count, by kind and reason
    #[arg(long)]
    dry_run: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    if arguments.filter.is_everything() && !arguments.all {
        return Err(Failure::wrong_use("no filter was given, and that would cancel every job", "name some, or say `--all`"));
    }
    setup::warn_of(&arguments.filter.doubts());
    let order = ByHand { limit: arguments.limit, why: arguments.why.clone(), ..ByHand::new(arguments.filter.filter()?, setup::actor()) };
    let store = setup::store()?;
    if arguments.dry_run {
        let tallies = cancel_tally(&mut *store.connection().await?, &order).await.map_err(refusal)?;
        tell_tallies("would cancel", &tallies, arguments.json, output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let changed = cancel(&store, &order).await.map_err(refusal)?;
    if arguments.json {
        output.json(&serde_json::json!({ "jobs": changed.jobs, "dry_run": false, "audit_id": changed.audit }))?;
    } else {
        output.line(format_args!("cancelled {} jobs", changed.jobs))?;
    }
    Ok(ExitCode::SUCCESS)
}
