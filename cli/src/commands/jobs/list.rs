//! `callscribe jobs list`.

use std::{collections::BTreeSet, io, process::ExitCode};

use callscribe::{
    clock::{Clock, SystemClock},
    ledger::{JobSeen, list_jobs},
};
use chrono::{DateTime, Utc};
use clap::Args;

use super::page;
use crate::{commands::Ended, filter_arguments::FilterArguments, output::Output, setup, table::Table, times};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  callscribe jobs list --state dead --since 2h\n  \
                        callscribe jobs list --kind transcription --reason provider_unavailable --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Show at most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let filter = arguments.filter.filter()?;
    setup::warn_of(&arguments.filter.doubts());
    let store = setup::store()?;
    let jobs = list_jobs(&mut *store.connection().await?, &filter, i64::from(arguments.limit)).await?;
    if arguments.json {
        output.json(&jobs)?;
        return Ok(ExitCode::SUCCESS);
    }
    if jobs.is_empty() {
        output.line("no job is like this")?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = SystemClock.now();
    let mut table = Table::new(output, &["id", "kind", "state", "tries", "when", "reason", "call or key"]).numbers(&[0, 3]);
    for job in &jobs {
        let tries = format!("{}/{}", job.attempt, job.max_attempts);
        let reason = job.reason.as_deref().unwrap_or("-");
        let subject = output.session(job.session_id.as_deref().unwrap_or(&job.key));
        table.row([&job.id.to_string(), &job.kind, state_of(job), &tries, &when(job, now), reason, subject]);
    }
    output.line(&table)?;
    if jobs.len() >= usize::try_from(arguments.limit).unwrap_or(usize::MAX) {
        output.line(format_args!("\nthe newest {}; `--limit` shows more, filters fewer", jobs.len()))?;
    }
    pages(&jobs, output)?;
    Ok(ExitCode::SUCCESS)
}

/// Where to read about the reasons in the table.
fn pages(jobs: &[JobSeen], output: &mut Output) -> io::Result<()> {
    let pages: BTreeSet<String> = jobs.iter().filter_map(|job| page(job.reason.as_deref()?)).collect();
    if pages.is_empty() {
        return Ok(());
    }
    let pages: Vec<String> = pages.into_iter().collect();
    output.line("")?;
    output.prose(6, format_args!("read: {}", pages.join(", ")))
}

/// The state as people mean it: a ready job is due, or waits.
pub(super) fn state_of(job: &JobSeen) -> &str {
    match (job.state.as_str(), job.due) {
        ("ready", true) => "due",
        ("ready", false) => "later",
        (state, _) => state,
    }
}

/// The time that matters in its state.
fn when(job: &JobSeen, now: DateTime<Utc>) -> String {
    match (job.state.as_str(), job.started_at, job.finished_at) {
        (_, _, Some(finished)) => times::relative(finished, now),
        ("running", Some(started), None) => format!("for {}", times::span((now - started).to_std().unwrap_or_default())),
        _ => times::relative(job.run_at, now),
    }
}
