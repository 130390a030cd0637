//! How fast work comes and goes: tallies by the minute, written by the statements that enqueue and finish, read in a millisecond.
//!
//! Each server process has rows of its own for a minute, so that no two transactions ever wait for each other's tallies; a transaction
//! that is rolled back takes its tallies along.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use crate::store::{Connection, StoreError};

/// Rates are of the last minutes, so many and the one that has begun: shorter jumps about, longer hides a standstill.
pub const RATE_MINUTES: i32 = 5;
/// How long a run takes is asked of so many minutes when the last few had none.
const LONG_MINUTES: i32 = 30;
/// Minutes of the series that people see.
pub const SERIES_MINUTES: i32 = 30;
/// Tallies older than this are deleted.
const KEEP: Duration = Duration::from_hours(3);
/// Rows deleted in one go, so that a scheduler that was away does not hold anyone up.
const MOST_PRUNED: i64 = 5_000;

/// How fast the work of one kind comes and goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Rate {
    /// Jobs that other work made necessary, per second.
    pub arrived_per_second: f64,
    /// Jobs done, per second.
    pub done_per_second: f64,
    /// Runs that ended otherwise, per second.
    pub setbacks_per_second: f64,
    /// Slots that were busy, on average.
    pub busy_slots: f64,
    /// Seconds of a slot that one job took until it was done, setbacks included; `None` when none was done for half an hour.
    pub slot_seconds_per_job: Option<f64>,
    /// Jobs done per minute, oldest first; the last minute has only begun.
    pub done_by_minute: Vec<i64>,
}

#[derive(QueryableByName)]
struct RateRow {
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::BigInt)]
    arrived: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    done: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    setbacks: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    run_ms: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    long_done: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    long_run_ms: i64,
    #[diesel(sql_type = sql_types::Double)]
    seconds: f64,
}

const RATES: &str = "
    WITH since AS (
        SELECT date_trunc('minute', now()) - $1 * interval '1 minute' AS lately, date_trunc('minute', now()) - $2 * interval '1 minute' AS long_ago),
    began AS (
        -- an installation younger than the span has rates of its own life
        SELECT greatest(lately, (SELECT min(minute) FROM job_rates WHERE minute >= long_ago)) AS at, lately, long_ago FROM since)
    SELECT r.kind,
           coalesce(sum(r.arrived) FILTER (WHERE r.minute >= b.lately), 0)::bigint AS arrived,
           coalesce(sum(r.done) FILTER (WHERE r.minute >= b.lately), 0)::bigint AS done,
           coalesce(sum(r.setbacks) FILTER (WHERE r.minute >= b.lately), 0)::bigint AS setbacks,
           coalesce(sum(r.run_ms) FILTER (WHERE r.minute >= b.lately), 0)::bigint AS run_ms,
           sum(r.done)::bigint AS long_done, sum(r.run_ms)::bigint AS long_run_ms,
           greatest(extract(epoch FROM now() - b.at), 1)::double precision AS seconds
    FROM began b JOIN job_rates r ON r.minute >= b.long_ago
    GROUP BY r.kind, b.at";

#[derive(QueryableByName)]
struct MinuteRow {
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::Integer)]
    minutes_ago: i32,
    #[diesel(sql_type = sql_types::BigInt)]
    done: i64,
}

const SERIES: &str = "
    SELECT kind, round(extract(epoch FROM date_trunc('minute', now()) - minute) / 60)::integer AS minutes_ago, sum(done)::bigint AS done
    FROM job_rates WHERE minute > date_trunc('minute', now()) - $1 * interval '1 minute'
    GROUP BY 1, 2";

/// The rates of every kind that had work within half an hour, by kind.
pub async fn rates(connection: &mut Connection) -> Result<BTreeMap<String, Rate>, StoreError> {
    let rows: Vec<RateRow> = diesel::sql_query(RATES)
        .bind::<sql_types::Integer, _>(RATE_MINUTES)
        .bind::<sql_types::Integer, _>(LONG_MINUTES)
        .load(connection)
        .await?;
    let mut rates: BTreeMap<String, Rate> = rows.into_iter().map(|row| (row.kind.clone(), row.rate())).collect();
    let minutes: Vec<MinuteRow> = diesel::sql_query(SERIES).bind::<sql_types::Integer, _>(SERIES_MINUTES).load(connection).await?;
    for MinuteRow { kind, minutes_ago, done } in minutes {
        let at = usize::try_from(SERIES_MINUTES - 1 - minutes_ago).ok();
        if let Some(minute) = at.and_then(|at| rates.get_mut(&kind)?.done_by_minute.get_mut(at)) {
            *minute = done;
        }
    }
    Ok(rates)
}

impl RateRow {
    fn rate(&self) -> Rate {
        let per_second = |count: i64| float(count) / self.seconds;
        // a few runs tell little: the longer span is taken until there are some
        const ENOUGH: i64 = 5;
        let (run_ms, done) = if self.done >= ENOUGH { (self.run_ms, self.done) } else { (self.long_run_ms, self.long_done) };
        Rate {
            arrived_per_second: per_second(self.arrived),
            done_per_second: per_second(self.done),
            setbacks_per_second: per_second(self.setbacks),
            busy_slots: per_second(self.run_ms) / 1_000.0,
            slot_seconds_per_job: (done > 0).then(|| float(run_ms) / 1_000.0 / float(done)),
            done_by_minute: vec![0; usize::try_from(SERIES_MINUTES).unwrap_or(0)],
        }
    }
}

