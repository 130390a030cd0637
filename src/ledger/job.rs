//! A job in a worker's hands, and the worker's side of the bargain.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{JobId, JobKind, LeaseId, SessionId, SourceName, TranscriptId},
    ledger::Outcome,
    store::{Connection, Prepared, Store, StoreError},
    telemetry::traces::TraceParent,
};

/// A job's id on its way to Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The job.
    pub id: JobId,
    /// Its lane: the kind as the ledger writes it.
    pub kind: String,
    /// Lower runs first.
    pub priority: i16,
}

/// A job that this process holds.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The row.
    pub id: JobId,
    /// What kind of work.
    pub kind: JobKind,
    /// Which work.
    pub key: String,
    /// Vendor, if one.
    pub source: Option<SourceName>,
    /// Call, if one.
    pub session_id: Option<SessionId>,
    /// Transcript whose status moves with it, if one.
    pub transcript_id: Option<TranscriptId>,
    /// Parameters.
    pub payload: serde_json::Value,
    /// How far an earlier run came.
    pub checkpoint: Option<serde_json::Value>,
    /// Lower runs first; the next stage inherits it.
    pub priority: i16,
    /// This attempt, counted from 1.
    pub attempt: u16,
    /// Attempts allowed.
    pub max_attempts: u16,
    /// With the lease, the fencing token.
    pub run: i32,
    /// The lease under which this process holds it.
    pub lease: LeaseId,
    /// How often this job answered "later" since it was enqueued or last requeued.
    pub times_put_off: u32,
    /// When it was claimed.
    pub started_at: DateTime<Utc>,
    /// How long it had been due when it was claimed.
    pub waited: Duration,
    /// The run or request that enqueued it, if that was traced.
    pub enqueued_by: Option<TraceParent>,
}

/// What a handler may use while it runs.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Cancelled when the lease was lost or the process must stop: end soon, what is written after it is refused.
    pub stop: CancellationToken,
    /// The database.
    pub store: Store,
    /// Takes the hints of jobs enqueued in a transaction of the handler's own, after its commit.
    pub hints: tokio::sync::mpsc::UnboundedSender<Vec<Hint>>,
}

/// Does one kind of work.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The kind.
    fn kind(&self) -> JobKind;

    /// Does the work. It may run again, elsewhere, after a crash at any line: everything it writes must bear that.
    async fn run(&self, job: &Claimed, context: &RunContext) -> Outcome;
}

/// The job is no longer ours: its lease ran out, or someone else holds it.
#[derive(Debug, thiserror::Error)]
pub enum LeaseLost {
    /// It is held under another lease, or was swept.
    #[error("job {0} is no longer held by this worker")]
    Gone(JobId),
    /// PostgreSQL could not be asked.
    #[error("cannot check the lease")]
    Store(#[from] StoreError),
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = sql_types::BigInt)]
    #[expect(dead_code, reason = "only the row's existence matters")]
    id: i64,
}

/// Locks the job's row for the caller's transaction and fails unless this worker still holds it: call it first in every
/// transaction that a handler commits while it runs.
pub async fn hold(connection: &mut Connection, job: &Claimed) -> Result<(), LeaseLost> {
    held(connection, job, "SELECT id FROM jobs WHERE id = $1 AND state = 'running' AND lease_id = $2 AND run = $3 FOR UPDATE").await
}

/// The same for a transaction whose loss in a crash of PostgreSQL does no harm, since the run that made it is then lost with it or repeats
/// it: its commit does not wait for the disk. Whatever is committed later, and waits, carries it along.
pub async fn hold_lightly(connection: &mut Connection, job: &Claimed) -> Result<(), LeaseLost> {
    let statement = "SELECT id FROM jobs, set_config('synchronous_commit', 'off', true)
                     WHERE id = $1 AND state = 'running' AND lease_id = $2 AND run = $3 FOR UPDATE OF jobs";
    held(connection, job, statement).await
}

async fn held(connection: &mut Connection, job: &Claimed, statement: &'static str) -> Result<(), LeaseLost> {
    let statement = diesel::sql_query(statement)
        .bind::<sql_types::BigInt, _>(job.id.0)
        .bind::<sql_types::BigInt, _>(job.lease.0)
        .bind::<sql_types::Integer, _>(job.run);
    let rows: Vec<Held> = Prepared(statement).load(connection).await.map_err(StoreError::from)?;
    if rows.is_empty() { Err(LeaseLost::Gone(job.id)) } else { Ok(()) }
}
