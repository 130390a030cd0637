//! What every error means for the job.

use std::time::Duration;

use callscribe::{
    domain::{EmptyWindow, JobId, Reason, SourceName},
    ledger::{Failure, LeaseLost, Outcome},
    schedule::TooNarrow,
    sources::{SourceError, UNTIL_CONFIGURED},
    store::StoreError,
};

/// The rest of a long window waits its turn behind what is due already.
const NEXT_TURN: Duration = Duration::from_secs(1);

/// Why a run ended before its window was complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error("cannot read calls from the source")]
    Source(#[from] SourceError),
    #[error("cannot store calls")]
    Store(#[from] StoreError),
    #[error("job {0} is no longer held by this worker")]
    LeaseLost(JobId),
    #[error("cannot narrow the window any further")]
    TooNarrow(#[from] TooNarrow),
    #[error("the source does not advance: page after page begins at the same place")]
    Standstill,
    #[error("the job names no source")]
    Nameless,
    #[error("this worker has no settings for source `{0}`")]
    Unconfigured(SourceName),
    #[error("the parameters cannot be read")]
    Payload(#[source] serde_json::Error),
    #[error("the checkpoint cannot be written")]
    Checkpoint(#[source] serde_json::Error),
    #[error("no call can be asked for")]
    Nothing(#[from] EmptyWindow),
    #[error("the worker shuts down")]
    ShutDown,
    #[error("the window is long: the rest follows after other work had its turn")]
    Unfinished,
}

impl From<LeaseLost> for SyncError {
    fn from(lost: LeaseLost) -> Self {
        match lost {
            LeaseLost::Gone(job) => Self::LeaseLost(job),
            LeaseLost::Store(error) => Self::Store(error),
        }
    }
}

// a transaction that cannot begin or commit
impl From<diesel::result::Error> for SyncError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl SyncError {
    /// The answer to the ledger.
    pub(crate) fn answer(self) -> Outcome {
        match self {
            Self::Source(error) => error.while_listing(),
            Self::Store(_) => Outcome::Retry(Failure::new(Reason::DatabaseUnavailable, self)),
            // nothing we say is heard any more: the ledger refuses the answer of a worker that lost its lease
            Self::LeaseLost(_) => Outcome::Retry(Failure::new(Reason::LeaseLost, self)),
            Self::TooNarrow(_) => Outcome::Retry(Failure::new(Reason::VendorRejected, self)),
            Self::Standstill => Outcome::Retry(Failure::new(Reason::WrongShape, self)),
            Self::Nameless | Self::Payload(_) | Self::Nothing(_) => Outcome::Stop(Failure::new(Reason::PoisonPayload, self)),
            Self::Checkpoint(_) => Outcome::Stop(Failure::new(Reason::Unexpected, self)),
            // another worker may have them, and a person may add them here
            Self::Unconfigured(_) => Outcome::Later { wait: UNTIL_CONFIGURED, why: Failure::new(Reason::Forbidden, self) },
            Self::ShutDown => Outcome::Later { wait: Duration::ZERO, why: Failure::new(Reason::ShutDown, self) },
            Self::Unfinished => Outcome::Later { wait: NEXT_TURN, why: Failure::new(Reason::Unfinished, self) },
        }
    }
}

#[cfg(test)]
mod tests {
    use callscribe::ledger::VendorTrace;

    use super::*;

    fn word(outcome: &Outcome) -> (&'static str, Option<Reason>) {
        match outcome {
            Outcome::Done(_) => ("done", None),
            Outcome::Later { why, .. } => ("later", Some(why.reason)),
            Outcome::Retry(why) => ("retry", Some(why.reason)),
            Outcome::Stop(why) => ("stop", Some(why.reason)),
        }
    }

    #[test]
    fn waiting_for_people_and_limits_burns_no_attempt() {
        let (source_name, what, trace) = (SourceName::Webex, String::new(), VendorTrace::default());
        let limited = SourceError::RateLimited { source_name, wait: Duration::from_secs(7), own_budget: false, trace: Default::default() };
        let login = SourceError::LoginNeeded { source_name, what: what.clone(), trace: trace.clone() };
        let forbidden = SourceError::Forbidden { source_name, what: what.clone(), trace: trace.clone() };
        let shape = SourceError::WrongShape { source_name, what, trace };
        assert_eq!(word(&SyncError::Source(limited).answer()), ("later", Some(Reason::RateLimited)));
        assert_eq!(word(&SyncError::Source(login).answer()), ("later", Some(Reason::LoginNeeded)));
        assert_eq!(word(&SyncError::Source(forbidden).answer()), ("later", Some(Reason::Forbidden)));
        assert_eq!(word(&SyncError::Source(shape).answer()), ("retry", Some(Reason::WrongShape)));
    }

    #[test]
    fn the_vendors_words_are_in_the_chain() {
        let error = SourceError::Rejected {
            source_name: SourceName::Webex,
            what: "span is over 184 days".to_owned(),
            trace: VendorTrace { status: Some(400), request_id: Some("T-1".to_owned()) },
        };
        let Outcome::Stop(why) = SyncError::Source(error).answer() else { panic!("a rejected request stops") };
        assert!(why.chain().contains("span is over 184 days"), "{}", why.chain());
        assert_eq!(why.vendor.request_id.as_deref(), Some("T-1"));
    }
}
