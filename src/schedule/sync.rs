//! When calls and their details are asked for: at every tick of `SYNC_INTERVAL`, now on request, never two live runs of one source at once.

use std::time::Duration;

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::SyncPayload;
use crate::{
    domain::{JobId, JobKind, PRIORITY_FRESH, SourceName},
    ledger::Hint,
    store::{Connection, StoreError},
    telemetry::traces,
};

/// A run of the sync, or of the enrichment, that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRun {
    /// The job.
    pub id: JobId,
    /// What kind of run.
    pub kind: JobKind,
    /// It was enqueued by this request; otherwise it was open already.
    pub created: bool,
}

impl SyncRun {
    /// The hint to push after the commit.
    #[must_use]
    pub fn hint(&self) -> Hint {
        Hint { id: self.id, kind: self.kind.as_str().to_owned(), priority: PRIORITY_FRESH }
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Bool)]
    created: bool,
}

/// Enqueues the run of the tick that `interval` divides time into, unless it was enqueued before or a live run is still open.
/// The key names the tick, so any number of schedulers make one run; missed ticks need none of their own, since a run goes on
/// from the watermark.
pub(super) async fn enqueue_tick(
    connection: &mut Connection,
    kind: JobKind,
    source: SourceName,
    interval: Duration,
) -> Result<Option<SyncRun>, StoreError> {
    let run = enqueue_live(connection, kind, source, Some(interval)).await?;
    Ok(run.filter(|run| run.created))
}

/// Enqueues a live run now, or names the one that is open already. Two requests within a millisecond make one run; the second
/// of them may be told none.
pub async fn enqueue_sync_now(connection: &mut Connection, source: SourceName) -> Result<Option<SyncRun>, StoreError> {
    enqueue_live(connection, JobKind::Sync, source, None).await
}

async fn enqueue_live(
    connection: &mut Connection,
    kind: JobKind,
    source: SourceName,
    tick: Option<Duration>,
) -> Result<Option<SyncRun>, StoreError> {
    let tick = tick.map(|interval| i64::try_from(interval.as_millis()).unwrap_or(i64::MAX));
    let rows: Vec<Row> = diesel::sql_query(
        "WITH live AS (
             SELECT id FROM jobs WHERE kind = $5 AND open AND source = $1 AND payload ->> 'mode' = 'live' ORDER BY id LIMIT 1),
         moment AS (
             SELECT CASE WHEN $4 IS NULL THEN clock_timestamp()
                         ELSE date_bin($4 * interval '1 millisecond', now(), timestamptz 'epoch') END AS at),
         created AS (
             INSERT INTO jobs (kind, key, source, max_attempts, trace_parent, payload)
             SELECT $5,
                    $1 || CASE WHEN $4 IS NULL THEN '/now/' ELSE '/tick/' END || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
                    $1, $2, $6, $3
             FROM moment WHERE NOT EXISTS (SELECT FROM live)
             ON CONFLICT (kind, key) DO NOTHING RETURNING id)
         SELECT id, true AS created FROM created UNION ALL SELECT id, false FROM live",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::SmallInt, _>(i16::try_from(kind.default_max_attempts()).unwrap_or(i16::MAX))
    .bind::<sql_types::Jsonb, _>(SyncPayload::Live.to_json())
    .bind::<sql_types::Nullable<sql_types::BigInt>, _>(tick)
    .bind::<sql_types::Text, _>(kind.as_str())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(traces::current().map(|parent| parent.to_string()))
    .load(connection)
    .await?;
    Ok(rows.into_iter().next().map(|row| SyncRun { id: JobId(row.id), kind, created: row.created }))
}

/// What became of a sync that an event asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SyncForEvent {
    /// This run begins after the event and will see what it tells; the hint is there when it is new and due now.
    Asked {
        /// The job.
        id: JobId,
        /// To be pushed after the commit.
        hint: Option<Hint>,
    },
    /// A run has begun already and may not see it, or another event asks in this very moment: ask again.
    Busy,
}

#[derive(QueryableByName)]
struct Open {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Bool)]
    begun: bool,
}

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Bool)]
    due: bool,
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = sql_types::Bool)]
    locked: bool,
}

/// Asks for a live run that begins after now, on the caller's transaction. Events share it: one that waits for its turn serves all
/// that come before it begins, and the next begins no sooner than `every` after the last that an event asked for.
pub(super) async fn enqueue_for_event(
    connection: &mut Connection,
    source: SourceName,
    every: Duration,
) -> Result<SyncForEvent, StoreError> {
    /// Any number would do, as long as every version agrees on it.
    const ASKING: i32 = 0x6576_656e;
    let lock: Locked = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS locked")
        .bind::<sql_types::Integer, _>(ASKING)
        .bind::<sql_types::Text, _>(source.as_str())
        .get_result(connection)
        .await?;
    if !lock.locked {
        return Ok(SyncForEvent::Busy);
    }
    let open: Vec<Open> = diesel::sql_query(
        // a run that stopped half way goes on with the window that it had begun with
        "SELECT id, state = 'running' OR checkpoint IS NOT NULL AS begun FROM jobs
         WHERE kind = 'sync' AND open AND source = $1 AND payload ->> 'mode' = 'live' ORDER BY id LIMIT 1",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .load(connection)
    .await?;
    if let Some(open) = open.into_iter().next() {
        return Ok(if open.begun { SyncForEvent::Busy } else { SyncForEvent::Asked { id: JobId(open.id), hint: None } });
    }
    let made: Vec<Made> = diesel::sql_query(
        "WITH last AS (
             SELECT coalesce(started_at, created_at) AS at FROM jobs
             WHERE kind = 'sync' AND key > $1 || '/event/' AND key < $1 || '/event0' ORDER BY key DESC LIMIT 1)
         INSERT INTO jobs (kind, key, source, max_attempts, payload, trace_parent, run_at)
         SELECT 'sync', $1 || '/event/' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), $1, $2, $3, $5,
                greatest(now(), (SELECT at FROM last) + $4 * interval '1 millisecond')
         ON CONFLICT (kind, key) DO NOTHING RETURNING id, run_at <= now() AS due",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::SmallInt, _>(i16::try_from(JobKind::Sync.default_max_attempts()).unwrap_or(i16::MAX))
    .bind::<sql_types::Jsonb, _>(SyncPayload::Live.to_json())
    .bind::<sql_types::BigInt, _>(i64::try_from(every.as_millis()).unwrap_or(i64::MAX))
    .bind::<sql_types::Nullable<sql_types::Text>, _>(traces::current().map(|parent| parent.to_string()))
    .load(connection)
    .await?;
    Ok(match made.into_iter().next() {
        Some(made) => {
            let hint = Hint { id: JobId(made.id), kind: JobKind::Sync.as_str().to_owned(), priority: PRIORITY_FRESH };
            SyncForEvent::Asked { id: JobId(made.id), hint: made.due.then_some(hint) }
        }
        None => SyncForEvent::Busy,
    })
}
