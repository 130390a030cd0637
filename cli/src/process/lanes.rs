//! Which handler does which kind of job, and with what.

use std::sync::Arc;

use callscribe::{
    asr::{Gated, Transcriber, whisper::Whisper},
    blob::Blob,
    clock::{Clock, SystemClock},
    config::{ProcessSettings, WhisperSettings, WorkSettings},
    domain::JobKind,
    ledger::{Backoff, Handler},
    outbound::{Budget, Gate},
    queue::{LaneOptions, QueueSettings, WorkersOptions},
    sources::{ChatSource, Source, webex::Webex},
};
use callscribe_worker_chat::{ChatHandler, ChatRecipe};
use callscribe_worker_enrich::EnrichHandler;
use callscribe_worker_recordings::RecordingHandler;
use callscribe_worker_sync::{Recipe, SyncHandler};
use callscribe_worker_transcribe::{TranscribeHandler, VendorTranscripts};
use callscribe_worker_upkeep::{House, UpkeepHandler};
use tokio_util::sync::CancellationToken;

use super::Engines;
use crate::{failure::Failure, setup};

/// One lane per kind. The settings were read for these kinds, so what a kind needs is there.
pub(crate) fn lanes(
    kinds: &[JobKind],
    settings: &ProcessSettings,
    engines: &Engines,
    blob: Option<&Blob>,
) -> Result<Vec<LaneOptions>, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let webex = match &settings.webex {
        Some(webex) => Some(Arc::new(Webex::new(webex, &engines.store, &engines.hints, Arc::clone(&clock))?)),
        None => None,
    };
    let sources: Vec<Arc<dyn Source>> = match &webex {
        Some(webex) => vec![webex.clone()],
        None => Vec::new(),
    };
    let lane = |kind: JobKind| {
        let handler: Arc<dyn Handler> = match kind {
            JobKind::Sync => Arc::new(SyncHandler::new(sources.clone(), recipe(settings), Arc::clone(&clock))),
            JobKind::Recording => {
                let (blob, largest) = (needed(blob)?.clone(), needed(settings.storage.as_ref())?.recording_max_bytes);
                let handler = RecordingHandler::new(sources.clone(), blob, settings.recording.clone(), largest, Arc::clone(&clock));
                let handler = if settings.providers.summaries { handler.asking_for_summaries() } else { handler };
                Arc::new(match settings.providers.of_legs() {
                    Some(provider) => handler.transcribing_legs_by(provider),
                    None => handler,
                })
            }
            JobKind::Transcription => Arc::new(transcribe(settings, engines, &sources, needed(blob)?, &clock)?),
            JobKind::Enrichment => Arc::new(EnrichHandler::new(sources.clone(), enrich_recipe(settings), Arc::clone(&clock))),
            JobKind::Chat => {
                let sources: Vec<Arc<dyn ChatSource>> = match &webex {
                    Some(webex) => vec![webex.clone()],
                    None => Vec::new(),
                };
                Arc::new(ChatHandler::new(sources, chat_recipe(settings), Arc::clone(&clock)))
            }
            JobKind::Upkeep => Arc::new(UpkeepHandler::new(sources.clone(), house(settings), Arc::clone(&clock)).keeping(blob.cloned())),
        };
        let (concurrency, max_attempts) = (settings.work.concurrency(kind), settings.work.max_attempts(kind));
        Ok(LaneOptions { handler, concurrency, max_attempts })
    };
    kinds.iter().copied().map(lane).collect()
}

fn transcribe(
    settings: &ProcessSettings,
    engines: &Engines,
    sources: &[Arc<dyn Source>],
    blob: &Blob,
    clock: &Arc<dyn Clock>,
) -> Result<TranscribeHandler, Failure> {
    let transcriber: Option<Arc<dyn Transcriber>> = match &settings.transcription {
        Some(whisper) => Some(Arc::new(gated(whisper, engines, clock)?)),
        None => None,
    };
    if settings.providers.vendor {
        let vendor = VendorTranscripts::new(sources.iter().cloned(), settings.providers.vendor_wait, Arc::clone(clock));
        return Ok(TranscribeHandler::taking(vendor, transcriber, blob.clone()));
    }
    Ok(TranscribeHandler::new(Arc::clone(needed(transcriber.as_ref())?), blob.clone()))
}

/// A transcriber as all machines share it.
fn gated(settings: &WhisperSettings, engines: &Engines, clock: &Arc<dyn Clock>) -> Result<Gated, Failure> {
    let (hints, name) = (&engines.hints, WhisperSettings::PROVIDER);
    let budget = settings.requests_per_minute.map(|per_minute| Budget::new(hints.clone(), name, per_minute));
    let whisper = Whisper::new(settings.clone(), Arc::clone(clock))?;
    Ok(Gated::new(Arc::new(whisper), Gate::new(hints.clone(), name, settings.concurrency), budget))
}

fn recipe(settings: &ProcessSettings) -> Recipe {
    Recipe {
        settings: settings.sync.clone(),
        provider: settings.providers.first().to_owned(),
        recording_attempts: recording_attempts(settings),
        retention: settings.keep.retention.clone(),
    }
}

fn house(settings: &ProcessSettings) -> House {
    House {
        sync: settings.sync.clone(),
        reconcile: settings.reconcile,
        provider: settings.providers.first().to_owned(),
        recording_attempts: recording_attempts(settings),
        retention: settings.keep.retention.clone(),
    }
}

fn recording_attempts(settings: &ProcessSettings) -> u16 {
    settings.work.max_attempts(JobKind::Recording).unwrap_or(JobKind::Recording.default_max_attempts())
}

fn chat_recipe(settings: &ProcessSettings) -> ChatRecipe {
    ChatRecipe { sync: settings.sync.clone(), poll_schedule: settings.recording.poll_schedule.clone() }
}

fn enrich_recipe(settings: &ProcessSettings) -> callscribe_worker_enrich::Recipe {
    let Recipe { settings: sync, provider, recording_attempts, retention } = recipe(settings);
    callscribe_worker_enrich::Recipe { sync, enrich: settings.enrich.clone(), provider, recording_attempts, retention }
}

fn needed<T>(part: Option<&T>) -> Result<&T, Failure> {
    part.ok_or_else(|| Failure::with_hint("a part of the settings is missing for this kind of job", "a bug: report it"))
}

/// What a worker process runs, until `shutdown`.
pub(crate) fn workers_options(
    lanes: Vec<LaneOptions>,
    work: &WorkSettings,
    engines: &Engines,
    shutdown: CancellationToken,
) -> WorkersOptions {
    WorkersOptions {
        store: engines.store.clone(),
        hints: engines.hints.clone(),
        lanes,
        settings: QueueSettings {
            lease: work.lease,
            backoff: Backoff { base: work.backoff_base, ceiling: work.backoff_max },
            drain: work.drain_timeout,
            ..QueueSettings::default()
        },
        host: setup::host(),
        shutdown,
    }
}
