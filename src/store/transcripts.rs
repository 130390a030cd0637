//! `call_transcripts`, and `call_interactions.transcript_status`, which moves with it in the same statement.
//!
//! A call that has a complete transcript is `complete` and stays so, whatever becomes of later versions: the newest complete one
//! that counts is its transcript, and the view `current_transcripts` tells it. Which versions count is `versions`' to change.

use std::collections::HashSet;

use diesel::{
    QueryableByName,
    pg::Pg,
    query_builder::{QueryFragment, SqlQuery},
    sql_types,
};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{Leg, Reason, RecordingId, SessionId, TranscriptId},
    store::{Connection, Prepared, StoreError, calls::ExpectedTranscript},
};

#[derive(QueryableByName)]
struct Created {
    #[diesel(sql_type = sql_types::Uuid)]
    id: uuid::Uuid,
}

/// Adds the transcripts of calls that this very transaction inserted: no transcript can be there before its call, so none has to
/// be looked for, which is half of the cost. Their calls are `pending` already, set by the statement that inserted them: a second
/// update of every new call would cost as much as storing it.
pub(super) async fn expect_of_new_calls(
    connection: &mut Connection,
    wanted: &[ExpectedTranscript],
    provider: &str,
) -> Result<(), StoreError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let statement = bind(
        diesel::sql_query(
            "INSERT INTO call_transcripts (id, session_id, provider)
             SELECT id, session_id, $3 FROM unnest($1::uuid[], $2::text[]) AS new (id, session_id)",
        ),
        wanted,
        provider,
    );
    Prepared(statement).execute(connection).await?;
    Ok(())
}

/// Adds the transcripts that are not there yet, of calls that were there before, and returns them.
pub(super) async fn expect_of_known_calls(
    connection: &mut Connection,
    wanted: Vec<ExpectedTranscript>,
    provider: &str,
) -> Result<Vec<ExpectedTranscript>, StoreError> {
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let statement = bind(
        diesel::sql_query(
            "INSERT INTO call_transcripts (id, session_id, provider)
             SELECT id, session_id, $3 FROM unnest($1::uuid[], $2::text[]) AS new (id, session_id)
             ON CONFLICT DO NOTHING RETURNING id",
        ),
        &wanted,
        provider,
    );
    let created: Vec<Created> = Prepared(statement).load(connection).await?;
    let created: HashSet<_> = created.into_iter().map(|row| row.id).collect();
    Ok(wanted.into_iter().filter(|transcript| created.contains(&transcript.id.0)).collect())
}

/// The transcript of a leg beside the call.
#[derive(Debug, Clone, Copy)]
pub struct LegTranscript<'a> {
    /// The transcript.
    pub id: TranscriptId,
    /// The call.
    pub session_id: &'a SessionId,
    /// Which leg.
    pub leg: Leg,
    /// The recording it is to be made of.
    pub recording_id: &'a RecordingId,
    /// Who is to make it.
    pub provider: &'a str,
}

