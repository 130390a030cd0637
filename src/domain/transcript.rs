//! A transcript that a vendor made itself, as it is offered.

use chrono::{DateTime, Utc};

use super::SessionId;

/// One transcript a vendor offers for a call. The link in it is a secret that ends soon: it is fetched from at once and never
/// stored or logged.
#[derive(Clone)]
pub struct TranscriptOffer {
    /// The call.
    pub session_id: SessionId,
    /// Made of the whole recording after the call, rather than while the call went on.
    pub of_recording: bool,
    /// The moment that times in the file count from.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// Language, in the vendor's words.
    pub language: Option<String>,
    /// Where to fetch it from, now.
    pub link: String,
}

impl std::fmt::Debug for TranscriptOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TranscriptOffer")
            .field("session_id", &self.session_id)
            .field("of_recording", &self.of_recording)
            .field("link", &"[secret]")
            .finish_non_exhaustive()
    }
}
