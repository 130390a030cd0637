//! Calls, recordings, transcripts, jobs: pure values and the moves they may make. No async, no I/O.

mod call;
mod case_number;
mod chat;
mod cost;
mod details;
mod error_pattern;
mod event;
mod gap;
mod ids;
mod job;
mod reason;
mod recording;
mod status;
mod summary;
mod taxonomy;
mod transcript;
mod window;
mod wishes;

pub use call::{Call, Direction, EndTimeSource};
pub use case_number::CasePattern;
pub use chat::{Chat, ChatChannel, ChatMessage, Conversation, Participant};
pub use cost::{CostsBy, amount, micros};
pub use details::CallDetails;
pub use error_pattern::error_pattern;
pub use event::{EventKind, EventOutcome};
pub use gap::{GapKind, GapReason, Repair};
pub use ids::{InvalidId, JobId, LeaseId, OrgId, RecordingId, SessionId, TranscriptId};
pub use job::{
    JobKind, JobState, PRIORITY_BACKFILL, PRIORITY_EXPIRING, PRIORITY_FRESH, PRIORITY_LATE, Stage, UnknownJobKind, priority_after,
};
pub use reason::{Reason, UnknownReason};
pub use recording::{Aging, Leg, LegPolicy, RecordingOffer, RecordingStatus, RetentionVerdict};
pub use status::{CallTranscriptStatus, SourceName, TranscriptStatus, UnknownWord};
pub use summary::{CallSummary, SummaryNote};
pub use taxonomy::ReasonClass;
pub use transcript::TranscriptOffer;
pub use window::{EmptyWindow, Window};
pub use wishes::Wishes;
