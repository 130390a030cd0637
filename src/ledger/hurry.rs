//! A job that waits made due at once, because what it waits for was told to be there. It costs no attempt.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    domain::{JobId, JobKind, JobState, Reason, TranscriptId},
    ledger::Hint,
    store::{Connection, StoreError, transcripts},
};

/// What was found of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hurried {
    /// It waited and is due now.
    Due(Hint),
    /// It had given up for want of it, or was done before it came, and is due again with all its attempts.
    Reopened(Hint),
    /// It is due, was just done, waits for something else, or began after the moment in question.
    AsItWas(JobId),
    /// It runs, and began before: it may be about to say that it must wait.
    Running(JobId),
    /// There is no such job.
    Missing,
}

/// Which job, and what it may be waiting for.
#[derive(Debug, Clone, Copy)]
pub struct Hurry<'h> {
    /// Kind of job.
    pub kind: JobKind,
    /// Its key.
    pub key: &'h str,
    /// When it was told that the wait is over.
    pub told_at: DateTime<Utc>,
    /// Hurried when it waits for this. A vendor's "slow down" or a back-off is never cut short.
    pub waits_for: Reason,
    /// Reopened when it died of this.
    pub died_of: Reason,
    /// Reopened when it was done so long before: what was told is something else than it found.
    pub done_for: Duration,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
    #[diesel(sql_type = sql_types::Text)]
    state: String,
    #[diesel(sql_type = sql_types::Bool)]
    waits: bool,
    #[diesel(sql_type = sql_types::Bool)]
    began_before: bool,
    #[diesel(sql_type = sql_types::Bool)]
    ended_before: bool,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    reason: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    transcript_id: Option<Uuid>,
}

/// Makes the job due now if it waits for what came. Call it in a transaction: the row stays locked until its end, so that the answer
/// is still true when it is written down.
pub async fn hurry(connection: &mut Connection, hurry: Hurry<'_>) -> Result<Hurried, StoreError> {
    let row: Option<Row> = diesel::sql_query(
        "SELECT id, priority, state, run_at > now() AS waits, coalesce(started_at < $3, false) AS began_before,
                coalesce(finished_at < $3 - $4 * interval '1 second', false) AS ended_before, reason, transcript_id
         FROM jobs WHERE kind = $1 AND key = $2 FOR UPDATE",
    )
    .bind::<sql_types::Text, _>(hurry.kind.as_str())
    .bind::<sql_types::Text, _>(hurry.key)
    .bind::<sql_types::Timestamptz, _>(hurry.told_at)
    .bind::<sql_types::BigInt, _>(i64::try_from(hurry.done_for.as_secs()).unwrap_or(i64::MAX))
    .get_result(connection)
    .await
    .optional()?;
    let Some(row) = row else { return Ok(Hurried::Missing) };
    let id = JobId(row.id);
    let hint = Hint { id, kind: hurry.kind.as_str().to_owned(), priority: row.priority };
    let reason = row.reason.as_deref();
    let state: JobState = row.state.parse().map_err(|_| StoreError::Row { table: "jobs", what: format!("state `{}`", row.state) })?;
    match state {
        JobState::Running if row.began_before => Ok(Hurried::Running(id)),
        JobState::Ready if row.waits && reason == Some(hurry.waits_for.as_str()) => {
            diesel::sql_query("UPDATE jobs SET run_at = now() WHERE id = $1")
                .bind::<sql_types::BigInt, _>(row.id)
                .execute(connection)
                .await?;
            Ok(Hurried::Due(hint))
        }
        JobState::Dead if reason == Some(hurry.died_of.as_str()) => {
            reopen(connection, id, row.transcript_id).await?;
            Ok(Hurried::Reopened(hint))
        }
        // its transcript is what it is: whether to make it anew is not asked here
        JobState::Done if row.ended_before => {
            reopen(connection, id, None).await?;
            Ok(Hurried::Reopened(hint))
        }
        JobState::Running | JobState::Ready | JobState::Done | JobState::Dead | JobState::Cancelled => Ok(Hurried::AsItWas(id)),
    }
}

async fn reopen(connection: &mut Connection, id: JobId, transcript: Option<Uuid>) -> Result<(), StoreError> {
    diesel::sql_query(
        "UPDATE jobs SET state = 'ready', attempt = 0, put_off = 0, reason = NULL, finished_at = NULL, run_at = now() WHERE id = $1",
    )
    .bind::<sql_types::BigInt, _>(id.0)
    .execute(connection)
    .await?;
    if let Some(transcript) = transcript {
        transcripts::reopen(connection, &[TranscriptId(transcript)]).await?;
    }
    Ok(())
}
