//! The handler: plans a window, reads it page by page, stores each page, and answers.

use std::sync::Arc;

use async_trait::async_trait;
use callscribe::{
    clock::Clock,
    config::SyncSettings,
    domain::{JobKind, SourceName, Window},
    ledger::{self, Claimed, Handler, Outcome, RunContext},
    schedule::{Piece, Progress, Purpose, SyncPayload},
    sources::{CallPage, PageCursor, Source, SourceError},
    store::{StoreError, calls, settings},
    telemetry::metrics,
};
use chrono::{DateTime, TimeDelta, Utc};
use tracing::{info, warn};

use crate::{answer::SyncError, page, window};

/// How long one run reads before other jobs get a turn. Well under the kind's time-out of half an hour, which would count as a
/// failure; the checkpoint is where the next run goes on.
const TURN: TimeDelta = TimeDelta::minutes(10);
/// A call that is open for longer was forgotten by the vendor; nobody talks for a day.
const OPEN_FOR_AT_MOST: TimeDelta = TimeDelta::hours(24);
/// Open calls looked at per run; a contact centre with more of them at once is ten times the largest we know.
const MOST_OPEN_CALLS: u16 = 10_000;

/// What becomes of the calls that sync finds.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Which windows are asked for.
    pub settings: SyncSettings,
    /// Who will transcribe: `TRANSCRIPTION_PROVIDER`.
    pub provider: String,
    /// Attempts of the `recording` jobs it creates.
    pub recording_attempts: u16,
}

/// Handles jobs of kind `sync`.
pub struct SyncHandler {
    sources: Vec<Arc<dyn Source>>,
    recipe: Recipe,
    clock: Arc<dyn Clock>,
}

/// One run of one job.
pub(crate) struct Run<'r> {
    pub(crate) job: &'r Claimed,
    pub(crate) context: &'r RunContext,
    pub(crate) source: &'r dyn Source,
    pub(crate) recipe: &'r Recipe,
    clock: &'r dyn Clock,
    live: bool,
}

/// What came of asking for the next page.
enum Next {
    /// A page, its calls written.
    Page(Box<page::Opened>),
    /// The window was too wide and is narrower now.
    Narrowed,
    /// Nothing is left.
    Nothing,
}

impl SyncHandler {
    /// A handler for the sources that are configured.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn Source>>, recipe: Recipe, clock: Arc<dyn Clock>) -> Self {
        Self { sources, recipe, clock }
    }

    fn source(&self, name: Option<SourceName>) -> Result<&dyn Source, SyncError> {
        let name = name.ok_or(SyncError::Nameless)?;
        let known = self.sources.iter().find(|source| source.name() == name);
        known.map(AsRef::as_ref).ok_or(SyncError::Unconfigured(name))
    }

    async fn sync(&self, job: &Claimed, context: &RunContext) -> Result<(), SyncError> {
        let payload = SyncPayload::from_json(&job.payload).map_err(SyncError::Payload)?;
        let source = self.source(job.source)?;
        let live = match payload {
            SyncPayload::Live => true,
            SyncPayload::Backfill(_) => false,
        };
        let run = Run { job, context, source, recipe: &self.recipe, clock: self.clock.as_ref(), live };
        let mut progress = match run.resume() {
            Some(progress) => progress,
            None => run.plan(payload).await?,
        };
        run.read(&mut progress).await
    }
}

#[async_trait]
impl Handler for SyncHandler {
    fn kind(&self) -> JobKind {
        JobKind::Sync
    }

    async fn run(&self, job: &Claimed, context: &RunContext) -> Outcome {
        match self.sync(job, context).await {
            Ok(()) => Outcome::done(),
            Err(error) => error.answer(),
        }
    }
}

