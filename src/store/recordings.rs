//! `call_recordings`: what a vendor offered for a call and what of it is in S3; and the first step of a call's transcript.

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{OrgId, RecordingId, RecordingOffer, SessionId, SourceName, TranscriptId},
    store::{Connection, Prepared, StoreError},
};

const TABLE: &str = "call_recordings";

/// What a recording's name and place follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCall {
    /// The vendor.
    pub source: SourceName,
    /// The tenant, if the vendor told it.
    pub org_id: Option<OrgId>,
    /// When the call began.
    pub start_time: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct CallRow {
    #[diesel(sql_type = sql_types::Text)]
    source: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    org_id: Option<String>,
    #[diesel(sql_type = sql_types::Timestamptz)]
    start_time: DateTime<Utc>,
}

/// The call a recording is looked for; `None` when it was never synced or has been removed since.
pub async fn recorded_call(connection: &mut Connection, session: &SessionId) -> Result<Option<RecordedCall>, StoreError> {
    let row: Option<CallRow> = Prepared(
        diesel::sql_query("SELECT source, org_id, start_time FROM call_interactions WHERE session_id = $1")
            .bind::<sql_types::Text, _>(session.as_str()),
    )
    .get_result(connection)
    .await
    .optional()?;
    row.map(|row| {
        let unreadable = |what: String| StoreError::Row { table: "call_interactions", what };
        Ok(RecordedCall {
            source: row.source.parse().map_err(|error: crate::domain::UnknownWord| unreadable(error.to_string()))?,
            org_id: row.org_id.map(OrgId::parse).transpose().map_err(|error| unreadable(error.to_string()))?,
            start_time: row.start_time,
        })
    })
    .transpose()
}

/// Moves a transcript to `downloading` and its call along. Returns whether it moved, or stood there already: one that is
/// further is left alone.
pub async fn begin_downloading(connection: &mut Connection, id: TranscriptId) -> Result<bool, StoreError> {
    let moved: Vec<Session> = Prepared(diesel::sql_query(
        "WITH moved AS (
             UPDATE call_transcripts SET status = 'downloading', updated_at = now()
             WHERE id = $1 AND status IN ('pending', 'downloading')
             RETURNING session_id, leg),
         mirrored AS (
             UPDATE call_interactions AS c SET transcript_status = 'processing'
             FROM moved WHERE moved.leg = 'main' AND c.session_id = moved.session_id AND c.transcript_status NOT IN ('processing', 'complete'))
         SELECT session_id FROM moved",
    )
    .bind::<sql_types::Uuid, _>(id.0))
    .load(connection)
    .await?;
    Ok(!moved.is_empty())
}

#[derive(QueryableByName)]
struct Session {
    #[diesel(sql_type = sql_types::Text)]
    #[expect(dead_code, reason = "only the row's existence matters")]
    session_id: String,
}

