//! Calls and conversations that are too old: what keeps them all the same, how they go with everything that hangs on them, and that they
//! are not brought back.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    QueryableByName,
    pg::Pg,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types,
};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};

use super::audio::seconds;
use crate::{
    config::RetentionSettings,
    domain::{Aging, Call, JobId, JobKind, RetentionVerdict, SessionId, SourceName, UnknownWord},
    store::{Connection, StoreError},
};

/// Where rows stand that age, and what says that the bucket holds anything of one.
struct Rows {
    table: &'static str,
    began: &'static str,
    has_objects: &'static str,
}

const fn rows(aging: Aging) -> Rows {
    match aging {
        Aging::Calls => Rows {
            table: "call_interactions",
            began: "start_time",
            has_objects:
                "EXISTS (SELECT FROM call_recordings AS r WHERE r.session_id = c.session_id AND r.status IN ('stored', 'deleting'))
                          OR EXISTS (SELECT FROM deletions AS d WHERE d.session_id = c.session_id AND d.deleted_at IS NULL)",
        },
        Aging::Conversations => Rows { table: "chats", began: "started_at", has_objects: "false" },
    }
}

/// Where a walk through the calls of a source, oldest first, has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPlace {
    /// When the last call began.
    pub began: DateTime<Utc>,
    /// The call.
    pub session_id: String,
}

/// A call that may have to go, and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgedCall {
    /// Where it stands among the others.
    pub place: CallPlace,
    /// What becomes of it.
    pub verdict: RetentionVerdict,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    began: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Text)]
    verdict: String,
}

impl TryFrom<Row> for AgedCall {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let unreadable = |error: UnknownWord| StoreError::Row { table: "call_interactions", what: error.to_string() };
        let verdict = row.verdict.parse().map_err(unreadable)?;
        Ok(Self { place: CallPlace { began: row.began, session_id: row.session_id }, verdict })
    }
}

/// Jobs of a call: of any kind, with its id as their key or the beginning of it.
const ITS_JOBS: &str = "jobs.kind = ANY($6) AND jobs.key >= c.session_id AND jobs.key < c.session_id || '0'
                        AND (jobs.key = c.session_id OR starts_with(jobs.key, c.session_id || '/'))";

/// A verdict for each row of `among`, a query of rows of the table. One text for those that count, list and delete. Parameters: queues,
/// their ages and policies, the age and the policy of all others, kinds of jobs.
fn judged(aging: Aging, among: &str) -> String {
    let Rows { began, has_objects, .. } = rows(aging);
    format!(
        "SELECT c.session_id, c.source, c.queue_name, c.{began} AS began, coalesce(own.policy, $5::text) AS policy,
                CASE WHEN kept.age IS NULL OR c.{began} >= now() - kept.age * interval '1 second' THEN 'kept'
                     WHEN EXISTS (SELECT FROM legal_holds AS h WHERE h.session_id = c.session_id) THEN 'held'
                     WHEN {has_objects} THEN 'has_audio'
                     WHEN EXISTS (SELECT FROM jobs WHERE {ITS_JOBS} AND jobs.open) THEN 'in_use'
                     ELSE 'due' END AS verdict
         FROM ({among}) AS c
         LEFT JOIN unnest($1::text[], $2::bigint[], $3::text[]) AS own (queue_name, age, policy) ON own.queue_name = c.queue_name
         CROSS JOIN LATERAL (SELECT CASE WHEN own.queue_name IS NULL THEN $4::bigint ELSE own.age END AS age) AS kept"
    )
}

fn bound(statement: String, settings: &RetentionSettings) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    let queues = &settings.metadata.queues;
    let kinds: Vec<&'static str> = JobKind::ALL.iter().map(|kind| kind.as_str()).collect();
    diesel::sql_query(statement)
        .into_boxed()
        .bind::<sql_types::Array<sql_types::Text>, _>(queues.iter().map(|(queue, _)| queue.clone()).collect::<Vec<_>>())
        .bind::<sql_types::Array<sql_types::Nullable<sql_types::BigInt>>, _>(
            queues.iter().map(|(_, age)| seconds(*age)).collect::<Vec<_>>(),
        )
        .bind::<sql_types::Array<sql_types::Text>, _>(
            queues.iter().map(|(queue, _)| settings.metadata_policy(Some(queue))).collect::<Vec<_>>(),
        )
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(seconds(settings.metadata.others))
        .bind::<sql_types::Text, _>(settings.metadata_policy(None))
        .bind::<sql_types::Array<sql_types::Text>, _>(kinds)
}

