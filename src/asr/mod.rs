//! Who turns speech into text: one trait, one folder per provider, and the checks that every answer goes through.

pub mod assemblyai;
#[cfg(feature = "aws-transcribe")]
pub mod aws_transcribe;
pub mod check;
pub mod command;
pub mod deepgram;
mod gated;
mod job;
mod languages;
mod order;
mod service;
mod upload;
pub mod whisper;

use std::{path::Path, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

pub use gated::Gated;

/// A form in which a provider takes audio.
pub use crate::audio::Form;

use crate::{domain::Reason, ledger::VendorTrace};

/// The bytes of a recording on their way; an error ends them.
pub type AudioBytes = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Whose voices are in a piece of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speakers {
    /// One person's channel.
    One,
    /// All of them on one channel: to be told apart by whoever can.
    Several,
}

/// What one request to a provider may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takes {
    /// The largest file.
    pub max_bytes: Option<u64>,
    /// The longest audio.
    pub max_duration: Option<Duration>,
    /// The forms that it takes, the best first.
    pub forms: &'static [Form],
    /// How many pieces of one call are sent at once, at most.
    pub at_once: usize,
    /// It tells speakers on one channel apart.
    pub diarizes: bool,
    /// Every second costs money.
    pub paid: bool,
}

/// A piece of a recording on its way to a provider: opened once per request, read as the provider takes it, never held whole.
#[async_trait]
pub trait Audio: Send + Sync {
    /// The same for the same sound asked for in the same manner for the same transcript, and for nothing else: letters, digits and
    /// hyphens, so that it can name the provider's job.
    fn id(&self) -> &str;

    /// Whose voices are in it.
    fn speakers(&self) -> Speakers;

    /// Where it lies on this machine, for engines that read files.
    fn path(&self) -> Option<&Path>;

    /// File name with the right extension: servers look at it.
    fn file_name(&self) -> &str;

    /// Size of the whole.
    fn size_bytes(&self) -> u64;

    /// Playing time.
    fn duration(&self) -> Duration;

    /// The bytes from the start: exactly `size_bytes` of them, or an error.
    async fn open(&self) -> std::io::Result<AudioBytes>;
}

/// How to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As the settings say.
    Usual,
    /// Otherwise than usual, after an answer that failed its checks: some temperature, no prompt.
    Different,
}

/// One word.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Word {
    /// As the provider wrote it, trimmed.
    pub text: String,
    /// Seconds from the start of the audio.
    pub start: f64,
    /// Seconds from the start of the audio; not before `start`.
    pub end: f64,
    /// 0 to 1, if the provider said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confidence: Option<f64>,
    /// Who said it, if the provider told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speaker: Option<String>,
}

/// A stretch of speech.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Segment {
    /// Seconds from the start of the audio.
    pub start: f64,
    /// Seconds from the start of the audio; not before `start`.
    pub end: f64,
    /// What was said, trimmed.
    pub text: String,
    /// The provider's probability that nobody spoke.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub no_speech_prob: Option<f64>,
    /// The provider's mean log probability.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub avg_logprob: Option<f64>,
    /// Who spoke, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speaker: Option<String>,
}

/// What a provider heard, read tolerantly and put in order.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Transcription {
    /// All of it.
    pub text: String,
    /// ISO 639-1 code, or the provider's word when it is none we know.
    pub language: Option<String>,
    /// Seconds of audio the provider says it heard.
    pub duration: Option<f64>,
    /// Seconds of audio the provider says it charges for.
    pub billed_seconds: Option<f64>,
    /// Stretches, by time.
    pub segments: Vec<Segment>,
    /// Words, by time.
    pub words: Vec<Word>,
    /// How many values were out of order or out of range and were put right.
    pub repairs: u32,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// Model that answered, as asked for.
    pub model: String,
    /// The provider refused the audio as too short to hold a word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub too_short: bool,
    /// How long until the provider answers anything more, if it said that this answer was its last for now.
    #[serde(skip)]
    pub exhausted_for: Option<Duration>,
}

