//! Provider `deepgram`: the audio is sent, and the result comes as the answer, or, where Deepgram can reach us, is posted later.
//!
//! It has no name of ours for a request, so a reply that was lost may cost a second run; a result that was posted all the same saves it. The
//! route that takes what is posted lives in `api`, the table in `store`.

mod answer;
mod callback;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;

use self::answer::WireAnswer;
pub use self::callback::Callbacks;
use super::{
    Answer, Audio, Form, Manner, Speakers, Takes, TranscribeError, Transcriber, Underway,
    job::{FIRST_LOOK, Job, MOST_ROUNDS},
    order::{Asked, in_order},
    service::{Head, Words, broken, meaning, unreadable},
    upload::Body,
};
use crate::{
    clock::Clock,
    config::DeepgramSettings,
    ledger::VendorTrace,
    outbound::{Client, ClientError, ErrorBody, Limits},
    store::{Store, StoreError, provider_answers},
    telemetry::chain,
};

/// Opening the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer read; the route of the callback takes as much.
pub const LARGEST_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Its documented limit on a file.
const MAX_BYTES: u64 = 2_000_000_000;
/// Pieces of one call asked for at once: the smallest accounts may have a hundred requests under way.
const PIECES_AT_ONCE: usize = 4;
/// The header that names a request.
const REQUEST_ID: &str = "dg-request-id";
/// Wait while PostgreSQL cannot tell what was posted.
const STORE_WAIT: Duration = Duration::from_secs(10);

const WORDS: Words = Words {
    credit: &["payment_required", "enough credits", "insufficient credits", "balance"],
    settings: &["no such model", "model/language", "not have access", "invalid callback", "insufficient_permissions", "query parameter"],
    too_short: &["too short"],
    too_long: &["payload too large", "too large", "exceeds the maximum"],
    undecodable: &["corrupt or unsupported", "failed to process audio", "unsupported data", "unsupported_media", "no audio"],
};

/// Deepgram.
#[derive(Debug)]
pub struct Deepgram {
    client: Client,
    settings: DeepgramSettings,
    clock: Arc<dyn Clock>,
    /// Where posted results are found; without it nothing is asked to be posted.
    answers: Option<Store>,
}

impl Deepgram {
    /// A transcriber at the server the settings name; connects to nothing yet.
    pub fn new(settings: DeepgramSettings, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let limits = Limits { connect: CONNECT_TIMEOUT, idle: settings.timeout, total: Some(settings.timeout), decompress: true };
        let client = Client::through(&settings.network, DeepgramSettings::PROVIDER, limits)?.allowing_plain_http(&settings.base_url);
        Ok(Self { client, settings, clock, answers: None })
    }

    /// The same with results posted to `DEEPGRAM_CALLBACK_URL`, if that is set, and found in `store`.
    #[must_use]
    pub fn collecting_from(mut self, store: Store) -> Self {
        self.answers = self.settings.callback.is_some().then_some(store);
        self
    }

