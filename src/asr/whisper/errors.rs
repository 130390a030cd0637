//! What servers say instead of a transcript, and what follows from it.
//!
//! The rows A1 to A15 of OpenAI's errors and the ways its copies differ: plain text, `detail`, numbers as codes, HTML of gateways.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::{
    asr::TranscribeError,
    clock::Clock,
    domain::Reason,
    ledger::VendorTrace,
    outbound::{ErrorBody, LONGEST_RETRY_AFTER, OutboundError, exhausted_for, retry_after},
};

/// Wait when a server says "slow down" and not for how long: its windows are minutes, its queues seconds.
const UNSAID_WAIT: Duration = Duration::from_secs(20);
/// Wait while nobody is there to ask, until the failures are enough to open the circuit, which then says how long.
const UNREACHABLE_WAIT: Duration = Duration::from_secs(5);

/// An account that is used up: waiting for a person, not for a window.
const QUOTA: [&str; 4] = ["insufficient_quota", "credit_balance_exhausted", "billing_hard_limit", "billing_not_active"];
/// The model or the server does not know the richest format (A4), or parts of the request that only it needs.
const FORMAT: [&str; 4] = ["response_format", "verbose_json", "timestamp_granularities", "timestamp granularities"];
const TOO_SHORT: [&str; 2] = ["audio_too_short", "file is too short"];
const TOO_LONG: [&str; 7] = [
    "maximum content size",
    "maximum file size",
    "file size exceeded",
    "entity too large",
    "too large",
    "seconds is longer than",
    "which is the maximum for this model",
];
const UNDECODABLE: [&str; 6] =
    ["invalid file format", "could not be decoded", "format is not supported", "decode audio", "read audio", "unsupported audio"];
/// The request names a model that is not there or needs what we do not send (A5).
const MODEL: [&str; 5] = ["model_not_found", "chunking_strategy", "does not exist", "invalid_api_key", "is not installed"];
const BUSY: [&str; 4] = ["slow_down", "model_loading", "loading model", "rate_limit"];

/// What a refusal means.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The server does not do the format asked for: ask for a plainer one.
    Format(String),
    /// Everything else.
    Error(TranscribeError),
}

/// The head of an answer, as far as errors care.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) trace: VendorTrace,
    wait: Option<Duration>,
    /// How long nothing more is to be had, if the rate limit's headers say that nothing is left.
    pub(super) exhausted_for: Option<Duration>,
    /// `x-should-retry`.
    should_retry: Option<bool>,
}

impl Head {
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, clock: &dyn Clock) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let milliseconds = text("retry-after-ms").and_then(|value| value.parse().ok()).map(Duration::from_millis);
        let request_id = text("x-request-id").filter(|id| !id.is_empty()).map(|id| id.chars().take(LONGEST_REQUEST_ID).collect());
        Self {
            status,
            trace: VendorTrace { status: Some(status.as_u16()), request_id },
            wait: milliseconds.map(|wait| wait.min(LONGEST_RETRY_AFTER)).or_else(|| retry_after(headers, clock)),
            exhausted_for: exhausted_for(headers),
            should_retry: text("x-should-retry").and_then(|value| value.parse().ok()),
        }
    }

    /// What an answer that is not a success means.
    pub(super) fn refusal(&self, body: &ErrorBody) -> Refusal {
        let says = |words: &[&str]| words.iter().any(|word| body.says(word));
        let what = format!("{}: {}", self.status.as_u16(), body.summary());
        let trace = self.trace.clone();
        let rejected = |reason| TranscribeError::Rejected { reason, what: what.clone(), trace: trace.clone() };
        let misconfigured = || TranscribeError::Misconfigured { what: what.clone(), trace: trace.clone() };
        Refusal::Error(match self.status.as_u16() {
            429 | 503 if says(&QUOTA) => misconfigured(),
            429 => TranscribeError::RateLimited { wait: self.wait.or(self.exhausted_for).unwrap_or(UNSAID_WAIT), trace },
            503 if self.wait.is_some() || says(&BUSY) => TranscribeError::RateLimited { wait: self.wait.unwrap_or(UNSAID_WAIT), trace },
            413 => rejected(Reason::AudioTooLong),
            400 | 415 | 422 if says(&TOO_SHORT) => TranscribeError::TooShort { trace },
            400 | 422 if says(&FORMAT) => return Refusal::Format(what),
            400 | 415 | 422 if says(&TOO_LONG) => rejected(Reason::AudioTooLong),
            400 | 422 if says(&MODEL) || says(&QUOTA) => misconfigured(),
            400 | 422 if says(&UNDECODABLE) => rejected(Reason::AudioUndecodable),
            415 => rejected(Reason::AudioUndecodable),
            // a key, a permission, a country, a path or a model: the same for every recording
            300..=399 | 401..=407 | 410 | 421 | 451 | 501 => misconfigured(),
            408 | 409 | 425 | 500.. if self.should_retry != Some(false) => TranscribeError::Unavailable { what, trace },
            _ if self.should_retry == Some(true) => TranscribeError::Unavailable { what, trace },
            _ => rejected(Reason::ProviderRejected),
        })
    }

    /// What an error object in an answer that claims success means: its words, with the status of a refusal.
    pub(super) fn refusal_within_success(&self, body: &ErrorBody) -> Refusal {
        let as_refused = Self { status: StatusCode::BAD_REQUEST, should_retry: None, ..self.clone() };
        match as_refused.refusal(body) {
            // a server that says 200 does not mean "wrong request": nothing tells us that it would say so again
            Refusal::Error(TranscribeError::Rejected { reason: Reason::ProviderRejected, what, trace }) => {
                Refusal::Error(TranscribeError::Unreadable { what, trace })
            }
            other => other,
        }
    }
}

/// Request ids are kept whole for the provider's support; none seen has more than 60 characters.
const LONGEST_REQUEST_ID: usize = 120;

/// What an exchange that broke means. The request changes nothing at the provider, so it may always be made again. Where there was no
/// connection at all the recording had no part in it.
pub(super) fn broken(error: OutboundError, trace: VendorTrace) -> TranscribeError {
    let unreachable = error.is_unreachable();
    let what = format!("{:#}", anyhow::Error::new(error));
    if unreachable { TranscribeError::Down { wait: UNREACHABLE_WAIT, what, trace } } else { TranscribeError::Unavailable { what, trace } }
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
