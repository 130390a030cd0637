//! `call_transcripts`, and `call_interactions.transcript_status`, which moves with it in the same statement.

use std::collections::HashSet;

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{Reason, TranscriptId},
    store::{Connection, Prepared, StoreError, calls::ExpectedTranscript},
};

#[derive(QueryableByName)]
struct Created {
    #[diesel(sql_type = sql_types::Uuid)]
    id: uuid::Uuid,
}

/// Adds the transcripts that are not there yet and returns them. Their calls are `pending` already, set by the statement that
/// found them to expect one (`store::calls`): a second update of every new call would cost as much as storing it.
pub(super) async fn expect(
    connection: &mut Connection,
    wanted: Vec<ExpectedTranscript>,
    provider: &str,
) -> Result<Vec<ExpectedTranscript>, StoreError> {
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let statement = diesel::sql_query(
        "INSERT INTO call_transcripts (id, session_id, provider)
         SELECT id, session_id, $3 FROM unnest($1::uuid[], $2::text[]) AS new (id, session_id)
         ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(wanted.iter().map(|transcript| transcript.id.0).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(wanted.iter().map(|transcript| transcript.session_id.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Text, _>(provider);
    let created: Vec<Created> = Prepared(statement).load(connection).await?;
    let created: HashSet<_> = created.into_iter().map(|row| row.id).collect();
    Ok(wanted.into_iter().filter(|transcript| created.contains(&transcript.id.0)).collect())
}

/// Why a transcript waits again or was given up.
#[derive(Debug, Clone)]
pub struct TranscriptTrouble {
    /// The transcript.
    pub id: TranscriptId,
    /// Reason code.
    pub reason: Reason,
    /// The error, for people.
    pub message: String,
}

/// Moves transcripts whose job waits for another run back to `pending`, keeping the last error in view. Returns how many moved.
pub async fn release(connection: &mut Connection, troubles: &[TranscriptTrouble]) -> Result<usize, StoreError> {
    if troubles.is_empty() {
        return Ok(0);
    }
    let moved = diesel::sql_query(
        "WITH moved AS (
             UPDATE call_transcripts AS t SET status = 'pending', error_message = u.message, updated_at = now()
             FROM unnest($1::uuid[], $2::text[]) AS u (id, message)
             WHERE t.id = u.id AND t.status IN ('pending', 'downloading', 'transcribing')
             RETURNING t.session_id, t.leg)
         UPDATE call_interactions AS c SET transcript_status = 'pending'
         FROM moved WHERE moved.leg = 'main' AND c.session_id = moved.session_id AND c.transcript_status <> 'pending'",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(troubles.iter().map(|t| t.id.0).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(troubles.iter().map(|t| t.message.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(moved)
}

/// Moves transcripts whose job died to `error`, with the reason. A complete transcript stays complete. Returns how many moved.
pub async fn fail(connection: &mut Connection, troubles: &[TranscriptTrouble]) -> Result<usize, StoreError> {
    if troubles.is_empty() {
        return Ok(0);
    }
    let moved = diesel::sql_query(
        "WITH moved AS (
             UPDATE call_transcripts AS t SET status = 'error', error_code = u.reason, error_message = u.message, updated_at = now()
             FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u (id, reason, message)
             WHERE t.id = u.id AND t.status <> 'complete'
             RETURNING t.session_id, t.leg)
         UPDATE call_interactions AS c SET transcript_status = 'error'
         FROM moved WHERE moved.leg = 'main' AND c.session_id = moved.session_id",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(troubles.iter().map(|t| t.id.0).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(troubles.iter().map(|t| t.reason.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(troubles.iter().map(|t| t.message.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(moved)
}

/// Moves transcripts whose job was requeued from `error` back to `pending`. Returns how many moved.
pub async fn reopen(connection: &mut Connection, ids: &[TranscriptId]) -> Result<usize, StoreError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let moved = diesel::sql_query(
        "WITH moved AS (
             UPDATE call_transcripts SET status = 'pending', error_code = NULL, updated_at = now()
             WHERE id = ANY($1) AND status = 'error'
             RETURNING session_id, leg)
         UPDATE call_interactions AS c SET transcript_status = 'pending'
         FROM moved WHERE moved.leg = 'main' AND c.session_id = moved.session_id",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(moved)
}
