//! Ending a run, once: every statement here is guarded by lease and run, so that a late finisher changes nothing.

use std::{collections::HashMap, time::Duration};

use diesel::{QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};
use uuid::Uuid;

use crate::{
    domain::{JobId, JobState, LeaseId, Reason, TranscriptId},
    ledger::{Claimed, Effect, Hint, VendorTrace},
    store::{
        Connection, Prepared, StoreError,
        transcripts::{self, TranscriptTrouble},
    },
};

/// How a finish ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// Written now; these are the hints of the next stage.
    Written(Vec<Hint>),
    /// Written before: the answer to an earlier commit was lost on the way.
    Already,
    /// The lease was lost; nothing was written.
    LeaseLost,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// Marks jobs without an effect as done, in one statement. Returns those that were still held.
pub async fn finish_done(connection: &mut Connection, lease: LeaseId, jobs: &[(JobId, i32)]) -> Result<Vec<JobId>, StoreError> {
    let rows: Vec<Id> = Prepared(
        diesel::sql_query(
            "WITH ended AS (
         UPDATE jobs SET state = 'done', finished_at = clock_timestamp()
         FROM unnest($1::bigint[], $2::integer[]) AS f (id, run)
         WHERE jobs.id = f.id AND jobs.run = f.run AND jobs.lease_id = $3 AND jobs.state = 'running'
         RETURNING jobs.id, jobs.kind, jobs.source, jobs.finished_at - jobs.started_at AS took),
         tallied AS (
         INSERT INTO job_rates AS kept (minute, backend, kind, source, done, run_ms)
         SELECT date_trunc('minute', now()), pg_backend_pid(), kind, coalesce(source, ''), count(*),
                (sum(extract(epoch FROM took)) * 1000)::bigint FROM ended GROUP BY 3, 4
         ON CONFLICT (minute, backend, kind, source) DO UPDATE SET done = kept.done + excluded.done, run_ms = kept.run_ms + excluded.run_ms)
         SELECT id FROM ended",
        )
        .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
        .bind::<sql_types::Array<sql_types::Integer>, _>(jobs.iter().map(|(_, run)| *run).collect::<Vec<_>>())
        .bind::<sql_types::BigInt, _>(lease.0),
    )
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| JobId(row.id)).collect())
}

/// Marks a job as done together with its effect, in one transaction.
///
/// Boxed: the compiler cannot yet prove an async closure that borrows to be `Send` through a spawned task.
pub fn finish_with<'a>(
    connection: &'a mut Connection,
    job: &'a Claimed,
    effect: &'a Effect,
) -> BoxFuture<'a, Result<Finished, StoreError>> {
    connection
        .transaction(async move |transaction| {
            let held = finish_done(transaction, job.lease, &[(job.id, job.run)]).await?;
            if held.is_empty() {
                return was_finished(transaction, job).await;
            }
            Ok(Finished::Written(effect.apply(transaction).await?))
        })
        .boxed()
}

async fn was_finished(connection: &mut Connection, job: &Claimed) -> Result<Finished, StoreError> {
    let rows: Vec<Id> = diesel::sql_query("SELECT id FROM jobs WHERE id = $1 AND run = $2 AND lease_id = $3 AND state = 'done'")
        .bind::<sql_types::BigInt, _>(job.id.0)
        .bind::<sql_types::Integer, _>(job.run)
        .bind::<sql_types::BigInt, _>(job.lease.0)
        .load(connection)
        .await?;
    Ok(if rows.is_empty() { Finished::LeaseLost } else { Finished::Already })
}

/// What happens to a job whose run did not end in done.
#[derive(Debug, Clone)]
pub struct Setback {
    /// The job.
    pub id: JobId,
    /// Its claim.
    pub run: i32,
    /// `ready` after `wait`, or `dead`.
    pub next: Next,
    /// One word.
    pub reason: Reason,
    /// The whole chain.
    pub error: String,
    /// What the vendor answered.
    pub vendor: VendorTrace,
}

/// What comes after a setback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Not now: due again after the wait, the attempt given back.
    Later(Duration),
    /// Failed: due again after the wait, the attempt used.
    Again(Duration),
    /// Given up.
    Dead,
    /// Unfinished at shutdown: due at once, the attempt given back.
    HandedBack,
}

impl Next {
    /// The word in `job_attempts.outcome`.
    #[must_use]
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::Later(_) => "later",
            Self::Again(_) => "failed",
            Self::Dead => "dead",
            Self::HandedBack => "handed_back",
        }
    }

    const fn state(self) -> JobState {
        match self {
            Self::Later(_) | Self::Again(_) | Self::HandedBack => JobState::Ready,
            Self::Dead => JobState::Dead,
        }
    }

    const fn gives_attempt_back(self) -> bool {
        matches!(self, Self::Later(_) | Self::HandedBack)
    }

    const fn counts_as_put_off(self) -> bool {
        matches!(self, Self::Later(_))
    }

    fn wait_milliseconds(self) -> i64 {
        match self {
            Self::Later(wait) | Self::Again(wait) => i64::try_from(wait.as_millis()).unwrap_or(i64::MAX),
            Self::Dead | Self::HandedBack => 0,
        }
    }
}

