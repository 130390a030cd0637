//! Who works: one lease per life of a worker process, renewed by one UPDATE however many jobs it holds.

use std::time::Duration;

use diesel::{QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    domain::{JobId, JobKind, LeaseId, Reason, TranscriptId},
    store::{
        Connection, StoreError,
        transcripts::{self, TranscriptTrouble},
    },
};

/// Who a worker process is.
#[derive(Debug, Clone)]
pub struct WorkerIdentity {
    /// Machine or container.
    pub host: String,
    /// Process id on that machine.
    pub pid: u32,
    /// Kinds it works on.
    pub kinds: Vec<JobKind>,
}

impl WorkerIdentity {
    /// `host-pid`, as logs and `job_attempts.worker` name it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.host, self.pid)
    }
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Begins a lease.
pub async fn begin_lease(connection: &mut Connection, worker: &WorkerIdentity, lease: Duration) -> Result<LeaseId, StoreError> {
    let row: Id = diesel::sql_query(
        "INSERT INTO workers (name, host, pid, kinds, version, expires_at)
         VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 millisecond') RETURNING id",
    )
    .bind::<sql_types::Text, _>(worker.name())
    .bind::<sql_types::Text, _>(&worker.host)
    .bind::<sql_types::Integer, _>(i32::try_from(worker.pid).unwrap_or(i32::MAX))
    .bind::<sql_types::Array<sql_types::Text>, _>(worker.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Text, _>(env!("CARGO_PKG_VERSION"))
    .bind::<sql_types::BigInt, _>(milliseconds(lease))
    .get_result(connection)
    .await?;
    Ok(LeaseId(row.id))
}

/// Renews a lease. `false`: it has ended, and every job held under it with it.
pub async fn renew_lease(connection: &mut Connection, id: LeaseId, lease: Duration) -> Result<bool, StoreError> {
    let renewed = diesel::sql_query(
        "UPDATE workers SET expires_at = clock_timestamp() + $2 * interval '1 millisecond' WHERE id = $1 AND ended_at IS NULL",
    )
    .bind::<sql_types::BigInt, _>(id.0)
    .bind::<sql_types::BigInt, _>(milliseconds(lease))
    .execute(connection)
    .await?;
    Ok(renewed == 1)
}

/// What a sweep or the end of a lease moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Leases that ended.
    pub leases: usize,
    /// Jobs that are due again.
    pub returned: usize,
    /// Jobs that died because the lost attempt was their last.
    pub dead: usize,
}

/// Ends a lease at shutdown and hands back what was still held under it; no attempt is used.
pub async fn end_lease(connection: &mut Connection, id: LeaseId) -> Result<Swept, StoreError> {
    connection
        .transaction(async |transaction| {
            let ended: Vec<Id> = diesel::sql_query(
                "UPDATE workers SET ended_at = clock_timestamp(), ended_by = 'drained', expires_at = NULL
                 WHERE id = $1 AND ended_at IS NULL RETURNING id",
            )
            .bind::<sql_types::BigInt, _>(id.0)
            .load(transaction)
            .await?;
            return_jobs(transaction, &ended, Ending::HandedBack, None).await
        })
        .await
}

/// Ends the leases that ran out; a job held under one is due again at once, or dead if the lost attempt was its last.
///
/// After a restart of PostgreSQL every lease is spared for one more lease time: no worker could renew while it was away,
/// and a live job is never rescued.
pub async fn sweep(connection: &mut Connection, lease: Duration) -> Result<Swept, StoreError> {
    /// Leases ended in one transaction; the next sweep takes the rest.
    const MOST_LEASES: i64 = 50;
    connection
        .transaction(async |transaction| {
            let ended: Vec<Id> = diesel::sql_query(
                "UPDATE workers SET ended_at = clock_timestamp(), ended_by = 'lost', expires_at = NULL
                 WHERE id IN (SELECT id FROM workers
                              WHERE ended_at IS NULL
                                AND greatest(expires_at, pg_postmaster_start_time() + $1 * interval '1 millisecond') < clock_timestamp()
                              ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
                 RETURNING id",
            )
            .bind::<sql_types::BigInt, _>(milliseconds(lease))
            .bind::<sql_types::BigInt, _>(MOST_LEASES)
            .load(transaction)
            .await?;
            return_jobs(transaction, &ended, Ending::Lost, None).await
        })
        .await
}

/// Hands back jobs of `kind` that the ledger says this lease holds and the process does not know: the answer to a claim was
/// lost on the way. Only the one task that claims this kind may ask, between two claims.
pub async fn hand_back_unknown(connection: &mut Connection, id: LeaseId, kind: JobKind, known: &[JobId]) -> Result<Swept, StoreError> {
    connection
        .transaction(async |transaction| return_jobs(transaction, &[Id { id: id.0 }], Ending::Unanswered, Some((kind, known))).await)
        .await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Lost,
    HandedBack,
    Unanswered,
}

impl Ending {
    const fn outcome(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::HandedBack | Self::Unanswered => "handed_back",
        }
    }

    const fn reason(self) -> Reason {
        match self {
            Self::Lost => Reason::LeaseLost,
            Self::HandedBack => Reason::ShutDown,
            Self::Unanswered => Reason::DatabaseUnavailable,
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Lost => "the worker vanished while the job ran: its lease was not renewed",
            Self::HandedBack => "the worker shut down before the job ended",
            Self::Unanswered => "the database's answer to the claim never came",
        }
    }
}

