//! Calls for people: lists by filter, and all that is stored about one call.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, pg::Pg, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    domain::{CallTranscriptStatus, SessionId, SourceName},
    store::{
        Connection, StoreError,
        holds::{HoldSeen, holds},
    },
};

/// Which calls. Nothing given means every call; several conditions must all hold.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// Of this vendor.
    pub source: Option<SourceName>,
    /// Whose transcript is in one of these states.
    pub statuses: Vec<CallTranscriptStatus>,
    /// Whose transcript failed for this reason.
    pub reason: Option<String>,
    /// Of this case.
    pub case_number: Option<String>,
    /// Began at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Began before this time.
    pub until: Option<DateTime<Utc>>,
}

/// A call in a list, words as they are written in its row.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct CallSeen {
    /// The vendor's id of the call.
    #[diesel(sql_type = sql_types::Text)]
    pub session_id: String,
    /// The vendor.
    #[diesel(sql_type = sql_types::Text)]
    pub source: String,
    /// Its channel.
    #[diesel(sql_type = sql_types::Text)]
    pub channel: String,
    /// Which way it went.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub direction: Option<String>,
    /// Number the call came from.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub ani: Option<String>,
    /// Number that was called.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub dnis: Option<String>,
    /// Last agent.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub agent_name: Option<String>,
    /// Last queue.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub queue_name: Option<String>,
    /// Case it belongs to.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub case_number: Option<String>,
    /// Nothing told that number: something else of the record names it.
    #[diesel(sql_type = sql_types::Bool)]
    pub case_number_guessed: bool,
    /// When it began.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub start_time: DateTime<Utc>,
    /// When it ended.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub end_time: Option<DateTime<Utc>>,
    /// How long it took.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub duration_seconds: Option<i32>,
    /// Whether it is over.
    #[diesel(sql_type = sql_types::Bool)]
    pub closed: bool,
    /// Vendor means to record it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Bool>)]
    pub capture_requested: Option<bool>,
    /// `none`, `pending`, `processing`, `complete` or `error`.
    #[diesel(sql_type = sql_types::Text)]
    pub transcript_status: String,
    /// Why its transcript failed.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub error_code: Option<String>,
    /// When Callscribe first stored it.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub first_seen_at: DateTime<Utc>,
    /// What the agent said it was about.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub wrap_up_code: Option<String>,
    /// `vendor` or `last_updated`.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub end_time_source: Option<String>,
    /// Seconds that customer and agents were connected.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub talk_seconds: Option<i32>,
    /// Seconds in queues.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub queue_seconds: Option<i32>,
    /// Seconds on hold.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub hold_seconds: Option<i32>,
    /// Seconds that the agent took for the wrap-up.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub wrap_up_seconds: Option<i32>,
    /// Last team.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub team_name: Option<String>,
    /// Last site.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub site_name: Option<String>,
    /// Last entry point.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub entry_point_name: Option<String>,
    /// Why it ended.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub termination_reason: Option<String>,
    /// Who ended it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub terminated_by: Option<String>,
    /// How it was handled.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub handle_type: Option<String>,
    /// The customer's rating.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub csat_score: Option<i32>,
    /// The rating that the vendor inferred.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub auto_csat: Option<String>,
    /// What it was about, as the vendor's analysis has it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub contact_reason: Option<String>,
    /// The vendor has a transcript of its own.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Bool>)]
    pub transcription_available: Option<bool>,
    /// Recordings that the vendor counts.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub recording_count: Option<i32>,
    /// When the vendor's details last changed it; none when they were never told.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub enriched_at: Option<DateTime<Utc>>,
    /// The vendor's clock for what it told last of the call.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub source_updated_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str =
    "c.session_id, c.source, c.channel, c.direction, c.ani, c.dnis, c.agent_name, c.queue_name, c.case_number,
    coalesce(c.older_fields ->> 'case_number' = '-infinity', false) AS case_number_guessed, c.start_time,
    c.end_time, c.duration_seconds, c.closed, c.capture_requested, c.transcript_status, t.error_code, c.first_seen_at,
    c.wrap_up_code, c.end_time_source, c.talk_seconds, c.queue_seconds, c.hold_seconds, c.wrap_up_seconds, c.team_name, c.site_name, c.entry_point_name,
    c.termination_reason, c.terminated_by, c.handle_type, c.csat_score, c.auto_csat, c.contact_reason, c.transcription_available, c.recording_count, c.enriched_at, c.source_updated_at";
