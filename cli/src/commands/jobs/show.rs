//! `callscribe jobs show`: one job with every attempt.

use std::process::ExitCode;

use callscribe::{
    clock::{Clock, SystemClock},
    config::TraceSettings,
    domain::{JobId, Reason, ReasonClass},
    ledger::{AttemptSeen, JobFilter, JobSeen, attempts, list_jobs},
    telemetry::traces::trace_id_of,
};
use clap::Args;
use serde::Serialize;

use crate::{
    commands::{Ended, jobs::list::state_of},
    failure::Failure,
    output::Output,
    setup,
    times::{relative, span, stamp},
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  callscribe jobs show 4711")]
pub(crate) struct Arguments {
    /// The job
    id: i64,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'j> {
    #[serde(flatten)]
    job: &'j JobSeen,
    attempts: &'j [AttemptSeen],
    advice: Option<&'static str>,
    class: Option<ReasonClass>,
    page: Option<String>,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let connection = &mut *store.connection().await?;
    let one = JobFilter { ids: vec![JobId(arguments.id)], ..JobFilter::default() };
    let jobs = list_jobs(connection, &one, 1).await?;
    let Some(job) = jobs.first() else {
        return Err(Failure::with_hint(format_args!("there is no job `{}`", arguments.id), "`callscribe jobs list` shows ids"));
    };
    let attempts = attempts(connection, &[JobId(job.id)]).await?;
    let advice = job.reason.as_deref().and_then(advice);
    if arguments.json {
        let known = job.reason.as_deref().and_then(|reason| reason.parse::<Reason>().ok());
        let (class, page) = (known.map(Reason::class), known.map(Reason::page));
        output.json(&Shown { job, attempts: &attempts, advice, class, page })?;
        return Ok(ExitCode::SUCCESS);
    }
    head(job, advice, output)?;
    if attempts.is_empty() {
        output.line("\nno attempt went wrong")?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line("\nattempts that did not simply succeed")?;
    for attempt in &attempts {
        for line in attempt_lines(attempt) {
            output.prose(6, line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What to do about a reason, if this version knows it.
pub(crate) fn advice(reason: &str) -> Option<&'static str> {
    reason.parse::<Reason>().ok().map(Reason::advice)
}

/// Where to read more about a reason, if this version knows it.
pub(crate) fn page(reason: &str) -> Option<String> {
    reason.parse::<Reason>().ok().map(Reason::page)
}

fn head(job: &JobSeen, advice: Option<&str>, output: &mut Output) -> std::io::Result<()> {
    let now = SystemClock.now();
    output.line(format_args!("job {}  {}  {}", job.id, job.kind, state_of(job)))?;
    let mut field = |name: &str, value: Option<String>| match value {
        Some(value) => output.prose(12, format_args!("  {name:<9} {value}")),
        None => Ok(()),
    };
    field("key", Some(job.key.clone()))?;
    field("call", job.session_id.as_ref().map(|session| format!("{session} (`callscribe calls show {session}`)")))?;
    field("attempts", Some(format!("{} of {}, claimed {} times, put off {} times", job.attempt, job.max_attempts, job.run, job.put_off)))?;
    field("created", Some(stamp(job.created_at)))?;
    field("due", (job.state == "ready").then(|| format!("{} ({})", stamp(job.run_at), relative(job.run_at, now))))?;
    field("started", job.started_at.map(stamp))?;
    field("ended", job.finished_at.map(stamp))?;
    field("worker", job.worker.clone())?;
    let traced = setup::optional_settings(TraceSettings::read).flatten();
    field("trace", traced.and(job.started_at).map(|at| trace_id_of(JobId(job.id), job.run, at)))?;
    field("payload", (job.payload != serde_json::json!({})).then(|| job.payload.to_string()))?;
    field("progress", job.checkpoint.as_ref().map(ToString::to_string))?;
    field("reason", job.reason.clone())?;
    field("advice", advice.map(str::to_owned))?;
    field("read", job.reason.as_deref().and_then(page))
}

/// One attempt in a line or two: when, how it ended, what went wrong.
fn attempt_lines(attempt: &AttemptSeen) -> Vec<String> {
    let took =
        attempt.started_at.and_then(|started| (attempt.ended_at - started).to_std().ok()).map(|took| format!(" after {}", span(took)));
    let next = attempt.next_run_at.map(|at| format!(", again at {}", stamp(at)));
    let mut lines = vec![format!(
        "  {}  run {} (attempt {}) {}{}: {}{}",
        stamp(attempt.ended_at),
        attempt.run,
        attempt.attempt,
        attempt.outcome,
        took.unwrap_or_default(),
        attempt.reason,
        next.unwrap_or_default()
    )];
    lines.extend(attempt_cause(attempt).into_iter().map(|line| format!("      {line}")));
    lines
}

/// What went wrong, and what the vendor's support would ask for.
pub(crate) fn attempt_cause(attempt: &AttemptSeen) -> Vec<String> {
    let mut lines: Vec<String> = attempt.error.iter().cloned().collect();
    let vendor = [
        attempt.vendor_status.map(|status| format!("HTTP {status}")),
        attempt.vendor_request.as_ref().map(|id| format!("request id {id}")),
    ];
    let vendor: Vec<String> = vendor.into_iter().flatten().collect();
    if !vendor.is_empty() {
        lines.push(format!("vendor: {}", vendor.join(", ")));
    }
    lines
}
