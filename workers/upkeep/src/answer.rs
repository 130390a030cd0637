//! What every error means for the job.

use std::time::Duration;

use callscribe::{
    blob::BlobError,
    domain::Reason,
    ledger::{ByHandError, Failure, Outcome},
    schedule::TooNarrow,
    sources::{RunError, Trouble, UNTIL_CONFIGURED},
};

/// Until S3 is back.
const STORAGE_WAIT: Duration = Duration::from_mins(5);

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
    #[error("the bucket does not do what is asked")]
    Blob(#[from] BlobError),
    #[error("this worker has no settings for the bucket, and audio is to be deleted from it")]
    NoBucket,
    #[error("the call is on legal hold, or its recording is being worked on: the original stays")]
    Needed(Duration),
    #[error("the bucket still holds `{0}` after it was deleted")]
    StillThere(String),
}

impl Trouble for UpkeepTrouble {
    fn answer(self) -> Outcome {
        match self {
            Self::TooNarrow(_) => Outcome::Retry(Failure::new(Reason::VendorRejected, self)),
            Self::NoSummaryYet(wait) => Outcome::Later { wait, why: Failure::new(Reason::SummaryNotReady, self) },
            Self::Needed(wait) => Outcome::Later { wait, why: Failure::new(Reason::OriginalNeeded, self) },
            Self::Requeue(ByHandError::Store(_)) => Outcome::Retry(Failure::new(Reason::DatabaseUnavailable, self)),
            Self::Requeue(
                ByHandError::Refused { .. } | ByHandError::NoTrial(_) | ByHandError::NameTaken(_) | ByHandError::Unreadable { .. },
            ) => Outcome::Stop(Failure::new(Reason::Unexpected, self)),
            Self::Blob(BlobError::Corrupt { .. }) => Outcome::Retry(Failure::new(Reason::StorageCorrupt, self)),
            // what is half deleted is gone on with when S3 is back, or someone gave the right to list and delete
            Self::Blob(BlobError::Unavailable { .. } | BlobError::Refused { .. } | BlobError::NotFound { .. }) | Self::StillThere(_) => {
                Outcome::Later { wait: STORAGE_WAIT, why: Failure::new(Reason::StorageUnavailable, self) }
            }
            Self::NoBucket => Outcome::Later { wait: UNTIL_CONFIGURED, why: Failure::new(Reason::StorageUnavailable, self) },
        }
    }
}
