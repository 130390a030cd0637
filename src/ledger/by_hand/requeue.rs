//! Ended jobs made due again.

use diesel::sql_types;
use diesel_async::{AsyncConnection, RunQueryDsl};
use tokio::sync::mpsc::UnboundedSender;

use super::{ByHand, ByHandError, Changed, Moved, Pace, Selection, Tally, batch_size, check_states, count_of, note};
use crate::{
    domain::{JobId, JobKind, JobState, TranscriptId},
    ledger::{Hint, NewJob, enqueue, filter::PARAMETERS},
    store::{Connection, Store, StoreError, transcripts},
};

impl ByHand {
    /// The states to requeue from: dead ones unless told otherwise; cancelled ones only when named; done ones only `again`.
    fn requeued_from(&self) -> Result<Vec<JobState>, ByHandError> {
        if self.filter.states.is_empty() {
            return Ok(if self.again { vec![JobState::Dead, JobState::Done] } else { vec![JobState::Dead] });
        }
        let allowed = |state: JobState| match state {
            JobState::Dead | JobState::Cancelled => true,
            JobState::Done => self.again,
            JobState::Ready | JobState::Running => false,
        };
        check_states(&self.filter.states, allowed, "requeued")
    }
}

/// How many jobs `requeue` would move now.
pub async fn would_requeue(connection: &mut Connection, order: &ByHand) -> Result<i64, ByHandError> {
    let states = order.requeued_from()?;
    Ok(Selection::new(connection, order, states).await?.count(connection).await?)
}

/// The same by kind and reason, most first.
pub async fn requeue_tally(connection: &mut Connection, order: &ByHand) -> Result<Vec<Tally>, ByHandError> {
    let states = order.requeued_from()?;
    Ok(Selection::new(connection, order, states).await?.tally(connection).await?)
}

/// Makes ended jobs due again, with all their attempts; the hints go out after each batch's commit.
pub async fn requeue(store: &Store, order: &ByHand, hints: &UnboundedSender<Vec<Hint>>) -> Result<Changed, ByHandError> {
    let states = order.requeued_from()?;
    let connection = &mut *store.connection().await?;
    let selection = Selection::new(connection, order, states).await?;
    let total = if order.pace == Pace::AtOnce { 0 } else { selection.count(connection).await? };
    let mut changed = Changed::default();
    loop {
        let batch = batch_size(order.limit, changed.jobs);
        let so_far = changed;
        let step = order.pace.microseconds_between(total);
        let (jobs, audit) =
            connection.transaction(async |transaction| requeue_batch(transaction, &selection, batch, so_far, step).await).await?;
        changed = Changed { jobs: changed.jobs + count_of(&jobs), audit };
        let due = jobs.iter().filter(|job| job.due);
        // nobody listening only costs time: the dispatcher finds the rows
        let _ = hints.send(due.map(|job| Hint { id: JobId(job.id), kind: job.kind.clone(), priority: job.priority }).collect());
        if count_of(&jobs) < batch || batch == 0 {
            return Ok(changed);
        }
    }
}

/// The same within the caller's transaction, for a change that must happen with others or not at all. As many jobs as the filter
/// means, in one transaction: name them. Returns the hints to push after the commit.
pub async fn requeue_within(transaction: &mut Connection, order: &ByHand) -> Result<(Changed, Vec<Hint>), ByHandError> {
    let states = order.requeued_from()?;
    let selection = Selection::new(transaction, order, states).await?;
    let (mut changed, mut hints) = (Changed::default(), Vec::new());
    loop {
        let batch = batch_size(order.limit, changed.jobs);
        let (jobs, audit) = requeue_batch(transaction, &selection, batch, changed, 0).await?;
        changed = Changed { jobs: changed.jobs + count_of(&jobs), audit };
        let moved = count_of(&jobs);
        hints.extend(jobs.into_iter().filter(|job| job.due).map(|job| Hint { id: JobId(job.id), kind: job.kind, priority: job.priority }));
        if moved < batch || batch == 0 {
            return Ok((changed, hints));
        }
    }
}