/// Counts of jobs stay far below the numbers that a float holds exactly.
fn float(count: i64) -> f64 {
    i32::try_from(count).map_or_else(|_| f64::from(u32::try_from(count).unwrap_or(u32::MAX)), f64::from)
}

/// Deletes tallies that nobody asks for any more.
pub async fn prune_rates(connection: &mut Connection) -> Result<usize, StoreError> {
    Ok(diesel::sql_query(
        "DELETE FROM job_rates WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM job_rates WHERE minute < now() - $1 * interval '1 second' ORDER BY minute LIMIT $2 FOR UPDATE SKIP LOCKED))",
    )
    .bind::<sql_types::BigInt, _>(i64::try_from(KEEP.as_secs()).unwrap_or(i64::MAX))
    .bind::<sql_types::BigInt, _>(MOST_PRUNED)
    .execute(connection)
    .await?)
}

/// How long the oldest work in hand or due has been there.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct Freshness {
    /// The kind.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// The vendor; empty for jobs of none.
    #[diesel(sql_type = sql_types::Text)]
    pub source: String,
    /// Since when its oldest job has been necessary.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub since: DateTime<Utc>,
    /// When the oldest of their calls ended, where they are of calls.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub call_ended: Option<DateTime<Utc>>,
    /// Seconds since then, by PostgreSQL's clock: since the call ended, or else since the job became necessary.
    #[diesel(sql_type = sql_types::Double)]
    pub age_seconds: f64,
}

/// Per lane the jobs looked at: those due for longest. Work that waits for its time is not late.
const LOOKED_AT: i64 = 2_500;

/// The longest-known jobs whose calls are compared: a page of calls becomes known at once, whenever they ended.
const COMPARED: i64 = 200;

const FRESHNESS: &str = "
    WITH RECURSIVE lane AS (
        (SELECT kind, priority FROM jobs WHERE open ORDER BY kind, priority LIMIT 1)
        UNION ALL
        SELECT next.kind, next.priority FROM lane, LATERAL (
            SELECT kind, priority FROM jobs WHERE open AND (kind, priority) > (lane.kind, lane.priority)
            ORDER BY kind, priority LIMIT 1) AS next),
    ranked AS (
        SELECT lane.kind, coalesce(front.source, '') AS source, front.created_at, front.session_id,
               row_number() OVER (PARTITION BY lane.kind, coalesce(front.source, '') ORDER BY front.created_at) AS place
        FROM lane, LATERAL (
            SELECT source, created_at, session_id FROM jobs
            WHERE open AND kind = lane.kind AND priority = lane.priority AND run_at <= now() ORDER BY run_at LIMIT $1) AS front
        WHERE lane.priority < $2)
    SELECT DISTINCT ON (r.kind, r.source) r.kind, r.source, r.created_at AS since, c.end_time AS call_ended,
           greatest(extract(epoch FROM now() - coalesce(c.end_time, r.created_at)), 0)::double precision AS age_seconds
    FROM ranked r LEFT JOIN LATERAL (
        -- one look-up each: a join would be taken for a reason to read every call there is
        SELECT end_time FROM call_interactions WHERE session_id = r.session_id LIMIT 1) AS c ON true
    WHERE r.place <= $3
    ORDER BY r.kind, r.source, age_seconds DESC";

/// The oldest work of every kind and source, among the jobs of fresh calls that are due or in hand. A backfill is late by its nature
/// and is told by its own progress.
pub async fn freshness(connection: &mut Connection) -> Result<Vec<Freshness>, StoreError> {
    Ok(diesel::sql_query(FRESHNESS)
        .bind::<sql_types::BigInt, _>(LOOKED_AT)
        .bind::<sql_types::SmallInt, _>(crate::domain::PRIORITY_BACKFILL)
        .bind::<sql_types::BigInt, _>(COMPARED)
        .load(connection)
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(done: i64, run_ms: i64) -> RateRow {
        let kind = "recording".to_owned();
        RateRow { kind, arrived: 600, done, setbacks: 0, run_ms, long_done: 100, long_run_ms: 400_000, seconds: 300.0 }
    }

    #[test]
    fn a_rate_is_per_second_and_a_slot_counts_as_long_as_it_is_held() {
        let rate = row(300, 600_000).rate();
        assert_eq!((rate.arrived_per_second, rate.done_per_second, rate.busy_slots), (2.0, 1.0, 2.0));
        assert_eq!(rate.slot_seconds_per_job, Some(2.0));
    }

    #[test]
    fn few_runs_lately_are_told_by_the_runs_of_hours() {
        assert_eq!(row(1, 60_000).rate().slot_seconds_per_job, Some(4.0));
        let never = RateRow { long_done: 0, ..row(0, 0) };
        assert_eq!(never.rate().slot_seconds_per_job, None);
    }
}
