//! When audio that is kept no longer is deleted: once a day, where a retention is set.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::UpkeepTask;
use crate::{
    domain::{JobId, JobKind, PRIORITY_BACKFILL},
    ledger::Hint,
    store::{Connection, StoreError},
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// Enqueues the retention of this day (UTC), unless it was enqueued before or one is still open. The key names the day, so any number of
/// schedulers make one run.
pub(super) async fn enqueue_retention(connection: &mut Connection) -> Result<Option<Hint>, StoreError> {
    let payload = UpkeepTask::Retention
        .to_json()
        .map_err(|error| StoreError::Row { table: "jobs", what: format!("the task cannot be written: {error}") })?;
    let rows: Vec<Row> = diesel::sql_query(
        "INSERT INTO jobs (kind, key, priority, max_attempts, payload)
         SELECT 'upkeep', 'retention/' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), $1, $2, $3
         WHERE NOT EXISTS (SELECT FROM jobs WHERE kind = 'upkeep' AND open AND key LIKE 'retention/%')
         ON CONFLICT (kind, key) DO NOTHING RETURNING id",
    )
    .bind::<sql_types::SmallInt, _>(PRIORITY_BACKFILL)
    .bind::<sql_types::SmallInt, _>(i16::try_from(JobKind::Upkeep.default_max_attempts()).unwrap_or(i16::MAX))
    .bind::<sql_types::Jsonb, _>(payload)
    .load(connection)
    .await?;
    Ok(rows.into_iter().next().map(|row| Hint {
        id: JobId(row.id),
        kind: JobKind::Upkeep.as_str().to_owned(),
        priority: PRIORITY_BACKFILL,
    }))
}
