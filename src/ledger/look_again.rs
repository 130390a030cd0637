//! A recording job that is done, or gave up, run once more because the vendor counts more recordings of the call than are held.

use std::time::Duration;

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    domain::{JobId, JobKind, Reason, SessionId, TranscriptId},
    ledger::Hint,
    store::{Connection, StoreError, transcripts},
};

/// A vendor may count what it never offers: for one count a call is looked at so often, and then only when more are counted.
const MOST_LOOKS: i32 = 3;
/// A recording may be counted before it is offered: the next look waits so long.
const APART: Duration = Duration::from_mins(10);

#[derive(QueryableByName)]
struct Again {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    transcript_id: Option<Uuid>,
    #[diesel(sql_type = sql_types::Bool)]
    was_dead: bool,
}

/// Makes the recording jobs of these calls due again that ended with fewer recordings than counted, each a bounded number of times. What
/// is stored stays as it is. Returns the hints: push them after the commit.
pub async fn look_again(connection: &mut Connection, counted: &[(&SessionId, i32)]) -> Result<Vec<Hint>, StoreError> {
    if counted.is_empty() {
        return Ok(Vec::new());
    }
    // whoever holds a job's row is about to change it: the next count comes by itself
    let again: Vec<Again> = diesel::sql_query(
        "WITH ended AS MATERIALIZED (
             SELECT jobs.id, jobs.state = 'dead' AS was_dead, told.count,
                    CASE WHEN (jobs.checkpoint ->> 'recordings_counted')::integer = told.count
                         THEN (jobs.checkpoint ->> 'looks')::integer ELSE 0 END AS looks
             FROM jobs JOIN (SELECT session_id, max(count) AS count FROM unnest($1::text[], $2::integer[]) AS each (session_id, count)
                             GROUP BY session_id) AS told ON jobs.key = told.session_id
             WHERE jobs.kind = $3 AND (jobs.state = 'done' OR jobs.state = 'dead' AND jobs.reason = $4)
               AND jobs.finished_at < now() - $5 * interval '1 second'
               AND coalesce((jobs.checkpoint ->> 'recordings_counted')::integer, 0) <= told.count
               AND (SELECT count(*) FROM call_recordings AS held WHERE held.session_id = told.session_id) < told.count
             FOR UPDATE OF jobs SKIP LOCKED)
         UPDATE jobs SET state = 'ready', attempt = 0, put_off = 0, reason = NULL, finished_at = NULL, run_at = now(),
                         checkpoint = jsonb_build_object('recordings_counted', ended.count, 'looks', ended.looks + 1)
         FROM ended WHERE jobs.id = ended.id AND ended.looks < $6
         RETURNING jobs.id, jobs.priority, jobs.transcript_id, ended.was_dead",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(counted.iter().map(|(session, _)| session.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Integer>, _>(counted.iter().map(|(_, count)| *count).collect::<Vec<_>>())
    .bind::<sql_types::Text, _>(JobKind::Recording.as_str())
    .bind::<sql_types::Text, _>(Reason::NoRecording.as_str())
    .bind::<sql_types::BigInt, _>(i64::try_from(APART.as_secs()).unwrap_or(i64::MAX))
    .bind::<sql_types::Integer, _>(MOST_LOOKS)
    .load(connection)
    .await?;
    let given_up = again.iter().filter(|job| job.was_dead).filter_map(|job| job.transcript_id).map(TranscriptId);
    transcripts::reopen(connection, &given_up.collect::<Vec<_>>()).await?;
    let hint = |job: Again| Hint { id: JobId(job.id), kind: JobKind::Recording.as_str().to_owned(), priority: job.priority };
    Ok(again.into_iter().map(hint).collect())
}
