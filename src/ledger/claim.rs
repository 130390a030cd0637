//! Taking work: one UPDATE for a batch of ids, or for whatever is due.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    domain::{JobId, JobKind, LeaseId, SessionId, SourceName, TranscriptId},
    ledger::Claimed,
    store::{Connection, StoreError},
};

/// A row that was claimed and cannot be read by this version.
#[derive(Debug, Clone)]
pub struct Poison {
    /// The row.
    pub id: JobId,
    /// Its claim.
    pub run: i32,
    /// What about it cannot be read.
    pub what: String,
}

/// What a claim brought.
#[derive(Debug, Default)]
pub struct Claim {
    /// Jobs to run.
    pub jobs: Vec<Claimed>,
    /// Rows to park as dead.
    pub poison: Vec<Poison>,
    /// Sources, and batches of a source, that had jobs of the kind due beside each other in one class; told by a claim in turn.
    pub contenders: i64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    key: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    source: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    session_id: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    transcript_id: Option<Uuid>,
    #[diesel(sql_type = sql_types::Jsonb)]
    payload: Value,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Jsonb>)]
    checkpoint: Option<Value>,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
    #[diesel(sql_type = sql_types::SmallInt)]
    attempt: i16,
    #[diesel(sql_type = sql_types::SmallInt)]
    max_attempts: i16,
    #[diesel(sql_type = sql_types::Integer)]
    run: i32,
    #[diesel(sql_type = sql_types::Integer)]
    put_off: i32,
    #[diesel(sql_type = sql_types::BigInt)]
    waited_ms: i64,
    #[diesel(sql_type = sql_types::Timestamptz)]
    started_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    trace_parent: Option<String>,
    #[diesel(sql_type = sql_types::BigInt)]
    contenders: i64,
}

/// The lease is share-locked so that a claim and the sweep that ends the lease exclude each other:
/// no job can be claimed under a lease that has already been swept.
const CLAIM: &str = "
    UPDATE jobs SET state = 'running', attempt = attempt + 1, run = run + 1, max_attempts = coalesce($4, max_attempts), lease_id = $1, started_at = clock_timestamp(), reason = NULL
    FROM due
    WHERE jobs.id = due.id
    RETURNING jobs.id, key, source, session_id, transcript_id, payload, checkpoint, priority, attempt, max_attempts, run, put_off, trace_parent, started_at,
              (extract(epoch FROM greatest(started_at - run_at, interval '0')) * 1000)::bigint AS waited_ms, due.contenders";

/// What people paused. Read by the claim itself: once a pause is committed, no claim that begins takes what it means, whatever the
/// process has heard of it.
const PAUSED: &str = "paused AS MATERIALIZED (SELECT scope, subject FROM controls WHERE action = 'pause')";
const PAUSED_SOURCES: &str = "ARRAY(SELECT subject FROM paused WHERE scope = 'source')";

/// That the kind, which is the statement's `parameter`, is not paused.
fn kind_is_not_paused(parameter: &str) -> String {
    format!("NOT EXISTS (SELECT FROM paused WHERE scope = 'all' OR (scope = 'kind' AND subject = {parameter}))")
}

/// Who claims, and what.
#[derive(Debug, Clone, Copy)]
pub struct Claimant {
    /// Kind of job.
    pub kind: JobKind,
    /// Lease under which it will be held.
    pub lease: LeaseId,
    /// The operator's `MAX_ATTEMPTS_<KIND>`, which replaces what the row says.
    pub max_attempts: Option<u16>,
}

impl Claimant {
    fn max_attempts(self) -> Option<i16> {
        self.max_attempts.map(|most| i16::try_from(most).unwrap_or(i16::MAX))
    }
}

/// Claims those of `ids` that are of the claimant's kind, due and free. The rest are stale hints and none of our business.
pub async fn claim(connection: &mut Connection, claimant: Claimant, ids: &[JobId]) -> Result<Claim, StoreError> {
    if ids.is_empty() {
        return Ok(Claim::default());
    }
    let rows: Vec<Row> = diesel::sql_query(format!(
        "WITH lease AS MATERIALIZED (SELECT id FROM workers WHERE id = $1 AND ended_at IS NULL FOR SHARE),
              {PAUSED},
              due AS MATERIALIZED (
                  SELECT id, 0::bigint AS contenders FROM jobs
                  WHERE id = ANY($2) AND kind = $3 AND state = 'ready' AND run_at <= now() AND EXISTS (SELECT FROM lease)
                    AND {} AND coalesce(source, '') <> ALL ({PAUSED_SOURCES})
                  ORDER BY id FOR UPDATE SKIP LOCKED)
         {CLAIM}",
        kind_is_not_paused("$3")
    ))
    .bind::<sql_types::BigInt, _>(claimant.lease.0)
    .bind::<sql_types::Array<sql_types::BigInt>, _>(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind::<sql_types::Text, _>(claimant.kind.as_str())
    .bind::<sql_types::Nullable<sql_types::SmallInt>, _>(claimant.max_attempts())
    .load(connection)
    .await?;
    Ok(read(rows, claimant.kind, claimant.lease))
}

/// Whose turn it is when jobs are claimed without hints.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turn<'t> {
    /// The source that had the last turn: another goes first.
    pub after: &'t str,
    /// Take what has been due longest, whatever its class: so that what is not urgent is not left for ever.
    pub oldest_first: bool,
    /// Sources that are not to be taken from, their vendor being down.
    pub without: &'t [String],
}

