//! The handler: which task a job is, and who does it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use callscribe::{
    clock::Clock,
    config::SyncSettings,
    domain::{JobKind, SourceName},
    ledger::{Claimed, Effect, Handler, Outcome, RunContext},
    schedule::ChatTask,
    sources::ChatSource,
    store::{PooledConnection, StoreError},
};

use crate::{
    answer::{ChatError, answer},
    conversation, sync,
};

/// How conversations are asked for and waited for.
#[derive(Debug, Clone)]
pub struct ChatRecipe {
    /// How far back runs look.
    pub sync: SyncSettings,
    /// `RECORDING_POLL_SCHEDULE`: the waits before a file that is not there is asked for again.
    pub poll_schedule: Vec<Duration>,
}

/// Handles jobs of kind `chat`.
pub struct ChatHandler {
    sources: Vec<Arc<dyn ChatSource>>,
    recipe: ChatRecipe,
    clock: Arc<dyn Clock>,
}

/// One run of one job, as both tasks see it.
pub(crate) struct Run<'r> {
    pub(crate) job: &'r Claimed,
    pub(crate) context: &'r RunContext,
    pub(crate) source: &'r dyn ChatSource,
    pub(crate) recipe: &'r ChatRecipe,
    pub(crate) clock: &'r dyn Clock,
}

impl ChatHandler {
    /// A handler for the sources that are configured.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn ChatSource>>, recipe: ChatRecipe, clock: Arc<dyn Clock>) -> Self {
        Self { sources, recipe, clock }
    }

    async fn work(&self, job: &Claimed, context: &RunContext) -> Result<Effect, ChatError> {
        let name: SourceName = job.source.ok_or(ChatError::Nameless)?;
        let source = self.sources.iter().find(|source| source.name() == name).ok_or(ChatError::Unconfigured(name))?;
        let run = Run { job, context, source: source.as_ref(), recipe: &self.recipe, clock: self.clock.as_ref() };
        match ChatTask::from_json(&job.payload).map_err(ChatError::Payload)? {
            ChatTask::Sync { channels } => sync::run(&run, &channels).await.map(|()| Effect::none()),
            ChatTask::Conversation => conversation::run(&run).await,
        }
    }
}

#[async_trait]
impl Handler for ChatHandler {
    fn kind(&self) -> JobKind {
        JobKind::Chat
    }

    async fn run(&self, job: &Claimed, context: &RunContext) -> Outcome {
        match self.work(job, context).await {
            Ok(effect) => Outcome::Done(effect),
            Err(error) => answer(error, job, context, &self.recipe.poll_schedule).await,
        }
    }
}

impl Run<'_> {
    /// A connection to the database; none is held while a vendor is asked.
    pub(crate) async fn connection(&self) -> Result<PooledConnection, StoreError> {
        self.context.store.connection().await
    }
}