#[derive(QueryableByName)]
struct Moved {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    transcript_id: Option<Uuid>,
}

/// Writes setbacks, their attempt rows and what they mean for transcripts, in one transaction. Returns those that were still held.
pub async fn finish_setbacks(connection: &mut Connection, lease: LeaseId, setbacks: &[Setback]) -> Result<Vec<JobId>, StoreError> {
    if setbacks.is_empty() {
        return Ok(Vec::new());
    }
    connection
        .transaction(async |transaction| {
            let moved = move_jobs(transaction, lease, setbacks).await?;
            let by_id: HashMap<i64, &Setback> = setbacks.iter().map(|setback| (setback.id.0, setback)).collect();
            let troubled = moved.iter().filter_map(|row| Some((*by_id.get(&row.id)?, row.transcript_id?)));
            let (dead, waiting): (Vec<_>, Vec<_>) = troubled.partition(|(setback, _)| setback.next == Next::Dead);
            transcripts::fail(transaction, &troubles(dead)).await?;
            transcripts::release(transaction, &troubles(waiting)).await?;
            Ok(moved.into_iter().map(|row| JobId(row.id)).collect())
        })
        .await
}

fn troubles(moved: Vec<(&Setback, Uuid)>) -> Vec<TranscriptTrouble> {
    let trouble = |(setback, id): (&Setback, Uuid)| TranscriptTrouble {
        id: TranscriptId(id),
        reason: setback.reason,
        message: setback.error.clone(),
    };
    moved.into_iter().map(trouble).collect()
}

async fn move_jobs(connection: &mut Connection, lease: LeaseId, setbacks: &[Setback]) -> Result<Vec<Moved>, StoreError> {
    use sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};
    let rows = diesel::sql_query(
        "WITH input AS (
             SELECT * FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::boolean[], $6::boolean[], $7::bigint[], $8::text[], $9::text[],
                                  $10::text[], $11::integer[], $12::text[])
                  AS i (id, run, state, give_back, put_off, wait, outcome, reason, error, vendor_status, vendor_request)),
         moved AS (
             UPDATE jobs SET state = i.state,
                    attempt = jobs.attempt - i.give_back::integer,
                    put_off = jobs.put_off + i.put_off::integer,
                    run_at = CASE WHEN i.state = 'ready' THEN clock_timestamp() + i.wait * interval '1 millisecond' ELSE jobs.run_at END,
                    finished_at = CASE WHEN i.state = 'dead' THEN clock_timestamp() END,
                    reason = i.reason
             FROM input i
             WHERE jobs.id = i.id AND jobs.run = i.run AND jobs.lease_id = $1 AND jobs.state = 'running'
             RETURNING jobs.id, jobs.kind, jobs.source, jobs.run, jobs.attempt + i.give_back::integer AS attempt, jobs.transcript_id, jobs.state,
                       jobs.run_at, jobs.started_at, i.outcome, i.reason, i.error, i.vendor_status, i.vendor_request),
         history AS (
             INSERT INTO job_attempts (job_id, run, attempt, outcome, reason, error, vendor_status, vendor_request, lease_id, worker,
                                       started_at, ended_at, next_run_at)
             SELECT m.id, m.run, m.attempt, m.outcome, m.reason, m.error, m.vendor_status, m.vendor_request, $1,
                    (SELECT name FROM workers WHERE id = $1), m.started_at, clock_timestamp(), CASE WHEN m.state = 'ready' THEN m.run_at END
             FROM moved m),
         tallied AS (
             INSERT INTO job_rates AS kept (minute, backend, kind, source, setbacks, run_ms)
             SELECT date_trunc('minute', now()), pg_backend_pid(), kind, coalesce(source, ''), count(*),
                    (sum(extract(epoch FROM clock_timestamp() - started_at)) * 1000)::bigint FROM moved GROUP BY 3, 4
             ON CONFLICT (minute, backend, kind, source)
             DO UPDATE SET setbacks = kept.setbacks + excluded.setbacks, run_ms = kept.run_ms + excluded.run_ms)
         SELECT id, transcript_id FROM moved",
    )
    .bind::<BigInt, _>(lease.0)
    .bind::<Array<BigInt>, _>(setbacks.iter().map(|s| s.id.0).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(setbacks.iter().map(|s| s.run).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(setbacks.iter().map(|s| s.next.state().as_str()).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(setbacks.iter().map(|s| s.next.gives_attempt_back()).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(setbacks.iter().map(|s| s.next.counts_as_put_off()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(setbacks.iter().map(|s| s.next.wait_milliseconds()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(setbacks.iter().map(|s| s.next.outcome()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(setbacks.iter().map(|s| s.reason.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(setbacks.iter().map(|s| s.error.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(setbacks.iter().map(|s| s.vendor.status.map(i32::from)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(setbacks.iter().map(|s| s.vendor.request_id.as_deref()).collect::<Vec<_>>())
    .load(connection)
    .await?;
    Ok(rows)
}
