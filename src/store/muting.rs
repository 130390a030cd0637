//! Copies of recordings in which something is muted, and the originals that go for them.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use super::{Connection, Prepared, StoreError, recordings::StoredCopy};
use crate::{
    domain::{JobId, RecordingId, SessionId, TranscriptId},
    transcript::Redaction,
};

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = sql_types::Jsonb)]
    redaction: Value,
}

/// What was taken out of the complete versions of a transcript: a later version that hears less must not have said again what an
/// earlier one took out.
pub async fn known_redactions(connection: &mut Connection, id: TranscriptId) -> Result<Vec<Redaction>, StoreError> {
    let rows: Vec<Found> = Prepared(
        diesel::sql_query(
            "SELECT redaction FROM call_transcripts AS this JOIN call_transcripts AS t USING (session_id, leg),
                jsonb_array_elements(coalesce(t.transcript_json -> 'redactions', '[]')) AS redaction
         WHERE this.id = $1 AND t.status = 'complete'",
        )
        .bind::<sql_types::Uuid, _>(id.0),
    )
    .load(connection)
    .await?;
    let unreadable = |error: serde_json::Error| StoreError::Row { table: "call_transcripts", what: format!("a redaction: {error}") };
    rows.into_iter().map(|row| serde_json::from_value(row.redaction).map_err(unreadable)).collect()
}

/// A muted copy that was made, and what it was made of.
#[derive(Debug, Clone)]
pub struct Muted {
    /// The call.
    pub session_id: SessionId,
    /// The recording.
    pub recording_id: RecordingId,
    /// SHA-256 of the recording that was muted.
    pub of_sha256: String,
    /// The copy.
    pub copy: StoredCopy,
    /// Its address, for those who read transcripts.
    pub url: String,
    /// Where the original lies now.
    pub original_key: String,
}

#[derive(QueryableByName)]
struct Before {
    #[diesel(sql_type = sql_types::Text)]
    object_key: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    muted_key: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    muted_size_bytes: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    muted_sha256: Option<String>,
}

/// What stood in a copy's place before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The original lay here.
    pub original_key: String,
    /// The muted copy before this one.
    pub copy: Option<StoredCopy>,
}

/// Notes a muted copy in the transaction that completes its transcript, before the transcript's row is touched. `None`: the recording is
/// another one by now, or going, and nothing was noted.
pub async fn keep_muted(transaction: &mut Connection, muted: &Muted) -> Result<Option<Replaced>, StoreError> {
    let before: Vec<Before> = diesel::sql_query(
        "SELECT object_key, muted_key, muted_size_bytes, muted_sha256 FROM call_recordings
         WHERE session_id = $1 AND recording_id = $2 AND status = 'stored' AND sha256 = $3 FOR UPDATE",
    )
    .bind::<sql_types::Text, _>(muted.session_id.as_str())
    .bind::<sql_types::Text, _>(muted.recording_id.as_str())
    .bind::<sql_types::Text, _>(&muted.of_sha256)
    .load(transaction)
    .await?;
    let Some(before) = before.into_iter().next() else { return Ok(None) };
    // of a recording whose original is gone, the copy that was muted further takes its place at once
    let original_is_gone = before.muted_key.as_deref() == Some(before.object_key.as_str());
    diesel::sql_query(
        "WITH noted AS (
             UPDATE call_recordings SET muted_key = $3, muted_size_bytes = $4, muted_sha256 = $5, muted_at = now(), object_key = $6,
                    size_bytes = CASE WHEN $8 THEN $4 ELSE size_bytes END, sha256 = CASE WHEN $8 THEN $5 ELSE sha256 END
             WHERE session_id = $1 AND recording_id = $2)
         UPDATE call_transcripts SET audio_url = $7
         WHERE id IN (SELECT id FROM call_transcripts WHERE session_id = $1 AND recording_id = $2 ORDER BY leg, version FOR NO KEY UPDATE)",
    )
    .bind::<sql_types::Text, _>(muted.session_id.as_str())
    .bind::<sql_types::Text, _>(muted.recording_id.as_str())
    .bind::<sql_types::Text, _>(&muted.copy.object_key)
    .bind::<sql_types::BigInt, _>(i64::try_from(muted.copy.size_bytes).unwrap_or(i64::MAX))
    .bind::<sql_types::Text, _>(&muted.copy.sha256)
    .bind::<sql_types::Text, _>(if original_is_gone { &muted.copy.object_key } else { &muted.original_key })
    .bind::<sql_types::Text, _>(&muted.url)
    .bind::<sql_types::Bool, _>(original_is_gone)
    .execute(transaction)
    .await?;
    let copy = match (before.muted_key, before.muted_size_bytes, before.muted_sha256) {
        (Some(object_key), Some(size), Some(sha256)) => {
            Some(StoredCopy { object_key, size_bytes: u64::try_from(size).unwrap_or(0), sha256 })
        }
        _ => None,
    };
    Ok(Some(Replaced { original_key: before.object_key, copy }))
}

