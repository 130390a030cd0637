//! `deletions`: what is about to go, and the proof that it went; and what the last run came to.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};

use super::audio::{PlannedDeletion, lock};
use crate::{
    domain::JobId,
    store::{Connection, StoreError, settings},
};

/// A recording whose deletion began and is not proven.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Begun {
    /// The call.
    #[diesel(sql_type = sql_types::Text)]
    pub session_id: String,
    /// The recording.
    #[diesel(sql_type = sql_types::Text)]
    pub recording_id: String,
    /// Key of its audio.
    #[diesel(sql_type = sql_types::Text)]
    pub object_key: String,
}

/// Recordings whose deletion began and did not end, since its run was killed or S3 was away: what is written down is what counts, even
/// when the recording's row is gone meanwhile.
pub async fn deletions_begun(connection: &mut Connection, limit: u16) -> Result<Vec<Begun>, StoreError> {
    // of the keys of one recording, only those of documents end in `.json`
    let rows = diesel::sql_query(
        "SELECT session_id, recording_id,
                coalesce(max(object_key) FILTER (WHERE object_key NOT LIKE '%.json'), max(object_key)) AS object_key FROM (
             SELECT session_id, recording_id, object_key FROM deletions WHERE deleted_at IS NULL
             UNION ALL
             SELECT session_id, recording_id, object_key FROM call_recordings WHERE status = 'deleting' AND object_key <> '') AS begun
         GROUP BY session_id, recording_id ORDER BY session_id, recording_id LIMIT $1",
    )
    .bind::<sql_types::BigInt, _>(i64::from(limit))
    .load(connection)
    .await?;
    Ok(rows)
}

/// Writes down what is about to be deleted; what is written down and not proven stays as it is.
pub(super) async fn plan(
    transaction: &mut Connection,
    (session, recording): (&str, &str),
    planned: &[PlannedDeletion],
    policy: &str,
    job: JobId,
) -> Result<(), StoreError> {
    let sizes = planned.iter().map(|one| one.size_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)));
    diesel::sql_query(
        "INSERT INTO deletions (what, session_id, recording_id, object_key, size_bytes, sha256, policy, job_id)
         SELECT what, $1, $2, object_key, size_bytes, sha256, $7, $8
         FROM unnest($3::text[], $4::text[], $5::bigint[], $6::text[]) AS new (what, object_key, size_bytes, sha256)
         ON CONFLICT (object_key) WHERE deleted_at IS NULL DO NOTHING",
    )
    .bind::<sql_types::Text, _>(session)
    .bind::<sql_types::Text, _>(recording)
    .bind::<sql_types::Array<sql_types::Text>, _>(planned.iter().map(|one| one.what).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(planned.iter().map(|one| one.object_key.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::BigInt>>, _>(sizes.collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Text>>, _>(planned.iter().map(|one| one.sha256.as_deref()).collect::<Vec<_>>())
    .bind::<sql_types::Text, _>(policy)
    .bind::<sql_types::BigInt, _>(job.0)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Adds objects that the bucket turned out to hold besides, under the policy that began the deletion. Call it within a transaction:
/// nothing is added once the deletion has ended, which another run may have seen to.
pub async fn plan_more(transaction: &mut Connection, begun: &Begun, planned: &[PlannedDeletion], job: JobId) -> Result<(), StoreError> {
    #[derive(QueryableByName)]
    struct Policy {
        #[diesel(sql_type = sql_types::Text)]
        policy: String,
    }
    lock(transaction, &begun.session_id, &begun.recording_id).await?;
    let policies: Vec<Policy> = diesel::sql_query(
        "SELECT policy FROM deletions WHERE session_id = $1 AND recording_id = $2 AND deleted_at IS NULL ORDER BY id LIMIT 1",
    )
    .bind::<sql_types::Text, _>(&begun.session_id)
    .bind::<sql_types::Text, _>(&begun.recording_id)
    .load(transaction)
    .await?;
    match policies.as_slice() {
        [one, ..] => plan(transaction, (&begun.session_id, &begun.recording_id), planned, &one.policy, job).await,
        [] => Ok(()),
    }
}

/// The bucket holds none of the recording's objects: it becomes `deleted`, and all that was written down is proven. Call it within a
/// transaction. Returns whether anything was left to prove.
pub async fn finish_deletion(transaction: &mut Connection, begun: &Begun) -> Result<bool, StoreError> {
    lock(transaction, &begun.session_id, &begun.recording_id).await?;
    let moved = diesel::sql_query(
        "UPDATE call_recordings SET status = 'deleted', deleted_at = now() WHERE session_id = $1 AND recording_id = $2 AND status = 'deleting'",
    )
    .bind::<sql_types::Text, _>(&begun.session_id)
    .bind::<sql_types::Text, _>(&begun.recording_id)
    .execute(transaction)
    .await?;
    let proven = diesel::sql_query(
        "UPDATE deletions SET deleted_at = clock_timestamp() WHERE session_id = $1 AND recording_id = $2 AND deleted_at IS NULL",
    )
    .bind::<sql_types::Text, _>(&begun.session_id)
    .bind::<sql_types::Text, _>(&begun.recording_id)
    .execute(transaction)
    .await?;
    Ok(moved + proven > 0)
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = sql_types::Text)]
    object_key: String,
}

/// Keys that are written down of a recording and not proven yet.
pub async fn planned_keys(connection: &mut Connection, begun: &Begun) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Key> = diesel::sql_query(
        "SELECT object_key FROM deletions WHERE session_id = $1 AND recording_id = $2 AND deleted_at IS NULL ORDER BY object_key",
    )
    .bind::<sql_types::Text, _>(&begun.session_id)
    .bind::<sql_types::Text, _>(&begun.recording_id)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.object_key).collect())
}

