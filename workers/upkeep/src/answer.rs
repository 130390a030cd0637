//! What every error means for the job.

use std::time::Duration;

use callscribe::{
    domain::{JobId, Reason, SourceName},
    ledger::{ByHandError, Failure, LeaseLost, Outcome},
    schedule::TooNarrow,
    sources::{SourceError, UNTIL_CONFIGURED},
    store::StoreError,
};

/// The rest of a long task waits its turn behind what is due already.
const NEXT_TURN: Duration = Duration::from_secs(1);

/// Why a run ended before its task was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpkeepError {
    #[error("cannot ask the source")]
    Source(#[from] SourceError),
    #[error("cannot read or keep what was found")]
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
    #[error("the vendor has no summary of the call yet")]
    NoSummaryYet(Duration),
    #[error("what is missing cannot be requeued")]
    Requeue(#[source] ByHandError),
    #[error("the worker shuts down")]
    ShutDown,
    #[error("the task is long: the rest follows after other work had its turn")]
    Unfinished,
}

impl From<LeaseLost> for UpkeepError {
    fn from(lost: LeaseLost) -> Self {
        match lost {
            LeaseLost::Gone(job) => Self::LeaseLost(job),
            LeaseLost::Store(error) => Self::Store(error),
        }
    }
}

// a transaction that cannot begin or commit
impl From<diesel::result::Error> for UpkeepError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl UpkeepError {
    /// The answer to the ledger.
    pub(crate) fn answer(self) -> Outcome {
        match self {
            Self::Source(error) => error.while_listing(),
            Self::Store(_) => Outcome::Retry(Failure::new(Reason::DatabaseUnavailable, self)),
            // nothing we say is heard any more: the ledger refuses the answer of a worker that lost its lease
            Self::LeaseLost(_) => Outcome::Retry(Failure::new(Reason::LeaseLost, self)),
            Self::TooNarrow(_) => Outcome::Retry(Failure::new(Reason::VendorRejected, self)),
            Self::Standstill => Outcome::Retry(Failure::new(Reason::WrongShape, self)),
            Self::Nameless | Self::Payload(_) => Outcome::Stop(Failure::new(Reason::PoisonPayload, self)),
            Self::Requeue(ByHandError::Store(_)) => Outcome::Retry(Failure::new(Reason::DatabaseUnavailable, self)),
            Self::Requeue(ByHandError::Refused { .. } | ByHandError::NameTaken(_) | ByHandError::Unreadable { .. }) => {
                Outcome::Stop(Failure::new(Reason::Unexpected, self))
            }
            Self::Checkpoint(_) => Outcome::Stop(Failure::new(Reason::Unexpected, self)),
            // another worker may have them, and a person may add them here
            Self::Unconfigured(_) => Outcome::Later { wait: UNTIL_CONFIGURED, why: Failure::new(Reason::Forbidden, self) },
            Self::NoSummaryYet(wait) => Outcome::Later { wait, why: Failure::new(Reason::SummaryNotReady, self) },
            Self::ShutDown => Outcome::Later { wait: Duration::ZERO, why: Failure::new(Reason::ShutDown, self) },
            Self::Unfinished => Outcome::Later { wait: NEXT_TURN, why: Failure::new(Reason::Unfinished, self) },
        }
    }
}
