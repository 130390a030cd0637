//! The four answers a job may give, and the change to the domain that is committed with an answer.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    domain::Reason,
    ledger::Hint,
    store::{Connection, StoreError},
};

type Change = Arc<dyn for<'c> Fn(&'c mut Connection) -> BoxFuture<'c, Result<Vec<Hint>, StoreError>> + Send + Sync>;

/// What to write in the very transaction that finishes the job; it is not written when the lease was lost.
/// Returns the hints of the jobs it enqueued.
pub struct Effect(Option<Change>);

impl Effect {
    /// Nothing to write: such jobs finish in batches.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Runs `change` on the finishing transaction; again, from the start, when PostgreSQL went away before the commit.
    pub fn new<F>(change: F) -> Self
    where
        F: for<'c> Fn(&'c mut Connection) -> BoxFuture<'c, Result<Vec<Hint>, StoreError>> + Send + Sync + 'static,
    {
        Self(Some(Arc::new(change)))
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Writes it on the caller's transaction.
    pub async fn apply(&self, connection: &mut Connection) -> Result<Vec<Hint>, StoreError> {
        match &self.0 {
            Some(change) => change(connection).await,
            None => Ok(Vec::new()),
        }
    }
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Effect(..)" } else { "Effect(none)" })
    }
}

/// What the vendor or provider answered when it went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VendorTrace {
    /// HTTP status.
    pub status: Option<u16>,
    /// Its id of the request: Webex `TrackingId`, OpenAI `x-request-id`.
    pub request_id: Option<String>,
}

/// Why a run failed.
#[derive(Debug)]
pub struct Failure {
    /// One word for filters and figures.
    pub reason: Reason,
    /// The error with its whole chain, for people.
    pub error: anyhow::Error,
    /// What the vendor said, if one was asked.
    pub vendor: VendorTrace,
}

impl Failure {
    /// A failure that no vendor had a part in.
    pub fn new(reason: Reason, error: impl Into<anyhow::Error>) -> Self {
        Self { reason, error: error.into(), vendor: VendorTrace::default() }
    }

    /// The same failure with what the vendor answered.
    #[must_use]
    pub fn with_vendor(mut self, vendor: VendorTrace) -> Self {
        self.vendor = vendor;
        self
    }

    /// `what failed: why: why that`.
    #[must_use]
    pub fn chain(&self) -> String {
        format!("{:#}", self.error)
    }
}

/// How a run ended. There is no `From` into it: every error gets a decision.
#[derive(Debug)]
pub enum Outcome {
    /// Done; the effect is committed with it.
    Done(Effect),
    /// Not now; costs no attempt.
    Later {
        /// How long to wait.
        wait: Duration,
        /// Why.
        why: Failure,
    },
    /// Failed; try again with back-off until the attempts are used up.
    Retry(Failure),
    /// Failed for good; dead until someone requeues it.
    Stop(Failure),
}

impl Outcome {
    /// Done, with nothing to write.
    #[must_use]
    pub const fn done() -> Self {
        Self::Done(Effect::none())
    }
}