const LATEST_TRANSCRIPT: &str = "LEFT JOIN LATERAL (
    SELECT error_code FROM call_transcripts WHERE session_id = c.session_id AND leg = 'main' AND counts ORDER BY version DESC LIMIT 1) AS t ON true";

/// The calls a filter means, latest first, up to `limit`.
pub async fn list_calls(connection: &mut Connection, filter: &CallFilter, limit: i64) -> Result<Vec<CallSeen>, StoreError> {
    let statement = format!(
        "SELECT {COLUMNS} FROM call_interactions AS c {LATEST_TRANSCRIPT}
         WHERE ($1::text IS NULL OR c.source = $1) AND ($2::text[] IS NULL OR c.transcript_status = ANY($2))
           AND ($3::text IS NULL OR (c.transcript_status = 'error' AND t.error_code = $3)) AND ($4::text IS NULL OR c.case_number = $4)
           AND ($5::timestamptz IS NULL OR c.start_time >= $5) AND ($6::timestamptz IS NULL OR c.start_time < $6)
         ORDER BY c.start_time DESC, c.session_id LIMIT $7"
    );
    let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
    Ok(diesel::sql_query(statement)
        .into_boxed::<Pg>()
        .bind::<sql_types::Nullable<sql_types::Text>, _>(filter.source.map(SourceName::as_str))
        .bind::<sql_types::Nullable<sql_types::Array<sql_types::Text>>, _>((!statuses.is_empty()).then_some(statuses))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(filter.reason.clone())
        .bind::<sql_types::Nullable<sql_types::Text>, _>(filter.case_number.clone())
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(filter.since)
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(filter.until)
        .bind::<sql_types::BigInt, _>(limit)
        .load(connection)
        .await?)
}

/// A recording as its row tells it.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct RecordingSeen {
    /// The vendor's id of it.
    #[diesel(sql_type = sql_types::Text)]
    pub recording_id: String,
    /// Which leg.
    #[diesel(sql_type = sql_types::Text)]
    pub leg: String,
    /// `available`, `stored`, `skipped`, `deleting` or `deleted`.
    #[diesel(sql_type = sql_types::Text)]
    pub status: String,
    /// Key in the bucket.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub object_key: Option<String>,
    /// Key of the copy in which what was redacted is muted.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub muted_key: Option<String>,
    /// Size of the object.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub size_bytes: Option<i64>,
    /// SHA-256 of its bytes.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub sha256: Option<String>,
    /// `pcm`, `mulaw` or `alaw`.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub codec: Option<String>,
    /// Samples per second and channel.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub sample_rate_hz: Option<i32>,
    /// Number of channels.
    #[diesel(sql_type = sql_types::Nullable<sql_types::SmallInt>)]
    pub channels: Option<i16>,
    /// Playing time.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub duration_ms: Option<i64>,
    /// What is odd about it.
    #[diesel(sql_type = sql_types::Array<sql_types::Text>)]
    pub flags: Vec<String>,
    /// When Callscribe first saw it offered.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub found_at: DateTime<Utc>,
    /// When it was complete in S3.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub stored_at: Option<DateTime<Utc>>,
    /// When retention had deleted its audio.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub deleted_at: Option<DateTime<Utc>>,
}

/// A transcript as its row tells it.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct TranscriptSeen {
    /// Callscribe's id of it.
    #[diesel(sql_type = sql_types::Uuid)]
    pub id: Uuid,
    /// Which leg.
    #[diesel(sql_type = sql_types::Text)]
    pub leg: String,
    /// Counts re-transcriptions.
    #[diesel(sql_type = sql_types::Integer)]
    pub version: i32,
    /// Who transcribes.
    #[diesel(sql_type = sql_types::Text)]
    pub provider: String,
    /// The provider's model.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub model: Option<String>,
    /// Its state.
    #[diesel(sql_type = sql_types::Text)]
    pub status: String,
    /// Language detected.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub language: Option<String>,
    /// What was said.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub transcript_text: Option<String>,
    /// Why it failed.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub error_code: Option<String>,
    /// The same for people; the last error while a retry waits.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub error_message: Option<String>,
    /// What is doubtful about it.
    #[diesel(sql_type = sql_types::Array<sql_types::Text>)]
    pub flags: Vec<String>,
    /// Seconds of audio sent.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub audio_seconds: Option<f64>,
    /// It is the transcript of its leg: the newest complete version that counts.
    #[diesel(sql_type = sql_types::Bool)]
    pub current: bool,
    /// It counts once it is complete; else it is on trial.
    #[diesel(sql_type = sql_types::Bool)]
    pub counts: bool,
    /// Name of the requeue batch that asked for it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub batch: Option<String>,
    /// When it was first expected.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub updated_at: DateTime<Utc>,
    /// When it became complete.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub completed_at: Option<DateTime<Utc>>,
}

