//! How far sync has come with every source, for people: the watermarks and gaps of `app_settings`.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use crate::store::{Connection, StoreError};

/// How far sync has come with one tenant of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct SyncState {
    /// The vendor.
    #[diesel(sql_type = sql_types::Text)]
    pub source: String,
    /// The tenant.
    #[diesel(sql_type = sql_types::Text)]
    pub org_id: String,
    /// Newest creation time seen.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub watermark: Option<DateTime<Utc>>,
    /// Details of calls that ended before this were told at least once.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub details: Option<DateTime<Utc>>,
    /// Moments around which the vendor could not be made to tell everything.
    #[diesel(sql_type = sql_types::BigInt)]
    pub gaps: i64,
}

/// Every tenant that was ever synced; more than a hundred are not listed.
pub async fn sync_states(connection: &mut Connection) -> Result<Vec<SyncState>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT split_part(key, ':', 1) AS source, split_part(key, ':', 2) AS org_id,
                max(CASE WHEN key LIKE '%:watermark' THEN (value #>> '{}')::timestamptz END) AS watermark,
                max(CASE WHEN key LIKE '%:details' THEN (value ->> 'to')::timestamptz END) AS details,
                coalesce(max(CASE WHEN key LIKE '%:gaps' AND jsonb_typeof(value) = 'array' THEN jsonb_array_length(value) END), 0)::bigint AS gaps
         FROM app_settings WHERE key LIKE '%:%:watermark' OR key LIKE '%:%:details' OR key LIKE '%:%:gaps'
         GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 100",
    )
    .load(connection)
    .await?)
}
