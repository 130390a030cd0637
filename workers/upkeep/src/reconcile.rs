//! Compares what a source lists with what is held.

use callscribe::{
    domain::{SessionId, SourceName, Window},
    ledger,
    schedule::{Piece, Progress, Reconcile},
    sources::{CallPage, PageCursor, Source, SourceError},
    store::completeness,
};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::{answer::UpkeepError, handler::Run};

/// How long one run reads before other tasks get a turn; the checkpoint is where the next run goes on.
const TURN: TimeDelta = TimeDelta::minutes(10);
/// The longest span asked for at once: a day of the largest contact centre we know is a hundred pages.
const LONGEST: TimeDelta = TimeDelta::days(1);

/// The job's checkpoint.
#[derive(Debug, Serialize, Deserialize)]
struct Comparison {
    progress: Progress,
    listed: u64,
    missing: u64,
}

/// Reads the window to its end, page by page, each with its checkpoint.
pub(crate) async fn run(run: &Run<'_>, task: Reconcile) -> Result<(), UpkeepError> {
    let source = run.source()?;
    let turn_ends = run.clock.now() + TURN;
    let mut comparison =
        resume(run).unwrap_or_else(|| Comparison { progress: Progress::begin(task.window, LONGEST, false), listed: 0, missing: 0 });
    while let Some((Piece { window, .. }, cursor)) = comparison.progress.next() {
        if run.clock.now() >= turn_ends {
            return Err(UpkeepError::Unfinished);
        }
        match ask(run, source, window, cursor.as_ref()).await {
            Err(UpkeepError::Source(SourceError::TooWide { .. })) => comparison.progress.halve()?,
            answer => compare(run, source.name(), answer?, cursor, &mut comparison).await?,
        }
        save(run, &comparison).await?;
    }
    tell(source.name(), task.window, &comparison);
    Ok(())
}

fn resume(run: &Run<'_>) -> Option<Comparison> {
    let checkpoint = run.job.checkpoint.clone()?;
    serde_json::from_value(checkpoint)
        .inspect_err(|error| warn!(job.id = %run.job.id, error = %error, "cannot read the checkpoint, starting over"))
        .ok()
}

async fn ask(run: &Run<'_>, source: &dyn Source, window: Window, cursor: Option<&PageCursor>) -> Result<CallPage, UpkeepError> {
    tokio::select! {
        biased;
        () = run.context.stop.cancelled() => Err(UpkeepError::ShutDown),
        page = source.calls(window, cursor) => Ok(page?),
    }
}

async fn compare(
    run: &Run<'_>,
    source: SourceName,
    mut page: CallPage,
    cursor: Option<PageCursor>,
    comparison: &mut Comparison,
) -> Result<(), UpkeepError> {
    if page.next.is_some() && page.next == cursor {
        return Err(UpkeepError::Standstill);
    }
    // a call that is still open is not late: the live sync brings it when it ends
    let closed: Vec<&SessionId> = page.calls.iter().filter(|call| call.closed).map(|call| &call.session_id).collect();
    let missing = completeness::not_held(&mut *run.connection().await?, source, &closed).await?;
    comparison.listed += u64::try_from(page.calls.len()).unwrap_or(u64::MAX);
    comparison.missing += u64::try_from(missing.len()).unwrap_or(u64::MAX);
    comparison.progress.advance(page.next.take(), LONGEST);
    Ok(())
}

async fn save(run: &Run<'_>, comparison: &Comparison) -> Result<(), UpkeepError> {
    let checkpoint = serde_json::to_value(comparison).map_err(UpkeepError::Checkpoint)?;
    Ok(ledger::save_checkpoint(&mut *run.connection().await?, run.job, &checkpoint).await?)
}

fn tell(source: SourceName, window: Window, found: &Comparison) {
    let Window { from, to } = window;
    if found.missing == 0 {
        info!(call.source = %source, window.from = %from, window.to = %to, calls.listed = found.listed, "every call the vendor lists is held");
    } else {
        warn!(
            call.source = %source, window.from = %from, window.to = %to, calls.listed = found.listed, calls.missing = found.missing,
            "the vendor lists calls that are not held: `callscribe sync --from … --to …` brings them"
        );
    }
}
