//! One transcription: the vendor's own transcript where it is to be taken, else the stored recording to the provider and back,
//! checked, and kept together with the job's end.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use callscribe::{
    asr::{
        self, Manner, Takes, TranscribeError, Transcriber, Transcription,
        check::{Checked, Flag, Verdict, check},
    },
    blob::Blob,
    domain::{JobKind, Leg, Reason, TranscriptId, TranscriptStatus, Wishes},
    ledger::{Claimed, Failure, Handler, LeaseLost, Outcome, RunContext, VendorTrace, hold},
    store::{
        StoreError,
        transcriptions::{StoredAudioRow, TranscriptTask, begin_transcribing, share_audio, transcript_task},
    },
    telemetry::metrics,
};
use diesel_async::AsyncConnection;
use futures_util::FutureExt;

use crate::{
    audio::{AudioError, FirstLook, StoredAudio, first_look},
    chosen::Chosen,
    document::{Checks, TranscriptDocument},
    finish::{MadeTranscriptOf, completed},
    outcomes::{of_audio, of_provider, of_store, of_transaction, of_wishes},
    vendor::{self, Asked, VendorTranscripts},
};

/// Who is asked.
enum Providers {
    Vendor(VendorTranscripts),
    Transcriber(Arc<dyn Transcriber>),
    VendorFirst(VendorTranscripts, Arc<dyn Transcriber>),
}

/// Transcribes stored recordings.
pub struct TranscribeHandler {
    providers: Providers,
    blob: Blob,
}

impl std::fmt::Debug for TranscribeHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TranscribeHandler").field("vendor", &self.vendor().is_some()).finish_non_exhaustive()
    }
}

impl TranscribeHandler {
    /// A handler that reads from `blob` and asks `transcriber`.
    #[must_use]
    pub fn new(transcriber: Arc<dyn Transcriber>, blob: Blob) -> Self {
        Self { providers: Providers::Transcriber(transcriber), blob }
    }

    /// A handler that takes the vendors' own transcripts, and asks `transcriber`, if there is one, only for a call of which the
    /// vendor has none.
    #[must_use]
    pub fn taking(vendor: VendorTranscripts, transcriber: Option<Arc<dyn Transcriber>>, blob: Blob) -> Self {
        let providers = match transcriber {
            Some(transcriber) => Providers::VendorFirst(vendor, transcriber),
            None => Providers::Vendor(vendor),
        };
        Self { providers, blob }
    }

    fn vendor(&self) -> Option<&VendorTranscripts> {
        match &self.providers {
            Providers::Vendor(vendor) | Providers::VendorFirst(vendor, _) => Some(vendor),
            Providers::Transcriber(_) => None,
        }
    }

    fn transcriber(&self) -> Option<&Arc<dyn Transcriber>> {
        match &self.providers {
            Providers::Transcriber(transcriber) | Providers::VendorFirst(_, transcriber) => Some(transcriber),
            Providers::Vendor(_) => None,
        }
    }

