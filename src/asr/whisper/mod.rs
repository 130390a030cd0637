//! Provider `whisper`: any server that speaks OpenAI's `POST /audio/transcriptions`, its copies' oddities included.

mod answer;
mod errors;
mod look;
mod request;
mod wire;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;

pub use self::look::Looked;
use self::{
    answer::Reading,
    errors::{Head, Refusal, broken},
    request::Form,
};
use crate::{
    asr::{self, Audio, Form as AudioForm, Manner, Takes, TranscribeError, Transcriber, Transcription, order::Asked},
    clock::Clock,
    config::WhisperSettings,
    ledger::VendorTrace,
    outbound::{Client, ClientError, ErrorBody, Limits, Response},
};

/// The largest answer read: three hours of talk with a line per word and every token of it take under 8 MB.
const LARGEST_ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// Opening the connection, as OpenAI's own client allows.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What a retry after a bad answer asks for; 0 would give the same answer again.
const DIFFERENT_TEMPERATURE: &str = "0.2";
/// Pieces of one call asked for at once: one call must not take the whole of what the server bears.
const PIECES_AT_ONCE: usize = 4;
/// What the file of a piece is called, at its longest.
const LONGEST_FILE_NAME: &str = "recording.wav";

/// An OpenAI-compatible transcriber.
#[derive(Debug)]
pub struct Whisper {
    client: Client,
    url: Url,
    settings: WhisperSettings,
    clock: Arc<dyn Clock>,
    /// The server was found not to do the richer format with this model: for the life of this process it is asked for `json`.
    only_plain: AtomicBool,
}

/// What a request came to.
enum Answer {
    Transcript(Transcription),
    /// The format asked for is not done here.
    OtherFormat(String),
}

impl Whisper {
    /// A transcriber at the server the settings name; connects to nothing yet.
    pub fn new(settings: WhisperSettings, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        // a server that thinks sends nothing, so the whole time is silence
        let limits = Limits { connect: CONNECT_TIMEOUT, idle: settings.timeout, total: Some(settings.timeout), decompress: true };
        let client = Client::through(&settings.network, WhisperSettings::PROVIDER, limits)?.allowing_plain_http(&settings.base_url);
        let mut url = settings.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["audio", "transcriptions"]);
        }
        Ok(Self { client, url, settings, clock, only_plain: AtomicBool::new(false) })
    }

    /// Tells speakers on one channel apart; then it takes no prompt and tells no words.
    fn diarizes(&self) -> bool {
        self.settings.model.contains("diarize")
    }

    fn form(&self, file_name: &str, manner: Manner, plain: bool) -> Form {
        let (settings, diarizes) = (&self.settings, self.diarizes());
        let mut fields = vec![("model", settings.model.clone())];
        fields.extend(settings.language.clone().map(|language| ("language", language)));
        match manner {
            Manner::Usual => {
                fields.extend(settings.prompt.clone().filter(|_| !diarizes).map(|prompt| ("prompt", prompt)));
                fields.push(("temperature", "0".to_owned()));
            }
            Manner::Different => fields.push(("temperature", DIFFERENT_TEMPERATURE.to_owned())),
        }
        if diarizes {
            // refused without it, for audio of whatever length
            fields.push(("chunking_strategy", "auto".to_owned()));
        }
        if plain {
            fields.push(("response_format", "json".to_owned()));
        } else if diarizes {
            fields.push(("response_format", "diarized_json".to_owned()));
        } else {
            fields.push(("response_format", "verbose_json".to_owned()));
            fields.push(("timestamp_granularities[]", "word".to_owned()));
            fields.push(("timestamp_granularities[]", "segment".to_owned()));
        }
        Form::new(&fields, file_name)
    }

    async fn ask(&self, audio: &dyn Audio, manner: Manner, plain: bool) -> Result<Answer, TranscribeError> {
        let bytes = audio.open().await.map_err(TranscribeError::Audio)?;
        let form = self.form(audio.file_name(), manner, plain);
        let (body, fault) = form.body(audio.size_bytes(), bytes);
        let sent = async {
            let mut request = self.client.request(Method::POST, &self.url)?.header(CONTENT_TYPE, form.content_type());
            if let Some(key) = &self.settings.api_key {
                request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose_secret()));
            }
            self.client.send(request.body(reqwest::Body::wrap(body))).await
        };
        match sent.await {
            Ok(response) => self.read(response, audio.duration()).await,
            Err(error) => Err(fault.take().map_or_else(|| broken(error, VendorTrace::default()), TranscribeError::Audio)),
        }
    }

    async fn read(&self, response: Response, duration: Duration) -> Result<Answer, TranscribeError> {
        let head = Head::read(response.status(), response.headers(), &*self.clock);
        if !head.status.is_success() {
            return answered(head.refusal(&response.error_body().await));
        }
        let body: Bytes = response.bytes(LARGEST_ANSWER_BYTES).await.map_err(|error| broken(error, head.trace.clone()))?;
        let request_id = head.trace.request_id.as_deref();
        match answer::read(&body, Asked { audio_seconds: duration.as_secs_f64(), model: &self.settings.model, request_id }) {
            Reading::Transcript(transcription) => {
                Ok(Answer::Transcript(Transcription { exhausted_for: head.exhausted_for, ..transcription }))
            }
            Reading::Error => answered(head.refusal_within_success(&ErrorBody::read(&body))),
            Reading::Unreadable(what) => Err(TranscribeError::Unreadable { what, trace: head.trace }),
        }
    }
}

