//! What people change by hand: jobs requeued and cancelled, by filter, in bounded transactions, with an entry in the audit log.
//!
//! A dry run counts with the very condition the change uses. Requeueing gives a fresh budget of attempts and keeps the history; the
//! transcript goes back to `pending` in the same transaction. Cancelling moves the transcript to `error` with reason `cancelled`:
//! a transcript nobody works on must not look pending.

mod cancel;
mod next_stage;
mod requeue;
mod selection;

use std::time::Duration;

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use cancel::{cancel, cancel_tally, would_cancel};
pub use next_stage::{enqueue_anew, enqueue_or_reopen, version_anew};
pub use requeue::{finish_moving, requeue, requeue_tally, requeue_within, would_requeue};
pub(super) use {
    requeue::{Place, make_due},
    selection::Selection,
};

use super::{Hint, batches::BatchId, filter::JobFilter};
use crate::{
    domain::{JobId, JobState, PRIORITY_BACKFILL, PRIORITY_FRESH, Stage, Wishes},
    store::{Connection, StoreError},
};

/// Jobs moved in one transaction: short locks, and a command that is killed has kept what it did.
const BATCH: i64 = 5_000;
/// More jobs than a person waits for: they are due behind fresh calls.
const MANY: i64 = 100;

/// What a person asks for.
#[derive(Debug, Clone)]
pub struct ByHand {
    /// Which jobs.
    pub filter: JobFilter,
    /// At most so many, those that ended first.
    pub limit: Option<i64>,
    /// Who asks: `user@host`.
    pub actor: String,
    /// The reason they give.
    pub why: Option<String>,
    /// Requeueing only: also what is done, as if it had never been; a transcription then makes a new version of its transcript.
    pub again: bool,
    /// Requeueing only: when the jobs become due.
    pub pace: Pace,
    /// Requeueing only: the stage of the calls' work that is done again, whichever of their jobs the filter means.
    pub from: Option<Stage>,
    /// Requeueing only: what the transcriptions are to do otherwise than their workers' settings say.
    pub wishes: Wishes,
    /// Requeueing only: name of the batch; one is made when none is given.
    pub name: Option<String>,
    /// Requeueing only: a sample goes first.
    pub canary: Option<Canary>,
    /// Requeueing only: beside fresh calls, however many they are.
    pub urgent: bool,
    /// Requeueing only: the transcriptions of complete transcripts alone, whose new versions do not count until somebody switches to them.
    pub trial: bool,
}

/// A sample that goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// How many jobs.
    pub jobs: u16,
    /// The rest follows when so many per cent of them are done.
    pub percent: u8,
}

impl Canary {
    /// Per cent that must be done unless told otherwise.
    pub const PERCENT: u8 = 90;
}

/// When jobs that are requeued become due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// All of them now.
    #[default]
    AtOnce,
    /// Spread evenly over this span.
    Over(Duration),
    /// One after another, so long apart.
    Every(Duration),
}

impl Pace {
    /// How long two of `jobs` jobs are apart, in microseconds.
    pub(super) fn microseconds_between(self, jobs: i64) -> i64 {
        let microseconds = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        match self {
            Self::AtOnce => 0,
            Self::Over(span) => microseconds(span).checked_div(jobs).unwrap_or(0),
            Self::Every(span) => microseconds(span),
        }
    }
}

/// Jobs of one kind and reason that a change would move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct Tally {
    /// The kind.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// Why they ended; none for those that wait or were done.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub reason: Option<String>,
    /// How many.
    #[diesel(sql_type = sql_types::BigInt)]
    pub jobs: i64,
}

/// A change by hand did not happen, or only in part: what is committed stays, and the same command again does the rest.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// The states asked for are not among those that can be moved so.
    #[error("a job that is `{state}` cannot be {change}")]
    Refused {
        /// The state.
        state: JobState,
        /// `requeued` or `cancelled`.
        change: &'static str,
    },
    /// What is asked for makes no versions that could be on trial.
    #[error("nothing can be on trial: {0}")]
    NoTrial(&'static str),
    /// There is a batch of that name.
    #[error("there is a batch `{0}` already")]
    NameTaken(String),
    /// The batch was asked for by a version that knows more.
    #[error("batch `{name}` cannot be read by this version")]
    Unreadable {
        /// The batch.
        name: String,
        /// What about it.
        #[source]
        error: serde_json::Error,
    },
    /// PostgreSQL did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<diesel::result::Error> for ByHandError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What was changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Jobs moved.
    pub jobs: i64,
    /// Entry in the audit log; `None` when nothing was to be done.
    pub audit: Option<i64>,
    /// The requeue batch; `None` when nothing was to be done, or no batch was made.
    pub batch: Option<BatchId>,
}

impl ByHand {
    /// Everything `filter` means.
    #[must_use]
    pub fn new(filter: JobFilter, actor: impl Into<String>) -> Self {
        Self {
            filter,
            limit: None,
            actor: actor.into(),
            why: None,
            again: false,
            pace: Pace::AtOnce,
            from: None,
            wishes: Wishes::default(),
            name: None,
            canary: None,
            urgent: false,
            trial: false,
        }
    }

    /// The stage whose jobs are requeued, where one is named or follows: a trial is made of the audio that is there.
    pub(super) fn stage(&self) -> Option<Stage> {
        if self.trial { Some(Stage::Transcription) } else { self.from }
    }

