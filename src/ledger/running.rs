//! What workers do just now, for people.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use crate::store::{Connection, StoreError};

/// The jobs of one kind that one worker process holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct RunningSeen {
    /// The worker's lease.
    #[diesel(sql_type = sql_types::BigInt)]
    pub lease: i64,
    /// The kind.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// How many.
    #[diesel(sql_type = sql_types::BigInt)]
    pub jobs: i64,
    /// When the longest of them began.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub since: DateTime<Utc>,
}

/// Jobs of a lane looked at: they are taken in the order of the index, so those that run are among its first.
const LOOKED_AT: i64 = 5_000;

/// What every worker holds, by lease and kind.
pub async fn running_by_worker(connection: &mut Connection) -> Result<Vec<RunningSeen>, StoreError> {
    Ok(diesel::sql_query(
        "WITH RECURSIVE lane AS (
             (SELECT kind, priority FROM jobs WHERE open ORDER BY kind, priority LIMIT 1)
             UNION ALL
             SELECT next.kind, next.priority FROM lane, LATERAL (
                 SELECT kind, priority FROM jobs WHERE open AND (kind, priority) > (lane.kind, lane.priority)
                 ORDER BY kind, priority LIMIT 1) AS next)
         SELECT front.lease_id AS lease, lane.kind, count(*) AS jobs, min(front.started_at) AS since
         FROM lane, LATERAL (
             SELECT state, lease_id, started_at FROM jobs
             WHERE open AND kind = lane.kind AND priority = lane.priority AND run_at <= now() ORDER BY run_at LIMIT $1) AS front
         WHERE front.state = 'running'
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind::<sql_types::BigInt, _>(LOOKED_AT)
    .load(connection)
    .await?)
}
