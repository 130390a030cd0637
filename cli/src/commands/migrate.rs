//! `callscribe migrate`: the database's schema, brought up to this version, or compared with it.

use std::process::ExitCode;

use callscribe::{
    config::DatabaseSettings,
    store::{SchemaState, SchemaVersion, Store, migrate, schema_state},
};
use clap::Args;

use super::Ended;
use crate::{output::Output, setup};

#[derive(Debug, Args)]
#[command(
    after_help = "Safe to run at any time, twice, and while an older version works: migrations only add. One that does not get its\n\
                        locks within three seconds steps back and tries again, so that nobody queues behind it.\n\n\
                        With --check nothing is changed, and the exit status is 0 when the schema is this version's, 1 otherwise.\n\n\
                        Example:\n  DATABASE_URL=postgres://callscribe@db/callscribe callscribe migrate"
)]
pub(crate) struct Arguments {
    /// Change nothing: say what would be applied, or that the database is newer
    #[arg(long)]
    check: bool,
    /// Print what was applied, or what --check found, as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = Store::new(setup::settings(DatabaseSettings::read)?)?;
    if arguments.check {
        let state = schema_state(&mut *store.connection().await?).await?;
        return check(&state, arguments.json, output);
    }
    let applied = migrate(&store).await?;
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

fn check(state: &SchemaState, json: bool, output: &mut Output) -> Ended {
    let version = state.version();
    if json {
        output.json(&serde_json::json!({ "schema": version, "pending": state.pending, "unknown": state.unknown }))?;
    } else {
        for name in &state.pending {
            output.line(format_args!("pending {name}"))?;
        }
        for version in &state.unknown {
            output.line(format_args!("unknown {version}"))?;
        }
        output.line(match version {
            SchemaVersion::Current => "the schema is current",
            SchemaVersion::Pending => "the database is older than this version: run `callscribe migrate`",
            SchemaVersion::Newer => "the database is newer than this version: upgrade this program; an older one goes on working meanwhile",
            SchemaVersion::Diverged => {
                "the database has migrations that this version does not know, and lacks some that it does: is this the right database?"
            }
        })?;
    }
    Ok(if version == SchemaVersion::Current { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
