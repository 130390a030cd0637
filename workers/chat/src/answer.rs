//! What every error means for the job.

use std::time::Duration;

use callscribe::{
    domain::{JobId, Reason, SourceName},
    ledger::{Claimed, Failure, LeaseLost, Outcome, RunContext, times_put_off_for},
    sources::{SourceError, UNTIL_CONFIGURED},
    store::StoreError,
};

/// The rest of a long window waits its turn behind what is due already.
const NEXT_TURN: Duration = Duration::from_secs(1);

/// Why a run ended before its task was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChatError {
    #[error("cannot ask the source for conversations")]
    Source(#[from] SourceError),
    #[error("cannot store conversations")]
    Store(#[from] StoreError),
    #[error("job {0} is no longer held by this worker")]
    LeaseLost(JobId),
    #[error("the source does not advance: page after page begins at the same place")]
    Standstill,
    #[error("the job names no source, or no conversation")]
    Nameless,
    #[error("this worker has no settings for source `{0}`")]
    Unconfigured(SourceName),
    #[error("the parameters cannot be read")]
    Payload(#[source] serde_json::Error),
    #[error("the checkpoint cannot be written")]
    Checkpoint(#[source] serde_json::Error),
    #[error("no transcript of the conversation is offered")]
    NothingYet,
    #[error("a transcript is listed that the vendor's store does not have")]
    Gone,
    #[error("the transcript is in no form that we know: {what}")]
    Unrecognised { what: String, may_pass: bool },
    #[error("the worker shuts down")]
    ShutDown,
    #[error("the window is long: the rest follows after other work had its turn")]
    Unfinished,
}

impl From<LeaseLost> for ChatError {
    fn from(lost: LeaseLost) -> Self {
        match lost {
            LeaseLost::Gone(job) => Self::LeaseLost(job),
            LeaseLost::Store(error) => Self::Store(error),
        }
    }
}

// a transaction that cannot begin or commit
impl From<diesel::result::Error> for ChatError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl ChatError {
    /// The answer to the ledger.
    pub(crate) async fn answer(self, job: &Claimed, context: &RunContext, schedule: &[Duration]) -> Outcome {
        match self {
            // the same as for calls: waiting for people and limits burns no attempt
            Self::Source(error) => error.while_listing(),
            Self::Store(_) => Outcome::Retry(Failure::new(Reason::DatabaseUnavailable, self)),
            // nothing we say is heard any more: the ledger refuses the answer of a worker that lost its lease
            Self::LeaseLost(_) => Outcome::Retry(Failure::new(Reason::LeaseLost, self)),
            Self::Standstill => Outcome::Retry(Failure::new(Reason::WrongShape, self)),
            Self::Nameless | Self::Payload(_) => Outcome::Stop(Failure::new(Reason::PoisonPayload, self)),
            Self::Checkpoint(_) => Outcome::Stop(Failure::new(Reason::Unexpected, self)),
            // another worker may have them, and a person may add them here
            Self::Unconfigured(_) => Outcome::Later { wait: UNTIL_CONFIGURED, why: Failure::new(Reason::Forbidden, self) },
            Self::NothingYet => self.on_schedule(job, context, schedule).await,
            // perhaps it is being moved
            Self::Gone => Outcome::Retry(Failure::new(Reason::NoTranscript, self)),
            Self::Unrecognised { may_pass: true, .. } => Outcome::Retry(Failure::new(Reason::UnrecognisedTranscriptFormat, self)),
            Self::Unrecognised { may_pass: false, .. } => Outcome::Stop(Failure::new(Reason::UnrecognisedTranscriptFormat, self)),
            Self::ShutDown => Outcome::Later { wait: Duration::ZERO, why: Failure::new(Reason::ShutDown, self) },
            Self::Unfinished => Outcome::Later { wait: NEXT_TURN, why: Failure::new(Reason::Unfinished, self) },
        }
    }

    /// Later, as often as the schedule says, then never.
    async fn on_schedule(self, job: &Claimed, context: &RunContext, schedule: &[Duration]) -> Outcome {
        let times = match context.store.connection().await {
            Ok(mut connection) => times_put_off_for(&mut connection, job.id, Reason::TranscriptNotReady).await,
            Err(error) => Err(error),
        };
        match times {
            Ok(times) => match usize::try_from(times).ok().and_then(|times| schedule.get(times)) {
                Some(wait) => Outcome::Later { wait: *wait, why: Failure::new(Reason::TranscriptNotReady, self) },
                None => Outcome::Stop(Failure::new(Reason::NoTranscript, self)),
            },
            Err(error) => Outcome::Retry(Failure::new(Reason::DatabaseUnavailable, Self::Store(error))),
        }
    }
}
