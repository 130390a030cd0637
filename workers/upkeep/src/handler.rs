//! The handler: which task a job is, and who does it.

use std::sync::Arc;

use async_trait::async_trait;
use callscribe::{
    blob::Blob,
    clock::Clock,
    config::{ReconcileSettings, RetentionSettings, SyncSettings},
    domain::{JobKind, SourceName},
    ledger::{Claimed, Handler, Outcome, RunContext},
    schedule::UpkeepTask,
    sources::Source,
    store::{PooledConnection, StoreError},
};

use crate::{answer::UpkeepError, discard, reconcile, retention, subscriptions, summary};

/// How this house is kept.
#[derive(Debug, Clone)]
pub struct House {
    /// How calls are synced: what a sync should have brought by now follows from it.
    pub sync: SyncSettings,
    /// What is compared every night.
    pub reconcile: ReconcileSettings,
    /// Who transcribes: `TRANSCRIPTION_PROVIDER`.
    pub provider: String,
    /// Attempts of the `recording` jobs it creates.
    pub recording_attempts: u16,
    /// How long audio is kept.
    pub retention: RetentionSettings,
}

/// Handles jobs of kind `upkeep`.
pub struct UpkeepHandler {
    sources: Vec<Arc<dyn Source>>,
    house: House,
    blob: Option<Blob>,
    clock: Arc<dyn Clock>,
}

/// One run of one job, as every task sees it.
pub(crate) struct Run<'r> {
    pub(crate) job: &'r Claimed,
    pub(crate) context: &'r RunContext,
    pub(crate) clock: &'r dyn Clock,
    pub(crate) house: &'r House,
    pub(crate) blob: Option<&'r Blob>,
    sources: &'r [Arc<dyn Source>],
}

impl UpkeepHandler {
    /// A handler for the sources that are configured.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn Source>>, house: House, clock: Arc<dyn Clock>) -> Self {
        Self { sources, house, blob: None, clock }
    }

    /// Lets it delete from a bucket what is kept no longer.
    #[must_use]
    pub fn keeping(mut self, blob: Option<Blob>) -> Self {
        self.blob = blob;
        self
    }

    async fn upkeep(&self, job: &Claimed, context: &RunContext) -> Result<(), UpkeepError> {
        let run = Run { job, context, clock: self.clock.as_ref(), house: &self.house, blob: self.blob.as_ref(), sources: &self.sources };
        match UpkeepTask::from_json(&job.payload).map_err(UpkeepError::Payload)? {
            UpkeepTask::Reconcile(task) => reconcile::run(&run, &task).await,
            UpkeepTask::Summarise => summary::run(&run).await,
            UpkeepTask::Subscriptions => subscriptions::run(&run).await,
            UpkeepTask::Retention => retention::run(&run).await,
            UpkeepTask::Discard(discard) => discard::run(&run, &discard).await,
        }
    }
}

#[async_trait]
impl Handler for UpkeepHandler {
    fn kind(&self) -> JobKind {
        JobKind::Upkeep
    }

    async fn run(&self, job: &Claimed, context: &RunContext) -> Outcome {
        match self.upkeep(job, context).await {
            Ok(()) => Outcome::done(),
            Err(error) => error.answer(),
        }
    }
}

impl<'r> Run<'r> {
    /// The source that the job names.
    pub(crate) fn source(&self) -> Result<&'r dyn Source, UpkeepError> {
        let name: SourceName = self.job.source.ok_or(UpkeepError::Nameless)?;
        let known = self.sources.iter().find(|source| source.name() == name);
        known.map(AsRef::as_ref).ok_or(UpkeepError::Unconfigured(name))
    }

    /// A connection to the database; none is held while a vendor is asked.
    pub(crate) async fn connection(&self) -> Result<PooledConnection, StoreError> {
        self.context.store.connection().await
    }
}
