//! One page, one transaction: its calls, what could not be read, the transcripts and jobs that became necessary, and the
//! checkpoint. Killed before the commit, the page is read again; after it, never needed again.

use callscribe::{
    domain::{Call, JobKind, PRIORITY_LATE, Window},
    ledger::{self, Hint, NewJob},
    schedule::{Piece, SyncPayload},
    sources::CallPage,
    store::{Connection, PooledConnection, calls, quarantine, retention, settings},
};
use chrono::{DateTime, Utc};
use diesel_async::{AnsiTransactionManager, AsyncConnection, TransactionManager};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::{answer::SyncError, handler::Run};

/// Moments with a possible gap that are remembered for people; each was warned of when it came.
const GAPS_KEPT: u16 = 100;

/// What storing a page changed.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) report: calls::UpsertReport,
    pub(crate) quarantined: usize,
    pub(crate) hints: Vec<Hint>,
}

/// A page whose calls are written. Dropped before its commit, it is rolled back: the pool closes a connection that comes back in
/// the middle of a transaction.
pub(crate) struct Written {
    connection: PooledConnection,
    calls: calls::Written,
    page: Page,
}

/// A page with everything that follows from its calls; only its commit is missing.
pub(crate) struct Followed {
    connection: PooledConnection,
    stored: Stored,
    page: Page,
}

/// A page on its way into the database.
pub(crate) struct Page {
    pub(crate) piece: Piece,
    pub(crate) told: CallPage,
    pub(crate) after: After,
    /// Its place among the pages in flight.
    pub(crate) place: OwnedSemaphorePermit,
}

/// What is true once the page is committed.
pub(crate) struct After {
    /// Where the job goes on.
    pub(crate) checkpoint: Value,
    /// Where the watermark moves, if it does.
    pub(crate) watermark: Option<DateTime<Utc>>,
}

/// Stores the plan of a job, before its first page. `since` is where a live run begins: calls are kept from there on, unless an
/// earlier one began before; the watermark begins there too, if there is none. A window of the past
/// gets the job that asks what its calls turned out to be: one for every time the window is synced.
pub(crate) async fn begin(
    connection: &mut Connection,
    run: &Run<'_>,
    checkpoint: &Value,
    since: Option<DateTime<Utc>>,
    past: Option<Window>,
) -> Result<(), SyncError> {
    connection
        .transaction(async |connection: &mut Connection| {
            ledger::save_checkpoint(connection, run.job, checkpoint).await?;
            if let Some(since) = since {
                settings::keep_since(connection, run.source.name(), run.source.org_id(), since).await?;
                settings::advance_watermark(connection, run.source.name(), run.source.org_id(), since).await?;
            }
            if let Some(window) = past.filter(|_| run.source.tells_details()) {
                // the dispatcher hints at it: there is no hurry
                ledger::enqueue(connection, &[enrichment(run, window)]).await?;
            }
            Ok(())
        })
        .await
}

/// Begins the page's transaction with its calls. One page after the other does this: two pages may tell the same call, and then
/// the later one waits here for the commit of the earlier, which needs nothing from it.
pub(crate) async fn write(run: &Run<'_>, mut connection: PooledConnection, mut page: Page) -> Result<Written, SyncError> {
    let transaction: &mut Connection = &mut connection;
    AnsiTransactionManager::begin_transaction(transaction).await?;
    let expired = retention::expired(transaction, &run.recipe.retention, &page.told.calls, run.clock.now()).await?;
    if !expired.is_empty() {
        tracing::info!(call.source = %run.source.name(), calls.left_out = expired.len(), "left out calls that are older than they are kept");
        page.told.calls.retain(|call| !expired.contains(&call.session_id));
    }
    let calls = calls::write(transaction, &page.told.calls).await?;
    Ok(Written { connection, calls, page })
}

/// Adds what follows from the calls: transcripts, jobs, what could not be read.
pub(crate) async fn follow(run: &Run<'_>, written: Written) -> Result<Followed, SyncError> {
    let Written { mut connection, calls, page } = written;
    let transaction: &mut Connection = &mut connection;
    let report = calls::expect_transcripts(transaction, calls, &run.recipe.provider).await?;
    let unreadable = page.told.unreadable.iter().map(|element| (&element.raw, element.error.as_str()));
    let refused = report.refused.iter().map(|call| (&call.raw_payload, call.why.as_str()));
    let quarantined = quarantine::quarantine(transaction, run.source.name(), unreadable.chain(refused)).await?;
    let jobs = ledger::recording_jobs(&report.expected, run.job.priority, run.recipe.recording_attempts);
    // a call that was deleted and is told again may find the job of its former life
    let hints = ledger::enqueue_or_reopen(transaction, &jobs).await?;
    Ok(Followed { connection, stored: Stored { report, quarantined, hints }, page })
}

/// Adds the checkpoint and commits. Pages come here in the order in which they were read.
pub(crate) async fn commit(run: &Run<'_>, followed: Followed) -> Result<(Page, Stored), SyncError> {
    let Followed { mut connection, stored, page } = followed;
    let transaction: &mut Connection = &mut connection;
    if let Some(seen) = page.after.watermark {
        settings::advance_watermark(transaction, run.source.name(), run.source.org_id(), seen).await?;
    }
    if let Some(at) = page.told.possible_gap {
        let key = settings::gaps_key(run.source.name(), run.source.org_id());
        settings::remember(transaction, &key, &at, GAPS_KEPT).await?;
    }
    // also the fence: whoever lost the lease commits nothing. Last, so that the job's row is locked for a moment only
    ledger::save_checkpoint(transaction, run.job, &page.after.checkpoint).await?;
    AnsiTransactionManager::commit_transaction(transaction).await?;
    Ok((page, stored))
}

fn enrichment(run: &Run<'_>, window: Window) -> NewJob {
    NewJob {
        priority: PRIORITY_LATE,
        source: Some(run.source.name()),
        payload: SyncPayload::Backfill(window).to_json(),
        ..NewJob::new(JobKind::Enrichment, format!("{}/{}", run.job.key, run.job.run))
    }
}

/// The newest moment a call of the page began: never when it last changed, and never outside of what was asked for, since one
/// call of the year 2099 would make every later run ask for nothing.
pub(crate) fn newest(calls: &[Call], asked: Window) -> Option<DateTime<Utc>> {
    calls.iter().map(|call| call.start_time.min(asked.to)).max()
}
