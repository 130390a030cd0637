//! Provider `assemblyai`: the audio is uploaded, a transcript of it is ordered, and asked for until it is there.
//!
//! It has no name of ours for an order, so a reply that was lost costs a second order. Its webhook is not used: it would save a request or
//! two per piece and open a door.

mod answer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use self::answer::{Status, WireTranscript};
use super::{
    Answer, Audio, Form, Manner, Speakers, Takes, TranscribeError, Transcriber, Underway,
    job::{FIRST_LOOK, Job, MOST_ROUNDS},
    order::{Asked, Told, in_order},
    service::{Head, Words, broken, meaning, unreadable},
    upload::Body,
};
use crate::{
    clock::Clock,
    config::AssemblyAiSettings,
    domain::Reason,
    outbound::{Client, ClientError, Limits, scrub},
};

/// Opening the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer read: ten hours with every word in words and utterances take under 20 MB.
const LARGEST_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Its documented limits on a file and its length.
const MAX_BYTES: u64 = 2_200_000_000;
const MAX_DURATION: Duration = Duration::from_hours(10);
/// Pieces of one call ordered at once: its queue takes more, but one call must not fill it.
const PIECES_AT_ONCE: usize = 4;
/// The header that names a request, as far as one does.
const REQUEST_ID: &str = "x-request-id";
/// As much of a reason as helps someone.
const REASON_CHARACTERS: usize = 500;

const WORDS: Words = Words {
    credit: &["account balance", "insufficient funds", "payment", "billing"],
    settings: &[
        "speech model",
        "speech_model",
        "deprecated",
        "not supported for",
        "language_code",
        "authentication error",
        "invalid endpoint",
    ],
    too_short: &["duration is too short", "too short", "at least 160"],
    too_long: &["too large", "too long", "exceeds the maximum", "maximum duration"],
    undecodable: &["transcoding failed", "file type is", "does not appear to contain audio", "unsupported", "could not decode"],
};
/// What it says of audio in which nobody speaks.
const NOBODY_SPEAKS: [&str; 3] = ["no spoken audio", "no speech", "language_detection cannot be performed"];

/// AssemblyAI.
#[derive(Debug)]
pub struct AssemblyAi {
    client: Client,
    settings: AssemblyAiSettings,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Uploaded {
    upload_url: String,
}

impl AssemblyAi {
    /// A transcriber at the server the settings name; connects to nothing yet.
    pub fn new(settings: AssemblyAiSettings, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let limits = Limits { connect: CONNECT_TIMEOUT, idle: settings.timeout, total: Some(settings.timeout), decompress: true };
        let client = Client::through(&settings.network, AssemblyAiSettings::PROVIDER, limits)?.allowing_plain_http(&settings.base_url);
        Ok(Self { client, settings, clock })
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.settings.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v2").extend(path);
        }
        url
    }

    /// Sends a request and reads its answer, whatever it is, to its end.
    async fn exchange(&self, method: Method, url: &Url, body: Option<(&str, reqwest::Body)>) -> Result<(Head, Bytes), TranscribeError> {
        let sent = async {
            let mut request = self.client.request(method, url)?;
            if let Some(key) = &self.settings.api_key {
                request = request.header(AUTHORIZATION, key.expose_secret());
            }
            if let Some((kind, body)) = body {
                request = request.header(CONTENT_TYPE, kind).body(body);
            }
            self.client.send(request).await
        };
        let response = sent.await.map_err(|error| broken(error, Default::default()))?;
        let head = Head::read(response.status(), response.headers(), REQUEST_ID, &*self.clock);
        if !head.status.is_success() {
            return Err(head.refusal(&response.error_body().await, &WORDS));
        }
        let body = response.bytes(LARGEST_ANSWER_BYTES).await.map_err(|error| broken(error, head.trace.clone()))?;
        Ok((head, body))
    }

    async fn upload(&self, audio: &dyn Audio) -> Result<String, TranscribeError> {
        let bytes = audio.open().await.map_err(TranscribeError::Audio)?;
        let (body, fault) = Body::of(audio.size_bytes(), bytes);
        let body = Some(("application/octet-stream", reqwest::Body::wrap(body)));
        let sent = self.exchange(Method::POST, &self.url(&["upload"]), body).await;
        let (head, answer) = sent.map_err(|error| fault.take().map_or(error, TranscribeError::Audio))?;
        let uploaded: Uploaded = parsed(&head, &answer)?;
        Ok(uploaded.upload_url)
    }

    /// What is asked of it.
    fn order(&self, audio: &dyn Audio, manner: Manner, upload_url: &str) -> serde_json::Value {
        let mut order = json!({
            "audio_url": upload_url,
            "speech_models": [self.settings.model],
            "punctuate": true,
            "format_text": false,
            "speaker_labels": audio.speakers() == Speakers::Several,
        });
        // an answer that was bad may be one in a language that nobody speaks
        let language = self.settings.language.as_deref().filter(|_| manner == Manner::Usual);
        let (name, value) = language.map_or(("language_detection", json!(true)), |language| ("language_code", json!(language)));
        if let Some(fields) = order.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
        order
    }

