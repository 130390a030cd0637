//! What an error means for a job that reads a list of calls.

use std::time::Duration;

use chrono::TimeDelta;

use super::SourceError;
use crate::ledger::{Failure, Outcome};

/// A person has to log in, which makes the job due at once; this is for when nobody noticed that it was mended.
const UNTIL_LOGIN: Duration = Duration::from_mins(15);
/// A person has to change a role, a licence or a setting.
pub const UNTIL_CONFIGURED: Duration = Duration::from_mins(15);

/// Webex tells calls of the last twelve months; a day less, because its year may be a leap year and its clock ahead of ours.
pub const HISTORY: TimeDelta = TimeDelta::days(364);

impl SourceError {
    /// The answer to the ledger. Waiting for a person or for a limit burns no attempt: a window that dies would be missing until
    /// somebody looked. What the vendor may answer otherwise next time is tried again with back-off.
    #[must_use]
    pub fn while_listing(self) -> Outcome {
        let why = |error: Self| {
            let (reason, trace) = (error.reason(), error.trace());
            Failure::new(reason, anyhow::Error::new(error).context("cannot read calls from the source")).with_vendor(trace)
        };
        match self {
            Self::RateLimited { wait, .. } | Self::Down { wait, .. } | Self::RenewalPending { wait, .. } => {
                Outcome::Later { wait, why: why(self) }
            }
            Self::LoginNeeded { .. } => Outcome::Later { wait: UNTIL_LOGIN, why: why(self) },
            Self::Forbidden { .. } | Self::WrongOrg { .. } => Outcome::Later { wait: UNTIL_CONFIGURED, why: why(self) },
            Self::Unavailable { .. } | Self::TokensUnavailable { .. } => Outcome::Retry(why(self)),
            // a gateway's page in place of the answer passes by itself, a changed contract after an upgrade; if neither comes within
            // a day, the job dies with its reason, loudly, and the watermark has not moved
            Self::WrongShape { .. } => Outcome::Retry(why(self)),
            // the same request gets the same answer: dead at once, with the request's id for the vendor's support. Nothing is lost:
            // the next tick asks anew from the unmoved watermark, with a fresh `to`
            Self::Rejected { .. } => Outcome::Stop(why(self)),
            // the handler narrows the window instead; here only if it is told so while it does not read pages
            Self::TooWide { .. } => Outcome::Retry(why(self)),
            // these speak of recordings; a source that says them of calls is not in its right mind
            Self::LinkExpired { .. } | Self::Gone { .. } | Self::HostNotAllowed { .. } => Outcome::Retry(why(self)),
        }
    }
}
