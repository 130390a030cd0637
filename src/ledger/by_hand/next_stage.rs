//! The next stage's job, once what it needs is there.

use diesel::sql_types;
use diesel_async::RunQueryDsl;

use super::Moved;
use crate::{
    domain::JobId,
    ledger::{Hint, NewJob, enqueue},
    store::{Connection, StoreError},
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

/// The same for a job whose input a person asked to have made anew: one that is done becomes due again, too. It works for the
/// transcript and with the payload that are given, and belongs to the batch of the job `before` it.
pub async fn enqueue_anew(connection: &mut Connection, before: JobId, job: &NewJob) -> Result<Vec<Hint>, StoreError> {
    let mut hints = enqueue(connection, std::slice::from_ref(job)).await?;
    let reopened: Vec<Moved> = diesel::sql_query(
        "UPDATE jobs SET state = 'ready', attempt = 0, put_off = 0, reason = NULL, finished_at = NULL, checkpoint = NULL, run_at = now(),
                transcript_id = coalesce($3, transcript_id), payload = payload - 'wishes' - 'anew' || $4
         WHERE kind = $1 AND key = $2 AND state IN ('dead', 'cancelled', 'done')
         RETURNING id, kind, priority, transcript_id, state AS was, true AS due",
    )
    .bind::<sql_types::Text, _>(job.kind.as_str())
    .bind::<sql_types::Text, _>(&job.key)
    .bind::<sql_types::Nullable<sql_types::Uuid>, _>(job.transcript_id.map(|id| id.0))
    .bind::<sql_types::Jsonb, _>(&job.payload)
    .load(connection)
    .await?;
    hints.extend(Moved::hints(&reopened));
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