    fn url(&self, audio: &dyn Audio, manner: Manner, callback: Option<&Url>) -> Url {
        let mut url = self.settings.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "listen"]);
        }
        let mut query = url.query_pairs_mut();
        query.append_pair("model", &self.settings.model);
        // an answer that was bad may be one in a language that nobody speaks
        match self.settings.language.as_deref().filter(|_| manner == Manner::Usual) {
            Some(language) => query.append_pair("language", language),
            None => query.append_pair("detect_language", "true"),
        };
        query.extend_pairs([("punctuate", "true"), ("utterances", "true"), ("smart_format", "false")]);
        if audio.speakers() == Speakers::Several {
            query.append_pair("diarize", "true");
        }
        if let Some(callback) = callback {
            query.append_pair("callback", callback.as_str());
        }
        drop(query);
        url
    }

    /// Sends the audio and reads the answer, whatever it is, to its end.
    async fn ask(&self, audio: &dyn Audio, url: &Url) -> Result<(Head, Bytes), TranscribeError> {
        let bytes = audio.open().await.map_err(TranscribeError::Audio)?;
        let (body, fault) = Body::of(audio.size_bytes(), bytes);
        let kind = if audio.file_name().ends_with(".ogg") { "audio/ogg" } else { "audio/wav" };
        let sent = async {
            let mut request = self.client.request(Method::POST, url)?.header(CONTENT_TYPE, kind);
            if let Some(key) = &self.settings.api_key {
                request = request.header(AUTHORIZATION, format!("Token {}", key.expose_secret()));
            }
            self.client.send(request.body(reqwest::Body::wrap(body))).await
        };
        let failed = |error| fault.take().map_or_else(|| broken(error, VendorTrace::default()), TranscribeError::Audio);
        let response = sent.await.map_err(failed)?;
        let head = Head::read(response.status(), response.headers(), REQUEST_ID, &*self.clock);
        if !head.status.is_success() {
            return Err(head.refusal(&response.error_body().await, &WORDS));
        }
        let body = response.bytes(LARGEST_ANSWER_BYTES).await.map_err(|error| broken(error, head.trace.clone()))?;
        Ok((head, body))
    }

    async fn begin(&self, audio: &dyn Audio, manner: Manner, round: u8) -> Result<Answer, TranscribeError> {
        let callback = self.settings.callback.as_ref().filter(|_| self.answers.is_some());
        let address = callback.map(|callback| Callbacks::new(&callback.secret).address(&callback.url, audio.id()));
        let (head, body) = self.ask(audio, &self.url(audio, manner, address.as_ref())).await?;
        let trace = head.trace;
        let answer = read(&body).map_err(|what| TranscribeError::Unreadable { what, trace: trace.clone() })?;
        if address.is_none() {
            return self.made(audio, answer, trace);
        }
        if answer.id().is_none() {
            let what = "the reply to a request with a callback names no `request_id`".to_owned();
            return Err(TranscribeError::Unreadable { what, trace });
        }
        let job = Job { id: audio.id().to_owned(), begun: self.clock.now(), manner, round };
        Ok(Answer::Underway(Underway { job: job.to_string(), again_in: FIRST_LOOK }))
    }

    fn made(&self, audio: &dyn Audio, answer: WireAnswer, trace: VendorTrace) -> Result<Answer, TranscribeError> {
        let request_id = answer.id().map(str::to_owned).or_else(|| trace.request_id.clone());
        let asked = Asked { audio_seconds: audio.duration().as_secs_f64(), model: &self.settings.model, request_id: request_id.as_deref() };
        let told = answer.told().map_err(|what| TranscribeError::Unreadable { what, trace })?;
        Ok(Answer::Made(Box::new(in_order(told, asked))))
    }

    /// What was posted for this piece, read; an error that was posted is forgotten, so that the piece can be asked for anew.
    async fn posted(&self, store: &Store, audio: &dyn Audio) -> Result<Option<Answer>, TranscribeError> {
        let found = async {
            let mut connection = store.connection().await?;
            provider_answers::find(&mut connection, DeepgramSettings::PROVIDER, audio.id()).await
        };
        let Some(value) = found.await.map_err(|error| not_now(&error))? else { return Ok(None) };
        let body = value.to_string();
        let read = read(body.as_bytes()).map_err(|what| TranscribeError::Unreadable { what, trace: VendorTrace::default() });
        let trace = |id: Option<&str>| VendorTrace { status: None, request_id: id.map(str::to_owned) };
        let made = match read {
            Ok(answer) if answer.is_error() => Err(refused(&ErrorBody::read(body.as_bytes()), trace(answer.id()))),
            Ok(answer) => {
                let trace = trace(answer.id());
                self.made(audio, answer, trace)
            }
            Err(error) => Err(error),
        };
        if made.is_err() {
            forget(store, audio.id()).await?;
        }
        made.map(Some)
    }

    /// Asks once more, unless it was asked often enough: then `otherwise`.
    async fn again(&self, audio: &dyn Audio, job: &Job, otherwise: TranscribeError) -> Result<Answer, TranscribeError> {
        if job.round >= MOST_ROUNDS {
            return Err(otherwise);
        }
        tracing::warn!(asr.job = job.id, error = %otherwise, "Deepgram posted no result: it is asked again");
        self.begin(audio, job.manner, job.round + 1).await
    }
}

