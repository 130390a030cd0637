//! `callscribe sync`: calls asked for now, or calls of the past.

use std::{process::ExitCode, time::Duration};

use callscribe::{
    clock::{Clock, SystemClock},
    config::RedisSettings,
    domain::{JobId, SourceName, Window},
    hints::Hints,
    ledger::{Hint, JobFilter, JobSeen, list_jobs},
    queue::push_hints,
    schedule::{BackfillError, enqueue_backfill, enqueue_sync_now},
    store::Store,
};
use clap::Args;

use super::Ended;
use crate::{failure::Failure, output::Output, setup, times::moment};

#[derive(Debug, Args)]
#[command(
    after_help = "Without `--from` the calls since the last sync are asked for. A window of the past is split into days by itself and \
                        runs when nothing fresh waits. The work is done by `callscribe worker sync`.\n\n\
                        Examples:\n  callscribe sync --wait\n  callscribe sync --from 2026-11-01 --to 2026-11-08\n  callscribe sync --from 3d"
)]
pub(crate) struct Arguments {
    /// Vendor
    #[arg(long, value_name = "SOURCE", default_value = "webex")]
    source: SourceName,
    /// Calls that began at this time or later: a date, a time in UTC, or `3d` for three days ago
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Calls that began before this time; now when left out
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// Wait until it is done; exit 1 when it fails
    #[arg(long)]
    wait: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let window = window(arguments)?;
    let store = setup::store()?;
    let (jobs, hints) = enqueue(&store, arguments.source, window).await?;
    push(&hints).await;
    if !arguments.wait {
        if arguments.json {
            output.json(&serde_json::json!({ "job_ids": jobs, "enqueued": hints.len() }))?;
        } else {
            output.line(told(&jobs, hints.len()))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let ended = wait(&store, &jobs).await?;
    let dead: Vec<&JobSeen> = ended.iter().filter(|job| job.state != "done").collect();
    if arguments.json {
        output.json(&serde_json::json!({ "jobs": ended }))?;
    } else {
        output.line(format_args!("{} of {} done", ended.len() - dead.len(), ended.len()))?;
        for job in &dead {
            output.line(format_args!("job {} is {}: {}", job.id, job.state, job.reason.as_deref().unwrap_or("-")))?;
        }
    }
    Ok(if dead.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn window(arguments: &Arguments) -> Result<Option<Window>, Failure> {
    let now = SystemClock.now();
    let Some(from) = &arguments.from else { return Ok(None) };
    let wrong = |error: String| Failure::wrong_use(error, "times are UTC unless they name a zone");
    let from = moment(from, now).map_err(wrong)?;
    let to = arguments.to.as_ref().map_or(Ok(now), |to| moment(to, now)).map_err(wrong)?;
    Ok(Some(Window::new(from, to).map_err(|error| Failure::wrong_use(error, "swap `--from` and `--to`"))?))
}

async fn enqueue(store: &Store, source: SourceName, window: Option<Window>) -> Result<(Vec<JobId>, Vec<Hint>), Failure> {
    let connection = &mut *store.connection().await?;
    if let Some(window) = window {
        let backfill = enqueue_backfill(connection, source, window).await.map_err(|error| match error {
            BackfillError::TooLong { .. } => Failure::wrong_use(error, "give a shorter window, or several"),
            BackfillError::Store(error) => error.into(),
        })?;
        return Ok((backfill.jobs, backfill.hints));
    }
    let Some(run) = enqueue_sync_now(connection, source).await? else {
        return Err(Failure::with_hint("another sync was asked for in the same moment", "ask again"));
    };
    let hints = if run.created { vec![run.hint()] } else { Vec::new() };
    Ok((vec![run.id], hints))
}

/// Redis is only faster: without it the dispatcher finds the rows.
pub(super) async fn push(hints: &[Hint]) {
    const PATIENCE: Duration = Duration::from_secs(2);
    let Some(redis) = setup::optional_settings(RedisSettings::read) else { return };
    if let Ok(redis) = Hints::new(&redis) {
        let _ = tokio::time::timeout(PATIENCE, push_hints(&redis, hints)).await;
    }
}

fn told(jobs: &[JobId], enqueued: usize) -> String {
    match (jobs, enqueued) {
        ([one], 0) => format!("job {one} is open already and does it"),
        ([one], _) => format!("enqueued as job {one}"),
        (many, _) => format!(
            "enqueued {enqueued} days as jobs {} to {}",
            many.first().copied().unwrap_or(JobId(0)),
            many.last().copied().unwrap_or(JobId(0))
        ),
    }
}

async fn wait(store: &Store, jobs: &[JobId]) -> Result<Vec<JobSeen>, Failure> {
    const ASK_EVERY: Duration = Duration::from_millis(500);
    let filter = JobFilter { ids: jobs.to_vec(), ..JobFilter::default() };
    let most = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
    loop {
        let seen = list_jobs(&mut *store.connection().await?, &filter, most).await?;
        if seen.iter().all(|job| job.finished_at.is_some()) {
            return Ok(seen);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
