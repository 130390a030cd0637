//! `callscribe migrate`: the database's schema, brought up to this version.

use std::process::ExitCode;

use callscribe::{
    config::DatabaseSettings,
    store::{Store, migrate},
};
use clap::Args;

use super::Ended;
use crate::{output::Output, setup};

#[derive(Debug, Args)]
#[command(after_help = "Safe to run at any time, twice, and while an older version works: migrations only add.\n\n\
                        Example:\n  DATABASE_URL=postgres://callscribe@db/callscribe callscribe migrate")]
pub(crate) struct Arguments {
    /// Print what was applied as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let settings = setup::settings(DatabaseSettings::read)?;
    let applied = migrate(&Store::new(settings)?).await?;
    if arguments.json {
        output.json(&serde_json::json!({ "applied": applied }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for name in &applied {
        output.line(format_args!("applied {name}"))?;
    }
    if applied.is_empty() {
        output.line("the schema is current, nothing to apply")?;
    }
    Ok(ExitCode::SUCCESS)
}
