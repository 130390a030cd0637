//! What a pipeline must have found out in the end: the truth that tests and the demo compare with.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Webex;
use super::book::Call;
use super::chats::{self, MessageTruth};
use super::fault::Fault;
use super::legs::Leg;
use super::plan::Direction;
use super::summaries::{Summary, summary_of};
use crate::speech::{Recording, Said};

/// How a call's recording must end, as the faults stand now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// In the object store, byte for byte.
    Stored,
    /// Nothing to fetch: none was requested.
    NotRequested,
    /// An error with this reason code.
    Failed(&'static str),
}

impl Expected {
    /// `stored`, `not_requested`, or the reason code.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::NotRequested => "not_requested",
            Self::Failed(reason) => reason,
        }
    }
}

/// The truth about one call, as it looks now.
#[derive(Debug, Clone)]
pub struct CallTruth {
    /// Task id, interaction id, session id: the same everywhere.
    pub session_id: Uuid,
    /// `telephony` unless planned otherwise.
    pub channel: &'static str,
    /// The vendor's status.
    pub status: &'static str,
    /// Whether the call has ended.
    pub closed: bool,
    /// `inbound` or `outbound`; an outdial is outbound.
    pub direction: &'static str,
    /// The customer's number.
    pub ani: String,
    /// The number called.
    pub dnis: String,
    /// The agent, if one took the call.
    pub agent_id: Option<String>,
    /// The agent's name.
    pub agent_name: Option<String>,
    /// The queue, if the call reached one.
    pub queue_name: Option<String>,
    /// `createdTime`.
    pub start_time: DateTime<Utc>,
    /// `lastUpdatedTime` of a closed call: all that this API tells of the end.
    pub end_time: Option<DateTime<Utc>>,
    /// From `start_time` to `end_time`, rounded half up.
    pub duration_seconds: Option<i64>,
    /// When it really ended, which only the search tells.
    pub ended_at: Option<DateTime<Utc>>,
    /// What the agent said it was about, once that is written.
    pub wrap_up_code: Option<String>,
    /// `captureRequested`.
    pub capture_requested: Option<bool>,
    /// How the recording must end.
    pub expected: Expected,
    /// Id of the recording to keep, when there is one to keep.
    pub recording_id: Option<Uuid>,
    /// The recording to keep: its bytes, size, hash and words.
    pub recording: Option<Recording>,
    /// What the AI assistant made of it, where it did.
    pub summary: Option<Summary>,
}

impl CallTruth {
    /// Every word of the recording with its channel and times; empty when none is to be kept.
    #[must_use]
    pub fn words(&self) -> Vec<Said> {
        self.recording.as_ref().map(Recording::words).unwrap_or_default()
    }

    /// The words of both channels in the order in which they are said, with spaces between.
    #[must_use]
    pub fn text(&self) -> String {
        self.words().into_iter().map(|said| said.word).collect::<Vec<_>>().join(" ")
    }

    /// SHA-256 of the file to keep.
    #[must_use]
    pub fn sha256(&self) -> Option<String> {
        self.recording.as_ref().map(Recording::sha256)
    }

    /// Size of the file to keep.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.recording.as_ref().map(Recording::size_bytes)
    }
}

impl Webex {
    /// The truth about every call that has begun, oldest first.
    #[must_use]
    pub fn truth(&self) -> Vec<CallTruth> {
        (0..self.site.book.count()).filter_map(|number| self.truth_at(number)).collect()
    }

    /// The truth about a call by its number, if it has begun.
    #[must_use]
    pub fn truth_at(&self, number: u32) -> Option<CallTruth> {
        self.told(&self.site.book.call(number, &self.site.faults)?)
    }

    /// The truth about a call by its session id, if there is such a call and it has begun.
    #[must_use]
    pub fn truth_of(&self, session_id: Uuid) -> Option<CallTruth> {
        self.told(&self.site.book.find(session_id, &self.site.faults)?)
    }

    /// What was written in a chat, by its number, in order; empty when it was spoken or has not begun.
    #[must_use]
    pub fn messages_of(&self, number: u32) -> Vec<MessageTruth> {
        self.site.book.call(number, &self.site.faults).map(|call| chats::messages(&self.site, &call)).unwrap_or_default()
    }

    /// A recording beside the call's own, by the call's number: its id and what is on it.
    #[must_use]
    pub fn leg_of(&self, number: u32, leg: Leg) -> Option<(Uuid, Recording)> {
        let book = &self.site.book;
        let call = book.call(number, &self.site.faults)?;
        let id = book.leg_id(&call, leg);
        Some((id, book.recording(&call, id)?))
    }

    fn told(&self, call: &Call) -> Option<CallTruth> {
        let book = &self.site.book;
        let view = call.view(self.site.now_ms())?;
        let closed = matches!(view.status, "completed" | "abandoned");
        let (ani, dnis) = call.numbers();
        let owner = view.has_owner.then(|| book.owner(call));
        let expected = self.expected(call);
        let kept = expected == Expected::Stored;
        Some(CallTruth {
            session_id: call.id,
            channel: call.spec.channel,
            status: view.status,
            closed,
            direction: if call.spec.direction == Direction::Inbound { "inbound" } else { "outbound" },
            ani,
            dnis,
            agent_id: owner.as_ref().map(|(id, _)| id.to_string()),
            agent_name: owner.map(|(_, name)| name),
            queue_name: view.has_queue.then(|| book.queue(call).1),
            start_time: DateTime::from_timestamp_millis(call.created_ms)?,
            end_time: if closed { DateTime::from_timestamp_millis(view.updated_ms) } else { None },
            duration_seconds: closed.then(|| (view.updated_ms - call.created_ms + 500) / 1_000),
            ended_at: if closed { DateTime::from_timestamp_millis(call.ended_ms) } else { None },
            wrap_up_code: call.wrap_up(self.site.now_ms()).map(str::to_owned),
            capture_requested: view.capture_requested,
            expected,
            recording_id: kept.then_some(call.id),
            recording: if kept { book.recording(call, call.id) } else { None },
            summary: call.spec.summarised.then(|| summary_of(call)),
        })
    }

    /// What the lasting faults make of the recording; passing ones change nothing in the end.
    fn expected(&self, call: &Call) -> Expected {
        if call.spec.capture_requested == Some(false) {
            return Expected::NotRequested;
        }
        let reason = self.site.faults.lasting_for(&call.id.to_string(), |fault| match fault {
            Fault::NeverRecorded | Fault::Purged | Fault::MissingTaskId | Fault::OnlyConsult => Some("no_recording"),
            Fault::NoSuchKey => Some("recording_purged"),
            Fault::LinkExpires => Some("link_expired"),
            Fault::TruncatedBody | Fault::WrongLength | Fault::ResetMidStream => Some("recording_truncated"),
            Fault::ZeroBytes => Some("recording_empty"),
            Fault::HtmlInsteadOfWav => Some("not_audio"),
            _ => None,
        });
        match reason {
            Some(reason) => Expected::Failed(reason),
            None if call.spec.recorded => Expected::Stored,
            None => Expected::Failed("no_recording"),
        }
    }
}