/// What a provider can say instead of an answer.
#[derive(Debug, thiserror::Error)]
pub enum TranscribeError {
    /// Slow down, for as long as it says.
    #[error("the transcriber asks to wait {wait:?}")]
    RateLimited {
        /// How long.
        wait: Duration,
        /// Its trace.
        trace: VendorTrace,
    },
    /// Could not be reached, failed or stopped half way: worth another try.
    #[error("the transcriber is not available: {what}")]
    Unavailable {
        /// What happened.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// It is down for every recording: this one waits and uses up no attempt.
    #[error("the transcriber is down: {what}")]
    Down {
        /// How long to wait.
        wait: Duration,
        /// What happened.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// We do not ask it now: as much is under way, or was asked for within a minute, as it is to bear.
    #[error("it is not this recording's turn at the transcriber: {what}")]
    NoTurn {
        /// How long to wait.
        wait: Duration,
        /// What holds it back.
        what: String,
    },
    /// No recording will work until a person changes a key, a model or a quota.
    #[error("the transcriber is not usable: {what}")]
    Misconfigured {
        /// What it said.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// This recording will not work with this provider.
    #[error("the transcriber rejects the recording: {what}")]
    Rejected {
        /// `audio_too_long`, `audio_undecodable` or `provider_rejected`.
        reason: Reason,
        /// What it said.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// Nothing to hear: shorter than the provider takes.
    #[error("the recording is too short to hold speech")]
    TooShort {
        /// Its trace.
        trace: VendorTrace,
    },
    /// The answer could not be read.
    #[error("the transcriber's answer cannot be read: {what}")]
    Unreadable {
        /// What was wrong.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// The audio could not be read from S3 while it was sent.
    #[error("the stored audio could not be read")]
    Audio(#[source] std::io::Error),
}

impl TranscribeError {
    /// What the provider answered, if it did.
    #[must_use]
    pub fn trace(&self) -> VendorTrace {
        match self {
            Self::RateLimited { trace, .. }
            | Self::Unavailable { trace, .. }
            | Self::Down { trace, .. }
            | Self::Misconfigured { trace, .. }
            | Self::Rejected { trace, .. }
            | Self::TooShort { trace }
            | Self::Unreadable { trace, .. } => trace.clone(),
            Self::NoTurn { .. } | Self::Audio(_) => VendorTrace::default(),
        }
    }
}

/// Work that a provider goes on with after its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Underway {
    /// The provider's id of it.
    pub job: String,
    /// When to ask for what came of it.
    pub again_in: Duration,
}

/// What a provider answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The transcript.
    Made(Box<Transcription>),
    /// It has begun: nobody need wait for it.
    Underway(Underway),
}

/// A provider of transcripts.
#[async_trait]
pub trait Transcriber: Send + Sync + 'static {
    /// The provider as `call_transcripts.provider` names it.
    fn name(&self) -> &'static str;

    /// The model asked for.
    fn model(&self) -> &str;

    /// The language that is said to be spoken, as an ISO 639-1 code; `None` when the provider finds out.
    fn language(&self) -> Option<&str>;

    /// The same provider with another model or language than its settings say.
    fn asked_for(&self, model: Option<&str>, language: Option<&str>) -> Arc<dyn Transcriber>;

    /// What one request may hold.
    fn takes(&self) -> Takes;

    /// Turns one piece of audio into text, or begins to. It changes nothing at the provider, but may cost money each time.
    async fn transcribe(&self, audio: &dyn Audio, manner: Manner) -> Result<Answer, TranscribeError>;

    /// What came of work that was begun by an earlier request for this audio.
    async fn collect(&self, audio: &dyn Audio, job: &str) -> Result<Answer, TranscribeError> {
        let what = format!("`{}` does not work in the background: nothing is known of its job `{job}` for `{}`", self.name(), audio.id());
        Err(TranscribeError::Misconfigured { what, trace: VendorTrace::default() })
    }

    /// The result of work that was begun for the audio `audio` is kept, or of no use: what is held of it besides is to go. Twice is once.
    async fn release(&self, audio: &str, job: &str) -> Result<(), TranscribeError> {
        tracing::trace!(asr.provider = self.name(), asr.audio = audio, asr.job = job, "nothing is held of this work");
        Ok(())
    }
}
