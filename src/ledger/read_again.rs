//! A conversation's job run once more because the conversation went on after it was read.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{JobId, JobKind, Reason, SessionId},
    ledger::Hint,
    store::{Connection, StoreError},
};

#[derive(QueryableByName)]
struct Again {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
}

/// Makes the jobs of these conversations due again that ended with less than is told by now: each keeps in its checkpoint the end that
/// was known when it began to read, and a conversation's end only ever moves on, so that every later end is read up to once. Returns the
/// hints: push them after the commit.
pub async fn read_again(connection: &mut Connection, sessions: &[&SessionId]) -> Result<Vec<Hint>, StoreError> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    // whoever holds a job's row is about to end it, and looks here when it does
    let again: Vec<Again> = diesel::sql_query(
        "WITH ended AS MATERIALIZED (
             SELECT jobs.id FROM jobs JOIN chats ON chats.session_id = jobs.key
             WHERE jobs.kind = $2 AND jobs.key = ANY($1) AND (jobs.state = 'done' OR jobs.state = 'dead' AND jobs.reason = $3)
               AND chats.ended_at > coalesce((jobs.checkpoint ->> 'ended_at')::timestamptz, jobs.finished_at)
             FOR UPDATE OF jobs SKIP LOCKED)
         UPDATE jobs SET state = 'ready', attempt = 0, put_off = 0, reason = NULL, finished_at = NULL, run_at = now()
         FROM ended WHERE jobs.id = ended.id
         RETURNING jobs.id, jobs.priority",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(sessions.iter().map(|session| session.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Text, _>(JobKind::Chat.as_str())
    .bind::<sql_types::Text, _>(Reason::NoTranscript.as_str())
    .load(connection)
    .await?;
    let hint = |job: Again| Hint { id: JobId(job.id), kind: JobKind::Chat.as_str().to_owned(), priority: job.priority };
    Ok(again.into_iter().map(hint).collect())
}
