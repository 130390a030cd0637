//! The handler: plans a window, reads it page by page, stores each page, and answers.

use std::sync::Arc;

use async_trait::async_trait;
use callscribe::{
    clock::Clock,
    config::{RetentionSettings, SyncSettings},
    domain::{JobKind, SourceName, Window},
    ledger::{self, Claimed, Handler, Outcome, RunContext},
    schedule::{Piece, Progress, Purpose, SyncPayload},
    sources::{CallPage, PageCursor, Source, SourceError},
    store::{StoreError, calls, settings},
    telemetry::metrics,
};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::{info, warn};

use crate::{answer::SyncError, page, window};

/// How long one run reads before other jobs get a turn. Well under the kind's time-out of half an hour, which would count as a
/// failure; the checkpoint is where the next run goes on.
const TURN: TimeDelta = TimeDelta::minutes(10);
/// The same for calls of the past: a run that just became due must not wait long for the slot that a backfill holds.
const TURN_OF_BACKFILL: TimeDelta = TimeDelta::minutes(1);
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
    /// What is kept no longer, and is not stored therefore.
    pub retention: RetentionSettings,
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
    pub(crate) clock: &'r dyn Clock,
    live: bool,
}

/// Pages of one run that are in the database without a commit: one whose calls are written, one with its transcripts and jobs, one
/// whose commit waits for the disk. Each has a connection. With one page at a time PostgreSQL had half of its cores idle.
const PAGES_IN_FLIGHT: u16 = 3;

/// The places of the pages in flight.
struct Places(Arc<Semaphore>);

impl Places {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(usize::from(PAGES_IN_FLIGHT))))
    }

    /// Waits for a place.
    async fn one(&self) -> Result<OwnedSemaphorePermit, SyncError> {
        Arc::clone(&self.0).acquire_owned().await.map_err(|_| SyncError::ShutDown)
    }

    /// Waits until no page is in flight; none begins while the answer is held.
    async fn all(&self) -> Result<OwnedSemaphorePermit, SyncError> {
        Arc::clone(&self.0).acquire_many_owned(u32::from(PAGES_IN_FLIGHT)).await.map_err(|_| SyncError::ShutDown)
    }
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
        let (reach, since) = match payload {
            SyncPayload::Backfill(asked) => (window::backfill(asked, now).map_err(SyncError::own)?, None),
            SyncPayload::Live => {
                let watermark = settings::watermark(&mut connection, name, org).await?;
                let reach = window::live(settings, watermark, now).map_err(SyncError::own)?;
                // the first watermark is where the first run begins, so that the next goes on from there even if no call came; one
                // that is there lies later and stays
                (reach, Some(reach.window.from))
            }
        };
        if reach.cut {
            warn!(call.source = %name, window.from = %reach.window.from, "the vendor no longer tells calls before this: they will be missing");
        }
        let progress = Progress::begin(reach.window, window::span(settings.window_max), self.live);
        let past = (!self.live).then_some(reach.window);
        page::begin(&mut connection, self, &checkpoint(&progress)?, since, past).await?;
        Ok(progress)
    }

    /// Reads what is left. While one page is committed, what follows from the next is added, and the one after is asked for and its
    /// calls are written. Pages are committed one by one and in order, each with its checkpoint: a run that ends half way loses
    /// nothing but the pages in flight, which its next run reads again.
    async fn read(&self, progress: &mut Progress) -> Result<(), SyncError> {
        let (written, follow) = mpsc::channel(1);
        let (followed, commit) = mpsc::channel(1);
        // an end of the reading, good or bad, lets the pages before it through; an end of the writing ends all
        let reading = async { Ok(self.write_pages(progress, written).await) };
        let (ended, (), ()) = tokio::try_join!(reading, self.follow_pages(follow, followed), self.commit_pages(commit))?;
        ended
    }

    /// Asks for page after page and writes their calls.
    async fn write_pages(&self, progress: &mut Progress, written: mpsc::Sender<page::Written>) -> Result<(), SyncError> {
        let (turn, places) = (if self.live { TURN } else { TURN_OF_BACKFILL }, Places::new());
        let turn_ends = self.clock.now() + turn;
        loop {
            let Some((piece, cursor)) = progress.next() else {
                if progress.open_calls_added {
                    return Ok(());
                }
                // a page in flight may tell the end of a call that the database has as open
                let _quiet = places.all().await?;
                self.add_open_calls(progress).await?;
                continue;
            };
            if self.clock.now() >= turn_ends {
                return Err(SyncError::Unfinished);
            }
            let told = match self.ask(piece, cursor.as_ref()).await {
                // a vendor that is down for everyone may all the same fail at this window alone
                Err(SyncError::Source(error @ (SourceError::Unavailable { .. } | SourceError::Down { asked: true, .. })))
                    if progress.ease() =>
                {
                    let _quiet = places.all().await?;
                    self.save(progress).await?;
                    return Err(error.into());
                }
                told => told?,
            };
            let Some(told) = told else {
                progress.halve().map_err(SyncError::own)?;
                info!(call.source = %self.source.name(), window.from = %piece.window.from, "the window is too wide, asking for half of it");
                // the checkpoint must not pass by a page in flight
                let _quiet = places.all().await?;
                self.save(progress).await?;
                continue;
            };
            let page = self.page(progress, piece, told, places.one().await?)?;
            let page = page::write(self, self.connection().await?, page).await?;
            if written.send(page).await.is_err() {
                // who listened has failed, and says why
                return Ok(());
            }
        }
    }

    fn page(
        &self,
        progress: &mut Progress,
        piece: Piece,
        mut told: CallPage,
        place: OwnedSemaphorePermit,
    ) -> Result<page::Page, SyncError> {
        progress.calls += u64::try_from(told.calls.len()).unwrap_or(u64::MAX);
        progress.advance(told.next.take(), window::span(self.recipe.settings.window_max));
        let after = page::After { checkpoint: checkpoint(progress)?, watermark: self.watermark_after(piece, &told) };
        Ok(page::Page { piece, told, after, place })
    }

    async fn follow_pages(
        &self,
        mut written: mpsc::Receiver<page::Written>,
        followed: mpsc::Sender<page::Followed>,
    ) -> Result<(), SyncError> {
        while let Some(page) = written.recv().await {
            let page = page::follow(self, page).await?;
            if followed.send(page).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn commit_pages(&self, mut followed: mpsc::Receiver<page::Followed>) -> Result<(), SyncError> {
        while let Some(page) = followed.recv().await {
            let (page, stored) = page::commit(self, page).await?;
            self.tell(&page.piece, &page.told, &stored);
            // nobody listens when the process ends: the dispatcher finds the rows
            let _ = self.context.hints.send(stored.hints);
            drop(page.place);
        }
        Ok(())
    }

    /// Asks for one page, holding no connection meanwhile, and gives up at once when the worker must stop. `None`: too wide.
    async fn ask(&self, piece: Piece, cursor: Option<&PageCursor>) -> Result<Option<CallPage>, SyncError> {
        let answer = tokio::select! {
            biased;
            () = self.context.stop.cancelled() => return Err(SyncError::ShutDown),
            answer = self.source.calls(piece.window, cursor) => answer,
        };
        match answer {
            Ok(told) if told.next.is_some() && told.next.as_ref() == cursor => Err(SyncError::Standstill),
            Ok(told) => Ok(Some(told)),
            Err(SourceError::TooWide { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
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
