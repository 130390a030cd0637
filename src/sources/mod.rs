//! Where calls come from: one trait, one folder per vendor, one suite of tests that every vendor passes.
//!
//! Vendor JSON stops at `sources/<vendor>/translate.rs`; beyond it there are only domain types.

mod chats;
mod listing;
mod run_error;
mod transcript;
pub mod webex;

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

pub use chats::{ChatAnswer, ChatPage, ChatSource};
pub use listing::{HISTORY, UNTIL_CONFIGURED};
pub use run_error::{RunError, Trouble};
pub use transcript::{Span, Speaker, SpokenWord, Turn, UnrecognisedTranscript, VendorTranscript};

use crate::{
    domain::{Call, CallSummary, OrgId, Reason, RecordingOffer, SessionId, SourceName, TranscriptOffer, Window},
    ledger::VendorTrace,
    store::StoreError,
};

/// Where the next page of a window begins. Opaque to everyone but its source; kept in a job's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PageCursor(pub serde_json::Value);

/// An element of a page that could not be read.
#[derive(Debug, Clone)]
pub struct UnreadableElement {
    /// The element as it came.
    pub raw: serde_json::Value,
    /// Why it could not be read.
    pub error: String,
    /// The call it is about, if that much could be read.
    pub session_id: Option<SessionId>,
}

/// One page of calls.
#[derive(Debug, Clone)]
pub struct CallPage {
    /// Tenant that answered.
    pub org_id: Option<OrgId>,
    /// The calls, oldest first; a call may come again on a later page.
    pub calls: Vec<Call>,
    /// Elements that could not be read; they never sink the page.
    pub unreadable: Vec<UnreadableElement>,
    /// Where to go on; `None` when the window is complete.
    pub next: Option<PageCursor>,
    /// The vendor could not be made to tell everything around this moment: someone should look.
    pub possible_gap: Option<chrono::DateTime<chrono::Utc>>,
}

impl CallPage {
    /// A page without calls, and the last one.
    #[must_use]
    pub fn empty(org_id: &OrgId) -> Self {
        Self { org_id: Some(org_id.clone()), calls: Vec::new(), unreadable: Vec::new(), next: None, possible_gap: None }
    }
}

/// Which moment of a call must lie in the window whose details are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetailsBy {
    /// Its beginning: calls that are still open are told as well.
    Start,
    /// Its end: only calls that have one are told.
    End,
}

/// A span of time that is still to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Piece {
    /// Which moment must lie in it.
    pub by: DetailsBy,
    /// The span.
    pub window: Window,
}

/// What a source knows about a call's recordings.
#[derive(Debug, Clone)]
pub enum RecordingAnswer {
    /// These can be fetched now; possibly several legs.
    Offered {
        /// Not empty.
        offers: Vec<RecordingOffer>,
        /// The answer that told them: the one to name when none of them is what was looked for.
        trace: VendorTrace,
    },
    /// Nothing yet, or never: the vendor does not say which.
    Nothing {
        /// The answer that told none.
        trace: VendorTrace,
    },
    /// The vendor says that it was deleted.
    Purged {
        /// The answer that told so.
        trace: VendorTrace,
    },
}

/// The bytes of a recording on their way.
pub struct Download {
    /// Length of the whole file, if the vendor said.
    pub total_bytes: Option<u64>,
    /// First byte of this answer within the file: what was asked for, or 0 when the vendor ignored the range.
    pub from_byte: u64,
    /// The vendor's tag of this version of the file.
    pub etag: Option<String>,
    /// The bytes; an error ends them.
    pub bytes: Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("total_bytes", &self.total_bytes).field("from_byte", &self.from_byte).finish_non_exhaustive()
    }
}

