//! Jobs grouped by what their last error says.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use super::filter::{JobFilter, PARAMETERS};
use crate::{
    domain::error_pattern,
    store::{Connection, StoreError},
};

/// Jobs read at most: the newest. Their errors are read into memory once.
pub const MOST_CLUSTERED: i64 = 100_000;
/// As much of an error as is looked at.
const ERROR_BEGINNING: i32 = 600;

/// Jobs whose last errors say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// What they say, with what differs replaced.
    pub pattern: String,
    /// The reason code.
    pub reason: String,
    /// How many jobs.
    pub jobs: u64,
    /// Of these kinds.
    pub kinds: BTreeSet<String>,
    /// When it was first said.
    pub first_seen: DateTime<Utc>,
    /// When it was last said.
    pub last_seen: DateTime<Utc>,
    /// The job that said it last.
    pub example: i64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// Those of most jobs first.
    pub clusters: Vec<Cluster>,
    /// Jobs in them.
    pub jobs: u64,
    /// There are more jobs than were read.
    pub newest_only: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::Text)]
    reason: String,
    #[diesel(sql_type = sql_types::Text)]
    error: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    ended_at: DateTime<Utc>,
}

/// Groups the jobs a filter means by their last error.
pub async fn clusters(connection: &mut Connection, filter: &JobFilter) -> Result<Clusters, StoreError> {
    let filter = filter.with_kinds(connection).await?;
    let (condition, limit, beginning) = (filter.condition(), PARAMETERS + 1, PARAMETERS + 2);
    let statement = format!(
        "SELECT j.id, j.kind, a.reason, left(a.error, ${beginning}) AS error, a.ended_at
         FROM (SELECT id, kind FROM jobs WHERE {condition} ORDER BY id DESC LIMIT ${limit}) AS j,
         LATERAL (SELECT reason, error, ended_at FROM job_attempts WHERE job_id = j.id ORDER BY run DESC LIMIT 1) AS a
         WHERE a.error IS NOT NULL"
    );
    let bound = filter.bind(statement).bind::<sql_types::BigInt, _>(MOST_CLUSTERED);
    let rows: Vec<Row> = bound.bind::<sql_types::Integer, _>(ERROR_BEGINNING).load(connection).await?;
    let newest_only = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= MOST_CLUSTERED;
    Ok(Clusters { jobs: rows.len().try_into().unwrap_or(u64::MAX), clusters: grouped(rows), newest_only })
}

fn grouped(rows: Vec<Row>) -> Vec<Cluster> {
    let mut found: HashMap<(String, String), Cluster> = HashMap::new();
    for row in rows {
        let (pattern, at) = (error_pattern(&row.error), row.ended_at);
        let cluster = found.entry((row.reason.clone(), pattern.clone())).or_insert_with(|| Cluster {
            pattern,
            reason: row.reason,
            jobs: 0,
            kinds: BTreeSet::new(),
            first_seen: at,
            last_seen: at,
            example: row.id,
        });
        cluster.jobs += 1;
        cluster.kinds.insert(row.kind);
        cluster.first_seen = cluster.first_seen.min(at);
        if at > cluster.last_seen {
            cluster.last_seen = at;
            cluster.example = row.id;
        }
    }
    let mut clusters: Vec<Cluster> = found.into_values().collect();
    clusters.sort_by(|one, other| other.jobs.cmp(&one.jobs).then_with(|| one.pattern.cmp(&other.pattern)));
    clusters
}
