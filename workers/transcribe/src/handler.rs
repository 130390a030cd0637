//! One transcription: the vendor's own transcript where it is to be taken, else the stored recording to the transcribers and back,
//! checked, and kept together with the job's end.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use callscribe::{
    asr::{Transcriber, check::Flag},
    blob::Blob,
    clock::Clock,
    config::TranscribingSettings,
    domain::{JobKind, Leg, Reason, TranscriptId, TranscriptStatus, Wishes},
    ledger::{Claimed, Failure, Handler, LeaseLost, Outcome, RunContext, hold_lightly},
    store::{
        StoreError,
        transcriptions::{StoredAudioRow, TranscriptTask, begin_transcribing, share_audio, transcript_task},
    },
    transcript::{Document, Policy},
};
use diesel_async::AsyncConnection;
use futures_util::FutureExt;

use crate::{
    chain::Chain,
    chosen::Chosen,
    document::silent_document,
    finish::Ending,
    keep::{CallOf, Keeper},
    mute::Muting,
    outcomes::{of_sound, of_store, of_transaction, of_wishes},
    recording::Recording,
    scratch,
    vendor::{self, Asked, VendorTranscripts},
};

/// What a handler works with.
pub struct Recipe {
    /// The vendors' own transcripts, if they are to be taken; they are asked first.
    pub vendor: Option<VendorTranscripts>,
    /// Transcribers, in the order in which they are asked: each the next one only when those before it cannot do it.
    pub chain: Vec<Arc<dyn Transcriber>>,
    /// How recordings are transcribed, whoever does it.
    pub settings: TranscribingSettings,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Transcribes stored recordings.
pub struct TranscribeHandler {
    recipe: Recipe,
    blob: Blob,
    scratch_root: PathBuf,
    redaction: Option<Policy>,
}

impl std::fmt::Debug for TranscribeHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chain: Vec<_> = self.recipe.chain.iter().map(|transcriber| transcriber.name()).collect();
        f.debug_struct("TranscribeHandler").field("vendor", &self.recipe.vendor.is_some()).field("chain", &chain).finish_non_exhaustive()
    }
}

impl TranscribeHandler {
    /// A handler that reads from `blob`. What killed processes left in the scratch folder goes.
    #[must_use]
    pub fn new(recipe: Recipe, blob: Blob) -> Self {
        let scratch_root = recipe.settings.scratch.clone().unwrap_or_else(std::env::temp_dir);
        match scratch::sweep(&scratch_root, recipe.clock.now().into()) {
            Ok(0) => {}
            Ok(folders) => tracing::info!(folders, folder = %scratch_root.display(), "removed what killed workers left"),
            Err(error) => tracing::warn!(folder = %scratch_root.display(), %error, "cannot look for what killed workers left"),
        }
        let redaction = recipe.settings.redaction.policy();
        Self { recipe, blob, scratch_root, redaction }
    }

    fn chosen(&self, job: &Claimed) -> Result<Chosen<'_>, Outcome> {
        let poison = |error| Outcome::Stop(Failure::new(Reason::PoisonPayload, error));
        let wishes = Wishes::of(&job.payload).map_err(poison)?;
        Chosen::of(self.recipe.vendor.as_ref(), &self.recipe.chain, &wishes).map_err(of_wishes)
    }
}

/// What stands behind a job.
enum Task {
    Transcribe(Box<TranscriptTask>, StoredAudioRow),
    AlreadyComplete,
    /// Retention deleted the audio.
    AudioDeleted,
    /// There is nothing to transcribe; why.
    Impossible(&'static str),
}

/// The call has a leg that only a transcriber can transcribe, and there is none.
#[derive(Debug, thiserror::Error)]
#[error("the vendor makes no transcript of leg `{0}`, and `TRANSCRIPTION_PROVIDER` names nobody else")]
struct NobodyForLeg(Leg);

#[async_trait]
impl Handler for TranscribeHandler {
    fn kind(&self) -> JobKind {
        JobKind::Transcription
    }

