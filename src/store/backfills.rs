//! `backfills`: windows of the past that someone asked for, and how far their jobs have come.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use crate::{
    domain::{JobId, SourceName, Window},
    store::{Connection, StoreError},
};

/// Makes those who ask at the same moment ask one after the other. Any number would do, as long as every version agrees on it.
const LOCK: i64 = 0x6261_636b_6669_6c6c;

/// A backfill to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewBackfill<'n> {
    /// The vendor.
    pub source: SourceName,
    /// The window in the words it was asked for with.
    pub name: &'n str,
    /// The window.
    pub window: Window,
    /// Its sync jobs.
    pub jobs: &'n [JobId],
    /// Who asked.
    pub actor: &'n str,
}

/// A backfill that is open.
#[derive(Debug, QueryableByName)]
pub struct OpenBackfill {
    /// Its number.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: i64,
    /// Its sync jobs.
    #[diesel(sql_type = sql_types::Array<sql_types::BigInt>)]
    pub job_ids: Vec<i64>,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// Holds back everyone else who asks for a backfill until the caller's transaction ends.
pub async fn lock(connection: &mut Connection) -> Result<(), StoreError> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<sql_types::BigInt, _>(LOCK).execute(connection).await?;
    Ok(())
}

/// Closes backfills none of whose jobs is open. Returns how many.
pub async fn finish_ended(connection: &mut Connection) -> Result<usize, StoreError> {
    let closed = diesel::sql_query(
        "UPDATE backfills AS b SET finished_at = now()
         WHERE finished_at IS NULL AND NOT EXISTS (SELECT FROM jobs WHERE jobs.id = ANY(b.job_ids) AND jobs.open)",
    )
    .execute(connection)
    .await?;
    Ok(closed)
}

/// The open backfill of this name, if there is one.
pub async fn open(connection: &mut Connection, source: SourceName, name: &str) -> Result<Option<OpenBackfill>, StoreError> {
    Ok(diesel::sql_query("SELECT id, job_ids FROM backfills WHERE source = $1 AND name = $2 AND finished_at IS NULL")
        .bind::<sql_types::Text, _>(source.as_str())
        .bind::<sql_types::Text, _>(name)
        .get_result(connection)
        .await
        .optional()?)
}

/// Keeps a new backfill and returns its number.
pub async fn insert(connection: &mut Connection, new: &NewBackfill<'_>) -> Result<i64, StoreError> {
    let row: Id = diesel::sql_query(
        "INSERT INTO backfills (source, name, from_time, to_time, job_ids, actor) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind::<sql_types::Text, _>(new.source.as_str())
    .bind::<sql_types::Text, _>(new.name)
    .bind::<sql_types::Timestamptz, _>(new.window.from)
    .bind::<sql_types::Timestamptz, _>(new.window.to)
    .bind::<sql_types::Array<sql_types::BigInt>, _>(new.jobs.iter().map(|job| job.0).collect::<Vec<_>>())
    .bind::<sql_types::Text, _>(new.actor)
    .get_result(connection)
    .await?;
    Ok(row.id)
}

/// How far a backfill has come.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct BackfillSeen {
    /// Its number.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: i64,
    /// The vendor.
    #[diesel(sql_type = sql_types::Text)]
    pub source: String,
    /// The window in the words it was asked for with.
    #[diesel(sql_type = sql_types::Text)]
    pub name: String,
    /// Its first moment.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub from_time: DateTime<Utc>,
    /// Its end.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub to_time: DateTime<Utc>,
    /// Who asked.
    #[diesel(sql_type = sql_types::Text)]
    pub actor: String,
    /// When.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub asked_at: DateTime<Utc>,
    /// Days in it.
    #[diesel(sql_type = sql_types::BigInt)]
    pub days: i64,
    /// Days that are read.
    #[diesel(sql_type = sql_types::BigInt)]
    pub done: i64,
    /// Days that were given up or called off: someone should look.
    #[diesel(sql_type = sql_types::BigInt)]
    pub failed: i64,
    /// Days being read now.
    #[diesel(sql_type = sql_types::BigInt)]
    pub running: i64,
    /// Calls read so far.
    #[diesel(sql_type = sql_types::BigInt)]
    pub calls: i64,
    /// Days that ended within the last minutes, from which the rate follows.
    #[diesel(sql_type = sql_types::BigInt)]
    pub ended_lately: i64,
    /// PostgreSQL's clock when this was asked.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub seen_at: DateTime<Utc>,
}