/// A proof of deletion, or a deletion under way.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName, Serialize)]
pub struct Deletion {
    /// Its number.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: i64,
    /// `audio`, `sidecar` or `vendor_transcript`.
    #[diesel(sql_type = sql_types::Text)]
    pub what: String,
    /// The call.
    #[diesel(sql_type = sql_types::Text)]
    pub session_id: String,
    /// The recording.
    #[diesel(sql_type = sql_types::Text)]
    pub recording_id: String,
    /// Key of the object.
    #[diesel(sql_type = sql_types::Text)]
    pub object_key: String,
    /// Its size.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub size_bytes: Option<i64>,
    /// SHA-256 of its bytes.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub sha256: Option<String>,
    /// Which setting asked for it.
    #[diesel(sql_type = sql_types::Text)]
    pub policy: String,
    /// Job that began it.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    /// When it was decided.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub planned_at: DateTime<Utc>,
    /// When the bucket was seen to hold it no more.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub deleted_at: Option<DateTime<Utc>>,
}

/// The latest deletions, latest first; of calls whose session id begins with `session` only, if it is given.
pub async fn deletions(connection: &mut Connection, session: Option<&str>, limit: i64) -> Result<Vec<Deletion>, StoreError> {
    let rows = diesel::sql_query(
        "SELECT id, what, session_id, recording_id, object_key, size_bytes, sha256, policy, job_id, planned_at, deleted_at FROM deletions
         WHERE $1::text IS NULL OR (session_id >= $1 AND session_id < $1 || chr(1114111)) ORDER BY id DESC LIMIT $2",
    )
    .bind::<sql_types::Nullable<sql_types::Text>, _>(session)
    .bind::<sql_types::BigInt, _>(limit)
    .load(connection)
    .await?;
    Ok(rows)
}

/// What a run of retention came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When it ended.
    pub at: Option<DateTime<Utc>>,
    /// Recordings whose audio was deleted, or, while it is only announced, would have been.
    pub recordings: i64,
    /// Bytes of them.
    pub bytes: i64,
    /// Recordings kept because their calls are held.
    pub held: i64,
    /// Recordings kept because their transcripts are not complete.
    pub untranscribed: i64,
    /// Recordings kept for another day, because jobs work on their calls.
    pub in_use: i64,
    /// Calls and conversations whose rows were deleted, or would have been.
    #[serde(default)]
    pub calls: i64,
    /// Those kept because they are held.
    #[serde(default)]
    pub calls_held: i64,
    /// Those kept because their audio is.
    #[serde(default)]
    pub calls_with_audio: i64,
}

const REPORT: &str = "retention:last";
const SINCE: &str = "retention:since";

/// What the last run came to that reached its end; `None` before the first.
pub async fn last_report(connection: &mut Connection) -> Result<Option<Report>, StoreError> {
    settings::get(connection, REPORT).await
}

/// Keeps what a run came to.
pub async fn save_report(connection: &mut Connection, report: &Report) -> Result<(), StoreError> {
    settings::put(connection, REPORT, report).await
}

/// When retention first ran: `now`, the first time this is asked.
pub async fn since(connection: &mut Connection, now: DateTime<Utc>) -> Result<DateTime<Utc>, StoreError> {
    settings::put_first(connection, SINCE, now).await?;
    Ok(settings::get(connection, SINCE).await?.unwrap_or(now))
}
