//! The transcripts that count, read a page of calls at a time: for exports and for whoever else goes through many of them.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, pg::Pg, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use crate::{
    domain::{SessionId, SourceName},
    store::{Connection, StoreError},
};

/// Which calls; nothing given means every call, several conditions must all hold.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// These calls, by their whole session ids.
    pub sessions: Option<Vec<String>>,
    /// Of this vendor.
    pub source: Option<SourceName>,
    /// Whose last queue has this name.
    pub queue: Option<String>,
    /// Began at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Began before this time.
    pub until: Option<DateTime<Utc>>,
}

/// A leg of a call with the transcript that counts, or a call that has none.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct CurrentTranscript {
    /// The call.
    #[diesel(sql_type = sql_types::Text)]
    pub session_id: String,
    /// The vendor.
    #[diesel(sql_type = sql_types::Text)]
    pub source: String,
    /// When the call began.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub start_time: DateTime<Utc>,
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
    /// `none`, `pending`, `processing`, `complete` or `error`.
    #[diesel(sql_type = sql_types::Text)]
    pub transcript_status: String,
    /// Which leg; none when the call has no complete transcript.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub leg: Option<String>,
    /// Version of the leg's transcript.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub version: Option<i32>,
    /// The document.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Jsonb>)]
    pub transcript_json: Option<Value>,
    /// Key of the recording in the bucket, while it is there: of its muted copy, if it has one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub object_key: Option<String>,
}

/// The place of a page's last call, after which the next page begins.
pub type After = (DateTime<Utc>, String);

/// The transcripts of the next `calls` calls in order of their beginning, every leg of each.
pub async fn current_transcripts(
    connection: &mut Connection,
    wanted: &Wanted,
    after: Option<&After>,
    calls: i64,
) -> Result<Vec<CurrentTranscript>, StoreError> {
    // OFFSET 0 keeps the view to itself, asked once per call: joined into the rest it is made of all transcripts for every page
    let statement = "SELECT c.session_id, c.source, c.start_time, c.direction, c.ani, c.dnis, c.agent_name, c.transcript_status,
                t.leg, t.version, t.transcript_json, r.object_key
         FROM (SELECT * FROM call_interactions
               WHERE ($1::text[] IS NULL OR session_id = ANY($1)) AND ($2::text IS NULL OR source = $2)
                 AND ($3::text IS NULL OR queue_name = $3)
                 AND ($4::timestamptz IS NULL OR start_time >= $4) AND ($5::timestamptz IS NULL OR start_time < $5)
                 AND ($6::timestamptz IS NULL OR (start_time, session_id) > ($6, $7::text))
               ORDER BY start_time, session_id LIMIT $8) AS c
         LEFT JOIN LATERAL (SELECT * FROM current_transcripts WHERE session_id = c.session_id OFFSET 0) AS t ON true
         LEFT JOIN LATERAL (
             SELECT coalesce(muted_key, object_key) AS object_key FROM call_recordings
             WHERE session_id = c.session_id AND status = 'stored' AND (recording_id = t.recording_id OR (t.recording_id IS NULL AND leg = t.leg))
             ORDER BY stored_at LIMIT 1) AS r ON true
         ORDER BY c.start_time, c.session_id, t.leg";
    Ok(diesel::sql_query(statement)
        .into_boxed::<Pg>()
        .bind::<sql_types::Nullable<sql_types::Array<sql_types::Text>>, _>(wanted.sessions.clone())
        .bind::<sql_types::Nullable<sql_types::Text>, _>(wanted.source.map(SourceName::as_str))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(wanted.queue.clone())
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(wanted.since)
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(wanted.until)
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(after.map(|(time, _)| *time))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(after.map(|(_, session)| session.clone()))
        .bind::<sql_types::BigInt, _>(calls)
        .load(connection)
        .await?)
}

/// A version of a transcript that was completed.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct CompleteVersion {
    /// Which leg of the call.
    #[diesel(sql_type = sql_types::Text)]
    pub leg: String,
    /// Counts re-transcriptions.
    #[diesel(sql_type = sql_types::Integer)]
    pub version: i32,
    /// Who made it.
    #[diesel(sql_type = sql_types::Text)]
    pub provider: String,
    /// The provider's model.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub model: Option<String>,
    /// When it was complete.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub completed_at: DateTime<Utc>,
    /// It counts; else it is on trial.
    #[diesel(sql_type = sql_types::Bool)]
    pub counts: bool,
    /// The document.
    #[diesel(sql_type = sql_types::Jsonb)]
    pub transcript_json: Value,
}

/// All complete versions of a leg's transcript, oldest first; the last of those that count is its transcript.
pub async fn complete_versions(connection: &mut Connection, session: &SessionId, leg: &str) -> Result<Vec<CompleteVersion>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT leg, version, provider, model, completed_at, counts, transcript_json FROM call_transcripts
         WHERE session_id = $1 AND leg = $2 AND status = 'complete' ORDER BY version",
    )
    .bind::<sql_types::Text, _>(session.as_str())
    .bind::<sql_types::Text, _>(leg)
    .load(connection)
    .await?)
}