fn read(body: &[u8]) -> Result<WireAnswer, String> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error, body.len()))
}

/// Forgets what was posted for a piece.
async fn forget(store: &Store, piece: &str) -> Result<(), TranscribeError> {
    let forgotten = async {
        let mut connection = store.connection().await?;
        provider_answers::forget(&mut connection, DeepgramSettings::PROVIDER, piece).await
    };
    forgotten.await.map_err(|error| not_now(&error))
}

/// What an error that was posted means.
fn refused(body: &ErrorBody, trace: VendorTrace) -> TranscribeError {
    let what = format!("posted: {}", body.summary());
    match meaning(|word| body.says(word), &WORDS) {
        Some(meaning) => meaning.error(what, trace),
        None => TranscribeError::Unavailable { what, trace },
    }
}

/// PostgreSQL is not the provider's fault.
fn not_now(error: &StoreError) -> TranscribeError {
    TranscribeError::NoTurn { wait: STORE_WAIT, what: format!("what was posted cannot be read: {}", chain(error)) }
}

#[async_trait]
impl Transcriber for Deepgram {
    fn name(&self) -> &'static str {
        DeepgramSettings::PROVIDER
    }

    fn model(&self) -> &str {
        &self.settings.model
    }

    fn language(&self) -> Option<&str> {
        self.settings.language.as_deref()
    }

    fn asked_for(&self, model: Option<&str>, language: Option<&str>) -> Arc<dyn Transcriber> {
        let mut settings = self.settings.clone();
        settings.model = model.map_or(settings.model, str::to_owned);
        settings.language = language.map(str::to_owned).or(settings.language);
        let (client, clock, answers) = (self.client.clone(), Arc::clone(&self.clock), self.answers.clone());
        Arc::new(Self { client, settings, clock, answers })
    }

    fn takes(&self) -> Takes {
        Takes {
            max_bytes: Some(MAX_BYTES),
            max_duration: None,
            forms: &[Form::Wav, Form::Wav16k, Form::Opus],
            at_once: PIECES_AT_ONCE,
            diarizes: true,
            paid: true,
        }
    }

    async fn transcribe(&self, audio: &dyn Audio, manner: Manner) -> Result<Answer, TranscribeError> {
        if let Some(store) = &self.answers
            && let Ok(Some(_)) = self.posted(store, audio).await
        {
            // an earlier request was taken although its reply was lost: as if it had been answered now
            let job = Job { id: "posted".to_owned(), begun: self.clock.now(), manner, round: 1 };
            return Ok(Answer::Underway(Underway { job: job.to_string(), again_in: Duration::ZERO }));
        }
        self.begin(audio, manner, 1).await
    }

    async fn collect(&self, audio: &dyn Audio, job: &str) -> Result<Answer, TranscribeError> {
        // settings that changed since must not lose what is under way
        let (Some(store), Some(job)) = (&self.answers, Job::parse(job)) else { return self.begin(audio, Manner::Usual, 1).await };
        match self.posted(store, audio).await {
            Ok(Some(answer)) => return Ok(answer),
            Err(error @ TranscribeError::Unavailable { .. }) => return self.again(audio, &job, error).await,
            other => other?,
        };
        let now = self.clock.now();
        if !job.is_lost(now, audio.duration()) {
            return Ok(Answer::Underway(Underway { job: job.to_string(), again_in: job.next_look(now) }));
        }
        let what = format!(
            "no result of `{}` was posted to `DEEPGRAM_CALLBACK_URL` within {:?}: see that Deepgram can reach it, or leave it out",
            job.id,
            job.age(now)
        );
        self.again(audio, &job, TranscribeError::Misconfigured { what, trace: VendorTrace::default() }).await
    }

    async fn release(&self, audio: &str, _job: &str) -> Result<(), TranscribeError> {
        match &self.answers {
            Some(store) => forget(store, audio).await,
            None => Ok(()),
        }
    }
}
