//! The handler: plans what to ask for, reads it page by page, stores each page, and answers.

use std::sync::Arc;

use async_trait::async_trait;
use callscribe::{
    clock::Clock,
    config::{EnrichSettings, RetentionSettings, SyncSettings},
    domain::{JobKind, SourceName},
    ledger::{Claimed, Handler, Outcome, RunContext},
    schedule::SyncPayload,
    sources::{CallPage, Piece, Source},
    store::{PooledConnection, StoreError, settings},
    telemetry::metrics,
};
use chrono::TimeDelta;
use tracing::{info, warn};

use crate::{answer::EnrichError, page, plan::Progress};

/// How long one run reads before other jobs get a turn; well under the kind's time-out.
const TURN: TimeDelta = TimeDelta::minutes(10);

/// When details are asked for, and what becomes of calls that only they tell.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// How far back the first run looks, and how much runs overlap.
    pub sync: SyncSettings,
    /// When a call is asked for again.
    pub enrich: EnrichSettings,
    /// Who will transcribe: `TRANSCRIPTION_PROVIDER`.
    pub provider: String,
    /// Attempts of the `recording` jobs it creates.
    pub recording_attempts: u16,
    /// What is kept no longer, and is not stored therefore.
    pub retention: RetentionSettings,
}

/// Handles jobs of kind `enrichment`.
pub struct EnrichHandler {
    sources: Vec<Arc<dyn Source>>,
    recipe: Recipe,
    clock: Arc<dyn Clock>,
}

/// One run of one job.
pub(crate) struct Run<'r> {
    pub(crate) job: &'r Claimed,
    pub(crate) source: &'r dyn Source,
    pub(crate) recipe: &'r Recipe,
    context: &'r RunContext,
    pub(crate) clock: &'r dyn Clock,
}

impl EnrichHandler {
    /// A handler for the sources that are configured.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn Source>>, recipe: Recipe, clock: Arc<dyn Clock>) -> Self {
        Self { sources, recipe, clock }
    }

    fn source(&self, name: Option<SourceName>) -> Result<&dyn Source, EnrichError> {
        let name = name.ok_or(EnrichError::Nameless)?;
        let known = self.sources.iter().find(|source| source.name() == name);
        known.map(AsRef::as_ref).ok_or(EnrichError::Unconfigured(name))
    }

    async fn enrich(&self, job: &Claimed, context: &RunContext) -> Result<(), EnrichError> {
        let payload = SyncPayload::from_json(&job.payload).map_err(EnrichError::Payload)?;
        let source = self.source(job.source)?;
        if !source.tells_details() {
            return Ok(());
        }
        let run = Run { job, source, recipe: &self.recipe, context, clock: self.clock.as_ref() };
        let progress = match run.resume() {
            Some(progress) => progress,
            None => run.plan(payload).await?,
        };
        run.read(progress).await
    }
}

#[async_trait]
impl Handler for EnrichHandler {
    fn kind(&self) -> JobKind {
        JobKind::Enrichment
    }

    async fn run(&self, job: &Claimed, context: &RunContext) -> Outcome {
        match self.enrich(job, context).await {
            Ok(()) => Outcome::done(),
            Err(error) => error.answer(),
        }
    }
}

impl Run<'_> {
    /// Goes on where an earlier run stopped. A checkpoint of another version that we cannot read costs reading everything again.
    fn resume(&self) -> Option<Progress> {
        let checkpoint = self.job.checkpoint.clone()?;
        serde_json::from_value(checkpoint)
            .inspect_err(|error| warn!(job.id = %self.job.id, error = %error, "cannot read the checkpoint, starting over"))
            .ok()
    }

    /// Works out what to ask for now, when the job runs, and keeps it: the next run of this job goes on with the same plan.
    async fn plan(&self, payload: SyncPayload) -> Result<Progress, EnrichError> {
        let now = self.clock.now();
        let progress = match payload {
            SyncPayload::Backfill(window) => Progress::past(window, now),
            SyncPayload::Live => {
                let key = settings::details_key(self.source.name(), self.source.org_id());
                let told = settings::get(&mut *self.connection().await?, &key).await?;
                let (sync, late) = (&self.recipe.sync, &self.recipe.enrich.late);
                Progress::live(told, sync.first_look_back, sync.overlap, late, now)
            }
        };
        page::save(self, &checkpoint(&progress)?, None).await?;
        Ok(progress)
    }

    /// Reads what is left, a page and a transaction at a time; requests are few, so nothing overlaps.
    async fn read(&self, mut progress: Progress) -> Result<(), EnrichError> {
        let turn_ends = self.clock.now() + TURN;
        while let Some(piece) = progress.left.front().copied() {
            if self.clock.now() >= turn_ends {
                return Err(EnrichError::Unfinished);
            }
            let mut page = self.ask(piece, &progress).await?;
            if page.next.is_some() && page.next == progress.cursor {
                return Err(EnrichError::Standstill);
            }
            progress.advance(page.next.take());
            let stored = page::store(self, &page, &checkpoint(&progress)?).await?;
            self.tell(piece, &page, &stored);
            // nobody listens when the process ends: the dispatcher finds the rows
            let _ = self.context.hints.send(stored.hints);
        }
        page::save(self, &checkpoint(&progress)?, progress.told).await
    }

    /// Asks for one page, holding no connection meanwhile, and gives up at once when the worker must stop.
    async fn ask(&self, piece: Piece, progress: &Progress) -> Result<CallPage, EnrichError> {
        tokio::select! {
            biased;
            () = self.context.stop.cancelled() => Err(EnrichError::ShutDown),
            page = self.source.details(piece.by, piece.window, progress.cursor.as_ref()) => Ok(page?),
        }
    }

    fn tell(&self, piece: Piece, page: &CallPage, stored: &page::Stored) {
        let (name, report) = (self.source.name(), &stored.report);
        metrics::calls_enriched(name, u64::try_from(page.calls.len()).unwrap_or(u64::MAX));
        info!(
            call.source = %name, window.from = %piece.window.from, window.to = %piece.window.to, calls.read = page.calls.len(),
            calls.new = report.inserted, calls.changed = report.updated, recordings.expected = report.expected.len(),
            "stored a page of details"
        );
        if stored.quarantined > 0 {
            metrics::payloads_quarantined(name, u64::try_from(stored.quarantined).unwrap_or(u64::MAX));
            warn!(call.source = %name, quarantined = stored.quarantined, "set aside what could not be read, see `quarantined_payloads`");
        }
        if let Some(at) = page.possible_gap {
            metrics::possible_gap(name);
            warn!(call.source = %name, gap.at = %at, "the vendor's search did not come to rest around one millisecond: some details may be missing");
        }
    }

    pub(crate) async fn connection(&self) -> Result<PooledConnection, StoreError> {
        self.context.store.connection().await
    }
}

fn checkpoint(progress: &Progress) -> Result<serde_json::Value, EnrichError> {
    serde_json::to_value(progress).map_err(EnrichError::Checkpoint)
}
