//! When each source was last asked for its new calls with success.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::SourceName,
    store::{Connection, StoreError},
};

/// How long ago a source's live sync last succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncAge {
    /// The vendor.
    pub source: SourceName,
    /// When a live sync last succeeded; when none has, when the first was asked for.
    pub since: DateTime<Utc>,
    /// The time since then.
    pub age: Duration,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    since: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql_types::Timestamptz)]
    now: DateTime<Utc>,
}

/// The sources of which a live sync was ever asked for. The keys of live syncs hold their times in words that sort as they do, so each
/// question is a step or a few from the end of an index.
pub async fn sync_ages(connection: &mut Connection) -> Result<Vec<SyncAge>, StoreError> {
    let mut ages = Vec::new();
    for source in SourceName::ALL {
        let row: Row = diesel::sql_query(
            "SELECT coalesce(max(newest.finished_at), min(first.created_at)) AS since, now() AS now
             FROM unnest(ARRAY['/tick/', '/now/', '/event/']) AS way
             LEFT JOIN LATERAL (
                 SELECT finished_at FROM jobs
                 WHERE kind = 'sync' AND key > $1 || way AND key < $1 || rtrim(way, '/') || '0' AND state = 'done'
                 ORDER BY key DESC LIMIT 1) AS newest ON true
             LEFT JOIN LATERAL (
                 SELECT created_at FROM jobs WHERE kind = 'sync' AND key > $1 || way AND key < $1 || rtrim(way, '/') || '0'
                 ORDER BY key LIMIT 1) AS first ON true",
        )
        .bind::<sql_types::Text, _>(source.as_str())
        .get_result(connection)
        .await?;
        let age = |since: DateTime<Utc>| SyncAge { source: *source, since, age: (row.now - since).to_std().unwrap_or_default() };
        ages.extend(row.since.map(age));
    }
    Ok(ages)
}