/// Notes every recording the vendor offers for a call, in one statement. What was stored stays stored; what a vendor leaves
/// out this time never overwrites what it told before. `skipped` are the legs that policy does not copy.
pub async fn note_offers(
    connection: &mut Connection,
    session: &SessionId,
    offers: &[RecordingOffer],
    skipped: impl Fn(&RecordingOffer) -> bool,
) -> Result<usize, StoreError> {
    if offers.is_empty() {
        return Ok(0);
    }
    // the same recording twice in one answer would be the same row twice in one statement
    let mut seen = std::collections::HashSet::new();
    let offers: Vec<&RecordingOffer> = offers.iter().filter(|offer| seen.insert(&offer.recording_id)).collect();
    let noted = Prepared(diesel::sql_query(
        "INSERT INTO call_recordings (session_id, recording_id, leg, segment, status, channel1, channel2, started_at, stopped_at)
         SELECT $1, id, leg, segment, status, channel1, channel2, started_at, stopped_at
         FROM unnest($2::text[], $3::text[], $4::bool[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[])
              AS new (id, leg, segment, status, channel1, channel2, started_at, stopped_at)
         ON CONFLICT (session_id, recording_id) DO UPDATE SET
             leg = excluded.leg, segment = excluded.segment,
             status = CASE WHEN call_recordings.status IN ('stored', 'deleting', 'deleted') THEN call_recordings.status ELSE excluded.status END,
             channel1 = coalesce(excluded.channel1, call_recordings.channel1),
             channel2 = coalesce(excluded.channel2, call_recordings.channel2),
             started_at = coalesce(excluded.started_at, call_recordings.started_at),
             stopped_at = coalesce(excluded.stopped_at, call_recordings.stopped_at)",
    )
    .bind::<sql_types::Text, _>(session.as_str())
    .bind::<sql_types::Array<sql_types::Text>, _>(offers.iter().map(|offer| offer.recording_id.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(offers.iter().map(|offer| offer.leg.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Bool>, _>(offers.iter().map(|offer| offer.segment).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(
        offers.iter().map(|offer| if skipped(offer) { "skipped" } else { "available" }).collect::<Vec<_>>(),
    )
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Text>>, _>(
        offers.iter().map(|offer| offer.channels[0].as_deref()).collect::<Vec<_>>(),
    )
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Text>>, _>(
        offers.iter().map(|offer| offer.channels[1].as_deref()).collect::<Vec<_>>(),
    )
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Timestamptz>>, _>(
        offers.iter().map(|offer| offer.started_at).collect::<Vec<_>>(),
    )
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Timestamptz>>, _>(
        offers.iter().map(|offer| offer.stopped_at).collect::<Vec<_>>(),
    ))
    .execute(connection)
    .await?;
    Ok(noted)
}

/// Where a recording's bytes are, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCopy {
    /// Key of the object.
    pub object_key: String,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
}

#[derive(QueryableByName)]
struct KnownRow {
    #[diesel(sql_type = sql_types::Text)]
    recording_id: String,
    #[diesel(sql_type = sql_types::Text)]
    status: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    object_key: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    size_bytes: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    sha256: Option<String>,
    #[diesel(sql_type = sql_types::Bool)]
    original_is_gone: bool,
}

/// A recording that is known of a call before it is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRecording {
    /// The recording.
    pub recording_id: RecordingId,
    /// Its audio was deleted, or is being.
    pub is_gone: bool,
    /// Its bytes, if they are stored.
    pub copy: Option<StoredCopy>,
    /// All that is left of it is the copy in which something is muted.
    pub original_is_gone: bool,
}

/// What is known of a call's recordings. Call it in the transaction with which a run begins that holds its job: it shares a lock on the
/// rows, so that a deletion that is being decided is waited for and told, and one that comes later sees the job that runs.
pub async fn known_recordings(transaction: &mut Connection, session: &SessionId) -> Result<Vec<KnownRecording>, StoreError> {
    let rows: Vec<KnownRow> = Prepared(
        diesel::sql_query(
            "SELECT recording_id, status, object_key, size_bytes, sha256, coalesce(object_key = muted_key, false) AS original_is_gone
             FROM call_recordings WHERE session_id = $1 ORDER BY recording_id FOR SHARE",
        )
        .bind::<sql_types::Text, _>(session.as_str()),
    )
    .load(transaction)
    .await?;
    let unreadable = |what: String| StoreError::Row { table: TABLE, what };
    let known = rows.into_iter().map(|row| {
        let copy = match (row.object_key, row.size_bytes, row.sha256) {
            (Some(object_key), Some(size), Some(sha256)) if row.status == "stored" => {
                let size_bytes = u64::try_from(size).map_err(|_| unreadable(format!("`size_bytes` is {size}")))?;
                Some(StoredCopy { object_key, size_bytes, sha256 })
            }
            _ => None,
        };
        let recording_id = RecordingId::parse(row.recording_id).map_err(|error| unreadable(error.to_string()))?;
        let is_gone = matches!(row.status.as_str(), "deleting" | "deleted");
        Ok(KnownRecording { recording_id, is_gone, copy, original_is_gone: row.original_is_gone })
    });
    known.collect()
}

/// A recording whose bytes are in S3, and what was read from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecording {
    /// The call.
    pub session_id: SessionId,
    /// The recording.
    pub recording_id: RecordingId,
    /// Where the bytes are.
    pub copy: StoredCopy,
    /// `pcm`, `mulaw`, `alaw`, `float`, `mp3`, `vorbis`, `opus`, `flac` or `aac`; `None` for a codec in WAV that we do not read.
    pub codec: Option<String>,
    /// Samples per second per channel.
    pub sample_rate_hz: Option<u32>,
    /// Number of channels.
    pub channels: Option<u16>,
    /// Playing time by the bytes received.
    pub duration_ms: Option<u64>,
    /// What is odd about it.
    pub flags: Vec<String>,
}

/// What a recording was stored for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredFor {
    /// The transcript that is made of it, if one is.
    pub transcript: Option<TranscriptId>,
    /// It is the call, and not a leg beside it.
    pub is_call: bool,
}

/// Notes that a recording is in S3, and makes it the recording of the transcript and, if it is the call, of its call. Returns
/// whether the recording was known. A transcript that is complete keeps the recording that it was made of.
pub async fn mark_stored(
    connection: &mut Connection,
    stored: &StoredRecording,
    stored_for: StoredFor,
    audio_url: &str,
) -> Result<bool, StoreError> {
    let marked: Vec<Session> = Prepared(
        diesel::sql_query(
            "WITH stored AS (
             UPDATE call_recordings SET
                 status = 'stored', object_key = $3, size_bytes = $4, sha256 = $5, codec = $6, sample_rate_hz = $7, channels = $8,
                 duration_ms = $9, flags = $10, stored_at = now(),
                 -- a muted copy is one of these very bytes
                 muted_key = CASE WHEN sha256 = $5 THEN muted_key END,
                 muted_size_bytes = CASE WHEN sha256 = $5 THEN muted_size_bytes END,
                 muted_sha256 = CASE WHEN sha256 = $5 THEN muted_sha256 END,
                 muted_at = CASE WHEN sha256 = $5 THEN muted_at END
             WHERE session_id = $1 AND recording_id = $2 AND status NOT IN ('deleting', 'deleted')
             RETURNING session_id, recording_id),
         transcript AS (
             UPDATE call_transcripts AS t SET audio_url = $12, recording_id = stored.recording_id, updated_at = now()
             FROM stored WHERE t.id = $11 AND t.status <> 'complete'),
         call AS (
             UPDATE call_interactions AS c SET recording_id = stored.recording_id
             FROM stored WHERE $13 AND c.session_id = stored.session_id AND c.recording_id IS DISTINCT FROM stored.recording_id)
         SELECT session_id FROM stored",
        )
        .bind::<sql_types::Text, _>(stored.session_id.as_str())
        .bind::<sql_types::Text, _>(stored.recording_id.as_str())
        .bind::<sql_types::Text, _>(&stored.copy.object_key)
        .bind::<sql_types::BigInt, _>(i64::try_from(stored.copy.size_bytes).unwrap_or(i64::MAX))
        .bind::<sql_types::Text, _>(&stored.copy.sha256)
        .bind::<sql_types::Nullable<sql_types::Text>, _>(stored.codec.as_deref())
        .bind::<sql_types::Nullable<sql_types::Integer>, _>(stored.sample_rate_hz.and_then(|rate| i32::try_from(rate).ok()))
        .bind::<sql_types::Nullable<sql_types::SmallInt>, _>(stored.channels.and_then(|channels| i16::try_from(channels).ok()))
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(stored.duration_ms.and_then(|duration| i64::try_from(duration).ok()))
        .bind::<sql_types::Array<sql_types::Text>, _>(&stored.flags)
        .bind::<sql_types::Nullable<sql_types::Uuid>, _>(stored_for.transcript.map(|id| id.0))
        .bind::<sql_types::Text, _>(audio_url)
        .bind::<sql_types::Bool, _>(stored_for.is_call),
    )
    .load(connection)
    .await?;
    Ok(!marked.is_empty())
}
