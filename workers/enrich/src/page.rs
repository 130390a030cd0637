//! One page, one transaction: what its calls turned out to be, the transcripts and jobs that became necessary, what could not be read,
//! and the checkpoint. Killed before the commit, the page is read again; after it, never needed again.

use callscribe::{
    domain::{Call, SessionId},
    ledger::{self, Hint},
    sources::CallPage,
    store::{Connection, calls, quarantine, retention, settings},
};
use diesel_async::AsyncConnection;
use serde_json::Value;

use crate::{answer::EnrichError, handler::Run, plan::Told};

/// Moments with a possible gap that are remembered for people; each was warned of when it came.
const GAPS_KEPT: u16 = 100;

/// What storing a page changed.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) report: calls::UpsertReport,
    pub(crate) quarantined: usize,
    pub(crate) hints: Vec<Hint>,
}

/// Stores a page and where the job goes on.
pub(crate) async fn store(run: &Run<'_>, page: &CallPage, checkpoint: &Value) -> Result<Stored, EnrichError> {
    let (name, recipe) = (run.source.name(), run.recipe);
    let mut pooled = run.connection().await?;
    let connection: &mut Connection = &mut pooled;
    connection
        .transaction(async |connection: &mut Connection| {
            let expired = retention::expired(connection, &recipe.retention, &page.calls, run.clock.now()).await?;
            if !expired.is_empty() {
                tracing::info!(call.source = %name, calls.left_out = expired.len(), "left out calls that are older than they are kept");
            }
            let kept: Vec<Call> = page.calls.iter().filter(|call| !expired.contains(&call.session_id)).cloned().collect();
            let report = calls::upsert(connection, &kept, &recipe.provider).await?;
            let unreadable = page.unreadable.iter().map(|element| (&element.raw, element.error.as_str()));
            let refused = report.refused.iter().map(|call| (&call.raw_payload, call.why.as_str()));
            let quarantined = quarantine::quarantine(connection, name, unreadable.chain(refused)).await?;
            let jobs = ledger::recording_jobs(&report.expected, run.job.priority, recipe.recording_attempts);
            let mut hints = ledger::enqueue_or_reopen(connection, &jobs).await?;
            // a leg that was offered late: the job that saw the others is done
            hints.extend(ledger::look_again(connection, &counted(page)).await?);
            if let Some(at) = page.possible_gap {
                settings::remember(connection, &settings::gaps_key(name, run.source.org_id()), &at, GAPS_KEPT).await?;
            }
            // also the fence: whoever lost the lease commits nothing
            ledger::save_checkpoint(connection, run.job, checkpoint).await?;
            Ok(Stored { report, quarantined, hints })
        })
        .await
}

/// How many recordings the vendor counts of each call that is over.
fn counted(page: &CallPage) -> Vec<(&SessionId, i32)> {
    let over = page.calls.iter().filter(|call| call.closed);
    over.filter_map(|call| Some((&call.session_id, call.details.as_ref()?.recording_count.filter(|count| *count > 0)?))).collect()
}

/// Stores where the job goes on, and, once nothing is left, how far the details are told.
pub(crate) async fn save(run: &Run<'_>, checkpoint: &Value, told: Option<Told>) -> Result<(), EnrichError> {
    let mut pooled = run.connection().await?;
    let connection: &mut Connection = &mut pooled;
    connection
        .transaction(async |connection: &mut Connection| {
            if let Some(told) = told {
                settings::put(connection, &settings::details_key(run.source.name(), run.source.org_id()), &told).await?;
            }
            Ok(ledger::save_checkpoint(connection, run.job, checkpoint).await?)
        })
        .await
}
