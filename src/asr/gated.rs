//! A transcriber behind the gate that all machines share: no more at once, or within a minute, than it bears, and none while it is down.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Answer, Audio, Manner, Takes, TranscribeError, Transcriber};
use crate::{
    ledger::VendorTrace,
    outbound::{Budget, Ending, Exhausted, Gate, Shut, Why},
};

/// A job waits this long for its place, and as long for its turn, before it makes way: long enough that jobs in vain come seldom, short
/// enough for any drain.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A transcriber, the gate before it, and what may be asked of it in a minute.
pub struct Gated {
    inner: Arc<dyn Transcriber>,
    gate: Gate,
    budget: Option<Budget>,
}

impl Gated {
    /// Puts `inner` behind `gate` and, where its requests per minute are limited, a budget.
    #[must_use]
    pub fn new(inner: Arc<dyn Transcriber>, gate: Gate, budget: Option<Budget>) -> Self {
        Self { inner, gate, budget }
    }

    /// Asks through the gate.
    async fn through(&self, request: impl Future<Output = Result<Answer, TranscribeError>> + Send) -> Result<Answer, TranscribeError> {
        let in_turn = async {
            if let Some(budget) = &self.budget {
                budget.acquire(LONGEST_WAIT).await.map_err(spent)?;
            }
            request.await
        };
        let (answer, down_for) = self.gate.run(LONGEST_WAIT, in_turn, ending).await.map_err(|shut| kept_out(&shut))?;
        match (answer, down_for) {
            // it failed because the provider is down, not because of this recording
            (Err(TranscribeError::Unavailable { what, trace } | TranscribeError::Down { what, trace, .. }), Some(wait)) => {
                Err(TranscribeError::Down { wait, what, trace })
            }
            (answer, _) => answer,
        }
    }
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated").field("provider", &self.inner.name()).field("gate", &self.gate).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transcriber for Gated {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn model(&self) -> &str {
        self.inner.model()
    }

    fn asked_for(&self, model: Option<&str>, language: Option<&str>) -> Arc<dyn Transcriber> {
        let inner = self.inner.asked_for(model, language);
        Arc::new(Self { inner, gate: self.gate.clone(), budget: self.budget.clone() })
    }

    fn language(&self) -> Option<&str> {
        self.inner.language()
    }

    fn takes(&self) -> Takes {
        self.inner.takes()
    }

    async fn transcribe(&self, audio: &dyn Audio, manner: Manner) -> Result<Answer, TranscribeError> {
        self.through(self.inner.transcribe(audio, manner)).await
    }

    async fn collect(&self, audio: &dyn Audio, job: &str) -> Result<Answer, TranscribeError> {
        self.through(self.inner.collect(audio, job)).await
    }

    async fn release(&self, audio: &str, job: &str) -> Result<(), TranscribeError> {
        self.inner.release(audio, job).await
    }
}

/// What an answer tells of the provider. A recording that it refuses by name is an answer like any other; one that it fails at may be
/// the recording's doing or its own.
fn ending(answer: &Result<Answer, TranscribeError>) -> Ending {
    match answer {
        Ok(Answer::Made(made)) if made.exhausted_for.is_some() => Ending::Exhausted(made.exhausted_for.unwrap_or_default()),
        Ok(_)
        | Err(
            TranscribeError::Misconfigured { .. }
            | TranscribeError::Rejected { .. }
            | TranscribeError::TooShort { .. }
            | TranscribeError::Unreadable { .. },
        ) => Ending::Answered,
        Err(TranscribeError::RateLimited { wait, .. }) => Ending::SlowDown(*wait),
        Err(TranscribeError::Unavailable { .. }) => Ending::Failed,
        Err(TranscribeError::Down { .. }) => Ending::Unreachable,
        Err(TranscribeError::NoTurn { .. } | TranscribeError::Audio(_)) => Ending::Unknown,
    }
}

fn kept_out(shut: &Shut) -> TranscribeError {
    let (wait, what, trace) = (shut.wait, shut.to_string(), VendorTrace::default());
    match shut.why {
        Why::CircuitOpen => TranscribeError::Down { wait, what, trace },
        Why::Blocked => TranscribeError::RateLimited { wait, trace },
        Why::Full => TranscribeError::NoTurn { wait, what },
    }
}

fn spent(exhausted: Exhausted) -> TranscribeError {
    TranscribeError::NoTurn { wait: exhausted.wait, what: exhausted.to_string() }
}
