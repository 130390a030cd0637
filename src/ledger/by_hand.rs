//! What people change by hand: jobs requeued and cancelled, by filter, in bounded transactions, with an entry in the audit log.
//!
//! A dry run counts with the very condition the change uses. Requeueing gives a fresh budget of attempts and keeps the history; the
//! transcript goes back to `pending` in the same transaction. Cancelling moves the transcript to `error` with reason `cancelled`:
//! a transcript nobody works on must not look pending.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::filter::{CONDITION, JobFilter, PARAMETERS};
use crate::{
    domain::{JobId, JobKind, JobState, Reason, TranscriptId},
    ledger::{Hint, NewJob, enqueue},
    store::{
        Connection, Store, StoreError,
        transcripts::{self, TranscriptTrouble},
    },
};

/// Jobs moved in one transaction: short locks, and a command that is killed has kept what it did.
const BATCH: i64 = 5_000;

/// What a person asks for.
#[derive(Debug, Clone)]
pub struct ByHand {
    /// Which jobs.
    pub filter: JobFilter,
    /// At most so many, those that ended first.
    pub limit: Option<i64>,
    /// Who asks: `user@host`.
    pub actor: String,
    /// The reason they give.
    pub why: Option<String>,
    /// Requeueing only: also what is done, as if it had never been; a transcription then makes a new version of its transcript.
    pub again: bool,
    /// Requeueing only: how long a span to spread the jobs over evenly; zero makes all of them due now.
    pub over: Duration,
}

/// The states asked for are not among those that can be requeued or cancelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job that is `{state}` cannot be {change}")]
pub struct CannotRequeue {
    /// The state.
    pub state: JobState,
    /// `requeued` or `cancelled`.
    pub change: &'static str,
}

/// What was changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Jobs moved.
    pub jobs: i64,
    /// Entry in the audit log; `None` when nothing was to be done.
    pub audit: Option<i64>,
}

impl ByHand {
    /// Everything `filter` means.
    #[must_use]
    pub fn new(filter: JobFilter, actor: impl Into<String>) -> Self {
        Self { filter, limit: None, actor: actor.into(), why: None, again: false, over: Duration::ZERO }
    }