/// The span over which the rate is measured: long enough to be calm, short enough to follow.
const LATELY: TimeDelta = TimeDelta::minutes(5);

impl BackfillSeen {
    /// Days that are neither read nor given up.
    #[must_use]
    pub const fn open(&self) -> i64 {
        self.days - self.done - self.failed
    }

    /// Days read per minute of late; `None` before the first.
    #[must_use]
    pub fn days_per_minute(&self) -> Option<f64> {
        let measured = (self.seen_at - self.asked_at).clamp(TimeDelta::seconds(1), LATELY);
        let ended = f64::from(i32::try_from(self.ended_lately).ok().filter(|ended| *ended > 0)?);
        Some(ended / measured.as_seconds_f64() * 60.0)
    }

    /// How long the rest takes at the rate of late; `None` while there is no rate.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let minutes = f64::from(i32::try_from(self.open()).ok()?) / self.days_per_minute()?;
        Duration::try_from_secs_f64(minutes * 60.0).ok()
    }
}

/// Backfills that are open, and the one with this number in any case; oldest first. A job that retention has removed was done.
pub async fn backfills_seen(connection: &mut Connection, also: Option<i64>) -> Result<Vec<BackfillSeen>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT b.id, b.source, b.name, b.from_time, b.to_time, b.actor, b.asked_at, cardinality(b.job_ids)::bigint AS days,
                cardinality(b.job_ids) - j.open - j.failed AS done, j.failed, j.running, j.calls, j.ended_lately,
                clock_timestamp() AS seen_at
         FROM backfills AS b CROSS JOIN LATERAL (
             SELECT count(*) FILTER (WHERE open) AS open,
                    count(*) FILTER (WHERE state IN ('dead', 'cancelled')) AS failed,
                    count(*) FILTER (WHERE state = 'running') AS running,
                    coalesce(sum((checkpoint ->> 'calls')::bigint), 0)::bigint AS calls,
                    count(*) FILTER (WHERE finished_at >= greatest(b.asked_at, clock_timestamp() - $2 * interval '1 second')) AS ended_lately
             FROM jobs WHERE jobs.id = ANY(b.job_ids)) AS j
         WHERE b.id = $1 OR (b.finished_at IS NULL AND j.open > 0)
         ORDER BY b.id LIMIT 100",
    )
    .bind::<sql_types::Nullable<sql_types::BigInt>, _>(also)
    .bind::<sql_types::BigInt, _>(LATELY.num_seconds())
    .load(connection)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_tells_the_time_left() {
        let asked_at = DateTime::UNIX_EPOCH;
        let mut seen = BackfillSeen {
            id: 1,
            source: "webex".to_owned(),
            name: "a year".to_owned(),
            from_time: asked_at,
            to_time: asked_at + TimeDelta::days(100),
            actor: "someone@here".to_owned(),
            asked_at,
            days: 100,
            done: 38,
            failed: 2,
            running: 2,
            calls: 4_000,
            ended_lately: 40,
            seen_at: asked_at + TimeDelta::minutes(2),
        };
        assert_eq!(seen.open(), 60);
        assert_eq!(seen.days_per_minute(), Some(20.0));
        assert_eq!(seen.time_left(), Some(Duration::from_mins(3)));
        seen.ended_lately = 0;
        assert_eq!(seen.time_left(), None);
    }
}
