//! The look at a source's webhooks that is due now and then: one job, due again when the last look is long enough ago.

use std::time::Duration;

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::UpkeepTask;
use crate::{
    domain::{JobId, JobKind, PRIORITY_FRESH, SourceName},
    ledger::Hint,
    store::{Connection, StoreError},
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// Makes the look at the webhooks of `source` due, unless one is open or ended less than half of `every` ago: a scheduler that was just
/// started again asks at once. A look that died is due again as well; one that a person cancelled is not.
pub(super) async fn enqueue_webhook_check(
    connection: &mut Connection,
    source: SourceName,
    every: Duration,
) -> Result<Option<Hint>, StoreError> {
    let payload = UpkeepTask::Subscriptions
        .to_json()
        .map_err(|error| StoreError::Row { table: "jobs", what: format!("the task cannot be written: {error}") })?;
    let rows: Vec<Row> = diesel::sql_query(
        "INSERT INTO jobs (kind, key, source, max_attempts, payload) VALUES ('upkeep', $1 || '/subscriptions', $1, $2, $3)
         ON CONFLICT (kind, key) DO UPDATE
             SET state = 'ready', attempt = 0, put_off = 0, checkpoint = NULL, reason = NULL, finished_at = NULL, run_at = now()
             WHERE jobs.state IN ('done', 'dead') AND jobs.finished_at < now() - $4 * interval '1 millisecond' / 2
         RETURNING id",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::SmallInt, _>(i16::try_from(JobKind::Upkeep.default_max_attempts()).unwrap_or(i16::MAX))
    .bind::<sql_types::Jsonb, _>(payload)
    .bind::<sql_types::BigInt, _>(i64::try_from(every.as_millis()).unwrap_or(i64::MAX))
    .load(connection)
    .await?;
    let hint = |row: Row| Hint { id: JobId(row.id), kind: JobKind::Upkeep.as_str().to_owned(), priority: PRIORITY_FRESH };
    Ok(rows.into_iter().next().map(hint))
}
