//! What every error means for the job.

use std::time::Duration;

use callscribe::{
    domain::Reason,
    ledger::{ByHandError, Failure, Outcome},
    schedule::TooNarrow,
    sources::{RunError, Trouble},
};

/// Why a run ended before its task was done.
pub(crate) type UpkeepError = RunError<UpkeepTrouble>;

/// What only upkeep runs into.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpkeepTrouble {
    #[error("cannot narrow the window any further")]
    TooNarrow(#[from] TooNarrow),
    #[error("the vendor has no summary of the call yet")]
    NoSummaryYet(Duration),
    #[error("what is missing cannot be requeued")]
    Requeue(#[from] ByHandError),
}

impl Trouble for UpkeepTrouble {
    fn answer(self) -> Outcome {
        match self {
            Self::TooNarrow(_) => Outcome::Retry(Failure::new(Reason::VendorRejected, self)),
            Self::NoSummaryYet(wait) => Outcome::Later { wait, why: Failure::new(Reason::SummaryNotReady, self) },
            Self::Requeue(ByHandError::Store(_)) => Outcome::Retry(Failure::new(Reason::DatabaseUnavailable, self)),
            Self::Requeue(ByHandError::Refused { .. } | ByHandError::NameTaken(_) | ByHandError::Unreadable { .. }) => {
                Outcome::Stop(Failure::new(Reason::Unexpected, self))
            }
        }
    }
}
