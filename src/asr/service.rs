//! What services on the net answer when they do not transcribe, as far as it is the same for all of them: what a status means, how long to
//! wait, whose fault a broken exchange is. The words that tell more are each provider's own.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::TranscribeError;
use crate::{
    clock::Clock,
    domain::Reason,
    ledger::VendorTrace,
    outbound::{ErrorBody, LONGEST_RETRY_AFTER, OutboundError, retry_after},
};

/// Wait when a service says "slow down" and not for how long: its windows are minutes, its queues seconds.
const UNSAID_WAIT: Duration = Duration::from_secs(20);
/// Wait while nobody is there to ask, until the failures are enough to open the circuit, which then says how long.
const UNREACHABLE_WAIT: Duration = Duration::from_secs(5);
/// Request ids are kept whole for the provider's support; none seen has more than 60 characters.
const LONGEST_REQUEST_ID: usize = 120;

/// The words of a provider that tell what a refusal means, in lower case.
#[derive(Debug)]
pub(super) struct Words {
    /// An account that is used up.
    pub(super) credit: &'static [&'static str],
    /// A model, a language or a parameter that is not there: the same for every recording.
    pub(super) settings: &'static [&'static str],
    pub(super) too_short: &'static [&'static str],
    pub(super) too_long: &'static [&'static str],
    pub(super) undecodable: &'static [&'static str],
}

/// The head of an answer, as far as errors care.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) trace: VendorTrace,
    wait: Option<Duration>,
}

impl Head {
    /// Reads it; `id` is the header that names the request.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, id: &str, clock: &dyn Clock) -> Self {
        let request_id = headers.get(id).and_then(|id| id.to_str().ok()).map(str::trim).filter(|id| !id.is_empty());
        let request_id = request_id.map(|id| id.chars().take(LONGEST_REQUEST_ID).collect());
        let wait = retry_after(headers, clock).map(|wait| wait.min(LONGEST_RETRY_AFTER));
        Self { status, trace: VendorTrace { status: Some(status.as_u16()), request_id }, wait }
    }

    /// The same with the id that the body told, when no header did.
    pub(super) fn known_as(mut self, request_id: Option<&str>) -> Self {
        let told = || request_id.map(|id| id.chars().take(LONGEST_REQUEST_ID).collect());
        self.trace.request_id = self.trace.request_id.or_else(told);
        self
    }

    /// What an answer that is not a success means.
    pub(super) fn refusal(self, body: &ErrorBody, words: &Words) -> TranscribeError {
        let head = self.known_as(body.tracking_id.as_deref());
        let what = format!("{}: {}", head.status.as_u16(), body.summary());
        let trace = head.trace;
        let wait = head.wait.unwrap_or(UNSAID_WAIT);
        let by_words = meaning(|word| body.says(word), words);
        match (head.status.as_u16(), by_words) {
            (402, _) | (429 | 400, Some(Meaning::Credit)) => TranscribeError::Misconfigured { what, trace },
            (429, _) => TranscribeError::RateLimited { wait, trace },
            (503, _) if head.wait.is_some() => TranscribeError::RateLimited { wait, trace },
            (413, _) => TranscribeError::Rejected { reason: Reason::AudioTooLong, what, trace },
            (400 | 404 | 415 | 422, Some(meaning)) => meaning.error(what, trace),
            (415, None) => TranscribeError::Rejected { reason: Reason::AudioUndecodable, what, trace },
            // a key, a permission, a country or a path: the same for every recording
            (300..=399 | 401..=407 | 410 | 421 | 451 | 501, _) => TranscribeError::Misconfigured { what, trace },
            (408 | 409 | 425 | 500.., _) => TranscribeError::Unavailable { what, trace },
            _ => TranscribeError::Rejected { reason: Reason::ProviderRejected, what, trace },
        }
    }
}

/// What a provider's sentence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Credit,
    Settings,
    TooShort,
    TooLong,
    Undecodable,
}

/// What `says` tells of the words of a provider.
pub(super) fn meaning(says: impl Fn(&str) -> bool, words: &Words) -> Option<Meaning> {
    let any = |words: &[&str]| words.iter().any(|word| says(word));
    [
        (words.credit, Meaning::Credit),
        (words.settings, Meaning::Settings),
        (words.too_short, Meaning::TooShort),
        (words.too_long, Meaning::TooLong),
        (words.undecodable, Meaning::Undecodable),
    ]
    .into_iter()
    .find_map(|(words, meaning)| any(words).then_some(meaning))
}

impl Meaning {
    /// The error it is.
    pub(super) fn error(self, what: String, trace: VendorTrace) -> TranscribeError {
        match self {
            Self::Credit | Self::Settings => TranscribeError::Misconfigured { what, trace },
            Self::TooShort => TranscribeError::TooShort { trace },
            Self::TooLong => TranscribeError::Rejected { reason: Reason::AudioTooLong, what, trace },
            Self::Undecodable => TranscribeError::Rejected { reason: Reason::AudioUndecodable, what, trace },
        }
    }
}

/// What an exchange that broke means. The request changes nothing that we see, so it may always be made again. Where there was no
/// connection at all the recording had no part in it.
pub(super) fn broken(error: OutboundError, trace: VendorTrace) -> TranscribeError {
    let unreachable = error.is_unreachable();
    let what = format!("{:#}", anyhow::Error::new(error));
    if unreachable { TranscribeError::Down { wait: UNREACHABLE_WAIT, what, trace } } else { TranscribeError::Unavailable { what, trace } }
}

/// What is wrong with JSON that cannot be read.
pub(super) fn unreadable(error: &serde_json::Error, bytes: usize) -> String {
    if error.is_eof() {
        format!("the JSON breaks off after {bytes} bytes")
    } else {
        format!("{bytes} bytes that are no transcript: {error}")
    }
}
