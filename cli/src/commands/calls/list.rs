//! `callscribe calls list`.

use std::{process::ExitCode, time::Duration};

use callscribe::{
    domain::{CallTranscriptStatus, SourceName},
    store::call_story::{CallFilter, CallSeen, list_calls},
};
use clap::Args;

use super::call_times;
use crate::{
    commands::Ended,
    failure::Failure,
    output::Output,
    setup,
    table::Table,
    times::{minute, span},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  callscribe calls list --since 24h --status error\n  callscribe calls list --case CS0012345 --json")]
pub(crate) struct Arguments {
    /// Vendor: `webex`
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// Transcript: `none`, `pending`, `processing`, `complete`, `error`; may be repeated
    #[arg(long, value_name = "STATUS")]
    status: Vec<CallTranscriptStatus>,
    /// Why the transcript failed, see docs/REASONS.md
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Case number
    #[arg(long, value_name = "CASE")]
    case: Option<String>,
    /// Began at this time or later: a date, a time in UTC, or `2h` for two hours ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Began before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Show at most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn filter(&self) -> Result<CallFilter, Failure> {
        let (since, until) = call_times(self.since.as_ref(), self.until.as_ref())?;
        Ok(CallFilter {
            source: self.source,
            statuses: self.status.clone(),
            reason: self.reason.clone(),
            case_number: self.case.clone(),
            since,
            until,
        })
    }
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let filter = arguments.filter()?;
    let store = setup::store()?;
    let calls = list_calls(&mut *store.connection().await?, &filter, i64::from(arguments.limit)).await?;
    if arguments.json {
        output.json(&calls)?;
        return Ok(ExitCode::SUCCESS);
    }
    if calls.is_empty() {
        output.line("no call is like this")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(output, &["began", "length", "way", "agent", "case", "wrap-up", "transcript", "call"]).numbers(&[1]);
    for call in &calls {
        let agent = call.agent_name.as_deref().unwrap_or("-");
        let session = output.session(&call.session_id);
        let way = call.direction.as_deref().unwrap_or("-");
        let (case, wrap_up) = (call.case_number.as_deref().unwrap_or("-"), call.wrap_up_code.as_deref().unwrap_or("-"));
        table.row([&minute(call.start_time), &length(call), way, agent, case, wrap_up, &transcript(call), session]);
    }
    output.line(&table)?;
    Ok(ExitCode::SUCCESS)
}

/// How long a call took, or that it is not over.
pub(super) fn length(call: &CallSeen) -> String {
    let seconds = call.duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    match (seconds, call.closed) {
        (Some(seconds), _) => span(Duration::from_secs(seconds)),
        (None, true) => "-".to_owned(),
        (None, false) => "open".to_owned(),
    }
}

/// The transcript's state, or why it failed.
pub(super) fn transcript(call: &CallSeen) -> String {
    match &call.error_code {
        Some(reason) if call.transcript_status == "error" => reason.clone(),
        _ => call.transcript_status.clone(),
    }
}
