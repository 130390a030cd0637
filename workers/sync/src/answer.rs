//! What every error means for the job.

use callscribe::{
    domain::{EmptyWindow, Reason},
    ledger::{Failure, Outcome},
    schedule::TooNarrow,
    sources::{RunError, Trouble},
};

/// Why a run ended before its window was complete.
pub(crate) type SyncError = RunError<SyncTrouble>;

/// What only a sync runs into.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncTrouble {
    #[error("cannot narrow the window any further")]
    TooNarrow(#[from] TooNarrow),
    #[error("no call can be asked for")]
    Nothing(#[from] EmptyWindow),
}

impl Trouble for SyncTrouble {
    fn answer(self) -> Outcome {
        match self {
            Self::TooNarrow(_) => Outcome::Retry(Failure::new(Reason::VendorRejected, self)),
            Self::Nothing(_) => Outcome::Stop(Failure::new(Reason::PoisonPayload, self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use callscribe::{domain::SourceName, ledger::VendorTrace, sources::SourceError};

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