/// Looks at the next `limit` calls or conversations of a source that are older than the shortest age, oldest first, after `after`,
/// whatever becomes of them: a step of a walk costs the same wherever it is.
pub async fn aged_calls(
    connection: &mut Connection,
    settings: &RetentionSettings,
    (aging, source): (Aging, SourceName),
    after: Option<&CallPlace>,
    limit: u16,
) -> Result<Vec<AgedCall>, StoreError> {
    let Rows { table, began, .. } = rows(aging);
    let statement = judged(
        aging,
        &format!(
            "SELECT * FROM {table} WHERE source = $7 AND {began} < now() - $8::bigint * interval '1 second'
               AND ({began}, session_id) > (coalesce($9::timestamptz, '-infinity'), coalesce($10::text, ''))
             ORDER BY {began}, session_id LIMIT $11"
        ),
    );
    let aged: Vec<Row> = bound(format!("{statement} ORDER BY began, session_id"), settings)
        .bind::<sql_types::Text, _>(source.as_str())
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(seconds(settings.metadata.shortest()))
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(after.map(|place| place.began))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(after.map(|place| place.session_id.clone()))
        .bind::<sql_types::BigInt, _>(i64::from(limit))
        .load(connection)
        .await?;
    aged.into_iter().map(AgedCall::try_from).collect()
}

/// What would become of the old calls or conversations of one queue.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct AgedCalls {
    /// The queue; `None`: those that reached none.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub queue_name: Option<String>,
    /// What becomes of them, one of the words of [`RetentionVerdict`].
    #[diesel(sql_type = sql_types::Text)]
    pub verdict: String,
    /// How many.
    #[diesel(sql_type = sql_types::BigInt)]
    pub calls: i64,
    /// When the oldest began.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub oldest: DateTime<Utc>,
}