fn answered(refusal: Refusal) -> Result<Answer, TranscribeError> {
    match refusal {
        Refusal::Format(what) => Ok(Answer::OtherFormat(what)),
        Refusal::Error(error) => Err(error),
    }
}

#[async_trait]
impl Transcriber for Whisper {
    fn name(&self) -> &'static str {
        WhisperSettings::PROVIDER
    }

    fn model(&self) -> &str {
        &self.settings.model
    }

    fn asked_for(&self, model: Option<&str>, language: Option<&str>) -> Arc<dyn Transcriber> {
        let mut settings = model.map_or_else(|| self.settings.clone(), |model| self.settings.with_model(model));
        settings.language = language.map(str::to_owned).or(settings.language);
        Arc::new(Self {
            client: self.client.clone(),
            url: self.url.clone(),
            settings,
            clock: Arc::clone(&self.clock),
            only_plain: AtomicBool::new(false),
        })
    }

    fn language(&self) -> Option<&str> {
        self.settings.language.as_deref()
    }

    fn takes(&self) -> Takes {
        // what frames the file counts, too; the name is as long as any that we give
        let frame = self.form(LONGEST_FILE_NAME, Manner::Usual, false).body_bytes(0);
        Takes {
            max_bytes: Some(self.settings.max_bytes.saturating_sub(frame)),
            max_duration: self.settings.max_duration,
            forms: &[AudioForm::Wav],
            at_once: PIECES_AT_ONCE,
            diarizes: self.diarizes(),
            paid: self.settings.is_openai(),
        }
    }

    async fn transcribe(&self, audio: &dyn Audio, manner: Manner) -> Result<asr::Answer, TranscribeError> {
        let mut plain = self.only_plain.load(Ordering::Relaxed);
        loop {
            match self.ask(audio, manner, plain).await? {
                Answer::Transcript(transcription) => return Ok(asr::Answer::Made(Box::new(transcription))),
                Answer::OtherFormat(what) if plain => {
                    return Err(TranscribeError::Misconfigured { what, trace: VendorTrace::default() });
                }
                Answer::OtherFormat(what) => {
                    tracing::info!(
                        asr.model = self.settings.model,
                        what,
                        "model does not do the format that tells most: asking for `json` from now on"
                    );
                    self.only_plain.store(true, Ordering::Relaxed);
                    plain = true;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
