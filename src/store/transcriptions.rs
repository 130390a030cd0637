//! `call_transcripts` as the transcription worker sees them: what to transcribe, and the transcript that came of it.

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{Leg, RecordingId, SessionId, SourceName, TranscriptId, TranscriptStatus, UnknownWord},
    store::{Connection, Prepared, StoreError},
};

/// A transcript to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptTask {
    /// The transcript.
    pub id: TranscriptId,
    /// The call.
    pub session_id: SessionId,
    /// The vendor that took it.
    pub source: SourceName,
    /// Which leg of it.
    pub leg: Leg,
    /// The queue it came in by.
    pub queue_name: Option<String>,
    /// When the recording ended; when the call did, or when the recording was stored, where no vendor tells.
    pub ended_at: DateTime<Utc>,
    /// Where the transcript stands.
    pub status: TranscriptStatus,
    /// The recording to make it from; `None` when none is stored.
    pub audio: Option<StoredAudioRow>,
    /// There was one, and retention deleted its audio.
    pub audio_is_deleted: bool,
}

/// A recording in S3, as it was when it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAudioRow {
    /// The recording.
    pub recording_id: RecordingId,
    /// Its key in the bucket.
    pub object_key: String,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// Who is on the first and on the second channel, in the vendor's words.
    pub channels: [Option<String>; 2],
}

#[derive(QueryableByName)]
struct TaskRow {
    #[diesel(sql_type = sql_types::Uuid)]
    id: uuid::Uuid,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    queue_name: Option<String>,
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
    #[diesel(sql_type = sql_types::Text)]
    source: String,
    #[diesel(sql_type = sql_types::Text)]
    leg: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    ended_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Text)]
    status: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    recording_id: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    object_key: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    size_bytes: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    sha256: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    channel1: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    channel2: Option<String>,
    #[diesel(sql_type = sql_types::Bool)]
    audio_is_deleted: bool,
}

/// Shares a lock on the recordings of a transcript's call, so that a deletion that is being decided is waited for, and one that comes
/// later sees the job that runs. Call it in the transaction that reads the task, before it.
pub async fn share_audio(transaction: &mut Connection, id: TranscriptId) -> Result<(), StoreError> {
    Prepared(diesel::sql_query(
        "SELECT FROM call_recordings WHERE session_id = (SELECT session_id FROM call_transcripts WHERE id = $1) ORDER BY recording_id FOR SHARE",
    )
    .bind::<sql_types::Uuid, _>(id.0))
    .execute(transaction)
    .await?;
    Ok(())
}

/// What is to be transcribed for a transcript, and from what; `None` when there is no such transcript.
pub async fn transcript_task(connection: &mut Connection, id: TranscriptId) -> Result<Option<TranscriptTask>, StoreError> {
    let row: Option<TaskRow> = Prepared(diesel::sql_query(
        "SELECT t.id, t.session_id, c.source, c.queue_name, t.leg, t.status, r.recording_id, r.object_key, r.size_bytes, r.sha256, r.channel1, r.channel2,
                coalesce(r.stopped_at, c.end_time, r.stored_at, t.created_at) AS ended_at,
                EXISTS (SELECT FROM call_recordings AS d WHERE d.session_id = t.session_id AND d.status IN ('deleting', 'deleted')
                          AND (d.recording_id = t.recording_id OR (t.recording_id IS NULL AND d.leg = t.leg))) AS audio_is_deleted
         FROM call_transcripts AS t
         JOIN call_interactions AS c USING (session_id)
         LEFT JOIN LATERAL (
             SELECT recording_id, object_key, size_bytes, sha256, channel1, channel2, stopped_at, stored_at FROM call_recordings
             WHERE session_id = t.session_id AND status = 'stored'
               AND (recording_id = t.recording_id OR (t.recording_id IS NULL AND leg = t.leg))
             ORDER BY stored_at LIMIT 1) AS r ON true
         WHERE t.id = $1",
    )
    .bind::<sql_types::Uuid, _>(id.0))
    .get_result(connection)
    .await
    .optional()?;
    row.map(TranscriptTask::try_from).transpose()
}

impl TryFrom<TaskRow> for TranscriptTask {
    type Error = StoreError;