/// Adds the transcript of a leg if it is not there yet, and returns the recording that it is made of: the one that it was first
/// expected of. The call's own status does not move with it.
pub async fn expect_of_leg(connection: &mut Connection, wanted: &LegTranscript<'_>) -> Result<Option<String>, StoreError> {
    diesel::sql_query(
        "INSERT INTO call_transcripts (id, session_id, leg, recording_id, provider) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind::<sql_types::Uuid, _>(wanted.id.0)
    .bind::<sql_types::Text, _>(wanted.session_id.as_str())
    .bind::<sql_types::Text, _>(wanted.leg.as_str())
    .bind::<sql_types::Text, _>(wanted.recording_id.as_str())
    .bind::<sql_types::Text, _>(wanted.provider)
    .execute(connection)
    .await?;
    let rows: Vec<MadeOf> = diesel::sql_query("SELECT recording_id FROM call_transcripts WHERE id = $1")
        .bind::<sql_types::Uuid, _>(wanted.id.0)
        .load(connection)
        .await?;
    Ok(rows.into_iter().next().and_then(|row| row.recording_id))
}

#[derive(QueryableByName)]
struct MadeOf {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    recording_id: Option<String>,
}

fn bind<'w>(statement: SqlQuery, wanted: &'w [ExpectedTranscript], provider: &'w str) -> impl QueryFragment<Pg> + Send + 'w {
    statement
        .bind::<sql_types::Array<sql_types::Uuid>, _>(wanted.iter().map(|transcript| transcript.id.0).collect::<Vec<_>>())
        .bind::<sql_types::Array<sql_types::Text>, _>(wanted.iter().map(|transcript| transcript.session_id.as_str()).collect::<Vec<_>>())
        .bind::<sql_types::Text, _>(provider)
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

/// Locks the calls of several transcripts in the order in which pages of calls are stored, then the transcripts in the order in which
/// versions are switched: in any other two could wait for each other. One call alone is locked by its own change.
async fn lock_calls(connection: &mut Connection, ids: &[TranscriptId]) -> Result<(), StoreError> {
    if ids.len() < 2 {
        return Ok(());
    }
    diesel::sql_query(
        "SELECT FROM call_interactions WHERE session_id IN (SELECT session_id FROM call_transcripts WHERE id = ANY($1))
         ORDER BY session_id FOR NO KEY UPDATE",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    diesel::sql_query("SELECT FROM call_transcripts WHERE id = ANY($1) ORDER BY session_id, leg, version FOR NO KEY UPDATE")
        .bind::<sql_types::Array<sql_types::Uuid>, _>(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves transcripts whose job waits for another run back to `pending`, keeping the last error in view. Returns how many moved.
pub async fn release(connection: &mut Connection, troubles: &[TranscriptTrouble]) -> Result<usize, StoreError> {
    if troubles.is_empty() {
        return Ok(0);
    }
    lock_calls(connection, &troubles.iter().map(|trouble| trouble.id).collect::<Vec<_>>()).await?;
    let moved = diesel::sql_query(
        "WITH moved AS (
             UPDATE call_transcripts AS t SET status = 'pending', error_message = u.message, updated_at = now()
             FROM unnest($1::uuid[], $2::text[]) AS u (id, message)
             WHERE t.id = u.id AND t.status IN ('pending', 'downloading', 'transcribing')
             RETURNING t.session_id, t.leg)
         UPDATE call_interactions AS c SET transcript_status = 'pending'
         FROM moved WHERE moved.leg = 'main' AND c.session_id = moved.session_id AND c.transcript_status NOT IN ('pending', 'complete')",
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
    lock_calls(connection, &troubles.iter().map(|trouble| trouble.id).collect::<Vec<_>>()).await?;
    let moved = diesel::sql_query(
        "WITH moved AS (
             UPDATE call_transcripts AS t SET status = 'error', error_code = u.reason, error_message = u.message, updated_at = now()
             FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u (id, reason, message)
             WHERE t.id = u.id AND t.status <> 'complete'
             RETURNING t.session_id, t.leg)
         UPDATE call_interactions AS c SET transcript_status = 'error'
         FROM moved WHERE moved.leg = 'main' AND c.session_id = moved.session_id AND c.transcript_status <> 'complete'",
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
    lock_calls(connection, ids).await?;
    let moved = diesel::sql_query(
        "WITH moved AS (
             UPDATE call_transcripts SET status = 'pending', error_code = NULL, updated_at = now()
             WHERE id = ANY($1) AND status = 'error'
             RETURNING session_id, leg)
         UPDATE call_interactions AS c SET transcript_status = 'pending'
         FROM moved WHERE moved.leg = 'main' AND c.session_id = moved.session_id AND c.transcript_status <> 'complete'",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(moved)
}

#[derive(diesel::QueryableByName)]
struct Predecessor {
    #[diesel(sql_type = sql_types::Uuid)]
    id: uuid::Uuid,
    #[diesel(sql_type = sql_types::Text)]
    source: String,
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
    #[diesel(sql_type = sql_types::Text)]
    leg: String,
    #[diesel(sql_type = sql_types::Integer)]
    next_version: i32,
}

impl Predecessor {
    fn successor(&self) -> Result<TranscriptId, StoreError> {
        let row = |what: &dyn std::fmt::Display| StoreError::Row { table: "call_transcripts", what: what.to_string() };
        let session = SessionId::parse(self.session_id.as_str()).map_err(|error| row(&error))?;
        let source = self.source.parse().map_err(|error| row(&error))?;
        let leg = self.leg.parse().map_err(|error| row(&error))?;
        let version = u32::try_from(self.next_version).map_err(|error| row(&error))?;
        Ok(TranscriptId::of(source, &session, leg, version))
    }
}

/// Who asks for versions, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// They count as soon as they are complete; else they are on trial, until somebody switches to them.
    pub counts: bool,
    /// The requeue batch that asks.
    pub batch: Option<i64>,
}

impl Asked {
    /// Versions that count, asked for by no batch.
    pub const TO_COUNT: Self = Self { counts: true, batch: None };
}

/// Begins the next version of transcripts that are complete, from the same recording; the complete ones stay as they are, and so do
/// their calls: what counts goes on counting until a later version that counts is complete.
/// Returns old and new id of each. A transcript that is not complete has no next version and is left out.
pub async fn next_versions(
    connection: &mut Connection,
    ids: &[TranscriptId],
    asked: Asked,
) -> Result<Vec<(TranscriptId, TranscriptId)>, StoreError> {
    let complete: Vec<Predecessor> = diesel::sql_query(
        "SELECT t.id, c.source, t.session_id, t.leg,
                (SELECT max(version) + 1 FROM call_transcripts AS v WHERE v.session_id = t.session_id AND v.leg = t.leg) AS next_version
         FROM call_transcripts AS t JOIN call_interactions AS c USING (session_id)
         WHERE t.id = ANY($1) AND t.status = 'complete'",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .load(connection)
    .await?;
    let pairs = complete.iter().map(|old| Ok((TranscriptId(old.id), old.successor()?))).collect::<Result<Vec<_>, StoreError>>()?;
    diesel::sql_query(
        "INSERT INTO call_transcripts (id, session_id, leg, version, recording_id, provider, model, audio_url, audio_seconds, counts, batch_id)
         SELECT n.id, t.session_id, t.leg, n.version, t.recording_id, t.provider, t.model, t.audio_url, t.audio_seconds, $4, $5
         FROM unnest($1::uuid[], $2::uuid[], $3::integer[]) AS n (old, id, version) JOIN call_transcripts AS t ON t.id = n.old",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(pairs.iter().map(|(old, _)| old.0).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Uuid>, _>(pairs.iter().map(|(_, new)| new.0).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Integer>, _>(complete.iter().map(|old| old.next_version).collect::<Vec<_>>())
    .bind::<sql_types::Bool, _>(asked.counts)
    .bind::<sql_types::Nullable<sql_types::BigInt>, _>(asked.batch)
    .execute(connection)
    .await?;
    Ok(pairs)
}

/// Takes versions that are not complete off their trial: whoever asked now wants what comes of them to count.
pub async fn end_trial(connection: &mut Connection, ids: &[TranscriptId], batch: Option<i64>) -> Result<(), StoreError> {
    diesel::sql_query(
        "UPDATE call_transcripts SET counts = true, batch_id = coalesce($2, batch_id), updated_at = now()
         WHERE id IN (SELECT id FROM call_transcripts WHERE id = ANY($1) AND NOT counts AND status <> 'complete'
                      ORDER BY session_id, leg, version FOR NO KEY UPDATE)",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind::<sql_types::Nullable<sql_types::BigInt>, _>(batch)
    .execute(connection)
    .await?;
    Ok(())
}