    fn chosen(&self, job: &Claimed) -> Result<Chosen<'_>, Outcome> {
        let poison = |error| Outcome::Stop(Failure::new(Reason::PoisonPayload, error));
        let wishes = Wishes::of(&job.payload).map_err(poison)?;
        Chosen::of(self.vendor(), self.transcriber(), &wishes).map_err(of_wishes)
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

/// An answer, and what the checks made of it.
struct Answer {
    transcription: Transcription,
    checked: Checked,
}

impl Answer {
    fn fault(&self) -> Option<(Reason, &str)> {
        match &self.checked.verdict {
            Verdict::Bad { reason, what } => Some((*reason, what)),
            Verdict::Good | Verdict::Suspect { .. } => None,
        }
    }
}

/// The call has a leg that only a transcriber can transcribe, and there is none.
#[derive(Debug, thiserror::Error)]
#[error("the vendor makes no transcript of leg `{0}`, and `TRANSCRIPTION_PROVIDER` names nobody else")]
struct NobodyForLeg(Leg);

/// An answer that failed its checks twice.
#[derive(Debug, thiserror::Error)]
#[error("the transcript failed its checks, asked twice: {what}")]
struct FailedChecks {
    what: String,
}

/// The provider answered before it had all of the recording.
#[derive(Debug, thiserror::Error)]
#[error("the transcriber answered before it was sent the whole recording")]
struct AnsweredEarly;

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
                outcome = self.transcribe(&chosen, id, *task, row) => outcome,
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
        hold(transaction, job).await?;
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
    async fn transcribe(&self, chosen: &Chosen<'_>, id: TranscriptId, task: TranscriptTask, row: StoredAudioRow) -> Outcome {
        let vendor = chosen.vendor_for(task.leg);
        let duration = match first_look(&self.blob, &row).await {
            Ok(FirstLook::Sound { duration }) => Ok(duration),
            Ok(FirstLook::Silence { duration }) => {
                return without_speech(chosen.first(), id, duration, Flag::Silent, &VendorTrace::default());
            }
            // the vendor may have heard what we cannot listen to
            Err(error @ AudioError::Wav(_)) if vendor.is_some() => Err(error),
            Err(error) => return of_audio(error),
        };
        let mut more_flags = Vec::new();
        if let Some(vendor) = vendor {
            let given_up = match vendor.ask(&self.blob, &task, &row).await {
                Asked::Made { document, text } => return taken(id, &text, &document),
                Asked::NotYet(outcome) => return outcome,
                Asked::GivenUp(given_up) if chosen.transcriber.is_none() => return given_up.outcome(),
                Asked::GivenUp(given_up) => given_up,
            };
            tracing::warn!(
                transcript.id = %id, asr.reason = %given_up.failure.reason, error = given_up.failure.chain(),
                "no transcript of the vendor's own: asking the transcriber"
            );
            more_flags.push(Flag::FellBack);
        }
        match (duration, &chosen.transcriber) {
            (Ok(duration), Some(transcriber)) => {
                Spoken { transcriber: transcriber.as_ref(), id, row, duration, more_flags }.transcribed(&self.blob).await
            }
            (Err(error), _) => of_audio(error),
            (Ok(_), None) => Outcome::Stop(Failure::new(Reason::NoTranscript, NobodyForLeg(task.leg))),
        }
    }
}

/// Done, by the vendor's own transcript: no audio was sent to anybody.
fn taken(id: TranscriptId, text: &str, document: &TranscriptDocument) -> Outcome {
    tracing::info!(
        transcript.id = %id, transcript.words = document.words.len(), transcript.flags = ?document.checks.flags,
        transcript.repairs = document.repairs, audio.seconds = document.audio_seconds, "took the vendor's own transcript"
    );
    completed(MadeTranscriptOf { id, provider: vendor::PROVIDER, text, sent_seconds: 0.0 }, document)
}

fn without_speech(by: (&'static str, &str), id: TranscriptId, duration: Duration, why: Flag, trace: &VendorTrace) -> Outcome {
    let ((provider, model), audio_seconds) = (by, duration.as_secs_f64());
    let document = TranscriptDocument::without_speech(provider, model, trace.request_id.clone(), audio_seconds, why);
    tracing::info!(transcript.id = %id, transcript.flags = ?[why], audio.seconds = audio_seconds, "nothing to transcribe");
    let sent_seconds = if why == Flag::Silent { 0.0 } else { audio_seconds };
    completed(MadeTranscriptOf { id, provider, text: "", sent_seconds }, &document)
}

/// A recording with sound in it, and who is to hear it.
struct Spoken<'h> {
    transcriber: &'h dyn Transcriber,
    id: TranscriptId,
    row: StoredAudioRow,
    duration: Duration,
    /// What is to be told of the transcript whatever the checks say.
    more_flags: Vec<Flag>,
}

