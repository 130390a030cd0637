//! Making work: rows in the transaction that makes the work necessary.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use crate::{
    domain::{JobId, JobKind, SessionId, SourceName, TranscriptId},
    ledger::Hint,
    store::{Connection, Prepared, StoreError, calls::ExpectedTranscript},
    telemetry::traces,
};

/// Work to be done.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What kind of work.
    pub kind: JobKind,
    /// Which work; unique within the kind. Work of a call starts with the call's session id.
    pub key: String,
    /// Lower runs first.
    pub priority: i16,
    /// How long to wait before the first run, in milliseconds.
    pub delay_milliseconds: i64,
    /// Attempts allowed.
    pub max_attempts: u16,
    /// Vendor, if one.
    pub source: Option<SourceName>,
    /// Call, if one.
    pub session_id: Option<SessionId>,
    /// Transcript whose status moves with it, if one.
    pub transcript_id: Option<TranscriptId>,
    /// Parameters: ids and windows only.
    pub payload: Value,
}

impl NewJob {
    /// Work of `kind` named `key`, due now, with the kind's own number of attempts.
    #[must_use]
    pub fn new(kind: JobKind, key: impl Into<String>) -> Self {
        Self {
            kind,
            key: key.into(),
            priority: crate::domain::PRIORITY_FRESH,
            delay_milliseconds: 0,
            max_attempts: kind.default_max_attempts(),
            source: None,
            session_id: None,
            transcript_id: None,
            payload: Value::Object(serde_json::Map::new()),
        }
    }
}

/// The jobs that copy the recordings of transcripts which became expected. What a backfill finds waits behind fresh calls all the way,
/// so they have the priority of the job that found them.
#[must_use]
pub fn recording_jobs(expected: &[ExpectedTranscript], priority: i16, max_attempts: u16) -> Vec<NewJob> {
    let recording = |transcript: &ExpectedTranscript| NewJob {
        priority,
        max_attempts,
        source: Some(transcript.source),
        session_id: Some(transcript.session_id.clone()),
        transcript_id: Some(transcript.id),
        ..NewJob::new(JobKind::Recording, transcript.session_id.as_str())
    };
    expected.iter().map(recording).collect()
}

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
    #[diesel(sql_type = sql_types::Bool)]
    due: bool,
}

/// Adds the jobs that are not there yet, in one statement on the caller's transaction, and returns the hints of those due now:
/// push them after the commit. A job whose (kind, key) is already there is left as it is, whatever its state. What is traced where this is
/// called is what the jobs' runs will link to: one value for the statement, NULL where nothing is.
pub async fn enqueue(connection: &mut Connection, jobs: &[NewJob]) -> Result<Vec<Hint>, StoreError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let statement = diesel::sql_query(
        "WITH added AS (
         INSERT INTO jobs (kind, key, priority, run_at, max_attempts, source, session_id, transcript_id, payload, trace_parent)
         SELECT kind, key, priority, now() + delay * interval '1 millisecond', max_attempts, source, session_id, transcript_id, payload, $10
         FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::smallint[], $6::text[], $7::text[], $8::uuid[], $9::jsonb[])
              AS new (kind, key, priority, delay, max_attempts, source, session_id, transcript_id, payload)
         ON CONFLICT (kind, key) DO NOTHING
         RETURNING id, kind, priority, source, run_at <= now() AS due),
         tallied AS (
         INSERT INTO job_rates AS kept (minute, backend, kind, source, arrived)
         SELECT date_trunc('minute', now()), pg_backend_pid(), kind, coalesce(source, ''), count(*) FROM added GROUP BY 3, 4
         ON CONFLICT (minute, backend, kind, source) DO UPDATE SET arrived = kept.arrived + excluded.arrived)
         SELECT id, kind, priority, due FROM added ORDER BY id",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(jobs.iter().map(|job| job.kind.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(jobs.iter().map(|job| job.key.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::SmallInt>, _>(jobs.iter().map(|job| job.priority).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs.iter().map(|job| job.delay_milliseconds).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::SmallInt>, _>(
        jobs.iter().map(|job| i16::try_from(job.max_attempts).unwrap_or(i16::MAX)).collect::<Vec<_>>(),
    )
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Text>>, _>(
        jobs.iter().map(|job| job.source.map(SourceName::as_str)).collect::<Vec<_>>(),
    )
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Text>>, _>(
        jobs.iter().map(|job| job.session_id.as_ref().map(SessionId::as_str)).collect::<Vec<_>>(),
    )
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Uuid>>, _>(
        jobs.iter().map(|job| job.transcript_id.map(|id| id.0)).collect::<Vec<_>>(),
    )
    .bind::<sql_types::Array<sql_types::Jsonb>, _>(jobs.iter().map(|job| &job.payload).collect::<Vec<_>>())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(traces::current().map(|parent| parent.to_string()));
    let inserted: Vec<Inserted> = Prepared(statement).load(connection).await?;
    Ok(inserted.into_iter().filter(|row| row.due).map(|row| Hint { id: JobId(row.id), kind: row.kind, priority: row.priority }).collect())
}
