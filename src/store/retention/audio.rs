//! Which audio is too old, what keeps it all the same, and the decision that it goes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    pg::Pg,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types,
};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};

use super::proof;
use crate::{
    config::RetentionSettings,
    domain::{JobId, RetentionVerdict, UnknownWord},
    store::{Connection, StoreError},
};

/// Where a walk through the recordings, oldest first, has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// When the last recording was stored.
    pub stored_at: DateTime<Utc>,
    /// Its call.
    pub session_id: String,
    /// The recording.
    pub recording_id: String,
}

/// Audio that may have to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgedAudio {
    /// Where it stands among the others.
    pub place: Place,
    /// Key of the audio.
    pub object_key: String,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// The call's queue.
    pub queue_name: Option<String>,
}

/// The same, and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aged {
    /// The audio.
    pub audio: AgedAudio,
    /// What becomes of it.
    pub verdict: RetentionVerdict,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
    #[diesel(sql_type = sql_types::Text)]
    recording_id: String,
    #[diesel(sql_type = sql_types::Text)]
    object_key: String,
    #[diesel(sql_type = sql_types::BigInt)]
    size_bytes: i64,
    #[diesel(sql_type = sql_types::Text)]
    sha256: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    stored_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    queue_name: Option<String>,
    #[diesel(sql_type = sql_types::Text)]
    verdict: String,
}

impl TryFrom<Row> for Aged {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let unreadable = |what: String| StoreError::Row { table: "call_recordings", what };
        let Row { session_id, recording_id, object_key, size_bytes, sha256, stored_at, queue_name, verdict } = row;
        let size_bytes = u64::try_from(size_bytes).map_err(|_| unreadable(format!("`size_bytes` is {size_bytes}")))?;
        let verdict = verdict.parse().map_err(|error: UnknownWord| unreadable(error.to_string()))?;
        let place = Place { stored_at, session_id, recording_id };
        Ok(Self { audio: AgedAudio { place, object_key, size_bytes, sha256, queue_name }, verdict })
    }
}

/// A verdict for each row of `recordings`, a query of rows of `call_recordings`. One text for those that count, list and decide.
/// Parameters: queues, their ages, the age of all others, the age of what is not transcribed, in seconds.
fn judged(recordings: &str) -> String {
    format!(
        "SELECT r.session_id, r.recording_id, r.object_key, r.size_bytes, r.sha256, r.stored_at, c.queue_name,
                CASE WHEN kept.age IS NULL OR r.stored_at >= now() - kept.age * interval '1 second' THEN 'kept'
                     WHEN EXISTS (SELECT FROM legal_holds AS h WHERE h.session_id = r.session_id) THEN 'held'
                     WHEN ($4::bigint IS NULL OR r.stored_at >= now() - $4::bigint * interval '1 second')
                          AND EXISTS (SELECT FROM call_transcripts AS t WHERE t.session_id = r.session_id
                                        AND (t.recording_id = r.recording_id OR t.leg = r.leg)
                                        AND NOT EXISTS (SELECT FROM call_transcripts AS d
                                                        WHERE d.session_id = t.session_id AND d.leg = t.leg AND d.status = 'complete'))
                          THEN 'untranscribed'
                     WHEN EXISTS (SELECT FROM jobs WHERE jobs.kind IN ('recording', 'transcription') AND jobs.open
                                    AND jobs.key IN (r.session_id, r.session_id || '/' || r.recording_id)) THEN 'in_use'
                     ELSE 'due' END AS verdict
         FROM ({recordings}) AS r JOIN call_interactions AS c ON c.session_id = r.session_id
         LEFT JOIN unnest($1::text[], $2::bigint[]) AS own (queue_name, age) ON own.queue_name = c.queue_name
         CROSS JOIN LATERAL (SELECT CASE WHEN own.queue_name IS NULL THEN $3::bigint ELSE own.age END AS age) AS kept"
    )
}

pub(super) fn seconds(age: Option<Duration>) -> Option<i64> {
    age.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

fn bound(statement: String, settings: &RetentionSettings) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    let queues = &settings.audio.queues;
    diesel::sql_query(statement)
        .into_boxed()
        .bind::<sql_types::Array<sql_types::Text>, _>(queues.iter().map(|(queue, _)| queue.clone()).collect::<Vec<_>>())
        .bind::<sql_types::Array<sql_types::Nullable<sql_types::BigInt>>, _>(
            queues.iter().map(|(_, age)| seconds(*age)).collect::<Vec<_>>(),
        )
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(seconds(settings.audio.others))
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(seconds(settings.untranscribed))
}

