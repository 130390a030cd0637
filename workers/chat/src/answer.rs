//! What every error means for the job.

use std::time::Duration;

use callscribe::{
    domain::Reason,
    ledger::{Claimed, Failure, Outcome, RunContext, times_put_off_for},
    sources::{RunError, Trouble},
};

/// Why a run ended before its task was done.
pub(crate) type ChatError = RunError<ChatTrouble>;

/// What only conversations run into.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChatTrouble {
    #[error("no transcript of the conversation is offered")]
    NothingYet,
    #[error("a transcript is listed that the vendor's store does not have")]
    Gone,
    #[error("the transcript is in no form that we know: {what}")]
    Unrecognised { what: String, may_pass: bool },
}

impl Trouble for ChatTrouble {
    fn answer(self) -> Outcome {
        match self {
            Self::NothingYet => Outcome::Stop(Failure::new(Reason::NoTranscript, self)),
            // perhaps it is being moved
            Self::Gone => Outcome::Retry(Failure::new(Reason::NoTranscript, self)),
            Self::Unrecognised { may_pass: true, .. } => Outcome::Retry(Failure::new(Reason::UnrecognisedTranscriptFormat, self)),
            Self::Unrecognised { may_pass: false, .. } => Outcome::Stop(Failure::new(Reason::UnrecognisedTranscriptFormat, self)),
        }
    }
}

/// The answer to the ledger: what is not there yet is asked for again as often as the schedule says, and then never.
pub(crate) async fn answer(error: ChatError, job: &Claimed, context: &RunContext, schedule: &[Duration]) -> Outcome {
    let ChatError::Own(ChatTrouble::NothingYet) = error else { return error.answer() };
    let times = match context.store.connection().await {
        Ok(mut connection) => times_put_off_for(&mut connection, job.id, Reason::TranscriptNotReady).await,
        Err(error) => Err(error),
    };
    match times {
        Ok(times) => match usize::try_from(times).ok().and_then(|times| schedule.get(times)) {
            Some(wait) => Outcome::Later { wait: *wait, why: Failure::new(Reason::TranscriptNotReady, error) },
            None => error.answer(),
        },
        Err(error) => ChatError::Store(error).answer(),
    }
}