impl Spoken<'_> {
    async fn transcribed(self, blob: &Blob) -> Outcome {
        if let Some(what) = beyond(&self.transcriber.takes(), self.row.size_bytes, self.duration) {
            return of_provider(TranscribeError::Rejected { reason: Reason::AudioTooLong, what, trace: VendorTrace::default() });
        }
        let audio = StoredAudio::new(blob.clone(), self.row.clone(), self.duration);
        match self.ask_at_most_twice(&audio).await {
            Ok(answer) => self.done(&answer),
            Err(Unanswered::Error(TranscribeError::TooShort { trace })) => {
                without_speech((self.transcriber.name(), self.transcriber.model()), self.id, self.duration, Flag::TooShort, &trace)
            }
            Err(Unanswered::Error(error)) => of_provider(error),
            Err(Unanswered::Outcome(outcome)) => outcome,
        }
    }

    /// Asks, and asks once more otherwise when the answer fails its checks: a second opinion costs less than a lost call.
    async fn ask_at_most_twice(&self, audio: &StoredAudio) -> Result<Answer, Unanswered> {
        let first = self.ask(audio, Manner::Usual).await?;
        let Some((reason, what)) = first.fault() else { return Ok(first) };
        tracing::warn!(asr.reason = %reason, asr.fault = what, asr.request_id = first.transcription.request_id, "answer failed its checks");
        let mut second = self.ask(audio, Manner::Different).await?;
        if let Some((reason, what)) = second.fault() {
            let request_id = second.transcription.request_id.clone();
            let failure =
                Failure::new(reason, FailedChecks { what: what.to_owned() }).with_vendor(VendorTrace { status: None, request_id });
            return Err(Unanswered::Outcome(Outcome::Retry(failure)));
        }
        let flags = std::iter::once(Flag::AskedTwice).chain(second.checked.flags().iter().copied()).collect();
        second.checked.verdict = Verdict::Suspect { flags };
        Ok(second)
    }

    async fn ask(&self, audio: &StoredAudio, manner: Manner) -> Result<Answer, Unanswered> {
        let transcription = match self.transcriber.transcribe(audio, manner).await.map_err(Unanswered::Error)? {
            asr::Answer::Made(transcription) => *transcription,
            asr::Answer::Underway(work) => {
                let what = format!("`{}` works in the background (job `{}`), which is not waited for", self.transcriber.name(), work.job);
                let error = TranscribeError::Misconfigured { what, trace: VendorTrace::default() };
                return Err(Unanswered::Error(error));
            }
        };
        let Some(heard) = audio.take_heard() else {
            return Err(Unanswered::Outcome(Outcome::Retry(Failure::new(Reason::UnreadableAnswer, AnsweredEarly))));
        };
        metrics::audio_transcribed(self.transcriber.name(), heard.wav.duration_of(heard.audio_bytes));
        let checked = check(&transcription, &heard.speech);
        Ok(Answer { transcription, checked })
    }

    fn done(&self, answer: &Answer) -> Outcome {
        let Answer { transcription, checked } = answer;
        let (provider, audio_seconds) = (self.transcriber.name(), self.duration.as_secs_f64());
        let flags: Vec<Flag> = self.more_flags.iter().chain(checked.flags()).copied().collect();
        tracing::info!(
            transcript.id = %self.id, transcript.words = transcription.words.len(), transcript.flags = ?flags,
            transcript.repairs = transcription.repairs, audio.seconds = audio_seconds, asr.request_id = transcription.request_id,
            "transcribed recording"
        );
        let checks = Checks { flags, measures: checked.measures.clone() };
        let document = TranscriptDocument::of(provider, transcription, audio_seconds, checks);
        completed(MadeTranscriptOf { id: self.id, provider, text: &transcription.text, sent_seconds: audio_seconds }, &document)
    }
}

/// What of a recording is more than the provider takes, for people.
fn beyond(takes: &Takes, size_bytes: u64, duration: Duration) -> Option<String> {
    match (takes.max_bytes, takes.max_duration) {
        (Some(most), _) if size_bytes > most => Some(format!(
            "the recording of {size_bytes} bytes is over the limit of {most}; \
             use a transcriber that takes more and set `TRANSCRIPTION_MAX_BYTES`, then requeue"
        )),
        (_, Some(longest)) if duration > longest => Some(format!(
            "the recording of {} s is over the limit of {} s; use a model that takes more and set `TRANSCRIPTION_MAX_SECONDS`, then requeue",
            duration.as_secs(),
            longest.as_secs()
        )),
        _ => None,
    }
}

/// Why there is no answer.
enum Unanswered {
    Error(TranscribeError),
    Outcome(Outcome),
}

/// A transaction that was rolled back: `LeaseLost` cannot be made from diesel's error by itself.
struct Failed(LeaseLost);

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
