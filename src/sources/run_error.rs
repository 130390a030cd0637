//! Why a run that asks a source ended early, and what follows for its job: one table for every worker that reads from a vendor.

use std::{convert::Infallible, time::Duration};

use super::{SourceError, UNTIL_CONFIGURED};
use crate::{
    domain::{JobId, Reason, SourceName},
    ledger::{Failure, LeaseLost, Outcome},
    store::StoreError,
};

/// The rest of long work waits its turn behind what is due already.
const NEXT_TURN: Duration = Duration::from_secs(1);

/// What can go wrong in one worker alone.
pub trait Trouble: std::error::Error + Send + Sync + Sized + 'static {
    /// The answer to the ledger.
    fn answer(self) -> Outcome;
}

impl Trouble for Infallible {
    fn answer(self) -> Outcome {
        match self {}
    }
}

/// Why a run ended before its work was done.
#[derive(Debug, thiserror::Error)]
pub enum RunError<Own: Trouble> {
    /// The vendor did something else than answer.
    #[error("cannot read from the source")]
    Source(#[from] SourceError),
    /// PostgreSQL did not read or keep something.
    #[error("cannot read or keep what the source told")]
    Store(#[from] StoreError),
    /// The job is not ours any more.
    #[error("job {0} is no longer held by this worker")]
    LeaseLost(JobId),
    /// Going on would read the same page for ever.
    #[error("the source does not advance: page after page begins at the same place")]
    Standstill,
    /// The row lacks what this kind of job needs.
    #[error("the job names no source, or not what it is about")]
    Nameless,
    /// Another worker may have them.
    #[error("this worker has no settings for source `{0}`")]
    Unconfigured(SourceName),
    /// `jobs.payload` is of no form that this version knows.
    #[error("the parameters cannot be read")]
    Payload(#[source] serde_json::Error),
    /// How far the run came has no form as JSON.
    #[error("the checkpoint cannot be written")]
    Checkpoint(#[source] serde_json::Error),
    /// Told to stop.
    #[error("the worker shuts down")]
    ShutDown,
    /// It gives way to other work.
    #[error("the work is long: the rest follows after other work had its turn")]
    Unfinished,
    /// What this worker alone knows of.
    #[error(transparent)]
    Own(Own),
}

impl<Own: Trouble> From<LeaseLost> for RunError<Own> {
    fn from(lost: LeaseLost) -> Self {
        match lost {
            LeaseLost::Gone(job) => Self::LeaseLost(job),
            LeaseLost::Store(error) => Self::Store(error),
        }
    }
}

// a transaction that cannot begin or commit
impl<Own: Trouble> From<diesel::result::Error> for RunError<Own> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl<Own: Trouble> RunError<Own> {
    /// What this worker alone knows of, as the reason why the run ended.
    pub fn own(trouble: impl Into<Own>) -> Self {
        Self::Own(trouble.into())
    }

    /// The answer to the ledger.
    pub fn answer(self) -> Outcome {
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
            Self::Own(own) => own.answer(),
        }
    }
}
