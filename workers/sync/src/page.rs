//! One page, one transaction: its calls, what could not be read, the transcripts and jobs that became necessary, and the
//! checkpoint. Killed before the commit, the page is read again; after it, never needed again.

use callscribe::{
    domain::{Call, JobKind, Window},
    ledger::{self, Claimed, Hint, NewJob},
    sources::CallPage,
    store::{Connection, calls, quarantine, settings},
};
use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use serde_json::Value;

use crate::{
    answer::SyncError,
    handler::{Recipe, Run},
};

/// Moments with a possible gap that are remembered for people; each was warned of when it came.
const GAPS_KEPT: u16 = 100;

/// What storing a page changed.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) report: calls::UpsertReport,
    pub(crate) quarantined: usize,
    pub(crate) hints: Vec<Hint>,
}

/// Stores the plan of a job, before its first page. `watermark` is where the watermark begins, if there was none.
pub(crate) async fn begin(
    connection: &mut Connection,
    run: &Run<'_>,
    checkpoint: &Value,
    watermark: Option<DateTime<Utc>>,
) -> Result<(), SyncError> {
    connection
        .transaction(async |connection: &mut Connection| {
            ledger::save_checkpoint(connection, run.job, checkpoint).await?;
            if let Some(seen) = watermark {
                settings::advance_watermark(connection, run.source.name(), run.source.org_id(), seen).await?;
            }
            Ok(())
        })
        .await
}

/// Stores a page with the checkpoint after it. `watermark` is where the watermark moves, if it does.
pub(crate) async fn store(
    connection: &mut Connection,
    run: &Run<'_>,
    page: &CallPage,
    checkpoint: &Value,
    watermark: Option<DateTime<Utc>>,
) -> Result<Stored, SyncError> {
    connection
        .transaction(async |connection: &mut Connection| {
            // first, because it is also the fence: whoever lost the lease writes nothing
            ledger::save_checkpoint(connection, run.job, checkpoint).await?;
            let report = calls::upsert(connection, &page.calls, &run.recipe.provider).await?;
            let unreadable = page.unreadable.iter().map(|element| (&element.raw, element.error.as_str()));
            let refused = report.refused.iter().map(|call| (&call.raw_payload, call.why.as_str()));
            let quarantined = quarantine::quarantine(connection, run.source.name(), unreadable.chain(refused)).await?;
            let jobs = recording_jobs(run.job, run.recipe, &report.expected);
            let hints = ledger::enqueue(connection, &jobs).await?;
            if let Some(seen) = watermark {
                settings::advance_watermark(connection, run.source.name(), run.source.org_id(), seen).await?;
            }
            if let Some(at) = page.possible_gap {
                let key = settings::gaps_key(run.source.name(), run.source.org_id());
                settings::remember(connection, &key, &at, GAPS_KEPT).await?;
            }
            Ok(Stored { report, quarantined, hints })
        })
        .await
}

fn recording_jobs(job: &Claimed, recipe: &Recipe, expected: &[calls::ExpectedTranscript]) -> Vec<NewJob> {
    let recording = |transcript: &calls::ExpectedTranscript| NewJob {
        // what a backfill finds waits behind fresh calls all the way
        priority: job.priority,
        max_attempts: recipe.recording_attempts,
        source: Some(transcript.source),
        session_id: Some(transcript.session_id.clone()),
        transcript_id: Some(transcript.id),
        ..NewJob::new(JobKind::Recording, transcript.session_id.as_str())
    };
    expected.iter().map(recording).collect()
}

/// The newest moment a call of the page began: never when it last changed, and never outside of what was asked for, since one
/// call of the year 2099 would make every later run ask for nothing.
pub(crate) fn newest(calls: &[Call], asked: Window) -> Option<DateTime<Utc>> {
    calls.iter().map(|call| call.start_time.min(asked.to)).max()
}
