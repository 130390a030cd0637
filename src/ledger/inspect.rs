//! Jobs for people: lists by filter, and one job with every attempt.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::filter::{JobFilter, PARAMETERS};
use crate::{
    domain::JobId,
    store::{Connection, StoreError},
};

/// A job as it stands in the ledger, words as they are written there.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct JobSeen {
    /// The row.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: i64,
    /// What kind of work.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// Which work.
    #[diesel(sql_type = sql_types::Text)]
    pub key: String,
    /// Its state.
    #[diesel(sql_type = sql_types::Text)]
    pub state: String,
    /// Ready, and its time has come.
    #[diesel(sql_type = sql_types::Bool)]
    pub due: bool,
    /// Not before this time.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub run_at: DateTime<Utc>,
    /// Attempts used up.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub attempt: i16,
    /// Attempts allowed.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub max_attempts: i16,
    /// How often it was claimed, ever.
    #[diesel(sql_type = sql_types::Integer)]
    pub run: i32,
    /// How often it was put off without using an attempt.
    #[diesel(sql_type = sql_types::Integer)]
    pub put_off: i32,
    /// Lower runs first.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub priority: i16,
    /// Vendor, if one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub source: Option<String>,
    /// Call, if one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub session_id: Option<String>,
    /// Transcript that moves with it, if one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    pub transcript_id: Option<Uuid>,
    /// Why it waits or died.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub reason: Option<String>,
    /// When the work became necessary.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// When the last run began.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
    /// Worker that holds it, or held it last.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub worker: Option<String>,
    /// Machine of that worker.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub host: Option<String>,
    /// Requeue batch that made it due last, if one did.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub batch: Option<String>,
    /// The last error, for people.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub error: Option<String>,
    /// Parameters.
    #[diesel(sql_type = sql_types::Jsonb)]
    pub payload: Value,
    /// How far it has come, if it says.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Jsonb>)]
    pub checkpoint: Option<Value>,
}

/// One run that did not simply succeed.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct AttemptSeen {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    /// Which claim of the job.
    #[diesel(sql_type = sql_types::Integer)]
    pub run: i32,
    /// Attempts used up when it began, itself included.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub attempt: i16,
    /// `later`, `failed`, `dead`, `lost` or `handed_back`.
    #[diesel(sql_type = sql_types::Text)]
    pub outcome: String,
    /// The reason code.
    #[diesel(sql_type = sql_types::Text)]
    pub reason: String,
    /// The error with its causes.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub error: Option<String>,
    /// HTTP status the vendor answered with.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub vendor_status: Option<i32>,
    /// The vendor's id of the request.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub vendor_request: Option<String>,
    /// Worker that ran it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub worker: Option<String>,
    /// Machine of that worker.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub host: Option<String>,
    /// When it began.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub ended_at: DateTime<Utc>,
    /// When the job was due again.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub next_run_at: Option<DateTime<Utc>>,
}

/// The jobs a filter means, newest first, up to `limit`.
pub async fn list_jobs(connection: &mut Connection, filter: &JobFilter, limit: i64) -> Result<Vec<JobSeen>, StoreError> {
    let filter = filter.with_kinds(connection).await?;
    let (condition, limit_parameter) = (filter.condition(), PARAMETERS + 1);
    let statement = format!(
        "SELECT j.id, j.kind, j.key, j.state, (j.state = 'ready' AND j.run_at <= now()) AS due, j.run_at, j.attempt, j.max_attempts, j.run, j.put_off,
                j.priority, j.source, j.session_id, j.transcript_id, j.reason, j.created_at, j.started_at, j.finished_at,
                w.name AS worker, w.host, b.name AS batch, a.error, j.payload, j.checkpoint
         FROM (SELECT * FROM jobs WHERE {condition} ORDER BY id DESC LIMIT ${limit_parameter}) AS j
         LEFT JOIN workers w ON w.id = j.lease_id
         LEFT JOIN requeue_batches b ON b.id = j.batch_id
         LEFT JOIN LATERAL (SELECT error FROM job_attempts WHERE job_id = j.id ORDER BY run DESC LIMIT 1) AS a ON true
         ORDER BY j.id DESC"
    );
    Ok(filter.bind(statement).bind::<sql_types::BigInt, _>(limit).load(connection).await?)
}

/// Every attempt of these jobs that did not simply succeed, oldest first; of a job with a very long history the latest thousand.
pub async fn attempts(connection: &mut Connection, jobs: &[JobId]) -> Result<Vec<AttemptSeen>, StoreError> {
    /// A job that was put off for weeks has hundreds of attempts; nobody reads more than this.
    const MOST_ATTEMPTS: i64 = 1_000;
    Ok(diesel::sql_query(
        "SELECT a.job_id, a.run, a.attempt, a.outcome, a.reason, a.error, a.vendor_status, a.vendor_request, a.worker, w.host,
                a.started_at, a.ended_at, a.next_run_at
         FROM unnest($1::bigint[]) AS of (id),
         LATERAL (SELECT * FROM job_attempts WHERE job_id = of.id ORDER BY run DESC LIMIT $2) AS a
         LEFT JOIN workers w ON w.id = a.lease_id
         ORDER BY a.job_id, a.run",
    )
    .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind::<sql_types::BigInt, _>(MOST_ATTEMPTS)
    .load(connection)
    .await?)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::BigInt)]
    jobs: i64,
}

/// How many jobs a filter means, exactly.
pub async fn count_jobs(connection: &mut Connection, filter: &JobFilter) -> Result<i64, StoreError> {
    let filter = filter.with_kinds(connection).await?;
    let row: Number = filter.bind(format!("SELECT count(*) AS jobs FROM jobs WHERE {}", filter.condition())).get_result(connection).await?;
    Ok(row.jobs)
}