async fn requeue_batch(
    transaction: &mut Connection,
    selection: &Selection<'_>,
    batch: i64,
    so_far: Changed,
    step_microseconds: i64,
) -> Result<(Vec<Moved>, Option<i64>), StoreError> {
    let change = format!(
        "state = 'ready', attempt = 0, put_off = 0, reason = NULL, finished_at = NULL,
         checkpoint = CASE WHEN numbered.state = 'done' THEN NULL ELSE checkpoint END,
         run_at = now() + (${} + numbered.place) * ${} * interval '1 microsecond'",
        PARAMETERS + 3,
        PARAMETERS + 4
    );
    let jobs: Vec<Moved> = selection
        .filter
        .bind(selection.batch_statement(&change))
        .bind::<sql_types::Timestamptz, _>(selection.as_of)
        .bind::<sql_types::BigInt, _>(batch)
        .bind::<sql_types::BigInt, _>(so_far.jobs)
        .bind::<sql_types::BigInt, _>(step_microseconds)
        .load(transaction)
        .await?;
    let ids: Vec<TranscriptId> = jobs.iter().filter_map(|job| job.transcript_id).map(TranscriptId).collect();
    transcripts::reopen(transaction, &ids).await?;
    begin_next_versions(transaction, &jobs).await?;
    let audit = note(transaction, selection.order, "requeue", so_far, count_of(&jobs)).await?;
    Ok((jobs, audit))
}

/// A transcription that was done makes a new version of its transcript; a complete transcript never moves back.
async fn begin_next_versions(transaction: &mut Connection, jobs: &[Moved]) -> Result<(), StoreError> {
    let done = |job: &&Moved| job.was == JobState::Done.as_str() && job.kind == JobKind::Transcription.as_str();
    let ids: Vec<TranscriptId> = jobs.iter().filter(done).filter_map(|job| job.transcript_id).map(TranscriptId).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let pairs = transcripts::next_versions(transaction, &ids).await?;
    diesel::sql_query(
        "UPDATE jobs SET transcript_id = n.new FROM unnest($1::uuid[], $2::uuid[]) AS n (old, new)
         WHERE jobs.transcript_id = n.old AND jobs.id = ANY($3)",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(pairs.iter().map(|(old, _)| old.0).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Uuid>, _>(pairs.iter().map(|(_, new)| new.0).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs.iter().map(|job| job.id).collect::<Vec<_>>())
    .execute(transaction)
    .await?;
    Ok(())
}

/// Adds the next stage's jobs; one that is there already but dead or cancelled becomes due again with all its attempts, since what
/// it needs was just made anew. One that is open or done is left as it is. Returns the hints: push them after the commit.
pub async fn enqueue_or_reopen(connection: &mut Connection, jobs: &[NewJob]) -> Result<Vec<Hint>, StoreError> {
    let mut hints = enqueue(connection, jobs).await?;
    let reopened: Vec<Moved> = diesel::sql_query(
        "UPDATE jobs SET state = 'ready', attempt = 0, put_off = 0, reason = NULL, finished_at = NULL, run_at = now()
         FROM unnest($1::text[], $2::text[]) AS wanted (kind, key)
         WHERE jobs.kind = wanted.kind AND jobs.key = wanted.key AND jobs.state IN ('dead', 'cancelled')
         RETURNING jobs.id, jobs.kind, jobs.priority, jobs.transcript_id, jobs.state AS was, true AS due",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(jobs.iter().map(|job| job.kind.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(jobs.iter().map(|job| job.key.as_str()).collect::<Vec<_>>())
    .load(connection)
    .await?;
    hints.extend(reopened.into_iter().map(|job| Hint { id: JobId(job.id), kind: job.kind, priority: job.priority }));
    Ok(hints)
}