    async fn begin(&self, audio: &dyn Audio, manner: Manner, round: u8) -> Result<Answer, TranscribeError> {
        let upload_url = self.upload(audio).await?;
        let order = self.order(audio, manner, &upload_url).to_string();
        let (head, answer) = self.exchange(Method::POST, &self.url(&["transcript"]), Some(("application/json", order.into()))).await?;
        let transcript: WireTranscript = parsed(&head, &answer)?;
        let job = Job { id: transcript.id, begun: self.clock.now(), manner, round };
        Ok(Answer::Underway(Underway { job: job.to_string(), again_in: FIRST_LOOK }))
    }

    /// Orders it once more, unless it was ordered often enough: then `otherwise`.
    async fn again(&self, audio: &dyn Audio, job: &Job, otherwise: TranscribeError) -> Result<Answer, TranscribeError> {
        if job.round >= MOST_ROUNDS {
            return Err(otherwise);
        }
        tracing::warn!(asr.job = job.id, error = %otherwise, "AssemblyAI lost a transcript: it is ordered again");
        self.begin(audio, job.manner, job.round + 1).await
    }

    async fn failed(&self, audio: &dyn Audio, job: &Job, why: &str, head: Head) -> Result<Answer, TranscribeError> {
        let lower = why.to_lowercase();
        if NOBODY_SPEAKS.iter().any(|words| lower.contains(words)) {
            return Ok(self.made(audio, job, Told { text: Some(String::new()), ..Told::default() }));
        }
        let what = format!("the transcript failed: {}", scrub(why, REASON_CHARACTERS));
        let trace = head.known_as(Some(&job.id)).trace;
        match meaning(|word| lower.contains(word), &WORDS) {
            Some(meaning) => Err(meaning.error(what, trace)),
            None => self.again(audio, job, TranscribeError::Rejected { reason: Reason::ProviderRejected, what, trace }).await,
        }
    }

    fn made(&self, audio: &dyn Audio, job: &Job, told: Told) -> Answer {
        let asked = Asked { audio_seconds: audio.duration().as_secs_f64(), model: &self.settings.model, request_id: Some(&job.id) };
        Answer::Made(Box::new(in_order(told, asked)))
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(head: &Head, body: &[u8]) -> Result<T, TranscribeError> {
    serde_json::from_slice(body)
        .map_err(|error| TranscribeError::Unreadable { what: unreadable(&error, body.len()), trace: head.trace.clone() })
}

#[async_trait]
impl Transcriber for AssemblyAi {
    fn name(&self) -> &'static str {
        AssemblyAiSettings::PROVIDER
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
        Arc::new(Self { client: self.client.clone(), settings, clock: Arc::clone(&self.clock) })
    }

    fn takes(&self) -> Takes {
        Takes {
            max_bytes: Some(MAX_BYTES),
            max_duration: Some(MAX_DURATION),
            forms: &[Form::Wav, Form::Wav16k, Form::Opus],
            at_once: PIECES_AT_ONCE,
            diarizes: true,
            paid: true,
        }
    }

    async fn transcribe(&self, audio: &dyn Audio, manner: Manner) -> Result<Answer, TranscribeError> {
        self.begin(audio, manner, 1).await
    }

    async fn collect(&self, audio: &dyn Audio, job: &str) -> Result<Answer, TranscribeError> {
        let Some(job) = Job::parse(job) else {
            // nobody knows any more what was ordered
            return self.begin(audio, Manner::Usual, 1).await;
        };
        let looked = self.exchange(Method::GET, &self.url(&["transcript", &job.id]), None).await;
        let (head, answer) = match looked {
            Err(error) if error.trace().status == Some(404) => return self.again(audio, &job, error).await,
            looked => looked?,
        };
        let transcript: WireTranscript = parsed(&head, &answer)?;
        let now = self.clock.now();
        match transcript.status {
            Status::Completed => {
                let told = transcript.told().map_err(|what| TranscribeError::Unreadable { what, trace: head.trace.clone() })?;
                Ok(self.made(audio, &job, told))
            }
            Status::Error => self.failed(audio, &job, transcript.failure(), head).await,
            Status::Queued | Status::Processing if job.is_lost(now, audio.duration()) => {
                let what = format!("the transcript `{}` is not ready after {:?}", job.id, job.age(now));
                self.again(audio, &job, TranscribeError::Unavailable { what, trace: head.trace }).await
            }
            Status::Queued | Status::Processing => Ok(Answer::Underway(Underway { job: job.to_string(), again_in: job.next_look(now) })),
        }
    }
}