/// What would become now of what is older than its queue's age, by queue and verdict: with the very condition that deletes.
pub async fn aged_calls_by_queue(
    connection: &mut Connection,
    settings: &RetentionSettings,
    aging: Aging,
) -> Result<Vec<AgedCalls>, StoreError> {
    let Rows { table, began, .. } = rows(aging);
    let judged =
        judged(aging, &format!("SELECT * FROM {table} WHERE source = ANY($7) AND {began} < now() - $8::bigint * interval '1 second'"));
    let statement = format!(
        "SELECT queue_name, verdict, count(*) AS calls, min(began) AS oldest FROM ({judged}) AS judged
         WHERE verdict <> 'kept' GROUP BY 1, 2 ORDER BY verdict = 'due' DESC, verdict, calls DESC, queue_name"
    );
    let sources: Vec<&'static str> = SourceName::ALL.iter().map(|source| source.as_str()).collect();
    let rows = bound(statement, settings)
        .bind::<sql_types::Array<sql_types::Text>, _>(sources)
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(seconds(settings.metadata.shortest()))
        .load(connection)
        .await?;
    Ok(rows)
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

/// Deletes those of `sessions` that nothing keeps now, whatever was found before, with everything that hangs on them — recordings,
/// transcripts, summaries or messages, jobs with their attempts, events, gaps — and writes down how many went, of which days, under
/// which policy. Call it within a transaction. Jobs are locked first, then calls, as workers do; a call that somebody else holds at
/// this moment goes another day.
pub async fn delete_calls(
    transaction: &mut Connection,
    settings: &RetentionSettings,
    aging: Aging,
    sessions: &[String],
    job: JobId,
) -> Result<i64, StoreError> {
    let kinds: Vec<&'static str> = JobKind::ALL.iter().map(|kind| kind.as_str()).collect();
    diesel::sql_query(
        "SELECT FROM jobs WHERE id IN (
             SELECT jobs.id FROM unnest($1::text[]) AS c (session_id) JOIN jobs ON jobs.kind = ANY($2)
               AND jobs.key >= c.session_id COLLATE \"C\" AND jobs.key < (c.session_id || '0') COLLATE \"C\"
               AND (jobs.key = c.session_id OR starts_with(jobs.key, c.session_id || '/')))
         ORDER BY id FOR UPDATE",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(sessions)
    .bind::<sql_types::Array<sql_types::Text>, _>(kinds)
    .execute(transaction)
    .await?;
    let Rows { table, .. } = rows(aging);
    let locked: Vec<Id> =
        diesel::sql_query(format!("SELECT session_id FROM {table} WHERE session_id = ANY($1) ORDER BY session_id FOR UPDATE SKIP LOCKED"))
            .bind::<sql_types::Array<sql_types::Text>, _>(sessions)
            .load(transaction)
            .await?;
    let statement = format!(
        "WITH judged AS MATERIALIZED ({judged}),
              due AS MATERIALIZED (
                  SELECT *, (SELECT count(*) FROM call_recordings AS r WHERE r.session_id = judged.session_id) AS recordings,
                         (SELECT count(*) FROM call_transcripts AS t WHERE t.session_id = judged.session_id) AS transcripts
                  FROM judged WHERE verdict = 'due'),
              proof AS (
                  INSERT INTO call_deletions (what, source, calls, recordings, transcripts, began_from, began_to, sessions_sha256, policy, job_id)
                  SELECT $8, source, count(*), sum(recordings), sum(transcripts), min(began), max(began),
                         encode(sha256(convert_to(string_agg(session_id, E'\\n' ORDER BY session_id), 'UTF8')), 'hex'), policy, $9
                  FROM due GROUP BY source, policy),
              of_jobs AS (DELETE FROM jobs USING due AS c WHERE {ITS_JOBS}),
              of_events AS (DELETE FROM webhook_events USING due WHERE webhook_events.session_id = due.session_id),
              of_gaps AS (DELETE FROM completeness_gaps USING due WHERE completeness_gaps.subject = due.session_id),
              gone AS (DELETE FROM {table} USING due WHERE {table}.session_id = due.session_id RETURNING 1)
         SELECT count(*) AS count FROM gone",
        judged = judged(aging, &format!("SELECT * FROM {table} WHERE session_id = ANY($7)")),
    );
    let gone: Count = bound(statement, settings)
        .bind::<sql_types::Array<sql_types::Text>, _>(locked.into_iter().map(|row| row.session_id).collect::<Vec<_>>())
        .bind::<sql_types::Text, _>(aging.as_str())
        .bind::<sql_types::BigInt, _>(job.0)
        .get_result(transaction)
        .await?;
    Ok(gone.count)
}

/// Calls that a source tells and that are kept no longer: neither stored nor missed. A call that is there is told on until it goes, and
/// one that is held is brought whatever its age. Call it in the transaction that stores the calls: those that are there stay until its end.
pub async fn expired(
    transaction: &mut Connection,
    settings: &RetentionSettings,
    calls: &[Call],
    now: DateTime<Utc>,
) -> Result<HashSet<SessionId>, StoreError> {
    let is_old = |call: &&Call| {
        let age = settings.metadata.of(call.queue_name.as_deref()).and_then(|age| TimeDelta::from_std(age).ok());
        age.is_some_and(|age| call.start_time < now - age)
    };
    let mut old: HashSet<SessionId> = calls.iter().filter(is_old).map(|call| call.session_id.clone()).collect();
    if old.is_empty() {
        return Ok(old);
    }
    for statement in [
        "SELECT session_id FROM call_interactions WHERE session_id = ANY($1) ORDER BY session_id FOR KEY SHARE",
        "SELECT session_id FROM legal_holds WHERE session_id = ANY($1)",
    ] {
        let kept: Vec<Id> = diesel::sql_query(statement)
            .bind::<sql_types::Array<sql_types::Text>, _>(old.iter().map(SessionId::as_str).collect::<Vec<_>>())
            .load(transaction)
            .await?;
        for kept in kept {
            old.retain(|session| session.as_str() != kept.session_id);
        }
    }
    Ok(old)
}

/// A proof that calls or conversations were deleted.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName, Serialize)]
pub struct CallDeletion {
    /// Its number.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: i64,
    /// `calls` or `conversations`.
    #[diesel(sql_type = sql_types::Text)]
    pub what: String,
    /// The vendor.
    #[diesel(sql_type = sql_types::Text)]
    pub source: String,
    /// How many.
    #[diesel(sql_type = sql_types::BigInt)]
    pub calls: i64,
    /// Rows of recordings that went with them.
    #[diesel(sql_type = sql_types::BigInt)]
    pub recordings: i64,
    /// Transcripts that went with them.
    #[diesel(sql_type = sql_types::BigInt)]
    pub transcripts: i64,
    /// When the oldest began.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub began_from: DateTime<Utc>,
    /// When the youngest began.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub began_to: DateTime<Utc>,
    /// SHA-256 of their session ids, sorted, a line each: who has the list can prove it is this one.
    #[diesel(sql_type = sql_types::Text)]
    pub sessions_sha256: String,
    /// Which setting asked for it.
    #[diesel(sql_type = sql_types::Text)]
    pub policy: String,
    /// Job that did it.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    /// When.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub deleted_at: DateTime<Utc>,
}

/// The latest deletions of calls and conversations, latest first.
pub async fn call_deletions(connection: &mut Connection, limit: i64) -> Result<Vec<CallDeletion>, StoreError> {
    let rows = diesel::sql_query(
        "SELECT id, what, source, calls, recordings, transcripts, began_from, began_to, sessions_sha256, policy, job_id, deleted_at
         FROM call_deletions ORDER BY id DESC LIMIT $1",
    )
    .bind::<sql_types::BigInt, _>(limit)
    .load(connection)
    .await?;
    Ok(rows)
}
