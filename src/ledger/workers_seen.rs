//! Who works, for people.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use crate::{
    domain::LeaseId,
    store::{Connection, StoreError},
};

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

#[derive(QueryableByName)]
struct LastRow {
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::Double)]
    seconds: f64,
}

/// For how long no worker that takes a kind has had a lease, by kind: nothing while one has; no entry where none is remembered.
pub async fn unattended_for(connection: &mut Connection) -> Result<BTreeMap<String, Duration>, StoreError> {
    let rows: Vec<LastRow> = diesel::sql_query(
        "SELECT kind, extract(epoch FROM now() - max(coalesce(ended_at, expires_at, started_at)))::float8 AS seconds
         FROM workers, unnest(kinds) AS kind GROUP BY kind",
    )
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, Duration::try_from_secs_f64(row.seconds).unwrap_or_default())).collect())
}
