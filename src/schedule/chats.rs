//! When conversations are asked for, and what a job of kind `chat` is told.

use std::time::Duration;

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{Chat, ChatChannel, JobId, JobKind, PRIORITY_FRESH, SourceName},
    ledger::{Hint, NewJob},
    store::{Connection, StoreError},
};

/// Attempts of a run that asks for conversations: about a day, as for calls.
const SYNC_ATTEMPTS: i16 = 20;

/// What a chat job does. A task that only a newer version knows parks its job as `poison_payload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum ChatTask {
    /// Asks for the conversations that ended since the last run, and makes a job of each.
    Sync {
        /// Where they were written.
        channels: Vec<ChatChannel>,
    },
    /// Reads what was written in the conversation that the job names.
    Conversation,
}

impl ChatTask {
    /// Reads `jobs.payload`.
    ///
    /// # Errors
    /// When the task or its parameters are not known to this version.
    pub fn from_json(payload: &serde_json::Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(payload)
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Sync { channels } => serde_json::json!({ "task": "sync", "channels": channels }),
            Self::Conversation => serde_json::json!({ "task": "conversation" }),
        }
    }
}

/// The job that reads a conversation; its key is the conversation, so that there is one however often it is found.
#[must_use]
pub fn conversation_job(chat: &Chat, priority: i16) -> NewJob {
    NewJob {
        priority,
        source: Some(chat.source),
        session_id: Some(chat.session_id.clone()),
        payload: ChatTask::Conversation.to_json(),
        ..NewJob::new(JobKind::Chat, chat.session_id.as_str())
    }
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// Enqueues the run of the tick that `interval` divides time into, unless it was enqueued before or a run is still open: the key
/// names the tick, and a run goes on from where the last one ended, so that missed ticks need none of their own.
pub(super) async fn enqueue_chat_tick(
    connection: &mut Connection,
    source: SourceName,
    channels: &[ChatChannel],
    interval: Duration,
) -> Result<Option<Hint>, StoreError> {
    let payload = ChatTask::Sync { channels: channels.to_vec() }.to_json();
    let made: Vec<Id> = diesel::sql_query(
        "INSERT INTO jobs (kind, key, source, max_attempts, payload)
         SELECT 'chat', $1 || '/sync/' || to_char(date_bin($4 * interval '1 millisecond', now(), timestamptz 'epoch') AT TIME ZONE 'UTC',
                                                   'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), $1, $2, $3
         WHERE NOT EXISTS (SELECT FROM jobs WHERE kind = 'chat' AND open AND source = $1 AND session_id IS NULL)
         ON CONFLICT (kind, key) DO NOTHING RETURNING id",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::SmallInt, _>(SYNC_ATTEMPTS)
    .bind::<sql_types::Jsonb, _>(payload)
    .bind::<sql_types::BigInt, _>(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX))
    .load(connection)
    .await?;
    let hint = |row: Id| Hint { id: JobId(row.id), kind: JobKind::Chat.as_str().to_owned(), priority: PRIORITY_FRESH };
    Ok(made.into_iter().next().map(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_reads_back_as_itself() {
        for task in [ChatTask::Conversation, ChatTask::Sync { channels: vec![ChatChannel::Chat, ChatChannel::Social] }] {
            assert_eq!(ChatTask::from_json(&task.to_json()).unwrap(), task);
        }
        assert!(ChatTask::from_json(&serde_json::json!({ "task": "reply" })).is_err());
    }
}
