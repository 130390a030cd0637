//! Calls and conversations that are kept no longer: a batch at a time, with its proof and the checkpoint in one transaction.

use callscribe::{
    domain::{Aging, RetentionVerdict, SourceName},
    ledger::{hold, save_checkpoint},
    store::retention::{AgedCall, aged_calls, delete_calls},
};
use diesel_async::AsyncConnection;
use futures_util::FutureExt;

use super::{Turn, Walk};
use crate::{answer::UpkeepError, handler::Run};

/// Calls looked at with one question, and deleted in one transaction: some tens of milliseconds.
const BATCH: u16 = 200;

/// Goes through everything that is old enough, list by list; with `announced`, only counts it.
pub(super) async fn walk(run: &Run<'_>, turn: Turn, walk: &mut Walk, announced: bool) -> Result<(), UpkeepError> {
    if run.house.retention.metadata.shortest().is_none() {
        return Ok(());
    }
    let lists: Vec<(Aging, SourceName)> =
        Aging::ALL.iter().flat_map(|aging| SourceName::ALL.iter().map(move |source| (*aging, *source))).collect();
    while let Some(list) = lists.get(walk.lists_over).copied() {
        turn.goes_on(run)?;
        let aged = aged_calls(&mut *run.connection().await?, &run.house.retention, list, walk.call.as_ref(), BATCH).await?;
        let was_full = aged.len() >= usize::from(BATCH);
        walk.call = aged.last().map(|aged| aged.place.clone()).filter(|_| was_full);
        walk.lists_over += usize::from(!was_full);
        batch(run, list.0, &aged, walk, announced).await?;
    }
    Ok(())
}

/// Deletes what is due of a batch and saves how far the walk has come, or neither.
async fn batch(run: &Run<'_>, aging: Aging, aged: &[AgedCall], walk: &mut Walk, announced: bool) -> Result<(), UpkeepError> {
    let due: Vec<String> =
        aged.iter().filter(|aged| aged.verdict == RetentionVerdict::Due).map(|aged| aged.place.session_id.clone()).collect();
    let count = |verdict| i64::try_from(aged.iter().filter(|aged| aged.verdict == verdict).count()).unwrap_or(i64::MAX);
    walk.report.calls_held += count(RetentionVerdict::Held);
    walk.report.calls_with_audio += count(RetentionVerdict::HasAudio);
    let before = walk.report.calls;
    let (connection, job, settings, due) = (&mut *run.connection().await?, run.job, &run.house.retention, due.as_slice());
    let progress = connection.transaction(async move |transaction| {
        hold(transaction, job).await?;
        let gone = match announced || due.is_empty() {
            true => i64::try_from(due.len()).unwrap_or(i64::MAX),
            false => delete_calls(transaction, settings, aging, due, job.id).await?,
        };
        walk.report.calls = before + gone;
        save_checkpoint(transaction, job, &walk.to_json()?).await?;
        Ok::<_, UpkeepError>(())
    });
    progress.boxed().await
}
