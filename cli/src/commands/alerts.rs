//! `callscribe alerts`: what needs a person, and whether anybody was told.

use std::process::ExitCode;

use callscribe::{
    clock::{Clock, SystemClock},
    store::alerts::alerts_seen,
};
use clap::Args;

use super::Ended;
use crate::{output::Output, setup, times::relative};

#[derive(Debug, Args)]
#[command(after_help = "Looked at every minute by `callscribe scheduler`; docs/runbooks says what to do about each.\n\n\
                        Examples:\n  callscribe alerts\n  callscribe alerts --all --json")]
pub(crate) struct Arguments {
    /// Also those that are over
    #[arg(long)]
    all: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let alerts = alerts_seen(&mut *store.connection().await?, arguments.all).await?;
    if arguments.json {
        output.json(&alerts)?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = SystemClock.now();
    if alerts.is_empty() {
        output.line("nothing needs a person")?;
    }
    for alert in &alerts {
        let since = relative(alert.firing_since, now);
        let state = alert.resolved_at.map_or_else(|| output.red("firing"), |ended| format!("over, {}", relative(ended, now)));
        output.prose(2, format_args!("{} {}: {}, began {since}: {}", alert.name, alert.subject, state, alert.summary))?;
        if alert.resolved_at.is_none() {
            output.prose(4, format_args!("  next: `{}`; docs/runbooks/{}.md", alert.command, alert.name))?;
        }
        if alert.unsent > 0 {
            let why = alert.send_error.as_deref().unwrap_or("not tried yet");
            output.prose(4, format_args!("  {} messages about it have not arrived: {why}", alert.unsent))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
