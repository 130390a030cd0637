//! `callscribe sync`: calls asked for now, or calls of the past.

mod progress;

use std::{process::ExitCode, time::Duration};

use callscribe::{
    clock::{Clock, SystemClock},
    config::RetentionSettings,
    domain::{JobId, JobState, SourceName, Window},
    ledger::{Hint, JobFilter, JobSeen, list_jobs},
    schedule::{BackfillError, BackfillOrder, enqueue_backfill, enqueue_sync_now},
    sources::HISTORY,
    store::{Store, backfills::backfills_seen},
};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use tokio::time::sleep;

use self::progress::Progress;
pub(crate) use self::progress::line;
use super::Ended;
use crate::{
    failure::Failure,
    output::Output,
    setup,
    times::{moment, stamp},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Without `--from` the calls since the last sync are asked for. A window of the past is split into days by itself and \
                        runs when nothing fresh waits. The work is done by `callscribe worker sync`; this command may end at any time, \
                        and the same command again finds the same backfill.\n\n\
                        Examples:\n  callscribe sync --wait\n  callscribe sync --from 2026-01-01 --wait\n  \
                        callscribe sync --from 2026-11-01 --to 2026-11-08\n  callscribe sync --from 3d"
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
    /// Wait until it is done and show how far it is; exit 1 when it fails
    #[arg(long)]
    wait: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// How often a waiting command looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Exit status of a command that was interrupted: what shells show for SIGINT.
const INTERRUPTED: u8 = 130;

/// What was asked for.
struct Asked {
    jobs: Vec<JobId>,
    enqueued: usize,
    backfill: Option<i64>,
    told: String,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let asked = match order(arguments)? {
        Some(order) => backfill(&store, &order).await?,
        None => now(&store, arguments.source).await?,
    };
    if !arguments.wait {
        if arguments.json {
            output.json(&serde_json::json!({ "job_ids": asked.jobs, "enqueued": asked.enqueued, "backfill_id": asked.backfill }))?;
        } else {
            output.line(&asked.told)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let ended = tokio::select! {
        ended = wait(&store, &asked) => ended?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            crate::output::tell_error("it goes on without this command: `callscribe status` shows how far it is, the same command waits again");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    tell(&ended, &asked, arguments.json, output)
}

/// The backfill that is asked for, if one is; what no vendor tells any more is cut off and said.
fn order(arguments: &Arguments) -> Result<Option<BackfillOrder>, Failure> {
    let now = SystemClock.now();
    let Some(from_words) = &arguments.from else { return Ok(None) };
    let wrong = |error: String| Failure::wrong_use(error, "times are UTC unless they name a zone");
    let from = moment(from_words, now).map_err(wrong)?;
    let to = arguments.to.as_ref().map_or(Ok(now), |to| moment(to, now)).map_err(wrong)?;
    let window = Window::new(from, to).map_err(|error| Failure::wrong_use(error, "swap `--from` and `--to`"))?;
    let oldest = now - HISTORY;
    let window = Window::new(from.max(oldest), window.to).map_err(|_| {
        let what = format!("{} tells calls of the last twelve months only, and the window ends before", arguments.source);
        Failure::wrong_use(what, format!("the oldest call to be had began about {}", stamp(oldest)))
    })?;
    if from < oldest {
        setup::warn_of(&[format!(
            "{} tells calls of the last twelve months only: asked from {}, what lies before is not to be had",
            arguments.source,
            stamp(oldest)
        )]);
    }
    warn_of_age(window, now)?;
    let name = format!("{} to {}", from_words.trim(), arguments.to.as_deref().unwrap_or("now").trim());
    Ok(Some(BackfillOrder { source: arguments.source, window, name, actor: setup::actor() }))
}

/// What is older than it is kept is left out by whoever syncs it.
fn warn_of_age(window: Window, now: DateTime<Utc>) -> Result<(), Failure> {
    let kept = setup::settings(RetentionSettings::read)?.metadata.others.and_then(|age| TimeDelta::from_std(age).ok());
    if let Some(oldest) = kept.map(|age| now - age).filter(|oldest| window.from < *oldest) {
        setup::warn_of(&[format!(
            "calls that began before {} are kept no longer (RETENTION_METADATA): of them only those that are held are stored",
            stamp(oldest)
        )]);
    }
    Ok(())
}

async fn backfill(store: &Store, order: &BackfillOrder) -> Result<Asked, Failure> {
    let backfill = enqueue_backfill(&mut *store.connection().await?, order).await.map_err(|error| match error {
        BackfillError::TooLong { .. } => Failure::wrong_use(error, "give a shorter window, or several"),
        BackfillError::Store(error) => error.into(),
    })?;
    setup::push_hints(&backfill.hints).await;
    let (id, days) = (backfill.id, backfill.jobs.len());
    let told = if backfill.attached {
        format!("backfill {id} is open already and does it: `callscribe status` shows how far it is")
    } else {
        format!("backfill {id}: enqueued {} of {days} days; the others are open already", backfill.hints.len())
    };
    let told = if backfill.hints.len() == days { format!("backfill {id}: enqueued {days} days") } else { told };
    Ok(Asked { jobs: backfill.jobs, enqueued: backfill.hints.len(), backfill: Some(id), told })
}

async fn now(store: &Store, source: SourceName) -> Result<Asked, Failure> {
    let Some(run) = enqueue_sync_now(&mut *store.connection().await?, source).await? else {
        return Err(Failure::with_hint("another sync was asked for in the same moment", "ask again"));
    };
    let hints: Vec<Hint> = if run.created { vec![run.hint()] } else { Vec::new() };
    setup::push_hints(&hints).await;
    let told = if run.created { format!("enqueued as job {}", run.id) } else { format!("job {} is open already and does it", run.id) };
    Ok(Asked { jobs: vec![run.id], enqueued: hints.len(), backfill: None, told })
}

/// Waits until every job has ended, and returns those that did not end well, the first hundred of them.
async fn wait(store: &Store, asked: &Asked) -> Result<Vec<JobSeen>, Failure> {
    const MOST_SHOWN: i64 = 100;
    let of = |states: &[JobState]| JobFilter { ids: asked.jobs.clone(), states: states.to_vec(), ..JobFilter::default() };
    let mut progress = Progress::new();
    progress.say(&asked.told);
    loop {
        let connection = &mut *store.connection().await?;
        if let Some(id) = asked.backfill {
            for seen in backfills_seen(connection, Some(id)).await?.iter().filter(|seen| seen.id == id) {
                progress.show(seen);
            }
        }
        if list_jobs(connection, &of(&[JobState::Ready, JobState::Running]), 1).await?.is_empty() {
            progress.clear();
            return Ok(list_jobs(connection, &of(&[JobState::Dead, JobState::Cancelled]), MOST_SHOWN).await?);
        }
        sleep(LOOK_EVERY).await;
    }
}

fn tell(failed: &[JobSeen], asked: &Asked, json: bool, output: &mut Output) -> Ended {
    if json {
        output.json(&serde_json::json!({ "job_ids": asked.jobs, "backfill_id": asked.backfill, "failed": failed }))?;
    } else {
        let done = asked.jobs.len().saturating_sub(failed.len());
        output.line(format_args!("{done} of {} done", asked.jobs.len()))?;
        for job in failed {
            output.line(format_args!("job {} is {}: {}", job.id, job.state, job.reason.as_deref().unwrap_or("-")))?;
        }
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
