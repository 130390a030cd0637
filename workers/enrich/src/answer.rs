//! What every error means for the job.

use std::time::Duration;

use callscribe::{
    domain::{JobId, Reason, SourceName},
    ledger::{Failure, LeaseLost, Outcome},
    sources::{SourceError, UNTIL_CONFIGURED},
    store::StoreError,
};

/// The rest of a long window waits its turn behind what is due already.
const NEXT_TURN: Duration = Duration::from_secs(1);

/// Why a run ended before everything was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrichError {
    #[error("cannot read details of calls from the source")]
    Source(#[from] SourceError),
    #[error("cannot store details of calls")]
    Store(#[from] StoreError),
    #[error("job {0} is no longer held by this worker")]
    LeaseLost(JobId),
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
    #[error("the worker shuts down")]
    ShutDown,
    #[error("the window is long: the rest follows after other work had its turn")]
    Unfinished,
}

impl From<LeaseLost> for EnrichError {
    fn from(lost: LeaseLost) -> Self {
        match lost {
            LeaseLost::Gone(job) => Self::LeaseLost(job),
            LeaseLost::Store(error) => Self::Store(error),
        }
    }
}

// a transaction that cannot begin or commit
impl From<diesel::result::Error> for EnrichError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl EnrichError {
    /// The answer to the ledger.
    pub(crate) fn answer(self) -> Outcome {
        match self {
            Self::Source(error) => error.while_listing(),
            Self::Store(_) => Outcome::Retry(Failure::new(Reason::DatabaseUnavailable, self)),
            // nothing we say is heard any more: the ledger refuses the answer of a worker that lost its lease
            Self::LeaseLost(_) => Outcome::Retry(Failure::new(Reason::LeaseLost, self)),
            Self::Standstill => Outcome::Retry(Failure::new(Reason::WrongShape, self)),
            Self::Nameless | Self::Payload(_) => Outcome::Stop(Failure::new(Reason::PoisonPayload, self)),
            Self::Checkpoint(_) => Outcome::Stop(Failure::new(Reason::Unexpected, self)),
            // another worker may have them, and a person may add them here
            Self::Unconfigured(_) => Outcome::Later { wait: UNTIL_CONFIGURED, why: Failure::new(Reason::Forbidden, self) },
            Self::ShutDown => Outcome::Later { wait: Duration::ZERO, why: Failure::new(Reason::ShutDown, self) },
            Self::Unfinished => Outcome::Later { wait: NEXT_TURN, why: Failure::new(Reason::Unfinished, self) },
        }
    }
}
