//! How far batches are, for people.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;

use super::BatchId;
use crate::{
    ledger::Tally,
    store::{Connection, StoreError},
};

/// The rate is that of the last five minutes, or of the batch's life while it is younger.
const RATE_MINUTES: f64 = 5.0;

/// A batch and what has become of its jobs.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct BatchSeen {
    /// Its number.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: i64,
    /// Its name.
    #[diesel(sql_type = sql_types::Text)]
    pub name: String,
    /// Who asked for it.
    #[diesel(sql_type = sql_types::Text)]
    pub actor: String,
    /// Why.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub why: Option<String>,
    /// `canary`, `moving`, `moved`, `stopped` or `cancelled`.
    #[diesel(sql_type = sql_types::Text)]
    pub state: String,
    /// Why it was stopped.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub stopped_because: Option<String>,
    /// The filter and what else was asked for.
    #[diesel(sql_type = sql_types::Jsonb)]
    pub orders: Value,
    /// The versions of transcripts that it is yet to begin count; not while it is a trial, and not once it was switched back.
    #[diesel(sql_type = sql_types::Bool)]
    pub counts: bool,
    /// Jobs that the filter meant when it was made.
    #[diesel(sql_type = sql_types::BigInt)]
    pub expected: i64,
    /// Jobs made due so far.
    #[diesel(sql_type = sql_types::BigInt)]
    pub jobs: i64,
    /// Size of the sample, where one goes first.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub canary_jobs: Option<i32>,
    /// Per cent of it that must be done.
    #[diesel(sql_type = sql_types::Nullable<sql_types::SmallInt>)]
    pub canary_percent: Option<i16>,
    /// When it was made.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// When its last job was made due, or it was stopped or cancelled.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub ended_at: Option<DateTime<Utc>>,
    /// Of its jobs: wait for their time or a worker.
    #[diesel(sql_type = sql_types::BigInt)]
    pub waiting: i64,
    /// Run.
    #[diesel(sql_type = sql_types::BigInt)]
    pub running: i64,
    /// Are done.
    #[diesel(sql_type = sql_types::BigInt)]
    pub done: i64,
    /// Died again.
    #[diesel(sql_type = sql_types::BigInt)]
    pub dead: i64,
    /// Were cancelled.
    #[diesel(sql_type = sql_types::BigInt)]
    pub cancelled: i64,
    /// Ended in the last five minutes.
    #[diesel(sql_type = sql_types::BigInt)]
    pub ended_lately: i64,
    /// When the last one that waits is due.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub last_due: Option<DateTime<Utc>>,
}

impl BatchSeen {
    /// Jobs that belong to it; those that another batch has taken since do not, the transcriptions that follow recordings do.
    #[must_use]
    pub const fn held(&self) -> i64 {
        self.waiting + self.running + self.done + self.dead + self.cancelled
    }

    /// Jobs that it is to have in the end, as far as is known.
    #[must_use]
    pub fn total(&self) -> i64 {
        let to_come = if self.ended_at.is_none() { (self.expected - self.jobs).max(0) } else { 0 };
        self.held() + to_come
    }

    /// Jobs of it that have ended, whichever way.
    #[must_use]
    pub const fn ended(&self) -> i64 {
        self.done + self.dead + self.cancelled
    }

    /// How much of it has ended, in per cent, rounded down.
    #[must_use]
    pub fn percent(&self) -> i64 {
        (self.ended() * 100).checked_div(self.total()).unwrap_or(100)
    }

    /// Jobs that end per minute; `None` when none did lately.
    #[must_use]
    pub fn per_minute(&self, now: DateTime<Utc>) -> Option<f64> {
        let lately = u32::try_from(self.ended_lately).ok().filter(|ended| *ended > 0)?;
        let minutes = (now - self.created_at).as_seconds_f64() / 60.0;
        Some(f64::from(lately) / minutes.clamp(1.0 / 60.0, RATE_MINUTES))
    }

    /// How long it will take at that rate, and not less than until the last job is due.
    #[must_use]
    pub fn time_left(&self, now: DateTime<Utc>) -> Option<Duration> {
        let open = u32::try_from(self.total() - self.ended()).ok().filter(|open| *open > 0)?;
        let at_rate = self.per_minute(now).and_then(|rate| Duration::try_from_secs_f64(f64::from(open) / rate * 60.0).ok());
        let until_due = self.last_due.and_then(|due| (due - now).to_std().ok());
        at_rate.max(until_due)
    }
}

/// The batch of a name, or the latest `limit`.
pub async fn batches_seen(connection: &mut Connection, name: Option<&str>, limit: i64) -> Result<Vec<BatchSeen>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT b.id, b.name, b.actor, b.why, b.state, b.stopped_because, b.orders, b.counts, b.expected, b.jobs, b.canary_jobs, b.canary_percent, b.created_at,
                b.ended_at, held.waiting, held.running, held.done, held.dead, held.cancelled, held.ended_lately, held.last_due
         FROM (SELECT * FROM requeue_batches WHERE $1::text IS NULL OR name = $1 ORDER BY id DESC LIMIT $2) AS b,
         LATERAL (SELECT count(*) FILTER (WHERE state = 'ready') AS waiting, count(*) FILTER (WHERE state = 'running') AS running,
                         count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'dead') AS dead,
                         count(*) FILTER (WHERE state = 'cancelled') AS cancelled, max(run_at) FILTER (WHERE state = 'ready') AS last_due,
                         count(*) FILTER (WHERE finished_at > clock_timestamp() - interval '5 minutes') AS ended_lately
                  FROM jobs WHERE batch_id = b.id) AS held
         ORDER BY b.id DESC",
    )
    .bind::<sql_types::Nullable<sql_types::Text>, _>(name)
    .bind::<sql_types::BigInt, _>(limit)
    .load(connection)
    .await?)
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

/// The name of a batch; `None` when there is none of that number.
pub async fn batch_name(connection: &mut Connection, batch: BatchId) -> Result<Option<String>, StoreError> {
    let rows: Vec<Name> =
        diesel::sql_query("SELECT name FROM requeue_batches WHERE id = $1").bind::<sql_types::BigInt, _>(batch.0).load(connection).await?;
    Ok(rows.into_iter().next().map(|row| row.name))
}

/// Why jobs of a batch died again, most first.
pub async fn batch_failures(connection: &mut Connection, batch: BatchId) -> Result<Vec<Tally>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT kind, reason, count(*) AS jobs FROM jobs WHERE batch_id = $1 AND state IN ('dead', 'cancelled')
         GROUP BY kind, reason ORDER BY jobs DESC, kind, reason",
    )
    .bind::<sql_types::BigInt, _>(batch.0)
    .load(connection)
    .await?)
}
