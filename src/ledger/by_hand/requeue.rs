//! Ended jobs made due again.

use chrono::{DateTime, Utc};
use diesel::sql_types;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use tokio::{sync::mpsc::UnboundedSender, time::Instant};
use uuid::Uuid;

use super::{ByHand, ByHandError, Changed, Moved, Selection, Tally, batch_size, check_states, count_of, note};
use crate::{
    domain::{JobKind, JobState, PRIORITY_BACKFILL, Stage, TranscriptId},
    ledger::{
        Hint,
        batches::{self, BatchId},
        filter::PARAMETERS,
    },
    store::{
        Connection, Store, StoreError,
        transcripts::{self, Asked},
    },
};

/// Times as long as a step took are rested before the next.
const REST: u32 = 2;

impl ByHand {
    /// The states to requeue from: dead ones unless told otherwise; cancelled ones only when named; done ones only `again`.
    fn requeued_from(&self) -> Result<Vec<JobState>, ByHandError> {
        if self.trial {
            return self.tried_from();
        }
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

    /// A trial is a new version beside a complete one, so nothing but what is done can be tried.
    fn tried_from(&self) -> Result<Vec<JobState>, ByHandError> {
        if !self.again {
            return Err(ByHandError::NoTrial("no new versions are made of what is not done again"));
        }
        if self.from == Some(Stage::Recording) {
            return Err(ByHandError::NoTrial("a recording that is copied anew takes the place of the old one"));
        }
        if self.filter.states.iter().any(|state| *state != JobState::Done) {
            return Err(ByHandError::NoTrial("only what is done has a transcript to stand beside"));
        }
        Ok(vec![JobState::Done])
    }

    /// What a requeue of this order means now.
    pub(in crate::ledger) async fn requeued(&self, connection: &mut Connection) -> Result<Selection, ByHandError> {
        let states = self.requeued_from()?;
        Ok(Selection::new(connection, self, states).await?)
    }

    /// What the payloads of the jobs say from now on.
    pub(in crate::ledger) fn payload(&self) -> Value {
        super::payload(&self.wishes, self.from)
    }
}

/// How many jobs `requeue` would move now.
pub async fn would_requeue(connection: &mut Connection, order: &ByHand) -> Result<i64, ByHandError> {
    Ok(order.requeued(connection).await?.count(connection, order.limit).await?)
}

/// The same by kind and reason, most first.
pub async fn requeue_tally(connection: &mut Connection, order: &ByHand) -> Result<Vec<Tally>, ByHandError> {
    Ok(order.requeued(connection).await?.tally(connection, order.limit).await?)
}

/// Makes ended jobs due again, with all their attempts, as a batch; the hints go out after each commit. With a canary only the sample
/// moves: the rest follows when it has passed.
pub async fn requeue(store: &Store, order: &ByHand, hints: &UnboundedSender<Vec<Hint>>) -> Result<Changed, ByHandError> {
    let connection = &mut *store.connection().await?;
    let (batch, sample) = batches::begin(connection, order).await?;
    // nobody listening only costs time: the dispatcher finds the rows
    let _ = hints.send(sample);
    finish_moving(connection, batch, hints).await
}

/// Makes due what is left of a batch; nothing of one that waits for its sample, or has ended. It rests between two steps, so that the
/// workers, who claim from the same PostgreSQL, hardly notice.
pub async fn finish_moving(
    connection: &mut Connection,
    batch: BatchId,
    hints: &UnboundedSender<Vec<Hint>>,
) -> Result<Changed, ByHandError> {
    loop {
        let began = Instant::now();
        let advanced = batches::advance(connection, batch).await?;
        let _ = hints.send(advanced.hints);
        if !advanced.more {
            return Ok(batches::changed(connection, batch).await?);
        }
        tokio::time::sleep(began.elapsed() * REST).await;
    }
}

/// The same within the caller's transaction, for a change that must happen with others or not at all, and without a batch. As many
/// jobs as the filter means, in one transaction: name them. Returns the hints to push after the commit.
pub async fn requeue_within(transaction: &mut Connection, order: &ByHand) -> Result<(Changed, Vec<Hint>), ByHandError> {
    let selection = order.requeued(transaction).await?;
    let entry = order.entry("requeue", order.details(&selection.filter));
    let (mut changed, mut hints) = (Changed::default(), Vec::new());
    loop {
        let rows = batch_size(order.limit, changed.jobs);
        let place = Place {
            rows,
            after: 0,
            step_microseconds: 0,
            from: selection.as_of,
            batch: None,
            class: Some(PRIORITY_BACKFILL),
            sample: false,
            counts: !order.trial,
        };
        let jobs = make_due(transaction, &selection, &order.payload(), &place).await?;
        let (moved, total) = (count_of(&jobs), changed.jobs + count_of(&jobs));
        hints.extend(Moved::hints(&jobs));
        changed = Changed { jobs: total, audit: note(transaction, &entry, changed.audit, total).await?, batch: None };
        if moved < rows || rows == 0 {
            return Ok((changed, hints));
        }
    }
}

/// How many jobs are made due, and when.
pub(in crate::ledger) struct Place {
    /// At most so many.
    pub(in crate::ledger) rows: i64,
    /// So many keep to the pace already.
    pub(in crate::ledger) after: i64,
    /// From one to the next.
    pub(in crate::ledger) step_microseconds: i64,
    /// When the first is due.
    pub(in crate::ledger) from: DateTime<Utc>,
    /// Whose they are from now on.
    pub(in crate::ledger) batch: Option<BatchId>,
    /// Their priority from now on; theirs if it is less urgent, unless this is the class of fresh calls.
    pub(in crate::ledger) class: Option<i16>,
    /// Any of them, and not those that ended first.
    pub(in crate::ledger) sample: bool,
    /// The versions that are begun count once they are complete.
    pub(in crate::ledger) counts: bool,
}

impl Place {
    fn asked(&self) -> Asked {
        Asked { counts: self.counts, batch: self.batch.map(|batch| batch.0) }
    }
}

/// Makes due what comes next of a selection, with the transcripts that move with it; on the caller's transaction.
pub(in crate::ledger) async fn make_due(
    transaction: &mut Connection,
    selection: &Selection,
    payload: &Value,
    place: &Place,
) -> Result<Vec<Moved>, StoreError> {
    let [after, step, from, batch, fields, class] = [3, 4, 5, 6, 7, 8].map(|number| PARAMETERS + number);
    let change = format!(
        "state = 'ready', attempt = 0, put_off = 0, reason = NULL, finished_at = NULL, batch_id = coalesce(${batch}, batch_id),
         priority = CASE ${class} WHEN 0 THEN 0 ELSE greatest(priority, ${class}) END,
         checkpoint = CASE WHEN numbered.state = 'done' THEN NULL ELSE checkpoint END,
         payload = CASE WHEN kind IN ('recording', 'transcription') THEN payload - 'wishes' - 'anew' || ${fields} ELSE payload END,
         run_at = ${from} + (${after} + numbered.place) * ${step} * interval '1 microsecond'"
    );
    let statement = selection.change_statement(&change, place.sample, place.batch.map(|_| batch));
    let jobs: Vec<Moved> = selection
        .filter
        .bind(statement)
        .bind::<sql_types::Timestamptz, _>(selection.as_of)
        .bind::<sql_types::BigInt, _>(place.rows)
        .bind::<sql_types::BigInt, _>(place.after)
        .bind::<sql_types::BigInt, _>(place.step_microseconds)
        .bind::<sql_types::Timestamptz, _>(place.from)
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(place.batch.map(|batch| batch.0))
        .bind::<sql_types::Jsonb, _>(payload)
        .bind::<sql_types::Nullable<sql_types::SmallInt>, _>(place.class)
        .load(transaction)
        .await?;
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    match selection.from {
        Some(Stage::Recording) => follow_transcriptions(transaction, &ids).await?,
        Some(Stage::Transcription) | None => {}
    }
    let moving = transcripts_of(transaction, &ids).await?;
    transcripts::reopen(transaction, &moving).await?;
    // what is done again makes a version that counts: the one that stands open on trial is that version from now on
    if place.counts && selection.filter.states.contains(&JobState::Done) {
        transcripts::end_trial(transaction, &moving, place.asked().batch).await?;
    }
    begin_next_versions(transaction, &jobs, selection.from, place.asked()).await?;
    Ok(jobs)
}

/// Recordings that are copied anew are copied for the latest version of their transcript.
async fn follow_transcriptions(transaction: &mut Connection, jobs: &[i64]) -> Result<(), StoreError> {
    diesel::sql_query(
        "UPDATE jobs AS r SET transcript_id = t.transcript_id FROM jobs AS t
         WHERE r.id = ANY($1) AND t.kind = 'transcription' AND t.key = r.key AND t.transcript_id IS NOT NULL
           AND r.transcript_id IS DISTINCT FROM t.transcript_id",
    )
    .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs)
    .execute(transaction)
    .await?;
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct OfJob {
    #[diesel(sql_type = sql_types::Uuid)]
    transcript_id: Uuid,
}

async fn transcripts_of(transaction: &mut Connection, jobs: &[i64]) -> Result<Vec<TranscriptId>, StoreError> {
    let rows: Vec<OfJob> = diesel::sql_query("SELECT transcript_id FROM jobs WHERE id = ANY($1) AND transcript_id IS NOT NULL")
        .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs)
        .load(transaction)
        .await?;
    Ok(rows.into_iter().map(|row| TranscriptId(row.transcript_id)).collect())
}

/// A transcription that was done, and a recording whose transcription is to follow it, make a new version of their transcript; a
/// complete transcript never moves back.
async fn begin_next_versions(transaction: &mut Connection, jobs: &[Moved], from: Option<Stage>, asked: Asked) -> Result<(), StoreError> {
    let done = |job: &Moved| job.was == JobState::Done.as_str() && job.kind == JobKind::Transcription.as_str();
    let ids: Vec<i64> = jobs.iter().filter(|job| from == Some(Stage::Recording) || done(job)).map(|job| job.id).collect();
    let complete = transcripts_of(transaction, &ids).await?;
    if complete.is_empty() {
        return Ok(());
    }
    let pairs = transcripts::next_versions(transaction, &complete, asked).await?;
    diesel::sql_query(
        "UPDATE jobs SET transcript_id = n.new FROM unnest($1::uuid[], $2::uuid[]) AS n (old, new)
         WHERE jobs.transcript_id = n.old AND jobs.id = ANY($3)",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(pairs.iter().map(|(old, _)| old.0).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Uuid>, _>(pairs.iter().map(|(_, new)| new.0).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::BigInt>, _>(ids)
    .execute(transaction)
    .await?;
    Ok(())
}
