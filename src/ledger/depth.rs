//! How much work there is and who does it: answered in milliseconds, whatever the size of the ledger.
//!
//! Counts walk the partial indexes of open and dead jobs and stop at a bound, beyond which "so many or more" is all that is said.
//! Done jobs are never counted: nobody waits for them.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use super::filter::kinds_in_ledger;
use crate::{
    domain::JobKind,
    store::{Connection, StoreError},
};

/// Jobs of one kind and state counted at most, unless asked for all: twenty thousand index entries take some five milliseconds.
pub const COUNTED: i64 = 20_000;
/// Jobs of a lane looked at one by one for those running: they are taken in the order of the index, so they are among its first.
const LOOKED_AT: i64 = 5_000;

/// A number of jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many.
    pub jobs: i64,
    /// Counting stopped here: so many or more.
    pub or_more: bool,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}{}", self.jobs, if self.or_more { "+" } else { "" }))
    }
}

impl Count {
    const fn up_to(most: i64, jobs: i64) -> Self {
        Self { jobs, or_more: jobs >= most }
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.or_more |= other.or_more;
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
    #[diesel(sql_type = sql_types::BigInt)]
    come: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    running: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    oldest_ms: Option<i64>,
    #[diesel(sql_type = sql_types::BigInt)]
    later: i64,
}

/// Open jobs by kind and priority.
const OPEN: &str = "
    WITH RECURSIVE lane AS (
        (SELECT kind, priority FROM jobs WHERE open ORDER BY kind, priority LIMIT 1)
        UNION ALL
        SELECT next.kind, next.priority FROM lane, LATERAL (
            SELECT kind, priority FROM jobs WHERE open AND (kind, priority) > (lane.kind, lane.priority)
            ORDER BY kind, priority LIMIT 1) AS next)
    SELECT lane.kind, come.jobs AS come, front.running, front.oldest_ms, later.jobs AS later
    FROM lane,
    LATERAL (
        SELECT count(*) AS jobs
        FROM (SELECT FROM jobs WHERE open AND kind = lane.kind AND priority = lane.priority AND run_at <= now() LIMIT $1) AS first) AS come,
    LATERAL (
        SELECT count(*) FILTER (WHERE state = 'running') AS running,
               (extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 'ready')) * 1000)::bigint AS oldest_ms
        FROM (SELECT state, run_at FROM jobs
              WHERE open AND kind = lane.kind AND priority = lane.priority AND run_at <= now() ORDER BY run_at LIMIT $2) AS first) AS front,
    LATERAL (
        SELECT count(*) AS jobs
        FROM (SELECT FROM jobs WHERE open AND kind = lane.kind AND priority = lane.priority AND run_at > now() LIMIT $1) AS first) AS later";

/// The work of every kind that has open or dead jobs, by name. Counts stop at `most`.
pub async fn depths(connection: &mut Connection, most: i64) -> Result<Vec<Depth>, StoreError> {
    let lanes: Vec<LaneRow> =
        diesel::sql_query(OPEN).bind::<sql_types::BigInt, _>(most).bind::<sql_types::BigInt, _>(LOOKED_AT).load(connection).await?;
    let mut kinds: BTreeMap<String, Depth> = BTreeMap::new();
    for lane in lanes {
        let come = Count::up_to(most, lane.come);
        let depth = entry(&mut kinds, &lane.kind);
        depth.due.add(Count { jobs: (come.jobs - lane.running).max(0), ..come });
        depth.running.add(Count { jobs: lane.running, or_more: false });
        depth.later.add(Count::up_to(most, lane.later));
        depth.oldest_due_ms = depth.oldest_due_ms.max(lane.oldest_ms);
    }
    for (kind, dead) in dead_by_kind(connection, most).await? {
        entry(&mut kinds, &kind).dead = dead;
    }
    Ok(kinds.into_values().collect())
}

fn entry<'k>(kinds: &'k mut BTreeMap<String, Depth>, kind: &str) -> &'k mut Depth {
    let known = kind.parse::<JobKind>().is_ok();
    kinds.entry(kind.to_owned()).or_insert_with(|| Depth { kind: kind.to_owned(), known, ..Depth::default() })
}

#[derive(QueryableByName)]
struct DeadRow {
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::BigInt)]
    jobs: i64,
}

async fn dead_by_kind(connection: &mut Connection, most: i64) -> Result<Vec<(String, Count)>, StoreError> {
    let kinds = kinds_in_ledger(connection).await?;
    let rows: Vec<DeadRow> = diesel::sql_query(
        "SELECT of.kind, dead.jobs FROM unnest($1::text[]) AS of (kind),
         LATERAL (SELECT count(*) AS jobs FROM (SELECT FROM jobs WHERE dead AND kind = of.kind LIMIT $2) AS first) AS dead
         WHERE dead.jobs > 0",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(kinds)
    .bind::<sql_types::BigInt, _>(most)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, Count::up_to(most, row.jobs))).collect())
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
