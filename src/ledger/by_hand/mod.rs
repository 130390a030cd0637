//! What people change by hand: jobs requeued and cancelled, by filter, in bounded transactions, with an entry in the audit log.
//!
//! A dry run counts with the very condition the change uses. Requeueing gives a fresh budget of attempts and keeps the history; the
//! transcript goes back to `pending` in the same transaction. Cancelling moves the transcript to `error` with reason `cancelled`:
//! a transcript nobody works on must not look pending.

mod cancel;
mod requeue;

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub use cancel::{cancel, cancel_tally, would_cancel};
pub use requeue::{enqueue_or_reopen, requeue, requeue_tally, requeue_within, would_requeue};

use super::filter::{JobFilter, PARAMETERS};
use crate::{
    domain::JobState,
    store::{Connection, StoreError},
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
    /// Requeueing only: when the jobs become due.
    pub pace: Pace,
}

/// When jobs that are requeued become due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// All of them now.
    #[default]
    AtOnce,
    /// Spread evenly over this span.
    Over(Duration),
    /// One after another, so long apart.
    Every(Duration),
}

impl Pace {
    /// How long two of `jobs` jobs are apart, in microseconds.
    fn microseconds_between(self, jobs: i64) -> i64 {
        let microseconds = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        match self {
            Self::AtOnce => 0,
            Self::Over(span) => microseconds(span).checked_div(jobs).unwrap_or(0),
            Self::Every(span) => microseconds(span),
        }
    }
}

/// Jobs of one kind and reason that a change would move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct Tally {
    /// The kind.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// Why they ended; none for those that wait or were done.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub reason: Option<String>,
    /// How many.
    #[diesel(sql_type = sql_types::BigInt)]
    pub jobs: i64,
}

/// A change by hand did not happen, or only in part: what is committed stays, and the same command again does the rest.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// The states asked for are not among those that can be moved so.
    #[error("a job that is `{state}` cannot be {change}")]
    Refused {
        /// The state.
        state: JobState,
        /// `requeued` or `cancelled`.
        change: &'static str,
    },
    /// PostgreSQL did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<diesel::result::Error> for ByHandError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
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
        Self { filter, limit: None, actor: actor.into(), why: None, again: false, pace: Pace::AtOnce }
    }

    fn details(&self) -> Value {
        let (over, every) = match self.pace {
            Pace::AtOnce => (None, None),
            Pace::Over(span) => (Some(span.as_secs()), None),
            Pace::Every(span) => (None, Some(span.as_secs_f64())),
        };
        json!({ "filter": self.filter, "limit": self.limit, "again": self.again, "over_seconds": over, "every_seconds": every, "jobs": 0 })
    }
}

fn check_states(states: &[JobState], allowed: impl Fn(JobState) -> bool, change: &'static str) -> Result<Vec<JobState>, ByHandError> {
    match states.iter().find(|state| !allowed(**state)) {
        Some(state) => Err(ByHandError::Refused { state: *state, change }),
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
    fn condition(&self) -> String {
        format!("{} AND coalesce(finished_at, created_at) <= ${}", self.filter.condition(), PARAMETERS + 1)
    }

    async fn count(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        let statement = format!("SELECT count(*) AS number FROM jobs WHERE {}", self.condition());
        let row: Number = self.filter.bind(statement).bind::<sql_types::Timestamptz, _>(self.as_of).get_result(connection).await?;
        Ok(row.number.min(self.order.limit.unwrap_or(i64::MAX)))
    }

    /// The same, by kind and reason, most first.
    async fn tally(&self, connection: &mut Connection) -> Result<Vec<Tally>, StoreError> {
        let statement = format!(
            "SELECT kind, reason, count(*) AS jobs
             FROM (SELECT kind, reason FROM jobs WHERE {} ORDER BY coalesce(finished_at, created_at), id LIMIT ${}) AS meant
             GROUP BY kind, reason ORDER BY jobs DESC, kind, reason",
            self.condition(),
            PARAMETERS + 2
        );
        let bound = self.filter.bind(statement).bind::<sql_types::Timestamptz, _>(self.as_of);
        Ok(bound.bind::<sql_types::Nullable<sql_types::BigInt>, _>(self.order.limit).load(connection).await?)
    }

    /// Rows of the next batch, locked, oldest end first, and the UPDATE that `change` makes of them.
    fn batch_statement(&self, change: &str) -> String {
        format!(
            "WITH picked AS MATERIALIZED (
                 SELECT id, state, coalesce(finished_at, created_at) AS at FROM jobs WHERE {}
                 ORDER BY coalesce(finished_at, created_at), id LIMIT ${} FOR UPDATE),
             numbered AS MATERIALIZED (SELECT id, state, row_number() OVER (ORDER BY at, id) - 1 AS place FROM picked)
             UPDATE jobs SET {change} FROM numbered WHERE jobs.id = numbered.id
             RETURNING jobs.id, kind, priority, transcript_id, numbered.state AS was, run_at <= now() AS due",
            self.condition(),
            PARAMETERS + 2
        )
    }
}

/// Writes an entry of its own into the audit log: who had work enqueued, and how much.
pub async fn note_enqueued(connection: &mut Connection, actor: &str, action: &str, details: &Value) -> Result<(), StoreError> {
    diesel::sql_query("INSERT INTO audit_log (actor, action, details) VALUES ($1, $2, $3)")
        .bind::<sql_types::Text, _>(actor)
        .bind::<sql_types::Text, _>(action)
        .bind::<sql_types::Jsonb, _>(details)
        .execute(connection)
        .await?;
    Ok(())
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
