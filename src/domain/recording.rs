//! What a vendor offers to download for a call.

use chrono::{DateTime, Utc};

use super::{RecordingId, SessionId, status::vocabulary};

vocabulary! {
    /// Which leg of a call was recorded.
    Leg ("leg") {
        /// The customer's call.
        Main = "main",
        /// Agent to agent, or agent to expert.
        Consult = "consult",
        /// Virtual agent with the customer.
        VaMain = "va-main",
        /// Virtual agent, consulted.
        VaConsult = "va-consult",
        /// A leg the vendor names by a word we do not know.
        Other = "other",
    }
}

vocabulary! {
    /// `call_recordings.status`.
    RecordingStatus ("recording status") {
        /// The vendor offers it.
        Available = "available",
        /// Its bytes are in S3.
        Stored = "stored",
        /// Policy does not copy this leg.
        Skipped = "skipped",
        /// Retention decided that its audio goes; its objects are being deleted.
        Deleting = "deleting",
        /// Its audio is gone for good.
        Deleted = "deleted",
    }
}

vocabulary! {
    /// What is to become of audio, or of a call, that is older than the shortest age of any queue.
    RetentionVerdict ("verdict of retention") {
        /// It goes.
        Due = "due",
        /// Its queue is kept longer.
        Kept = "kept",
        /// Its call is held.
        Held = "held",
        /// Its transcript is not complete.
        Untranscribed = "untranscribed",
        /// It is a call whose audio is there still.
        HasAudio = "has_audio",
        /// A job of its call is due or running: it goes another day.
        InUse = "in_use",
    }
}

vocabulary! {
    /// `call_deletions.what`: rows that go by their age.
    Aging ("rows that age") {
        /// Rows of `call_interactions`, with what hangs on them.
        Calls = "calls",
        /// Rows of `chats`, with what hangs on them.
        Conversations = "conversations",
    }
}

impl RecordingStatus {
    /// Whether the move is legal. A move to itself is: everything runs twice without harm.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use RecordingStatus::{Available, Deleted, Deleting, Skipped, Stored};
        match self {
            Available | Skipped => matches!(next, Available | Skipped | Stored),
            Stored => matches!(next, Stored | Deleting),
            Deleting => matches!(next, Deleting | Deleted),
            Deleted => matches!(next, Deleted),
        }
    }
}

/// Which recordings of a call are copied, beside the call's own, which always is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegPolicy {
    /// The legs whose whole recordings are copied; `Leg::Main` is always meant.
    pub legs: Vec<Leg>,
    /// Pieces, too, though the whole is there.
    pub segments: bool,
}

impl LegPolicy {
    /// The call's own recording and nothing else.
    #[must_use]
    pub fn main_only() -> Self {
        Self { legs: vec![Leg::Main], segments: false }
    }

    /// Everything on offer.
    #[must_use]
    pub fn all() -> Self {
        Self { legs: Leg::ALL.to_vec(), segments: true }
    }

    /// Whether recordings of a leg are copied.
    #[must_use]
    pub fn names(&self, leg: Leg) -> bool {
        leg == Leg::Main || self.legs.contains(&leg)
    }
}

/// One recording a vendor offers. The link in it is a secret that ends soon: it is fetched from at once and never stored or logged.
#[derive(Clone)]
pub struct RecordingOffer {
    /// The call.
    pub session_id: SessionId,
    /// The recording.
    pub recording_id: RecordingId,
    /// Which leg of the call.
    pub leg: Leg,
    /// A piece of a call that was recorded in pieces.
    pub segment: bool,
    /// Who is on the first and on the second channel, in the vendor's words.
    pub channels: [Option<String>; 2],
    /// When the recording began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the recording ended.
    pub stopped_at: Option<DateTime<Utc>>,
    /// Where to fetch it from, now.
    pub link: String,
}

impl std::fmt::Debug for RecordingOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordingOffer")
            .field("session_id", &self.session_id)
            .field("recording_id", &self.recording_id)
            .field("leg", &self.leg)
            .field("segment", &self.segment)
            .field("link", &"[secret]")
            .finish_non_exhaustive()
    }
}
