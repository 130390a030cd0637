//! The next stage's job, once what it needs is there.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Moved;
use crate::{
    domain::{JobId, JobState, Reason, TranscriptId},
    ledger::{Hint, NewJob, enqueue},
    store::{
        Connection, StoreError,
        transcripts::{self, Asked, TranscriptTrouble},
    },
};

/// Adds the next stage's jobs; one that is there already but dead or cancelled becomes due again with all its attempts, since what
/// it needs was just made anew. So does one that is done and whose transcript is not complete: the call was deleted meanwhile, with all
/// that was made of it, and is held again. Any other that is open or done is left as it is. Returns the hints: push them after the commit.
pub async fn enqueue_or_reopen(connection: &mut Connection, jobs: &[NewJob]) -> Result<Vec<Hint>, StoreError> {
    let mut hints = enqueue(connection, jobs).await?;
    if hints.len() == jobs.len() {
        return Ok(hints);
    }
    let reopened: Vec<Moved> = diesel::sql_query(
        "UPDATE jobs SET state = 'ready', attempt = 0, put_off = 0, reason = NULL, finished_at = NULL, run_at = now(),
                checkpoint = CASE WHEN jobs.state = 'done' THEN NULL ELSE jobs.checkpoint END,
                payload = CASE WHEN jobs.state = 'done' THEN jobs.payload - 'wishes' - 'anew' ELSE jobs.payload END,
                transcript_id = coalesce((SELECT id FROM call_transcripts WHERE id = jobs.transcript_id), wanted.transcript_id, jobs.transcript_id)
         FROM unnest($1::text[], $2::text[], $3::uuid[]) AS wanted (kind, key, transcript_id)
         WHERE jobs.kind = wanted.kind AND jobs.key = wanted.key
           AND (jobs.state IN ('dead', 'cancelled')
                OR jobs.state = 'done' AND EXISTS (SELECT FROM call_transcripts AS t WHERE t.id = wanted.transcript_id AND t.status <> 'complete'))
         RETURNING jobs.id, jobs.kind, jobs.priority, jobs.transcript_id, jobs.state AS was, true AS due",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(jobs.iter().map(|job| job.kind.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(jobs.iter().map(|job| job.key.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Uuid>>, _>(
        jobs.iter().map(|job| job.transcript_id.map(|id| id.0)).collect::<Vec<_>>(),
    )
    .load(connection)
    .await?;
    hints.extend(Moved::hints(&reopened));
    Ok(hints)
}

/// The version of its transcript that a job whose input was just made anew is to make: the latest, or, when that is complete, the next
/// one, which the job `before` then stands for, too. Locks the job, so that a run of it that ends at this moment has ended before or
/// ends after the caller's transaction: call it before anything that touches the transcript.
pub async fn version_anew(connection: &mut Connection, before: JobId, job: &NewJob) -> Result<Option<TranscriptId>, StoreError> {
    let Some(known) = job.transcript_id else { return Ok(None) };
    diesel::sql_query("SELECT id FROM jobs WHERE kind = $1 AND key = $2 FOR UPDATE")
        .bind::<sql_types::Text, _>(job.kind.as_str())
        .bind::<sql_types::Text, _>(&job.key)
        .execute(connection)
        .await?;
    let latest: Vec<Version> = diesel::sql_query(
        "SELECT later.id FROM call_transcripts AS known JOIN call_transcripts AS later USING (session_id, leg)
         WHERE known.id = $1 ORDER BY later.version DESC LIMIT 1",
    )
    .bind::<sql_types::Uuid, _>(known.0)
    .load(connection)
    .await?;
    let latest = latest.into_iter().next().map_or(known, |row| TranscriptId(row.id));
    let next = transcripts::next_versions(connection, &[latest], Asked::TO_COUNT).await?;
    let version = next.into_iter().next().map_or(latest, |(_, next)| next);
    // one that died meanwhile is made after all, and one on trial is made of the audio that counts now
    transcripts::reopen(connection, &[version]).await?;
    transcripts::end_trial(connection, &[version], None).await?;
    diesel::sql_query("UPDATE jobs SET transcript_id = $2 WHERE id = $1 AND transcript_id IS DISTINCT FROM $2")
        .bind::<sql_types::BigInt, _>(before.0)
        .bind::<sql_types::Uuid, _>(version.0)
        .execute(connection)
        .await?;
    Ok(Some(version))
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = sql_types::Uuid)]
    id: Uuid,
}