    async fn run(&self, job: &Claimed, context: &RunContext) -> Outcome {
        let Some(id) = job.transcript_id else {
            return Outcome::Stop(Failure::new(Reason::PoisonPayload, anyhow::anyhow!("job {} names no transcript", job.id)));
        };
        let chosen = match self.chosen(job) {
            Ok(chosen) => chosen,
            Err(outcome) => return outcome,
        };
        match begin(job, context, id, chosen.first()).await {
            Ok(Task::Transcribe(task, row)) => tokio::select! {
                outcome = self.transcribe(&chosen, job, context, *task, row) => outcome,
                // the request is dropped and with it the connection: the provider stops, too
                () = context.stop.cancelled() => stopped(),
            },
            Ok(Task::AlreadyComplete) => Outcome::done(),
            Ok(Task::AudioDeleted) => Outcome::Stop(Failure::new(
                Reason::AudioDeleted,
                anyhow::anyhow!("the audio of transcript {id} was deleted when its retention was over: nothing is left to transcribe"),
            )),
            Ok(Task::Impossible(why)) => Outcome::Stop(Failure::new(Reason::StorageCorrupt, anyhow::anyhow!("transcript {id} {why}"))),
            Err(outcome) => outcome,
        }
    }
}

fn stopped() -> Outcome {
    let why = Failure::new(Reason::ShutDown, anyhow::anyhow!("told to stop while transcribing"));
    Outcome::Later { wait: Duration::ZERO, why }
}

/// Reads the task and moves the transcript to `transcribing`, in one short transaction.
async fn begin(job: &Claimed, context: &RunContext, id: TranscriptId, by: (&str, &str)) -> Result<Task, Outcome> {
    let (provider, model) = by;
    let mut connection = context.store.connection().await.map_err(of_store)?;
    let begun = connection.transaction(async move |transaction| {
        hold_lightly(transaction, job).await?;
        share_audio(transaction, id).await?;
        let Some(task) = transcript_task(transaction, id).await? else { return Ok(Task::Impossible("is gone")) };
        let Some(row) = task.audio.clone().filter(|_| task.status != TranscriptStatus::Complete) else {
            return Ok(match task.status {
                TranscriptStatus::Complete => Task::AlreadyComplete,
                _ if task.audio_is_deleted => Task::AudioDeleted,
                _ => Task::Impossible("has no stored recording"),
            });
        };
        let begun = begin_transcribing(transaction, id, provider, model).await?;
        Ok(if begun { Task::Transcribe(Box::new(task), row) } else { Task::Impossible("is given up: requeue it") })
    });
    begun.boxed().await.map_err(|error: Failed| of_transaction(error.0))
}

impl TranscribeHandler {
    async fn transcribe(
        &self,
        chosen: &Chosen<'_>,
        job: &Claimed,
        context: &RunContext,
        task: TranscriptTask,
        row: StoredAudioRow,
    ) -> Outcome {
        let recording = Recording::new(&self.blob, &row, &self.scratch_root);
        let muting = Muting { policy: self.recipe.settings.redaction.audio, recording: &recording, task: &task, store: &context.store };
        let ending = Ending { redaction: self.redaction.as_ref(), muting };
        let mut more_flags = Vec::new();
        if let Some(vendor) = chosen.vendor_for(task.leg) {
            match recording.silence_at_first_look().await {
                Ok(Some(duration)) => return without_speech(&ending, chosen.first(), duration).await,
                Ok(None) => {}
                Err(error) => return of_sound(error),
            }
            let given_up = match vendor.ask(&recording, &task).await {
                Asked::Made(document) => return taken(&ending, *document).await,
                Asked::NotYet(outcome) => return outcome,
                Asked::GivenUp(given_up) if chosen.chain.is_empty() => return given_up.outcome(),
                Asked::GivenUp(given_up) => given_up,
            };
            tracing::warn!(
                transcript.id = %task.id, asr.reason = %given_up.failure.reason, error = given_up.failure.chain(),
                "no transcript of the vendor's own: asking the transcriber"
            );
            more_flags.push(Flag::FellBack);
        }
        if chosen.chain.is_empty() {
            return Outcome::Stop(Failure::new(Reason::NoTranscript, NobodyForLeg(task.leg)));
        }
        let sound = match recording.sound().await {
            Ok(sound) => sound,
            Err(error) => return of_sound(error),
        };
        if sound.examined.speech().is_silence() {
            return without_speech(&ending, chosen.first(), sound.examined.duration).await;
        }
        let call = CallOf { session_id: task.session_id.clone(), source: task.source, queue_name: task.queue_name.clone() };
        let keeper = Keeper {
            store: &context.store,
            clock: self.recipe.clock.as_ref(),
            job,
            transcript: task.id,
            call: &call,
            prices: &self.recipe.settings.prices,
        };
        let chain = Chain {
            transcribers: &chosen.chain,
            keeper: &keeper,
            sound,
            row: &row,
            settings: &self.recipe.settings,
            ending: &ending,
            more_flags,
        };
        // on the heap: with everything that it waits for it is larger than a thread's stack bears well
        Box::pin(chain.transcribed()).await
    }
}

/// Done, by the vendor's own transcript: no audio was sent to anybody.
async fn taken(ending: &Ending<'_>, document: Document) -> Outcome {
    tracing::info!(
        transcript.id = %ending.muting.task.id, transcript.words = document.words().count(), transcript.flags = ?document.checks.flags,
        transcript.repairs = document.repairs, audio.seconds = document.audio_seconds, "took the vendor's own transcript"
    );
    ending.completed(vendor::PROVIDER, document).await
}

async fn without_speech(ending: &Ending<'_>, by: (&'static str, &str), duration: Duration) -> Outcome {
    let ((provider, model), seconds) = (by, duration.as_secs_f64());
    let id = ending.muting.task.id;
    tracing::info!(transcript.id = %id, transcript.flags = ?[Flag::Silent], audio.seconds = seconds, "nothing to transcribe");
    ending.completed(provider, silent_document(provider, model, seconds)).await
}

/// A transaction that was rolled back: `LeaseLost` cannot be made from diesel's error by itself.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) LeaseLost);

impl Failed {
    /// JSON that could not be written.
    pub(crate) fn unwritable(error: serde_json::Error) -> Self {
        Self(LeaseLost::Store(StoreError::Row { table: "transcript_pieces", what: error.to_string() }))
    }
}

impl From<LeaseLost> for Failed {
    fn from(error: LeaseLost) -> Self {
        Self(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(LeaseLost::Store(error))
    }
}

impl From<diesel::result::Error> for Failed {
    fn from(error: diesel::result::Error) -> Self {
        Self(LeaseLost::Store(StoreError::Query(error)))
    }
}
