//! Conversations that were written: who, when, and every message.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{OrgId, SessionId, SourceName, status::vocabulary};

vocabulary! {
    /// Where a conversation was written.
    ChatChannel ("channel") {
        /// On a web page or in an app.
        Chat = "chat",
        /// In a messenger.
        Social = "social",
        /// By e-mail.
        Email = "email",
    }
}

/// A conversation, as the vendor tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    /// The vendor's id of it (Webex: task id).
    pub session_id: SessionId,
    /// Vendor.
    pub source: SourceName,
    /// Tenant.
    pub org_id: OrgId,
    /// The vendor's word for the channel, in lower case.
    pub channel: String,
    /// Last queue, if it reached one.
    pub queue_name: Option<String>,
    /// Last agent, if one took it.
    pub agent_id: Option<String>,
    /// The agent's name.
    pub agent_name: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended, as far as that is told.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether it has ended.
    pub closed: bool,
}

/// Who wrote a message; any of it may be untold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Participant {
    /// Name.
    pub name: Option<String>,
    /// The vendor's word for the part taken, such as `AGENT`.
    pub role: Option<String>,
    /// Id of the user, when it is one of the tenant's.
    pub user_id: Option<String>,
    /// Id within the conversation.
    pub alias_id: Option<String>,
}

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Names the message within its conversation: the same message told twice has the same key.
    pub key: String,
    /// When it was written.
    pub sent_at: Option<DateTime<Utc>>,
    /// What was told in place of a time, where that is none.
    pub odd_time: Option<String>,
    /// The vendor's word, such as `INBOUND`.
    pub direction: Option<String>,
    /// What was written.
    pub text: Option<String>,
    /// By whom.
    pub participant: Participant,
}

/// Everything that was written in one conversation, by time; each message once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The messages.
    pub messages: Vec<ChatMessage>,
    /// Parts of the vendor's file that are no messages, and were left out.
    pub unreadable: usize,
}

impl fmt::Debug for ChatMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // what people wrote is in no log
        f.debug_struct("ChatMessage").field("key", &self.key).field("sent_at", &self.sent_at).finish_non_exhaustive()
    }
}