/// Whether an object may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayGo {
    /// Nothing refers to it any more.
    Yes,
    /// It is what is left of the recording, or the recording is gone with all its objects.
    Never,
    /// The call is on legal hold, or somebody reads it now.
    NotNow,
}

#[derive(QueryableByName)]
struct Standing {
    #[diesel(sql_type = sql_types::Bool)]
    is_original: bool,
    #[diesel(sql_type = sql_types::Bool)]
    is_copy: bool,
    #[diesel(sql_type = sql_types::Bool)]
    has_copy: bool,
    #[diesel(sql_type = sql_types::Bool)]
    is_needed: bool,
}

/// Decides whether an object of a recording may go. If it is the original, its muted copy takes its place in this very transaction, so
/// that nobody is sent to an object that is about to go. The row is locked first, as retention and holds do.
pub async fn let_go(
    transaction: &mut Connection,
    session: &SessionId,
    recording: &RecordingId,
    object_key: &str,
) -> Result<MayGo, StoreError> {
    let standing: Vec<Standing> = diesel::sql_query(
        "WITH r AS MATERIALIZED (SELECT * FROM call_recordings WHERE session_id = $1 AND recording_id = $2 AND status = 'stored' FOR UPDATE)
         SELECT object_key = $3 AS is_original, coalesce(muted_key = $3, false) AS is_copy, muted_key IS NOT NULL AS has_copy,
                EXISTS (SELECT FROM legal_holds AS h WHERE h.session_id = r.session_id)
                OR EXISTS (SELECT FROM jobs WHERE kind IN ('recording', 'transcription') AND open
                             AND key IN (r.session_id, r.session_id || '/' || r.recording_id)) AS is_needed
         FROM r",
    )
    .bind::<sql_types::Text, _>(session.as_str())
    .bind::<sql_types::Text, _>(recording.as_str())
    .bind::<sql_types::Text, _>(object_key)
    .load(transaction)
    .await?;
    match standing.as_slice() {
        [] => Ok(MayGo::Never),
        [Standing { is_copy: true, .. } | Standing { is_original: true, has_copy: false, .. }, ..] => Ok(MayGo::Never),
        [Standing { is_original: true, is_needed: true, .. }, ..] => Ok(MayGo::NotNow),
        [Standing { is_original: true, .. }, ..] => {
            diesel::sql_query(
                "UPDATE call_recordings SET object_key = muted_key, size_bytes = muted_size_bytes, sha256 = muted_sha256
                 WHERE session_id = $1 AND recording_id = $2",
            )
            .bind::<sql_types::Text, _>(session.as_str())
            .bind::<sql_types::Text, _>(recording.as_str())
            .execute(transaction)
            .await?;
            Ok(MayGo::Yes)
        }
        [_, ..] => Ok(MayGo::Yes),
    }
}

/// Writes down that an object is gone, once for each job that removed it.
pub async fn prove_discarded(
    transaction: &mut Connection,
    (session, recording): (&SessionId, &RecordingId),
    (what, gone): (&str, &StoredCopy),
    job: JobId,
) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO deletions (what, session_id, recording_id, object_key, size_bytes, sha256, policy, job_id, deleted_at)
         SELECT $1, $2, $3, $4, $5, $6, 'REDACTION_AUDIO', $7, clock_timestamp()
         WHERE NOT EXISTS (SELECT FROM deletions WHERE session_id = $2 AND object_key = $4 AND job_id = $7)",
    )
    .bind::<sql_types::Text, _>(what)
    .bind::<sql_types::Text, _>(session.as_str())
    .bind::<sql_types::Text, _>(recording.as_str())
    .bind::<sql_types::Text, _>(&gone.object_key)
    .bind::<sql_types::BigInt, _>(i64::try_from(gone.size_bytes).unwrap_or(i64::MAX))
    .bind::<sql_types::Text, _>(&gone.sha256)
    .bind::<sql_types::BigInt, _>(job.0)
    .execute(transaction)
    .await?;
    Ok(())
}
