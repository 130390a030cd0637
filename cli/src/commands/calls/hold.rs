//! `callscribe calls hold`, `release` and `holds`: calls that no retention touches.

use std::process::ExitCode;

use callscribe::{
    domain::SessionId,
    store::holds::{hold_call, holds, release_call},
};
use clap::Args;

use crate::{commands::Ended, failure::Failure, output::Output, setup, table::Table, times::stamp};

#[derive(Debug, Args)]
#[command(after_help = "Nothing of a held call is deleted, however old it is, until it is released. Who held it, when and why is in\n\
                        `callscribe calls show` and in `audit_log`. A call that is not known yet can be held, too.\n\n\
                        Example:\n  callscribe calls hold 6a1f0f1e-0000-4000-8000-000000000000 --why \"litigation 17/2026\"")]
pub(crate) struct HoldArguments {
    /// The call's whole session id
    #[arg(value_name = "SESSION")]
    session: String,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: String,
}

#[derive(Debug, Args)]
#[command(after_help = "From then on retention applies to the call again, at its next daily run.\n\n\
                        Example:\n  callscribe calls release 6a1f0f1e-0000-4000-8000-000000000000 --why \"settled\"")]
pub(crate) struct ReleaseArguments {
    /// The call's whole session id
    #[arg(value_name = "SESSION")]
    session: String,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  callscribe calls holds\n  callscribe calls holds --json")]
pub(crate) struct HoldsArguments {
    /// Show at most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

fn session(text: &str) -> Result<SessionId, Failure> {
    SessionId::parse(text)
        .map_err(|error| Failure::wrong_use(error, "give the call's whole session id, as `callscribe calls list --json` shows it"))
}

pub(super) async fn hold(arguments: &HoldArguments, output: &mut Output) -> Ended {
    if arguments.why.trim().is_empty() {
        return Err(Failure::wrong_use("a hold needs a reason", "say `--why` with words"));
    }
    let session = session(&arguments.session)?;
    let placed = hold_call(&mut *setup::store()?.connection().await?, &session, &setup::actor(), &arguments.why).await?;
    output.line(if placed.newly { format!("holding {session}") } else { format!("{session} was held already") })?;
    let mut warnings = Vec::new();
    if placed.too_late > 0 {
        warnings.push(format!("the hold comes too late for {} of its recordings: their audio is deleted", placed.too_late));
    }
    if !placed.known {
        warnings.push("there is no call of that id yet: the hold waits for it".to_owned());
    }
    setup::warn_of(&warnings);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn release(arguments: &ReleaseArguments, output: &mut Output) -> Ended {
    let session = session(&arguments.session)?;
    let released = release_call(&mut *setup::store()?.connection().await?, &session, &setup::actor(), arguments.why.as_deref()).await?;
    output.line(if released { format!("released {session}") } else { format!("{session} was not held") })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn list(arguments: &HoldsArguments, output: &mut Output) -> Ended {
    let rows = holds(&mut *setup::store()?.connection().await?, None, i64::from(arguments.limit)).await?;
    if arguments.json {
        output.json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        output.line("no call is held")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(output, &["SESSION", "SINCE", "BY", "WHY"]);
    for row in rows {
        table.row([row.session_id, stamp(row.held_at), row.held_by, row.why]);
    }
    output.line(table)?;
    Ok(ExitCode::SUCCESS)
}