/// Claims up to `limit` jobs that are due, without hints: the most urgent class first, within it one of each source by turns, and of
/// a source's one of each requeue batch.
pub async fn claim_due(connection: &mut Connection, claimant: Claimant, limit: usize) -> Result<Claim, StoreError> {
    claim_in_turn(connection, claimant, limit, Turn::default()).await
}

/// Claims up to `limit` jobs that are due, as `turn` says. A step through the index per class, source and batch, then the first of each:
/// it costs the same whatever waits, and however many jobs a source or a batch has, those of another are as near. Which batch of a
/// source comes first is drawn by lot, so that claims of one job are fair as well.
pub async fn claim_in_turn(connection: &mut Connection, claimant: Claimant, limit: usize, turn: Turn<'_>) -> Result<Claim, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(format!(
        "WITH RECURSIVE lease AS MATERIALIZED (SELECT id FROM workers WHERE id = $1 AND ended_at IS NULL FOR SHARE),
              {PAUSED},
              lane AS (
                  (SELECT priority, coalesce(source, '') AS source, coalesce(batch_id, 0) AS batch, random() AS lot
                   FROM jobs WHERE kind = $2 AND open
                   ORDER BY priority, coalesce(source, ''), coalesce(batch_id, 0) LIMIT 1)
                  UNION ALL
                  SELECT next.*, random() FROM lane, LATERAL (
                      SELECT priority, coalesce(source, '') AS source, coalesce(batch_id, 0) AS batch FROM jobs
                      WHERE kind = $2 AND open
                        AND (priority, coalesce(source, ''), coalesce(batch_id, 0)) > (lane.priority, lane.source, lane.batch)
                      ORDER BY priority, coalesce(source, ''), coalesce(batch_id, 0) LIMIT 1) AS next),
              offered AS MATERIALIZED (
                  SELECT lane.*, first.id, first.run_at FROM lane, LATERAL (
                      SELECT id, run_at FROM jobs
                      WHERE kind = $2 AND open AND priority = lane.priority AND coalesce(source, '') = lane.source
                        AND coalesce(batch_id, 0) = lane.batch AND state = 'ready' AND run_at <= now()
                      ORDER BY run_at LIMIT $3 FOR UPDATE SKIP LOCKED) AS first
                  WHERE EXISTS (SELECT FROM lease) AND {} AND lane.source <> ALL ({PAUSED_SOURCES}) AND lane.source <> ALL ($7)),
              in_batch AS (
                  SELECT *, row_number() OVER (PARTITION BY priority, source, batch ORDER BY run_at) AS place_in_batch FROM offered),
              placed AS (
                  SELECT *, row_number() OVER (PARTITION BY priority, source ORDER BY place_in_batch, lot) AS place FROM in_batch),
              contending AS (SELECT count(DISTINCT (source, batch)) AS lanes FROM offered GROUP BY priority),
              due AS MATERIALIZED (
                  SELECT id, (SELECT max(lanes) FROM contending) AS contenders FROM placed
                  ORDER BY CASE WHEN $6 THEN run_at END, priority, place, source <= $5, source LIMIT $3)
         {CLAIM}",
        kind_is_not_paused("$2")
    ))
    .bind::<sql_types::BigInt, _>(claimant.lease.0)
    .bind::<sql_types::Text, _>(claimant.kind.as_str())
    .bind::<sql_types::BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind::<sql_types::Nullable<sql_types::SmallInt>, _>(claimant.max_attempts())
    .bind::<sql_types::Text, _>(turn.after)
    .bind::<sql_types::Bool, _>(turn.oldest_first)
    .bind::<sql_types::Array<sql_types::Text>, _>(turn.without)
    .load(connection)
    .await?;
    Ok(read(rows, claimant.kind, claimant.lease))
}

fn read(rows: Vec<Row>, kind: JobKind, lease: LeaseId) -> Claim {
    let contenders = rows.as_slice().first().map_or(0, |row| row.contenders);
    let mut claim = Claim { jobs: Vec::with_capacity(rows.len()), poison: Vec::new(), contenders };
    for row in rows {
        let (id, run) = (JobId(row.id), row.run);
        match understand(row, kind, lease) {
            Ok(job) => claim.jobs.push(job),
            Err(what) => claim.poison.push(Poison { id, run, what }),
        }
    }
    claim
}

fn understand(row: Row, kind: JobKind, lease: LeaseId) -> Result<Claimed, String> {
    let source = row.source.map(|name| name.parse::<SourceName>()).transpose().map_err(|error| error.to_string())?;
    let session_id = row.session_id.map(SessionId::parse).transpose().map_err(|error| error.to_string())?;
    let negative = |_| "its counters are negative".to_owned();
    Ok(Claimed {
        id: JobId(row.id),
        kind,
        key: row.key,
        source,
        session_id,
        transcript_id: row.transcript_id.map(TranscriptId),
        payload: row.payload,
        checkpoint: row.checkpoint,
        priority: row.priority,
        attempt: u16::try_from(row.attempt).map_err(negative)?,
        max_attempts: u16::try_from(row.max_attempts).map_err(negative)?,
        run: row.run,
        lease,
        times_put_off: u32::try_from(row.put_off).map_err(negative)?,
        started_at: row.started_at,
        waited: Duration::from_millis(u64::try_from(row.waited_ms).unwrap_or(0)),
        // work is done whether or not anyone can read where it came from
        enqueued_by: row.trace_parent.and_then(|text| text.parse().ok()),
    })
}
