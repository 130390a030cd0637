//! Which handler does which kind of job, and with what.

use std::sync::Arc;

#[cfg(feature = "aws-transcribe")]
use callscribe::asr::aws_transcribe::AwsTranscribe;
use callscribe::{
    asr::{Gated, Transcriber, assemblyai::AssemblyAi, command::Command, deepgram::Deepgram, whisper::Whisper},
    blob::Blob,
    clock::{Clock, SystemClock},
    config::{ProcessSettings, Provider, WhisperSettings, WorkSettings},
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
pub(crate) async fn lanes(
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
    let mut chain: Vec<Arc<dyn Transcriber>> = Vec::new();
    if kinds.contains(&JobKind::Transcription) {
        for provider in &settings.providers.chain {
            let transcriber = transcriber(*provider, settings, engines, needed(blob)?, &clock).await?;
            chain.push(Arc::new(gated(transcriber, settings, engines)));
        }
    }
    let lane = |kind: JobKind| {
        let handler: Arc<dyn Handler> = match kind {
            JobKind::Sync => Arc::new(SyncHandler::new(sources.clone(), recipe(settings), Arc::clone(&clock))),
            JobKind::Recording => {
                let (blob, largest) = (needed(blob)?.clone(), needed(settings.storage.as_ref())?.recording_max_bytes);
                let handler = RecordingHandler::new(sources.clone(), blob, settings.recording.clone(), largest, Arc::clone(&clock));
                let handler = if settings.providers.summaries { handler.asking_for_summaries() } else { handler };
                let handler = if settings.transcribing.redaction.audio.mutes() { handler.keeping_originals_apart() } else { handler };
                Arc::new(match settings.providers.of_legs() {
                    Some(provider) => handler.transcribing_legs_by(provider),
                    None => handler,
                })
            }
            JobKind::Transcription => Arc::new(transcribe(settings, chain.clone(), &sources, needed(blob)?, &clock)),
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
    chain: Vec<Arc<dyn Transcriber>>,
    sources: &[Arc<dyn Source>],
    blob: &Blob,
    clock: &Arc<dyn Clock>,
) -> TranscribeHandler {
    let wait = settings.providers.vendor_wait;
    let vendor = settings
        .providers
        .vendor
        .then(|| VendorTranscripts::new(sources.iter().cloned(), wait, Arc::clone(clock)).keeping(settings.transcribing.redaction.audio));
    let recipe = callscribe_worker_transcribe::Recipe { vendor, chain, settings: settings.transcribing.clone(), clock: Arc::clone(clock) };
    TranscribeHandler::new(recipe, blob.clone())
}

/// A transcriber by its settings.
async fn transcriber(
    provider: Provider,
    settings: &ProcessSettings,
    engines: &Engines,
    #[cfg_attr(not(feature = "aws-transcribe"), expect(unused_variables, reason = "one provider alone puts audio into the bucket"))]
    blob: &Blob,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Transcriber>, Failure> {
    Ok(match provider {
        Provider::Whisper => Arc::new(Whisper::new(needed(settings.transcription.as_ref())?.clone(), Arc::clone(clock))?),
        Provider::Deepgram => {
            let deepgram = Deepgram::new(needed(settings.deepgram.as_ref())?.clone(), Arc::clone(clock))?;
            Arc::new(deepgram.collecting_from(engines.store.clone()))
        }
        Provider::AssemblyAi => Arc::new(AssemblyAi::new(needed(settings.assemblyai.as_ref())?.clone(), Arc::clone(clock))?),
        #[cfg(feature = "aws-transcribe")]
        Provider::AwsTranscribe => {
            Arc::new(AwsTranscribe::connect(needed(settings.aws_transcribe.as_ref())?.clone(), blob.clone(), Arc::clone(clock)).await)
        }
        #[cfg(not(feature = "aws-transcribe"))]
        Provider::AwsTranscribe => return Err(Failure::with_hint("this build lacks `aws-transcribe`", "build it with that feature")),
        Provider::Command => Arc::new(Command::new(needed(settings.command.as_ref())?.clone())),
    })
}

/// A transcriber as all machines share it. Only Whisper's servers have limits of requests in the settings; others say when to slow down.
fn gated(transcriber: Arc<dyn Transcriber>, settings: &ProcessSettings, engines: &Engines) -> Gated {
    let (hints, name) = (&engines.hints, transcriber.name());
    let whisper = settings.transcription.as_ref().filter(|_| name == WhisperSettings::PROVIDER);
    let concurrency = whisper.map_or(WhisperSettings::default().concurrency, |whisper| whisper.concurrency);
    let per_minute = whisper.and_then(|whisper| whisper.requests_per_minute);
    let budget = per_minute.map(|per_minute| Budget::new(hints.clone(), name, per_minute));
    let gate = Gate::new(hints.clone(), name, concurrency);
    Gated::new(transcriber, gate, budget)
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