/// What a source can say instead of an answer. Each kind has its own consequence; see `SourceError::reason`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// Slow down; the wait is the vendor's, or the shared budget's.
    #[error("{source_name} asks to wait {wait:?}")]
    RateLimited {
        /// Who.
        source_name: SourceName,
        /// How long.
        wait: Duration,
        /// Our own shared budget ran out, rather than the vendor's patience.
        own_budget: bool,
        /// Its trace, when a vendor said so.
        trace: VendorTrace,
    },
    /// The tokens are refused: nothing works until a person logs in.
    #[error("{source_name} refuses our tokens: {what}")]
    LoginNeeded {
        /// Who.
        source_name: SourceName,
        /// What the vendor said.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// The token lacks a scope, role or licence.
    #[error("{source_name} forbids it: {what}")]
    Forbidden {
        /// Who.
        source_name: SourceName,
        /// What the vendor said.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// Another tenant answered than the one configured.
    #[error("tenant `{answered}` answered, `{configured}` is configured")]
    WrongOrg {
        /// Who answered.
        answered: String,
        /// Who should have.
        configured: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// The window holds more than the vendor gives at once: ask for less.
    #[error("the window is too wide for {source_name}")]
    TooWide {
        /// Who.
        source_name: SourceName,
        /// Its trace.
        trace: VendorTrace,
    },
    /// Could not be reached, failed, or stopped half way: worth another try.
    #[error("{source_name} is not available: {what}")]
    Unavailable {
        /// Who.
        source_name: SourceName,
        /// What happened.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// It is down for everyone: this job waits and uses up no attempt.
    #[error("{source_name} is down: {what}")]
    Down {
        /// Who.
        source_name: SourceName,
        /// How long to wait.
        wait: Duration,
        /// What happened.
        what: String,
        /// It was asked, and failed; not only taken for down.
        asked: bool,
        /// Its trace.
        trace: VendorTrace,
    },
    /// The request is wrong and will stay wrong.
    #[error("{source_name} rejects the request: {what}")]
    Rejected {
        /// Who.
        source_name: SourceName,
        /// What the vendor said.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// The answer has a shape nobody told us about.
    #[error("the answer of {source_name} has the wrong shape: {what}")]
    WrongShape {
        /// Who.
        source_name: SourceName,
        /// Which path was wrong and how.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// The stored tokens could not be read or written just now.
    #[error("the tokens of {source_name} cannot be reached")]
    TokensUnavailable {
        /// Whose.
        source_name: SourceName,
        /// Why.
        #[source]
        why: Arc<StoreError>,
    },
    /// The tokens are being renewed, or their renewal failed just now: whoever renews them answers for that, the others only wait.
    #[error("the tokens of {source_name} are being renewed: {what}")]
    RenewalPending {
        /// Whose.
        source_name: SourceName,
        /// How it stands.
        what: &'static str,
        /// When to ask again.
        wait: Duration,
    },
    /// The link has ended; a fresh one will work.
    #[error("the download link has ended")]
    LinkExpired {
        /// What the store said.
        trace: VendorTrace,
    },
    /// The file behind the link is gone.
    #[error("the recording is gone")]
    Gone {
        /// What the store said.
        trace: VendorTrace,
    },
    /// The link points to a host we may not fetch from.
    #[error("`{host}` is not among the hosts that recordings may be fetched from")]
    HostNotAllowed {
        /// The host.
        host: String,
    },
}

impl SourceError {
    /// The reason code under which it is recorded.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::RateLimited { own_budget: true, .. } => Reason::BudgetSpent,
            Self::RateLimited { own_budget: false, .. } => Reason::RateLimited,
            Self::LoginNeeded { .. } => Reason::LoginNeeded,
            Self::Forbidden { .. } => Reason::Forbidden,
            Self::WrongOrg { .. } => Reason::WrongOrg,
            Self::Unavailable { .. } | Self::Down { .. } | Self::RenewalPending { .. } => Reason::VendorUnavailable,
            Self::TokensUnavailable { .. } => Reason::DatabaseUnavailable,
            Self::TooWide { .. } | Self::Rejected { .. } => Reason::VendorRejected,
            Self::WrongShape { .. } => Reason::WrongShape,
            Self::LinkExpired { .. } => Reason::LinkExpired,
            Self::Gone { .. } => Reason::RecordingPurged,
            Self::HostNotAllowed { .. } => Reason::HostNotAllowed,
        }
    }

    /// What the vendor answered, if it did.
    #[must_use]
    pub fn trace(&self) -> VendorTrace {
        match self {
            Self::HostNotAllowed { .. } | Self::TokensUnavailable { .. } | Self::RenewalPending { .. } => VendorTrace::default(),
            Self::RateLimited { trace, .. }
            | Self::WrongOrg { trace, .. }
            | Self::LoginNeeded { trace, .. }
            | Self::Forbidden { trace, .. }
            | Self::TooWide { trace, .. }
            | Self::Unavailable { trace, .. }
            | Self::Down { trace, .. }
            | Self::Rejected { trace, .. }
            | Self::WrongShape { trace, .. }
            | Self::LinkExpired { trace }
            | Self::Gone { trace } => trace.clone(),
        }
    }
}

/// What a vendor is to tell us by itself, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// What it tells about: `capture`, `task`.
    pub resource: &'static str,
    /// The vendor's id of it; `None` when it is not arranged.
    pub id: Option<String>,
    /// Whether the vendor sends it.
    pub active: bool,
}

/// A vendor that calls come from.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Which vendor.
    fn name(&self) -> SourceName;

    /// Tenant whose calls it tells, as configured.
    fn org_id(&self) -> &OrgId;

    /// One page of the calls created in `window`, oldest first. `None` begins; a page's `next` goes on.
    async fn calls(&self, window: Window, cursor: Option<&PageCursor>) -> Result<CallPage, SourceError>;

    /// Whether the vendor tells more of a call than its list does, and later: its real end, what the agent said it was about.
    fn tells_details(&self) -> bool {
        false
    }

    /// Some of the details of a window's calls, in no order, each as a version of its call. `None` begins; a page's `next` goes on. A
    /// page may be empty although more follow. What lies less than a minute or so ago may be left out.
    async fn details(&self, by: DetailsBy, window: Window, cursor: Option<&PageCursor>) -> Result<CallPage, SourceError> {
        let _ = (by, window, cursor);
        Ok(CallPage::empty(self.org_id()))
    }

    /// The recordings of one closed call, with fresh links.
    async fn recordings(&self, session: &SessionId) -> Result<RecordingAnswer, SourceError>;

    /// Fetches a recording from `from_byte` on; no credentials travel with it.
    async fn download(&self, offer: &RecordingOffer, from_byte: u64) -> Result<Download, SourceError>;

    /// What the vendor should be sending to `destination`. A vendor without webhooks has none.
    async fn webhooks(&self, _destination: &str) -> Result<Vec<Webhook>, SourceError> {
        Ok(Vec::new())
    }

    /// Switches a webhook on that the vendor switched off.
    async fn reactivate_webhook(&self, _id: &str) -> Result<(), SourceError> {
        Ok(())
    }

    /// The vendor's own transcripts of one closed call, with fresh links, the best first; none yet, or none ever: the vendor does
    /// not say which. A vendor that makes none has none.
    async fn transcripts(&self, session: &SessionId) -> Result<Vec<TranscriptOffer>, SourceError> {
        let _ = session;
        Ok(Vec::new())
    }

    /// Fetches a transcript, whole, as it is; no credentials travel with it.
    async fn fetch_transcript(&self, offer: &TranscriptOffer) -> Result<Bytes, SourceError> {
        let _ = offer;
        Err(SourceError::Gone { trace: VendorTrace::default() })
    }

    /// What the vendor's assistant made of one closed call; none yet, or none ever. A vendor without one has none.
    async fn summary(&self, session: &SessionId) -> Result<Option<CallSummary>, SourceError> {
        let _ = session;
        Ok(None)
    }

    /// Reads the bytes of a transcript; asks nobody.
    fn read_transcript(&self, offer: &TranscriptOffer, bytes: &[u8]) -> Result<VendorTranscript, UnrecognisedTranscript> {
        let (_, length) = (offer, bytes.len());
        Err(UnrecognisedTranscript { what: format!("{length} bytes of a vendor that makes no transcripts") })
    }
}