/// What a run is told to have come to whose input was made anew while it ran.
const OVERTAKEN: &str = "its input was made anew while it ran: what it makes of the old one is not kept";

/// The same for a job whose input a person asked to have made anew: one that is done becomes due again, too, and one that runs is
/// taken from its worker, whose finish is refused, since it works on the old input. It works for the transcript and with the payload
/// that are given, and belongs to the batch of the job `before` it.
pub async fn enqueue_anew(connection: &mut Connection, before: JobId, job: &NewJob) -> Result<Vec<Hint>, StoreError> {
    let mut hints = enqueue(connection, std::slice::from_ref(job)).await?;
    if hints.is_empty() {
        hints.extend(reopen_anew(connection, job).await?);
    }
    diesel::sql_query(
        "UPDATE jobs SET batch_id = before.batch_id FROM jobs AS before
         WHERE before.id = $1 AND before.batch_id IS NOT NULL AND jobs.kind = $2 AND jobs.key = $3 AND jobs.open",
    )
    .bind::<sql_types::BigInt, _>(before.0)
    .bind::<sql_types::Text, _>(job.kind.as_str())
    .bind::<sql_types::Text, _>(&job.key)
    .execute(connection)
    .await?;
    Ok(hints)
}

/// One that waits keeps its time and its attempts.
async fn reopen_anew(connection: &mut Connection, job: &NewJob) -> Result<Vec<Hint>, StoreError> {
    let reopened: Vec<Moved> = diesel::sql_query(
        "WITH held AS MATERIALIZED (
             SELECT id, state, run, attempt, lease_id, started_at FROM jobs WHERE kind = $1 AND key = $2 FOR UPDATE),
         overtaken AS (
             INSERT INTO job_attempts (job_id, run, attempt, outcome, reason, error, lease_id, worker, started_at, ended_at, next_run_at)
             SELECT id, run, attempt, 'lost', $5, $6, lease_id, (SELECT name FROM workers WHERE id = held.lease_id), started_at,
                    clock_timestamp(), now()
             FROM held WHERE state = 'running')
         UPDATE jobs SET state = 'ready', reason = NULL, finished_at = NULL, checkpoint = NULL,
                attempt = CASE held.state WHEN 'ready' THEN jobs.attempt ELSE 0 END,
                put_off = CASE held.state WHEN 'ready' THEN jobs.put_off ELSE 0 END,
                run_at = CASE held.state WHEN 'ready' THEN jobs.run_at ELSE now() END,
                transcript_id = coalesce($3, transcript_id), payload = payload - 'wishes' - 'anew' || $4
         FROM held WHERE jobs.id = held.id
         RETURNING jobs.id, kind, priority, transcript_id, held.state AS was, held.state <> 'ready' AS due",
    )
    .bind::<sql_types::Text, _>(job.kind.as_str())
    .bind::<sql_types::Text, _>(&job.key)
    .bind::<sql_types::Nullable<sql_types::Uuid>, _>(job.transcript_id.map(|id| id.0))
    .bind::<sql_types::Jsonb, _>(&job.payload)
    .bind::<sql_types::Text, _>(Reason::LeaseLost.as_str())
    .bind::<sql_types::Text, _>(OVERTAKEN)
    .load(connection)
    .await?;
    let overtaken = reopened.iter().filter(|job| job.was == JobState::Running.as_str()).filter_map(|job| job.transcript_id);
    let released: Vec<TranscriptTrouble> =
        overtaken.map(|id| TranscriptTrouble { id: TranscriptId(id), reason: Reason::LeaseLost, message: OVERTAKEN.to_owned() }).collect();
    transcripts::release(connection, &released).await?;
    Ok(Moved::hints(&reopened))
}
