//! How much work there is and who does it: answered in milliseconds, whatever the size of the ledger.
//!
//! Counts walk the partial indexes of open and dead jobs and stop at a bound; beyond it PostgreSQL's statistics answer, and the figure
//! says so. Done jobs are never counted: nobody waits for them.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use super::filter::kinds_in_ledger;
use crate::{
    domain::{JobKind, LeaseId},
    store::{Connection, StoreError},
};

/// Rows counted one by one; more are estimated. Twenty thousand index entries take a few milliseconds.
const COUNTED: i64 = 20_000;

/// A number of jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many.
    pub jobs: i64,
    /// Counted up to a bound and estimated beyond it.
    pub estimated: bool,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}{}", if self.estimated { "~" } else { "" }, self.jobs))
    }
}

impl Count {
    fn add(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.estimated |= other.estimated;
    }
}

/// The work of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// The kind, as the ledger writes it.
    pub kind: String,
    /// Whether this version can do it; if not, its jobs are parked.
    pub known: bool,
    /// Ready, and their time has come.
    pub due: Count,
    /// Ready, and waiting for their time.
    pub later: Count,
    /// In a worker's hands.
    pub running: Count,
    /// Given up.
    pub dead: Count,
    /// How long the longest-waiting due job has been due, in milliseconds; `None` when nothing is due.
    pub oldest_due_ms: Option<i64>,
}

impl Depth {
    /// How long the longest-waiting due job has been due; zero when nothing is.
    #[must_use]
    pub fn oldest_due(&self) -> Duration {
        Duration::from_millis(self.oldest_due_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0))
    }
}

#[derive(QueryableByName)]
struct LaneRow {
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
    #[diesel(sql_type = sql_types::BigInt)]
    come: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    running: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    oldest_ms: Option<i64>,
    #[diesel(sql_type = sql_types::BigInt)]
    later: i64,
}

/// Open jobs by kind and priority. Jobs run in the order of the index, so those running are among the first of it.
const OPEN: &str = "
    WITH RECURSIVE lane AS (
        (SELECT kind, priority FROM jobs WHERE open ORDER BY kind, priority LIMIT 1)
        UNION ALL
        SELECT next.kind, next.priority FROM lane, LATERAL (
            SELECT kind, priority FROM jobs WHERE open AND (kind, priority) > (lane.kind, lane.priority)
            ORDER BY kind, priority LIMIT 1) AS next)
    SELECT lane.kind, lane.priority, come.jobs AS come, come.running, come.oldest_ms, later.jobs AS later
    FROM lane,
    LATERAL (
        SELECT count(*) AS jobs, count(*) FILTER (WHERE state = 'running') AS running,
               (extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 'ready')) * 1000)::bigint AS oldest_ms
        FROM (SELECT state, run_at FROM jobs
              WHERE open AND kind = lane.kind AND priority = lane.priority AND run_at <= now() ORDER BY run_at LIMIT $1) AS first) AS come,
    LATERAL (
        SELECT count(*) AS jobs
        FROM (SELECT FROM jobs WHERE open AND kind = lane.kind AND priority = lane.priority AND run_at > now() LIMIT $1) AS first) AS later";

/// The work of every kind that has open or dead jobs, by name.
pub async fn depths(connection: &mut Connection) -> Result<Vec<Depth>, StoreError> {
    let lanes: Vec<LaneRow> = diesel::sql_query(OPEN).bind::<sql_types::BigInt, _>(COUNTED).load(connection).await?;
    let mut kinds: BTreeMap<String, Depth> = BTreeMap::new();
    for lane in lanes {
        let come = count_or_estimate(connection, lane.come, &lane.kind, lane.priority, "<=").await?;
        let later = count_or_estimate(connection, lane.later, &lane.kind, lane.priority, ">").await?;
        let depth = entry(&mut kinds, &lane.kind);
        depth.due.add(Count { jobs: (come.jobs - lane.running).max(0), ..come });
        depth.running.add(Count { jobs: lane.running, estimated: false });
        depth.later.add(later);
        depth.oldest_due_ms = depth.oldest_due_ms.max(lane.oldest_ms);
    }
    for (kind, dead) in dead_by_kind(connection).await? {
        entry(&mut kinds, &kind).dead = dead;
    }
    Ok(kinds.into_values().collect())
}

fn entry<'k>(kinds: &'k mut BTreeMap<String, Depth>, kind: &str) -> &'k mut Depth {
    let known = kind.parse::<JobKind>().is_ok();
    kinds.entry(kind.to_owned()).or_insert_with(|| Depth { kind: kind.to_owned(), known, ..Depth::default() })
}

#[derive(QueryableByName)]
struct Plan {
    #[diesel(sql_type = sql_types::Json, column_name = "QUERY PLAN")]
    plan: serde_json::Value,
}

fn planned_rows(plan: &Plan) -> i64 {
    plan.plan.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_f64).map_or(0, whole)
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a float to integer conversion saturates")]
fn whole(rows: f64) -> i64 {
    rows as i64
}

async fn count_or_estimate(
    connection: &mut Connection,
    counted: i64,
    kind: &str,
    priority: i16,
    comparison: &str,
) -> Result<Count, StoreError> {
    if counted < COUNTED {
        return Ok(Count { jobs: counted, estimated: false });
    }
    let statement =
        format!("EXPLAIN (FORMAT JSON) SELECT FROM jobs WHERE open AND kind = $1 AND priority = $2 AND run_at {comparison} now()");
    let plan: Plan = diesel::sql_query(statement)
        .bind::<sql_types::Text, _>(kind)
        .bind::<sql_types::SmallInt, _>(priority)
        .get_result(connection)
        .await?;
    Ok(Count { jobs: planned_rows(&plan).max(counted), estimated: true })
}