    fn try_from(row: TaskRow) -> Result<Self, StoreError> {
        let unreadable = |what: String| StoreError::Row { table: "call_transcripts", what };
        let audio = match (row.recording_id, row.object_key, row.size_bytes, row.sha256) {
            (Some(recording_id), Some(object_key), Some(size), Some(sha256)) => {
                let size_bytes = u64::try_from(size).map_err(|_| unreadable(format!("its recording's size is {size}")))?;
                let recording_id = RecordingId::parse(recording_id).map_err(|error| unreadable(error.to_string()))?;
                Some(StoredAudioRow { recording_id, object_key, size_bytes, sha256, channels: [row.channel1, row.channel2] })
            }
            _ => None,
        };
        Ok(Self {
            id: TranscriptId(row.id),
            queue_name: row.queue_name,
            session_id: SessionId::parse(row.session_id).map_err(|error| unreadable(error.to_string()))?,
            source: row.source.parse().map_err(|error: UnknownWord| unreadable(error.to_string()))?,
            leg: row.leg.parse().map_err(|error: UnknownWord| unreadable(error.to_string()))?,
            ended_at: row.ended_at,
            status: row.status.parse().map_err(|error: UnknownWord| unreadable(error.to_string()))?,
            audio,
            audio_is_deleted: row.audio_is_deleted,
        })
    }
}

/// Moves a transcript to `transcribing` and its call along. Returns whether it moved, or stood there already.
pub async fn begin_transcribing(connection: &mut Connection, id: TranscriptId, provider: &str, model: &str) -> Result<bool, StoreError> {
    let moved: Vec<Moved> = Prepared(diesel::sql_query(
        "WITH moved AS (
             UPDATE call_transcripts SET status = 'transcribing', provider = $2, model = $3, updated_at = now()
             WHERE id = $1 AND status IN ('pending', 'downloading', 'transcribing')
             RETURNING session_id, leg),
         mirrored AS (
             UPDATE call_interactions AS c SET transcript_status = 'processing'
             FROM moved WHERE moved.leg = 'main' AND c.session_id = moved.session_id AND c.transcript_status NOT IN ('processing', 'complete'))
         SELECT session_id FROM moved",
    )
    .bind::<sql_types::Uuid, _>(id.0)
    .bind::<sql_types::Text, _>(provider)
    .bind::<sql_types::Text, _>(model))
    .load(connection)
    .await?;
    Ok(!moved.is_empty())
}

#[derive(QueryableByName)]
struct Moved {
    #[diesel(sql_type = sql_types::Text)]
    #[expect(dead_code, reason = "only the row's existence matters")]
    session_id: String,
}

/// A transcript that was made.
#[derive(Debug, Clone)]
pub struct MadeTranscript {
    /// The row.
    pub id: TranscriptId,
    /// Who made it.
    pub provider: &'static str,
    /// The provider's model.
    pub model: String,
    /// What was said; empty when nothing was.
    pub text: String,
    /// The whole document, see docs/TRANSCRIPT_JSON.md.
    pub document: serde_json::Value,
    /// ISO 639-1 code, or the provider's word.
    pub language: Option<String>,
    /// What is doubtful about it.
    pub flags: Vec<String>,
    /// Seconds of audio sent to the provider.
    pub audio_seconds: f64,
    /// The provider's id of the request.
    pub provider_request_id: Option<String>,
}

/// Stores a transcript and moves it to `complete`, and its call as well if it counts: one on trial changes nothing of its call.
/// Returns whether it moved: a complete one stays as it is.
pub async fn complete_transcript(connection: &mut Connection, made: &MadeTranscript) -> Result<bool, StoreError> {
    let moved: Vec<Moved> = Prepared(
        diesel::sql_query(
            "WITH moved AS (
             UPDATE call_transcripts
             SET status = 'complete', provider = $2, model = $3, transcript_text = $4, transcript_json = $5, language = $6, flags = $7,
                 audio_seconds = $8, provider_request_id = $9, error_message = NULL, completed_at = now(), updated_at = now()
             WHERE id = $1 AND status IN ('pending', 'transcribing')
             RETURNING session_id, leg, counts),
         used AS (
             DELETE FROM transcript_pieces AS p USING moved WHERE p.transcript_id = $1),
         mirrored AS (
             UPDATE call_interactions AS c SET transcript_status = 'complete'
             FROM moved WHERE moved.leg = 'main' AND moved.counts AND c.session_id = moved.session_id)
         SELECT session_id FROM moved",
        )
        .bind::<sql_types::Uuid, _>(made.id.0)
        .bind::<sql_types::Text, _>(made.provider)
        .bind::<sql_types::Text, _>(&made.model)
        .bind::<sql_types::Text, _>(&made.text)
        .bind::<sql_types::Jsonb, _>(&made.document)
        .bind::<sql_types::Nullable<sql_types::Text>, _>(made.language.as_deref())
        .bind::<sql_types::Array<sql_types::Text>, _>(&made.flags)
        .bind::<sql_types::Double, _>(made.audio_seconds)
        .bind::<sql_types::Nullable<sql_types::Text>, _>(made.provider_request_id.as_deref()),
    )
    .load(connection)
    .await?;
    Ok(!moved.is_empty())
}