    /// The states to requeue from: dead ones unless told otherwise; cancelled ones only when named; done ones only `again`.
    fn requeued_from(&self) -> Result<Vec<JobState>, CannotRequeue> {
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

    /// The states to cancel from: those waiting and dead.
    fn cancelled_from(&self) -> Result<Vec<JobState>, CannotRequeue> {
        if self.filter.states.is_empty() {
            return Ok(vec![JobState::Ready, JobState::Dead]);
        }
        check_states(&self.filter.states, |state| state.may_become(JobState::Cancelled), "cancelled")
    }

    fn details(&self) -> Value {
        json!({ "filter": self.filter, "limit": self.limit, "again": self.again, "over_seconds": self.over.as_secs(), "jobs": 0 })
    }
}

fn check_states(states: &[JobState], allowed: impl Fn(JobState) -> bool, change: &'static str) -> Result<Vec<JobState>, CannotRequeue> {
    match states.iter().find(|state| !allowed(**state)) {
        Some(state) => Err(CannotRequeue { state: *state, change }),
        None => Ok(states.to_vec()),
    }
}

/// What is asked for, ready to be counted or done.
struct Selection<'o> {
    order: &'o ByHand,
    filter: JobFilter,
    /// Jobs that ended or came later than this are none of it: so a job that dies again meanwhile is not moved twice.
    as_of: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Now {
    #[diesel(sql_type = sql_types::Timestamptz)]
    now: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Moved {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    transcript_id: Option<Uuid>,
    #[diesel(sql_type = sql_types::Text)]
    was: String,
    #[diesel(sql_type = sql_types::Bool)]
    due: bool,
}

impl<'o> Selection<'o> {
    async fn new(connection: &mut Connection, order: &'o ByHand, states: Vec<JobState>) -> Result<Self, StoreError> {
        let mut filter = order.filter.with_kinds(connection).await?;
        filter.states = states;
        let row: Now = diesel::sql_query("SELECT clock_timestamp() AS now").get_result(connection).await?;
        Ok(Self { order, filter, as_of: row.now })
    }

    /// The one condition of count and change; takes the filter's parameters and one more.
    fn condition() -> String {
        format!("{CONDITION} AND coalesce(finished_at, created_at) <= ${}", PARAMETERS + 1)
    }

    async fn count(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        let statement = format!("SELECT count(*) AS number FROM jobs WHERE {}", Self::condition());
        let row: Number = self.filter.bind(statement).bind::<sql_types::Timestamptz, _>(self.as_of).get_result(connection).await?;
        Ok(row.number.min(self.order.limit.unwrap_or(i64::MAX)))
    }

    /// Rows of the next batch, locked, oldest end first, and the UPDATE that `change` makes of them.
    fn batch_statement(change: &str) -> String {
        format!(
            "WITH picked AS MATERIALIZED (
                 SELECT id, state, coalesce(finished_at, created_at) AS at FROM jobs WHERE {}
                 ORDER BY coalesce(finished_at, created_at), id LIMIT ${} FOR UPDATE),
             numbered AS MATERIALIZED (SELECT id, state, row_number() OVER (ORDER BY at, id) - 1 AS place FROM picked)
             UPDATE jobs SET {change} FROM numbered WHERE jobs.id = numbered.id
             RETURNING jobs.id, kind, priority, transcript_id, numbered.state AS was, run_at <= now() AS due",
            Self::condition(),
            PARAMETERS + 2
        )
    }
}

/// How many jobs `requeue` would move now.
pub async fn would_requeue(connection: &mut Connection, order: &ByHand) -> Result<Result<i64, CannotRequeue>, StoreError> {
    match order.requeued_from() {
        Ok(states) => Ok(Ok(Selection::new(connection, order, states).await?.count(connection).await?)),
        Err(refused) => Ok(Err(refused)),
    }
}

/// How many jobs `cancel` would move now.
pub async fn would_cancel(connection: &mut Connection, order: &ByHand) -> Result<Result<i64, CannotRequeue>, StoreError> {
    match order.cancelled_from() {
        Ok(states) => Ok(Ok(Selection::new(connection, order, states).await?.count(connection).await?)),
        Err(refused) => Ok(Err(refused)),
    }
}

/// Makes ended jobs due again, with all their attempts; the hints go out after each batch's commit.
pub async fn requeue(
    store: &Store,
    order: &ByHand,
    hints: &UnboundedSender<Vec<Hint>>,
) -> Result<Result<Changed, CannotRequeue>, StoreError> {
    let states = match order.requeued_from() {
        Ok(states) => states,
        Err(refused) => return Ok(Err(refused)),
    };
    let connection = &mut *store.connection().await?;
    let selection = Selection::new(connection, order, states).await?;
    let total = if order.over.is_zero() { 0 } else { selection.count(connection).await? };
    let mut changed = Changed::default();
    loop {
        let batch = batch_size(order.limit, changed.jobs);
        let so_far = changed;
        let step = microseconds_between(order.over, total);
        let (jobs, audit) =
            connection.transaction(async |transaction| requeue_batch(transaction, &selection, batch, so_far, step).await).await?;
        changed = Changed { jobs: changed.jobs + count_of(&jobs), audit };
        let due = jobs.iter().filter(|job| job.due);
        // nobody listening only costs time: the dispatcher finds the rows
        let _ = hints.send(due.map(|job| Hint { id: JobId(job.id), kind: job.kind.clone(), priority: job.priority }).collect());
        if count_of(&jobs) < batch || batch == 0 {
            return Ok(Ok(changed));
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
        .bind(Selection::batch_statement(&change))
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

/// Calls off jobs that wait or are dead. Running ones are left to end.
pub async fn cancel(store: &Store, order: &ByHand) -> Result<Result<Changed, CannotRequeue>, StoreError> {
    let states = match order.cancelled_from() {
        Ok(states) => states,
        Err(refused) => return Ok(Err(refused)),
    };
    let connection = &mut *store.connection().await?;
    let selection = Selection::new(connection, order, states).await?;
    let mut changed = Changed::default();
    loop {
        let batch = batch_size(order.limit, changed.jobs);
        let so_far = changed;
        let (jobs, audit) = connection.transaction(async |transaction| cancel_batch(transaction, &selection, batch, so_far).await).await?;
        changed = Changed { jobs: changed.jobs + jobs, audit };
        if jobs < batch || batch == 0 {
            return Ok(Ok(changed));
        }
    }
}

async fn cancel_batch(
    transaction: &mut Connection,
    selection: &Selection<'_>,
    batch: i64,
    so_far: Changed,
) -> Result<(i64, Option<i64>), StoreError> {
    let change = format!("state = 'cancelled', finished_at = clock_timestamp(), reason = '{}'", Reason::Cancelled);
    let jobs: Vec<Moved> = selection
        .filter
        .bind(Selection::batch_statement(&change))
        .bind::<sql_types::Timestamptz, _>(selection.as_of)
        .bind::<sql_types::BigInt, _>(batch)
        .load(transaction)
        .await?;
    let order = selection.order;
    let message =
        order.why.as_ref().map_or_else(|| format!("cancelled by {}", order.actor), |why| format!("cancelled by {}: {why}", order.actor));
    let transcripts = jobs.iter().filter_map(|job| job.transcript_id).map(TranscriptId);
    let troubles: Vec<_> = transcripts.map(|id| TranscriptTrouble { id, reason: Reason::Cancelled, message: message.clone() }).collect();
    transcripts::fail(transaction, &troubles).await?;
    let audit = note(transaction, order, "cancel", so_far, count_of(&jobs)).await?;
    Ok((count_of(&jobs), audit))
}

/// Writes the audit entry with the first batch and counts on with every other, so that it is right whenever the command dies.
async fn note(transaction: &mut Connection, order: &ByHand, action: &str, so_far: Changed, moved: i64) -> Result<Option<i64>, StoreError> {
    if moved == 0 {
        return Ok(so_far.audit);
    }
    let id = match so_far.audit {
        Some(id) => id,
        None => {
            let row: Number =
                diesel::sql_query("INSERT INTO audit_log (actor, action, why, details) VALUES ($1, $2, $3, $4) RETURNING id AS number")
                    .bind::<sql_types::Text, _>(&order.actor)
                    .bind::<sql_types::Text, _>(action)
                    .bind::<sql_types::Nullable<sql_types::Text>, _>(&order.why)
                    .bind::<sql_types::Jsonb, _>(order.details())
                    .get_result(transaction)
                    .await?;
            row.number
        }
    };
    diesel::sql_query("UPDATE audit_log SET details = jsonb_set(details, '{jobs}', to_jsonb($2::bigint)) WHERE id = $1")
        .bind::<sql_types::BigInt, _>(id)
        .bind::<sql_types::BigInt, _>(so_far.jobs + moved)
        .execute(transaction)
        .await?;
    Ok(Some(id))
}

fn batch_size(limit: Option<i64>, moved: i64) -> i64 {
    limit.map_or(BATCH, |limit| (limit - moved).clamp(0, BATCH))
}

fn count_of(jobs: &[Moved]) -> i64 {
    i64::try_from(jobs.len()).unwrap_or(i64::MAX)
}

fn microseconds_between(over: Duration, jobs: i64) -> i64 {
    i64::try_from(over.as_micros()).unwrap_or(i64::MAX).checked_div(jobs).unwrap_or(0)
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