#[derive(QueryableByName)]
struct DeadRow {
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::BigInt)]
    jobs: i64,
}

async fn dead_by_kind(connection: &mut Connection) -> Result<Vec<(String, Count)>, StoreError> {
    let kinds = kinds_in_ledger(connection).await?;
    let rows: Vec<DeadRow> = diesel::sql_query(
        "SELECT of.kind, dead.jobs FROM unnest($1::text[]) AS of (kind),
         LATERAL (SELECT count(*) AS jobs FROM (SELECT FROM jobs WHERE dead AND kind = of.kind LIMIT $2) AS first) AS dead
         WHERE dead.jobs > 0",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(kinds)
    .bind::<sql_types::BigInt, _>(COUNTED)
    .load(connection)
    .await?;
    let mut counts = Vec::with_capacity(rows.len());
    for row in rows {
        let mut dead = Count { jobs: row.jobs, estimated: false };
        if row.jobs >= COUNTED {
            let plan: Plan = diesel::sql_query("EXPLAIN (FORMAT JSON) SELECT FROM jobs WHERE dead AND kind = $1")
                .bind::<sql_types::Text, _>(&row.kind)
                .get_result(connection)
                .await?;
            dead = Count { jobs: planned_rows(&plan).max(row.jobs), estimated: true };
        }
        counts.push((row.kind, dead));
    }
    Ok(counts)
}

/// Dead jobs of one kind and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct DeadReason {
    /// The kind.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// The reason code.
    #[diesel(sql_type = sql_types::Text)]
    pub reason: String,
    /// How many, among the last twenty thousand of the kind that died.
    #[diesel(sql_type = sql_types::BigInt)]
    pub jobs: i64,
    /// When the last of them died.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub last_at: DateTime<Utc>,
}

/// Why jobs died, most frequent first.
pub async fn dead_reasons(connection: &mut Connection) -> Result<Vec<DeadReason>, StoreError> {
    let kinds = kinds_in_ledger(connection).await?;
    Ok(diesel::sql_query(
        "SELECT of.kind, dead.reason, count(*) AS jobs, max(dead.finished_at) AS last_at
         FROM unnest($1::text[]) AS of (kind),
         LATERAL (SELECT reason, finished_at FROM jobs WHERE dead AND kind = of.kind ORDER BY finished_at DESC LIMIT $2) AS dead
         GROUP BY 1, 2 ORDER BY jobs DESC, 1, 2",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(kinds)
    .bind::<sql_types::BigInt, _>(COUNTED)
    .load(connection)
    .await?)
}

/// How runs ended lately, those that simply succeeded excepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct Setbacks {
    /// The kind.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// `later`, `failed`, `dead`, `lost` or `handed_back`.
    #[diesel(sql_type = sql_types::Text)]
    pub outcome: String,
    /// The reason code.
    #[diesel(sql_type = sql_types::Text)]
    pub reason: String,
    /// How many runs, at most twenty thousand in all.
    #[diesel(sql_type = sql_types::BigInt)]
    pub runs: i64,
}

/// Runs within `span` that did not simply succeed, most frequent first.
pub async fn recent_setbacks(connection: &mut Connection, span: Duration) -> Result<Vec<Setbacks>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT jobs.kind, a.outcome, a.reason, count(*) AS runs
         FROM (SELECT job_id, outcome, reason FROM job_attempts WHERE ended_at > now() - $1 * interval '1 millisecond'
               ORDER BY ended_at DESC LIMIT $2) AS a
         JOIN jobs ON jobs.id = a.job_id
         GROUP BY 1, 2, 3 ORDER BY runs DESC, 1, 2, 3",
    )
    .bind::<sql_types::BigInt, _>(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
    .bind::<sql_types::BigInt, _>(COUNTED)
    .load(connection)
    .await?)
}

/// A worker process whose lease is current, or was until a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerSeen {
    /// Its lease.
    pub lease: LeaseId,
    /// `host-pid`.
    pub name: String,
    /// Kinds it works on.
    pub kinds: Vec<String>,
    /// The version it runs.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When its lease runs out unless renewed.
    pub expires_at: DateTime<Utc>,
    /// Whether the lease is current; if not, its jobs are about to be given to others.
    pub alive: bool,
}

#[derive(QueryableByName)]
struct WorkerRow {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Array<sql_types::Text>)]
    kinds: Vec<String>,
    #[diesel(sql_type = sql_types::Text)]
    version: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    started_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Timestamptz)]
    expires_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Bool)]
    alive: bool,
}

/// Workers that have not ended, longest running first.
pub async fn workers_seen(connection: &mut Connection) -> Result<Vec<WorkerSeen>, StoreError> {
    /// More processes than this are not listed one by one.
    const MOST_WORKERS: i64 = 1_000;
    let rows: Vec<WorkerRow> = diesel::sql_query(
        "SELECT id, name, kinds, version, started_at, expires_at, expires_at > now() AS alive
         FROM workers WHERE ended_at IS NULL ORDER BY id LIMIT $1",
    )
    .bind::<sql_types::BigInt, _>(MOST_WORKERS)
    .load(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| WorkerSeen {
            lease: LeaseId(row.id),
            name: row.name,
            kinds: row.kinds,
            version: row.version,
            started_at: row.started_at,
            expires_at: row.expires_at,
            alive: row.alive,
        })
        .collect())
}