    /// What is asked for, with the filter as it was understood.
    pub(super) fn details(&self, filter: &JobFilter) -> Details {
        let (over_seconds, every_seconds) = match self.pace {
            Pace::AtOnce => (None, None),
            Pace::Over(span) => (Some(span.as_secs()), None),
            Pace::Every(span) => (None, Some(span.as_secs_f64())),
        };
        Details {
            filter: filter.clone(),
            limit: self.limit,
            again: self.again,
            over_seconds,
            every_seconds,
            from: self.stage(),
            wishes: self.wishes.clone(),
            batch: self.name.clone(),
            urgent: self.urgent,
            trial: self.trial,
            jobs: 0,
        }
    }

    pub(super) fn entry(&self, action: &'static str, details: Details) -> Entry {
        Entry { actor: self.actor.clone(), action, why: self.why.clone(), details }
    }
}

/// What was asked for, as `audit_log.details` and `requeue_batches.orders` keep it. A field that this version does not know makes
/// it unreadable: passed over, it would mean other jobs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Details {
    pub(super) filter: JobFilter,
    #[serde(default)]
    pub(super) limit: Option<i64>,
    pub(super) again: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) over_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) every_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) from: Option<Stage>,
    #[serde(skip_serializing_if = "Wishes::is_none", default)]
    pub(super) wishes: Wishes,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) batch: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(super) urgent: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(super) trial: bool,
    pub(super) jobs: i64,
}

impl Details {
    pub(super) fn deserialized(value: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(value)
    }

    /// What the payloads of the jobs say from now on.
    pub(super) fn payload(&self) -> Value {
        payload(&self.wishes, self.from)
    }
}

/// The class that so many requeued jobs are in from now on; `None`: as they were.
pub(super) fn class(urgent: bool, jobs: i64) -> Option<i16> {
    if urgent { Some(PRIORITY_FRESH) } else { (jobs > MANY).then_some(PRIORITY_BACKFILL) }
}

fn payload(wishes: &Wishes, from: Option<Stage>) -> Value {
    let mut payload = wishes.to_payload();
    if let (Some(Stage::Recording), Some(fields)) = (from, payload.as_object_mut()) {
        fields.insert("anew".to_owned(), Value::Bool(true));
    }
    payload
}

/// An entry for the audit log.
pub(super) struct Entry {
    pub(super) actor: String,
    pub(super) action: &'static str,
    pub(super) why: Option<String>,
    pub(super) details: Details,
}

fn check_states(states: &[JobState], allowed: impl Fn(JobState) -> bool, change: &'static str) -> Result<Vec<JobState>, ByHandError> {
    match states.iter().find(|state| !allowed(**state)) {
        Some(state) => Err(ByHandError::Refused { state: *state, change }),
        None => Ok(states.to_vec()),
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
pub(super) struct Moved {
    #[diesel(sql_type = sql_types::BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = sql_types::Text)]
    pub(super) kind: String,
    #[diesel(sql_type = sql_types::SmallInt)]
    pub(super) priority: i16,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    transcript_id: Option<Uuid>,
    #[diesel(sql_type = sql_types::Text)]
    was: String,
    #[diesel(sql_type = sql_types::Bool)]
    pub(super) due: bool,
}

impl Moved {
    /// The hints of those that are due now.
    pub(super) fn hints(jobs: &[Self]) -> Vec<Hint> {
        let due = jobs.iter().filter(|job| job.due);
        due.map(|job| Hint { id: JobId(job.id), kind: job.kind.clone(), priority: job.priority }).collect()
    }
}

/// Writes an entry of its own into the audit log: who had work enqueued, and how much.
pub async fn note_enqueued(connection: &mut Connection, actor: &str, action: &str, details: &Value) -> Result<(), StoreError> {
    diesel::sql_query("INSERT INTO audit_log (actor, action, details) VALUES ($1, $2, $3)")
        .bind::<sql_types::Text, _>(actor)
        .bind::<sql_types::Text, _>(action)
        .bind::<sql_types::Jsonb, _>(details)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes the audit entry with the first jobs and counts on with every further ones, so that it is right whenever the command dies.
/// `total` is all that was moved so far. Returns the entry.
pub(super) async fn note(transaction: &mut Connection, entry: &Entry, written: Option<i64>, total: i64) -> Result<Option<i64>, StoreError> {
    if total == 0 {
        return Ok(written);
    }
    let id = match written {
        Some(id) => id,
        None => {
            let row: Number =
                diesel::sql_query("INSERT INTO audit_log (actor, action, why, details) VALUES ($1, $2, $3, $4) RETURNING id AS number")
                    .bind::<sql_types::Text, _>(&entry.actor)
                    .bind::<sql_types::Text, _>(entry.action)
                    .bind::<sql_types::Nullable<sql_types::Text>, _>(&entry.why)
                    .bind::<sql_types::Jsonb, _>(serde_json::to_value(&entry.details).unwrap_or_default())
                    .get_result(transaction)
                    .await?;
            row.number
        }
    };
    diesel::sql_query("UPDATE audit_log SET details = jsonb_set(details, '{jobs}', to_jsonb($2::bigint)) WHERE id = $1")
        .bind::<sql_types::BigInt, _>(id)
        .bind::<sql_types::BigInt, _>(total)
        .execute(transaction)
        .await?;
    Ok(Some(id))
}

pub(super) fn batch_size(limit: Option<i64>, moved: i64) -> i64 {
    limit.map_or(BATCH, |limit| (limit - moved).clamp(0, BATCH))
}

pub(super) fn count_of(jobs: &[Moved]) -> i64 {
    i64::try_from(jobs.len()).unwrap_or(i64::MAX)
}