/// All that is stored about one call; its jobs are the ledger's to tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallStory {
    /// The call.
    pub call: CallSeen,
    /// What the vendor sent: what its list said as it came (Webex: `task`), what its details said under `csr`.
    pub vendor_record: Value,
    /// Its recordings.
    pub recordings: Vec<RecordingSeen>,
    /// What the vendor's assistant made of it, where a tenant has one.
    pub summary: Option<Value>,
    /// Its transcripts, versions in order.
    pub transcripts: Vec<TranscriptSeen>,
    /// The hold that keeps it from retention, if one is in force.
    pub hold: Option<HoldSeen>,
}

#[derive(QueryableByName)]
struct Payload {
    #[diesel(sql_type = sql_types::Jsonb)]
    raw_payload: Value,
}

#[derive(QueryableByName)]
struct Summary {
    #[diesel(sql_type = sql_types::Jsonb)]
    summary: Value,
}

#[derive(QueryableByName)]
struct Session {
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
}

/// The calls whose session id is `text` or, if none is, begins with it; at most `limit` of them.
pub async fn sessions_like(connection: &mut Connection, text: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Session> = diesel::sql_query(
        "WITH exact AS MATERIALIZED (SELECT session_id FROM call_interactions WHERE session_id = $1)
         SELECT session_id FROM exact UNION ALL
         SELECT session_id FROM (
             SELECT session_id FROM call_interactions
             WHERE NOT EXISTS (SELECT FROM exact) AND starts_with(session_id, $1) ORDER BY session_id LIMIT $2) AS near",
    )
    .bind::<sql_types::Text, _>(text)
    .bind::<sql_types::BigInt, _>(limit)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.session_id).collect())
}

/// All that is stored about a call; `None` when there is none of that id.
pub async fn call_story(connection: &mut Connection, session: &SessionId) -> Result<Option<CallStory>, StoreError> {
    let statement = format!("SELECT {COLUMNS} FROM call_interactions AS c {LATEST_TRANSCRIPT} WHERE c.session_id = $1");
    let calls: Vec<CallSeen> = diesel::sql_query(statement).bind::<sql_types::Text, _>(session.as_str()).load(connection).await?;
    let Some(call) = calls.into_iter().next() else { return Ok(None) };
    let payload: Payload = diesel::sql_query("SELECT raw_payload || CASE WHEN details_payload IS NULL THEN '{}' ELSE jsonb_build_object('csr', details_payload) END AS raw_payload
         FROM call_interactions WHERE session_id = $1",
    )
        .bind::<sql_types::Text, _>(session.as_str())
        .get_result(connection)
        .await?;
    let recordings = diesel::sql_query(
        "SELECT recording_id, leg, status, object_key, muted_key, size_bytes, sha256, codec, sample_rate_hz, channels, duration_ms, flags, found_at, stored_at, deleted_at
         FROM call_recordings WHERE session_id = $1 ORDER BY found_at, recording_id",
    )
    .bind::<sql_types::Text, _>(session.as_str())
    .load(connection)
    .await?;
    let transcripts = diesel::sql_query(
        "SELECT id, leg, version, provider, model, status, language, transcript_text, error_code, error_message, flags, audio_seconds,
                id IN (SELECT id FROM current_transcripts WHERE session_id = $1) AS current, counts,
                (SELECT name FROM requeue_batches WHERE id = batch_id) AS batch, created_at, updated_at, completed_at
         FROM call_transcripts WHERE session_id = $1 ORDER BY leg, version",
    )
    .bind::<sql_types::Text, _>(session.as_str())
    .load(connection)
    .await?;
    let summaries: Vec<Summary> = diesel::sql_query("SELECT summary FROM call_summaries WHERE session_id = $1")
        .bind::<sql_types::Text, _>(session.as_str())
        .load(connection)
        .await?;
    let summary = summaries.into_iter().next().map(|row| row.summary);
    let hold = holds(connection, Some(session), 1).await?.into_iter().next();
    Ok(Some(CallStory { call, vendor_record: payload.raw_payload, recordings, summary, transcripts, hold }))
}
