//! When what a vendor lists is compared with what is held: every night, and on request.

use chrono::{DateTime, NaiveTime, SecondsFormat, Timelike, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::{Reconcile, UpkeepTask};
use crate::{
    domain::{JobId, JobKind, PRIORITY_BACKFILL, Repair, SourceName, Window},
    ledger::Hint,
    store::{Connection, StoreError},
};

/// Who asks every night.
const NIGHTLY: &str = "scheduler";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Bool)]
    created: bool,
}

/// A comparison that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcileRun {
    /// The job.
    pub id: JobId,
    /// It was enqueued by this request; otherwise it was open already.
    pub created: bool,
}

impl ReconcileRun {
    /// The hint to push after the commit.
    #[must_use]
    pub fn hint(&self) -> Hint {
        Hint { id: self.id, kind: JobKind::Upkeep.as_str().to_owned(), priority: PRIORITY_BACKFILL }
    }
}

fn payload(task: Reconcile) -> Result<serde_json::Value, StoreError> {
    let written = UpkeepTask::Reconcile(task).to_json();
    written.map_err(|error| StoreError::Row { table: "jobs", what: format!("the payload of an upkeep job: {error}") })
}

/// Enqueues the comparison of the last night, that is of the last moment at which it was `at` o'clock in UTC, unless it was enqueued
/// before or one is still open. The key names the night, so any number of schedulers make one run, and a night that none of them
/// saw is made up for as soon as one does. A source whose first sync is younger than that night has nothing to compare.
pub(super) async fn enqueue_night(
    connection: &mut Connection,
    source: SourceName,
    at: NaiveTime,
    repair: Repair,
) -> Result<Option<ReconcileRun>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(
        "WITH night AS (
             SELECT date_bin('1 day', now() - $2 * interval '1 second', timestamptz 'epoch') + $2 * interval '1 second' AS at),
         named AS (SELECT at, $1 || '/night/' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS key FROM night)
         INSERT INTO jobs (kind, key, source, priority, max_attempts, payload)
         SELECT 'upkeep', key, $1, $3, $4, $5 FROM named
         WHERE NOT EXISTS (SELECT FROM jobs WHERE kind = 'upkeep' AND jobs.key = named.key)
           AND EXISTS (SELECT FROM app_settings WHERE key LIKE $1 || ':%:since' AND (value #>> '{}')::timestamptz < at)
           AND NOT EXISTS (SELECT FROM jobs WHERE kind = 'upkeep' AND open AND key LIKE $1 || '/night/%')
         ON CONFLICT (kind, key) DO NOTHING RETURNING id, true AS created",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::Integer, _>(i32::try_from(at.num_seconds_from_midnight()).unwrap_or(0))
    .bind::<sql_types::SmallInt, _>(PRIORITY_BACKFILL)
    .bind::<sql_types::SmallInt, _>(i16::try_from(JobKind::Upkeep.default_max_attempts()).unwrap_or(i16::MAX))
    .bind::<sql_types::Jsonb, _>(payload(Reconcile { window: None, repair, actor: NIGHTLY.to_owned() })?)
    .load(connection)
    .await?;
    Ok(rows.into_iter().next().map(|row| ReconcileRun { id: JobId(row.id), created: row.created }))
}

/// Enqueues the comparison of a window now, or names the one of the very same window that is open already.
pub async fn enqueue_reconcile(
    connection: &mut Connection,
    source: SourceName,
    window: Window,
    repair: Repair,
    actor: &str,
) -> Result<ReconcileRun, StoreError> {
    let at = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let key = format!("{source}/asked/{repair}/{}/{}", at(window.from), at(window.to));
    // an UPDATE without a change where it is open, so that its id comes back in any case
    let row: Row = diesel::sql_query(
        "INSERT INTO jobs (kind, key, source, priority, max_attempts, payload) VALUES ('upkeep', $1, $2, $3, $4, $5)
         ON CONFLICT (kind, key) DO UPDATE SET
             state = CASE WHEN jobs.open THEN jobs.state ELSE 'ready' END,
             attempt = CASE WHEN jobs.open THEN jobs.attempt ELSE 0 END,
             put_off = CASE WHEN jobs.open THEN jobs.put_off ELSE 0 END,
             checkpoint = CASE WHEN jobs.open THEN jobs.checkpoint END,
             reason = CASE WHEN jobs.open THEN jobs.reason END,
             run_at = CASE WHEN jobs.open THEN jobs.run_at ELSE now() END,
             payload = CASE WHEN jobs.open THEN jobs.payload ELSE excluded.payload END,
             finished_at = NULL
         RETURNING id, state = 'ready' AND checkpoint IS NULL AND attempt = 0 AS created",
    )
    .bind::<sql_types::Text, _>(key)
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::SmallInt, _>(PRIORITY_BACKFILL)
    .bind::<sql_types::SmallInt, _>(i16::try_from(JobKind::Upkeep.default_max_attempts()).unwrap_or(i16::MAX))
    .bind::<sql_types::Jsonb, _>(payload(Reconcile { window: Some(window), repair, actor: actor.to_owned() })?)
    .get_result(connection)
    .await?;
    Ok(ReconcileRun { id: JobId(row.id), created: row.created })
}
