//! One transcription: the stored recording to the provider and back, checked, and kept together with the job's end.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use callscribe::{
    asr::{
        Manner, TranscribeError, Transcriber, Transcription,
        check::{Checked, Flag, Verdict, check},
    },
    blob::Blob,
    domain::{JobKind, Reason, TranscriptId, TranscriptStatus},
    ledger::{Claimed, Effect, Failure, Handler, LeaseLost, Outcome, RunContext, VendorTrace, hold},
    store::{
        StoreError,
        transcriptions::{MadeTranscript, StoredAudioRow, begin_transcribing, complete_transcript, transcript_task},
    },
    telemetry::metrics,
};
use diesel_async::AsyncConnection;
use futures_util::FutureExt;

use crate::{
    audio::{FirstLook, StoredAudio, first_look},
    document::{Checks, TranscriptDocument},
    outcomes::{of_audio, of_provider, of_store, of_transaction},
};

/// Transcribes stored recordings.
pub struct TranscribeHandler {
    transcriber: Arc<dyn Transcriber>,
    blob: Blob,
}

impl std::fmt::Debug for TranscribeHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TranscribeHandler").field("transcriber", &self.transcriber.name()).finish_non_exhaustive()
    }
}

impl TranscribeHandler {
    /// A handler that reads from `blob` and asks `transcriber`.
    #[must_use]
    pub fn new(transcriber: Arc<dyn Transcriber>, blob: Blob) -> Self {
        Self { transcriber, blob }
    }
}

/// What stands behind a job.
enum Task {
    Transcribe(StoredAudioRow),
    AlreadyComplete,
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
        match self.begin(job, context, id).await {
            Ok(Task::Transcribe(row)) => tokio::select! {
                outcome = self.transcribe(id, row) => outcome,
                // the request is dropped and with it the connection: the provider stops, too
                () = context.stop.cancelled() => stopped(),
            },
            Ok(Task::AlreadyComplete) => Outcome::done(),
            Ok(Task::Impossible(why)) => Outcome::Stop(Failure::new(Reason::StorageCorrupt, anyhow::anyhow!("transcript {id} {why}"))),
            Err(outcome) => outcome,
        }
    }
}

fn stopped() -> Outcome {
    let why = Failure::new(Reason::ShutDown, anyhow::anyhow!("told to stop while transcribing"));
    Outcome::Later { wait: Duration::ZERO, why }
}

impl TranscribeHandler {
    /// Reads the task and moves the transcript to `transcribing`, in one short transaction.
    async fn begin(&self, job: &Claimed, context: &RunContext, id: TranscriptId) -> Result<Task, Outcome> {
        let (provider, model) = (self.transcriber.name(), self.transcriber.model());
        let mut connection = context.store.connection().await.map_err(of_store)?;
        let begun = connection.transaction(async move |transaction| {
            hold(transaction, job).await?;
            let Some(task) = transcript_task(transaction, id).await? else { return Ok(Task::Impossible("is gone")) };
            match (task.status, task.audio) {
                (TranscriptStatus::Complete, _) => Ok(Task::AlreadyComplete),
                (_, None) => Ok(Task::Impossible("has no stored recording")),
                (_, Some(row)) if begin_transcribing(transaction, id, provider, model).await? => Ok(Task::Transcribe(row)),
                (_, Some(_)) => Ok(Task::Impossible("is given up: requeue it")),
            }
        });
        begun.boxed().await.map_err(|error: Failed| of_transaction(error.0))
    }

    async fn transcribe(&self, id: TranscriptId, row: StoredAudioRow) -> Outcome {
        let duration = match first_look(&self.blob, &row).await {
            Ok(FirstLook::Sound { duration }) => duration,
            Ok(FirstLook::Silence { duration }) => return self.done_without_speech(id, duration, Flag::Silent, &VendorTrace::default()),
            Err(error) => return of_audio(error),
        };
        if let Err(error) = self.transcriber.accepts(StoredAudio::FILE_NAME, row.size_bytes, duration) {
            return of_provider(error);
        }
        let audio = StoredAudio::new(self.blob.clone(), row, duration);
        match self.ask_at_most_twice(&audio).await {
            Ok(answer) => self.done(id, &answer, duration),
            Err(Unanswered::Error(TranscribeError::TooShort { trace })) => self.done_without_speech(id, duration, Flag::TooShort, &trace),
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
        let transcription = self.transcriber.transcribe(audio, manner).await.map_err(Unanswered::Error)?;
        let Some(heard) = audio.take_heard() else {
            return Err(Unanswered::Outcome(Outcome::Retry(Failure::new(Reason::UnreadableAnswer, AnsweredEarly))));
        };
        metrics::audio_transcribed(self.transcriber.name(), heard.wav.duration_of(heard.audio_bytes));
        let checked = check(&transcription, &heard.speech);
        Ok(Answer { transcription, checked })
    }

    fn done(&self, id: TranscriptId, answer: &Answer, duration: Duration) -> Outcome {
        let Answer { transcription, checked } = answer;
        let (provider, audio_seconds) = (self.transcriber.name(), duration.as_secs_f64());
        let checks = Checks { flags: checked.flags().to_vec(), measures: checked.measures.clone() };
        let document = TranscriptDocument::of(provider, transcription, audio_seconds, checks);
        tracing::info!(
            transcript.id = %id, transcript.words = transcription.words.len(), transcript.flags = ?checked.flags(),
            transcript.repairs = transcription.repairs, audio.seconds = audio_seconds, asr.request_id = transcription.request_id,
            "transcribed recording"
        );
        completed(MadeTranscriptOf { id, provider, text: &transcription.text, sent_seconds: audio_seconds }, &document)
    }

    fn done_without_speech(&self, id: TranscriptId, duration: Duration, why: Flag, trace: &VendorTrace) -> Outcome {
        let (provider, model, audio_seconds) = (self.transcriber.name(), self.transcriber.model(), duration.as_secs_f64());
        let document = TranscriptDocument::without_speech(provider, model, trace.request_id.clone(), audio_seconds, why);
        tracing::info!(transcript.id = %id, transcript.flags = ?[why], audio.seconds = audio_seconds, "nothing to transcribe");
        let sent_seconds = if why == Flag::Silent { 0.0 } else { audio_seconds };
        completed(MadeTranscriptOf { id, provider, text: "", sent_seconds }, &document)
    }
}

/// What a row takes that its document does not say.
struct MadeTranscriptOf<'a> {
    id: TranscriptId,
    provider: &'static str,
    text: &'a str,
    sent_seconds: f64,
}

/// Done, with the transcript kept in the very transaction that ends the job.
fn completed(made: MadeTranscriptOf<'_>, document: &TranscriptDocument) -> Outcome {
    let json = match serde_json::to_value(document) {
        Ok(json) => json,
        Err(error) => return Outcome::Retry(Failure::new(Reason::Unexpected, error)),
    };
    let row = Arc::new(MadeTranscript {
        id: made.id,
        provider: made.provider,
        model: document.model.clone(),
        text: made.text.to_owned(),
        document: json,
        language: document.language.clone(),
        flags: document.checks.flags.iter().copied().map(Flag::as_str).collect(),
        audio_seconds: made.sent_seconds,
        provider_request_id: document.request_id.clone(),
    });
    Outcome::Done(Effect::new(move |connection| {
        let row = Arc::clone(&row);
        async move {
            if !complete_transcript(connection, &row).await? {
                tracing::warn!(transcript.id = %row.id, "transcript was complete or given up already: this one is dropped");
            }
            Ok(Vec::new())
        }
        .boxed()
    }))
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