#[derive(QueryableByName)]
struct Returned {
    #[diesel(sql_type = sql_types::Bool)]
    dead: bool,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    transcript_id: Option<Uuid>,
}

async fn return_jobs(
    connection: &mut Connection,
    leases: &[Id],
    ending: Ending,
    only: Option<(JobKind, &[JobId])>,
) -> Result<Swept, StoreError> {
    if leases.is_empty() {
        return Ok(Swept::default());
    }
    let rows: Vec<Returned> = diesel::sql_query(
        "WITH held AS MATERIALIZED (
             SELECT id, state, started_at FROM jobs WHERE open AND state = 'running' AND lease_id = ANY($1) AND ($6 IS NULL OR kind = $6) AND NOT id = ANY($7)
             ORDER BY id FOR UPDATE),
         moved AS (
             UPDATE jobs SET state = CASE WHEN $2 AND attempt >= max_attempts THEN 'dead' ELSE 'ready' END,
                    attempt = attempt - CASE WHEN $2 THEN 0 ELSE 1 END,
                    run_at = CASE WHEN $2 AND attempt >= max_attempts THEN run_at ELSE clock_timestamp() END,
                    finished_at = CASE WHEN $2 AND attempt >= max_attempts THEN clock_timestamp() END,
                    reason = $3
             FROM held WHERE jobs.id = held.id
             RETURNING jobs.id, jobs.run, jobs.attempt + CASE WHEN $2 THEN 0 ELSE 1 END AS attempt, jobs.state, jobs.lease_id, jobs.transcript_id,
                       held.started_at, jobs.run_at),
         history AS (
             INSERT INTO job_attempts (job_id, run, attempt, outcome, reason, error, lease_id, worker, started_at, ended_at, next_run_at)
             SELECT m.id, m.run, m.attempt, CASE WHEN m.state = 'dead' THEN 'dead' ELSE $4 END, $3, $5, m.lease_id, w.name, m.started_at,
                    clock_timestamp(), CASE WHEN m.state = 'ready' THEN m.run_at END
             FROM moved m LEFT JOIN workers w ON w.id = m.lease_id)
         SELECT state = 'dead' AS dead, transcript_id FROM moved",
    )
    .bind::<sql_types::Array<sql_types::BigInt>, _>(leases.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind::<sql_types::Bool, _>(ending == Ending::Lost)
    .bind::<sql_types::Text, _>(ending.reason().as_str())
    .bind::<sql_types::Text, _>(ending.outcome())
    .bind::<sql_types::Text, _>(ending.message())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(only.map(|(kind, _)| kind.as_str()))
    .bind::<sql_types::Array<sql_types::BigInt>, _>(only.map(|(_, known)| known.iter().map(|id| id.0).collect::<Vec<_>>()).unwrap_or_default())
    .load(connection)
    .await?;
    let trouble = |dead: bool| -> Vec<TranscriptTrouble> {
        let troubled = rows.iter().filter(|row| row.dead == dead).filter_map(|row| row.transcript_id);
        troubled
            .map(|id| TranscriptTrouble { id: TranscriptId(id), reason: ending.reason(), message: ending.message().to_owned() })
            .collect()
    };
    transcripts::fail(connection, &trouble(true)).await?;
    transcripts::release(connection, &trouble(false)).await?;
    let dead = rows.iter().filter(|row| row.dead).count();
    Ok(Swept { leases: leases.len(), returned: rows.len() - dead, dead })
}