/// Looks at the next `limit` recordings that are older than the shortest age, oldest first, after `after`, whatever becomes of them: a
/// step of a walk costs the same wherever it is.
pub async fn aged_audio(
    connection: &mut Connection,
    settings: &RetentionSettings,
    after: Option<&Place>,
    limit: u16,
) -> Result<Vec<Aged>, StoreError> {
    let statement = judged(
        "SELECT * FROM call_recordings
         WHERE status = 'stored' AND stored_at < now() - $5::bigint * interval '1 second'
           AND (stored_at, session_id, recording_id) > (coalesce($6::timestamptz, '-infinity'), coalesce($7::text, ''), coalesce($8::text, ''))
         ORDER BY stored_at, session_id, recording_id LIMIT $9",
    );
    let rows: Vec<Row> = bound(format!("{statement} ORDER BY r.stored_at, r.session_id, r.recording_id"), settings)
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(seconds(settings.audio.shortest()))
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(after.map(|place| place.stored_at))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(after.map(|place| place.session_id.clone()))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(after.map(|place| place.recording_id.clone()))
        .bind::<sql_types::BigInt, _>(i64::from(limit))
        .load(connection)
        .await?;
    rows.into_iter().map(Aged::try_from).collect()
}

/// What would become of the old audio of one queue.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct AgedQueue {
    /// The queue; `None`: calls that reached none.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub queue_name: Option<String>,
    /// What becomes of it, one of the words of [`RetentionVerdict`].
    #[diesel(sql_type = sql_types::Text)]
    pub verdict: String,
    /// Recordings.
    #[diesel(sql_type = sql_types::BigInt)]
    pub recordings: i64,
    /// Their bytes.
    #[diesel(sql_type = sql_types::BigInt)]
    pub bytes: i64,
    /// When the oldest was stored.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub oldest: DateTime<Utc>,
}

/// What would become now of what is older than its queue's age, by queue and verdict: with the very condition that deletes.
pub async fn aged_queues(connection: &mut Connection, settings: &RetentionSettings) -> Result<Vec<AgedQueue>, StoreError> {
    let judged = judged("SELECT * FROM call_recordings WHERE status = 'stored' AND stored_at < now() - $5::bigint * interval '1 second'");
    let statement = format!(
        "SELECT queue_name, verdict, count(*) AS recordings, coalesce(sum(size_bytes), 0)::bigint AS bytes, min(stored_at) AS oldest
         FROM ({judged}) AS judged WHERE verdict <> 'kept' GROUP BY 1, 2 ORDER BY verdict = 'due' DESC, verdict, bytes DESC, queue_name"
    );
    let shortest = seconds(settings.audio.shortest());
    Ok(bound(statement, settings).bind::<sql_types::Nullable<sql_types::BigInt>, _>(shortest).load(connection).await?)
}

/// An object that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDeletion {
    /// `audio`, `sidecar` or `vendor_transcript`.
    pub what: &'static str,
    /// Its key.
    pub object_key: String,
    /// Its size.
    pub size_bytes: Option<u64>,
    /// SHA-256 of its bytes, where it is known.
    pub sha256: Option<String>,
}

/// Decides that a recording's audio goes and writes down what is about to be deleted of it, unless something keeps it now, whatever was
/// found before. Call it within a transaction. The row is locked first, so that a hold that is being placed, a new copy that is being
/// stored and a run that is about to read are either seen or come too late and see this.
pub async fn begin_deletion(
    transaction: &mut Connection,
    settings: &RetentionSettings,
    audio: &AgedAudio,
    planned: &[PlannedDeletion],
    job: JobId,
) -> Result<bool, StoreError> {
    let Place { stored_at, session_id, recording_id } = &audio.place;
    lock(transaction, session_id, recording_id).await?;
    let judged =
        judged("SELECT * FROM call_recordings WHERE session_id = $5 AND recording_id = $6 AND status = 'stored' AND stored_at = $7");
    let begun = bound(
        format!(
            "UPDATE call_recordings AS gone SET status = 'deleting' FROM ({judged}) AS judged
             WHERE gone.session_id = judged.session_id AND gone.recording_id = judged.recording_id AND judged.verdict = 'due'"
        ),
        settings,
    )
    .bind::<sql_types::Text, _>(session_id.clone())
    .bind::<sql_types::Text, _>(recording_id.clone())
    .bind::<sql_types::Timestamptz, _>(*stored_at)
    .execute(transaction)
    .await?;
    if begun > 0 {
        let policy = settings.audio_policy(audio.queue_name.as_deref());
        proof::plan(transaction, (session_id, recording_id), planned, &policy, job).await?;
    }
    Ok(begun > 0)
}

pub(super) async fn lock(transaction: &mut Connection, session: &str, recording: &str) -> Result<(), StoreError> {
    diesel::sql_query("SELECT FROM call_recordings WHERE session_id = $1 AND recording_id = $2 FOR UPDATE")
        .bind::<sql_types::Text, _>(session)
        .bind::<sql_types::Text, _>(recording)
        .execute(transaction)
        .await?;
    Ok(())
}