impl Run<'_> {
    /// Goes on where an earlier run stopped. A checkpoint of another version that we cannot read costs reading the window again.
    fn resume(&self) -> Option<Progress> {
        let checkpoint = self.job.checkpoint.clone()?;
        serde_json::from_value(checkpoint)
            .inspect_err(|error| warn!(job.id = %self.job.id, error = %error, "cannot read the checkpoint, starting over"))
            .ok()
    }

    /// Works out the window now, when the job runs, and keeps it: the next run of this job goes on with the same one.
    async fn plan(&self, payload: SyncPayload) -> Result<Progress, SyncError> {
        let (name, org, now) = (self.source.name(), self.source.org_id(), self.clock.now());
        let mut connection = self.connection().await?;
        let settings = &self.recipe.settings;
        let (reach, first) = match payload {
            SyncPayload::Backfill(asked) => (window::backfill(asked, now)?, None),
            SyncPayload::Live => {
                let watermark = settings::watermark(&mut connection, name, org).await?;
                let reach = window::live(settings, watermark, now)?;
                // the first watermark is where the first run begins, so that the next goes on from there even if no call came
                (reach, watermark.is_none().then_some(reach.window.from))
            }
        };
        if reach.cut {
            warn!(call.source = %name, window.from = %reach.window.from, "the vendor no longer tells calls before this: they will be missing");
        }
        let progress = Progress::begin(reach.window, window::span(settings.window_max), self.live);
        page::begin(&mut connection, self, &checkpoint(&progress)?, first).await?;
        Ok(progress)
    }

    /// Reads what is left. While one page is committed, the next is already asked for and its calls are written: the vendor's
    /// time and PostgreSQL's overlap. Pages are committed one by one and in order, each with its checkpoint.
    async fn read(&self, progress: &mut Progress) -> Result<(), SyncError> {
        let turn_ends = self.clock.now() + TURN;
        let mut opened = None;
        loop {
            let (committed, next) = tokio::join!(self.commit(opened.take()), self.open_next(progress, turn_ends));
            committed?;
            match next? {
                Next::Page(page) => opened = Some(*page),
                Next::Narrowed => self.save(progress).await?,
                Next::Nothing if progress.open_calls_added => return Ok(()),
                Next::Nothing => self.add_open_calls(progress).await?,
            }
        }
    }

    /// Asks for the next page and writes its calls, without a commit.
    async fn open_next(&self, progress: &mut Progress, turn_ends: DateTime<Utc>) -> Result<Next, SyncError> {
        let Some((piece, cursor)) = progress.next() else { return Ok(Next::Nothing) };
        if self.clock.now() >= turn_ends {
            return Err(SyncError::Unfinished);
        }
        let mut page = match self.ask(piece, cursor.as_ref()).await {
            Err(SyncError::Source(SourceError::TooWide { .. })) => {
                progress.halve()?;
                info!(call.source = %self.source.name(), window.from = %piece.window.from, "the window is too wide, asking for half of it");
                return Ok(Next::Narrowed);
            }
            answer => answer?,
        };
        if page.next.is_some() && page.next == cursor {
            return Err(SyncError::Standstill);
        }
        progress.advance(page.next.take(), window::span(self.recipe.settings.window_max));
        let after = page::After { checkpoint: checkpoint(progress)?, watermark: self.watermark_after(piece, &page) };
        Ok(Next::Page(Box::new(page::open(self.connection().await?, piece, page, after).await?)))
    }

    /// Asks for one page, holding no connection meanwhile, and gives up at once when the worker must stop.
    async fn ask(&self, piece: Piece, cursor: Option<&PageCursor>) -> Result<CallPage, SyncError> {
        tokio::select! {
            biased;
            () = self.context.stop.cancelled() => Err(SyncError::ShutDown),
            page = self.source.calls(piece.window, cursor) => Ok(page?),
        }
    }

    async fn commit(&self, opened: Option<page::Opened>) -> Result<(), SyncError> {
        let Some(opened) = opened else { return Ok(()) };
        let (piece, page, stored) = page::commit(self, opened).await?;
        self.tell(&piece, &page, &stored);
        // nobody listens when the process ends: the dispatcher finds the rows
        let _ = self.context.hints.send(stored.hints);
        Ok(())
    }

    fn watermark_after(&self, piece: Piece, page: &CallPage) -> Option<DateTime<Utc>> {
        match piece.purpose {
            Purpose::News if self.live => page::newest(&page.calls, piece.window),
            Purpose::News | Purpose::OpenCalls => None,
        }
    }

    fn tell(&self, piece: &Piece, page: &CallPage, stored: &page::Stored) {
        let (name, Window { from, to }) = (self.source.name(), piece.window);
        let report = &stored.report;
        metrics::calls_synced(name, u64::try_from(page.calls.len()).unwrap_or(u64::MAX));
        info!(
            call.source = %name, window.from = %from, window.to = %to, calls.read = page.calls.len(), calls.new = report.inserted,
            calls.changed = report.updated, recordings.expected = report.expected.len(), "stored a page of calls"
        );
        if stored.quarantined > 0 {
            metrics::payloads_quarantined(name, u64::try_from(stored.quarantined).unwrap_or(u64::MAX));
            warn!(call.source = %name, quarantined = stored.quarantined, "set aside what could not be read, see `quarantined_payloads`");
        }
        if let Some(at) = page.possible_gap {
            metrics::possible_gap(name);
            warn!(call.source = %name, gap.at = %at, "more calls began in one millisecond than the vendor gives at once: some may be missing");
        }
    }

    /// Adds the calls that began before this run's window and were open when last seen.
    async fn add_open_calls(&self, progress: &mut Progress) -> Result<(), SyncError> {
        let since = self.clock.now() - OPEN_FOR_AT_MOST;
        let mut connection = self.connection().await?;
        let starts = calls::open_since(&mut connection, self.source.name(), since, progress.from, MOST_OPEN_CALLS).await?;
        drop(connection);
        progress.add_open_calls(window::around(&starts));
        self.save(progress).await
    }

    async fn save(&self, progress: &Progress) -> Result<(), SyncError> {
        let mut connection = self.connection().await?;
        Ok(ledger::save_checkpoint(&mut connection, self.job, &checkpoint(progress)?).await?)
    }

    async fn connection(&self) -> Result<callscribe::store::PooledConnection, StoreError> {
        self.context.store.connection().await
    }
}

fn checkpoint(progress: &Progress) -> Result<serde_json::Value, SyncError> {
    serde_json::to_value(progress).map_err(SyncError::Checkpoint)
}
