//! Provider `aws-transcribe`: the audio is put into our bucket, a job of a unique name reads it there and writes its result beside it.
//!
//! The name is the piece's, so that a start whose reply was lost is not paid for twice: the second one is told that the job exists. Both
//! objects and the job go once its answer is kept. Needs the cargo feature of the same name.

mod answer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_transcribe::{
    Client,
    config::{Credentials, http::HttpResponse},
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::{RequestId, get_transcription_job::GetTranscriptionJobError, start_transcription_job::StartTranscriptionJobError},
    types::{LanguageCode, Media, ModelSettings, Settings, TranscriptionJob, TranscriptionJobStatus},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures_util::StreamExt;
use secrecy::ExposeSecret;

use super::{
    Answer, Audio, Form, Manner, Speakers, Takes, TranscribeError, Transcriber, Underway,
    job::{FIRST_LOOK, Job, MOST_ROUNDS},
    order::{Asked, in_order},
    service::{Words, meaning},
};
use crate::{
    blob::{Blob, BlobError, ObjectDescription},
    clock::Clock,
    config::AwsTranscribeSettings,
    domain::Reason,
    ledger::VendorTrace,
    outbound::scrub,
    telemetry::chain,
};

/// One try of one request: they carry no audio.
const ATTEMPT_PATIENCE: Duration = Duration::from_secs(20);
/// A busy moment of the service ends within a minute.
const BUSY_WAIT: Duration = Duration::from_mins(1);
/// Wait while S3 cannot take or give what it is to.
const STORE_WAIT: Duration = Duration::from_secs(30);
/// Its documented limits.
const MAX_BYTES: u64 = 2_000_000_000;
const MAX_DURATION: Duration = Duration::from_hours(4);
/// Jobs of one call at once; an account may have 100 to 250.
const PIECES_AT_ONCE: usize = 4;
/// The most speakers that are told apart.
const MOST_SPEAKERS: i32 = 10;
/// The largest result read: four hours of items take under 20 MB.
const LARGEST_RESULT_BYTES: usize = 64 * 1024 * 1024;
/// As much of a reason as helps someone.
const REASON_CHARACTERS: usize = 500;

const WORDS: Words = Words {
    credit: &["subscription required"],
    settings: &["access denied", "not authorized", "languagemodelname", "language code", "bucket", "the security token", "signature"],
    too_short: &["length is too small", "too short"],
    too_long: &["too large", "maximum duration", "exceeds the maximum"],
    undecodable: &["unsupported media format", "isn't supported", "media format", "sample rate", "channels", "file isn't valid"],
};

/// AWS Transcribe.
pub struct AwsTranscribe {
    client: Client,
    blob: Blob,
    settings: AwsTranscribeSettings,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for AwsTranscribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsTranscribe").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl AwsTranscribe {
    /// A transcriber that reads and writes the bucket of `blob`. Asks nobody but, without keys, whoever the SDK takes them from.
    pub async fn connect(settings: AwsTranscribeSettings, blob: Blob, clock: Arc<dyn Clock>) -> Self {
        let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_PATIENCE).build();
        // tries belong to the ledger, where they are counted
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled());
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(keys) = &settings.keys {
            let token = keys.session_token.as_ref().map(|token| token.expose_secret().to_owned());
            let secret = keys.secret_access_key.expose_secret();
            loader = loader.credentials_provider(Credentials::new(&keys.access_key_id, secret, token, None, "callscribe settings"));
        }
        let mut config = aws_sdk_transcribe::config::Builder::from(&loader.load().await);
        if let Some(endpoint) = &settings.endpoint_url {
            config = config.endpoint_url(endpoint.as_str().trim_end_matches('/'));
        }
        Self { client: Client::from_conf(config.build()), blob, settings, clock }
    }

    async fn put(&self, audio: &dyn Audio) -> Result<(), TranscribeError> {
        let mut bytes = audio.open().await.map_err(TranscribeError::Audio)?;
        let description = ObjectDescription { content_type: Some("audio/wav".to_owned()), ..ObjectDescription::default() };
        let mut upload = self.blob.upload(sound_key(audio.id()), description);
        while let Some(piece) = bytes.next().await {
            upload.push(piece.map_err(TranscribeError::Audio)?).await.map_err(|error| not_now(&error))?;
        }
        upload.finish().await.map(drop).map_err(|error| not_now(&error))
    }

    async fn begin(&self, audio: &dyn Audio, manner: Manner, round: u8) -> Result<Answer, TranscribeError> {
        self.put(audio).await?;
        let name = audio.id();
        let media = Media::builder().media_file_uri(format!("s3://{}/{}", self.blob.bucket(), sound_key(name))).build();
        let mut start = self.client.start_transcription_job().transcription_job_name(name).media(media);
        start = start.output_bucket_name(self.blob.bucket()).output_key(result_key(name));
        // an answer that was bad may be one in a language that nobody speaks
        let language = self.settings.language.as_deref().filter(|_| manner == Manner::Usual).and_then(language_code);
        start = match language {
            Some(language) => start.language_code(language),
            None => start.identify_language(true),
        };
        if audio.speakers() == Speakers::Several {
            start = start.settings(Settings::builder().show_speaker_labels(true).max_speaker_labels(MOST_SPEAKERS).build());
        }
        if self.settings.model != AwsTranscribeSettings::DEFAULT_MODEL && manner == Manner::Usual {
            start = start.model_settings(ModelSettings::builder().language_model_name(&self.settings.model).build());
        }
        match start.send().await {
            Ok(_) => {}
            // an earlier start was taken although its reply was lost
            Err(error) if error.as_service_error().is_some_and(StartTranscriptionJobError::is_conflict_exception) => {}
            Err(error) => return Err(refused(&error)),
        }
        let job = Job { id: name.to_owned(), begun: self.clock.now(), manner, round };
        Ok(Answer::Underway(Underway { job: job.to_string(), again_in: FIRST_LOOK }))
    }

    /// Begins anew, unless it was begun often enough: then `otherwise`. The old job goes first: its name is the new one's.
    async fn again(&self, audio: &dyn Audio, job: &Job, otherwise: TranscribeError) -> Result<Answer, TranscribeError> {
        self.forget(&job.id).await;
        if job.round >= MOST_ROUNDS {
            return Err(otherwise);
        }
        tracing::warn!(asr.job = job.id, error = %otherwise, "AWS Transcribe lost a job: it is begun anew");
        self.begin(audio, job.manner, job.round + 1).await
    }

    /// Deletes the job, so that its name can be used again. What fails here is found by the next start.
    async fn forget(&self, name: &str) {
        if let Err(error) = self.client.delete_transcription_job().transcription_job_name(name).send().await {
            tracing::debug!(asr.job = name, error = %DisplayErrorContext(&error), "a job of AWS Transcribe was not deleted");
        }
    }

    /// Deletes what was put into the bucket for it.
    async fn clear(&self, name: &str) {
        for key in [sound_key(name), result_key(name)] {
            if let Err(error) = self.blob.delete(&key).await {
                tracing::warn!(blob.key = key, error = %chain(&error), "an object of AWS Transcribe was not deleted: delete it");
            }
        }
    }

    async fn completed(&self, audio: &dyn Audio, job: &Job) -> Result<Answer, TranscribeError> {
        let file = self.result(&result_key(&job.id)).await.map_err(|error| not_now(&error))?;
        let Some(file) = file else {
            let what = format!("the job `{}` is complete and its result is not in the bucket", job.id);
            return self.again(audio, job, TranscribeError::Unreadable { what, trace: VendorTrace::default() }).await;
        };
        let told = answer::read(&file);
        let told = told.map_err(|what| TranscribeError::Unreadable { what, trace: VendorTrace::default() })?;
        let asked = Asked { audio_seconds: audio.duration().as_secs_f64(), model: &self.settings.model, request_id: Some(&job.id) };
        Ok(Answer::Made(Box::new(in_order(told, asked))))
    }

    /// The object's bytes; nothing when it is not there.
    async fn result(&self, key: &str) -> Result<Option<Vec<u8>>, BlobError> {
        let mut reading = match self.blob.get(key, None).await {
            Err(BlobError::NotFound { .. }) => return Ok(None),
            reading => reading?,
        };
        let mut bytes = Vec::new();
        while let Some(piece) = reading.bytes.next().await {
            bytes.extend_from_slice(&piece?);
            // the reader then says where it breaks off
            if bytes.len() > LARGEST_RESULT_BYTES {
                break;
            }
        }
        Ok(Some(bytes))
    }

    async fn failed(&self, audio: &dyn Audio, job: &Job, why: &str) -> Result<Answer, TranscribeError> {
        let lower = why.to_lowercase();
        let what = format!("the job failed: {}", scrub(why, REASON_CHARACTERS));
        let trace = VendorTrace { status: None, request_id: Some(job.id.clone()) };
        match meaning(|word| lower.contains(word), &WORDS) {
            Some(meaning) => {
                self.forget(&job.id).await;
                self.clear(&job.id).await;
                Err(meaning.error(what, trace))
            }
            None => self.again(audio, job, TranscribeError::Rejected { reason: Reason::ProviderRejected, what, trace }).await,
        }
    }
}

fn sound_key(name: &str) -> String {
    format!("transcribe/{name}.wav")
}

fn result_key(name: &str) -> String {
    format!("transcribe/{name}.json")
}

/// S3 is not the provider's fault.
fn not_now(error: &BlobError) -> TranscribeError {
    TranscribeError::NoTurn { wait: STORE_WAIT, what: format!("the bucket cannot be used: {}", chain(error)) }
}

/// The service wants regions; nothing for a language that has several or none here: it finds out itself.
fn language_code(language: &str) -> Option<LanguageCode> {
    const REGIONS: [(&str, &str); 16] = [
        ("ar", "ar-SA"),
        ("da", "da-DK"),
        ("de", "de-DE"),
        ("en", "en-US"),
        ("es", "es-US"),
        ("fr", "fr-FR"),
        ("hi", "hi-IN"),
        ("it", "it-IT"),
        ("ja", "ja-JP"),
        ("ko", "ko-KR"),
        ("nl", "nl-NL"),
        ("pl", "pl-PL"),
        ("pt", "pt-BR"),
        ("sv", "sv-SE"),
        ("tr", "tr-TR"),
        ("zh", "zh-CN"),
    ];
    let known = REGIONS.iter().find(|(code, _)| *code == language).map(|(_, region)| *region);
    known.or_else(|| language.contains('-').then_some(language)).map(LanguageCode::from)
}

/// What an answer that is not a success means.
fn refused<E>(error: &SdkError<E, HttpResponse>) -> TranscribeError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let said = error.message().unwrap_or_default().to_lowercase();
    let code = error.code().unwrap_or_default();
    let what = scrub(&format!("{}", DisplayErrorContext(error)), REASON_CHARACTERS);
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    let trace = VendorTrace { status, request_id: error.request_id().map(str::to_owned) };
    match (code, status) {
        ("LimitExceededException" | "ThrottlingException" | "TooManyRequestsException", _) => {
            TranscribeError::RateLimited { wait: BUSY_WAIT, trace }
        }
        ("BadRequestException" | "ValidationException", _) => match meaning(|word| said.contains(word), &WORDS) {
            Some(meaning) => meaning.error(what, trace),
            None => TranscribeError::Rejected { reason: Reason::ProviderRejected, what, trace },
        },
        (_, Some(400..=499)) => TranscribeError::Misconfigured { what, trace },
        (_, Some(_)) => TranscribeError::Unavailable { what, trace },
        (_, None) if matches!(error, SdkError::ConstructionFailure(_)) => TranscribeError::Misconfigured { what, trace },
        (_, None) => TranscribeError::Unavailable { what, trace },
    }
}

/// Whether the service knows no such job.
fn is_unknown(error: &GetTranscriptionJobError) -> bool {
    error.is_not_found_exception() || error.message().is_some_and(|message| message.contains("couldn't be found"))
}

fn reason(job: &TranscriptionJob) -> &str {
    job.failure_reason().unwrap_or("no reason given")
}

#[async_trait]
impl Transcriber for AwsTranscribe {
    fn name(&self) -> &'static str {
        AwsTranscribeSettings::PROVIDER
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
        Arc::new(Self { client: self.client.clone(), blob: self.blob.clone(), settings, clock: Arc::clone(&self.clock) })
    }

    fn takes(&self) -> Takes {
        Takes {
            max_bytes: Some(MAX_BYTES),
            max_duration: Some(MAX_DURATION),
            forms: &[Form::Wav, Form::Wav16k],
            at_once: PIECES_AT_ONCE,
            diarizes: true,
            paid: true,
        }
    }

    async fn transcribe(&self, audio: &dyn Audio, manner: Manner) -> Result<Answer, TranscribeError> {
        self.begin(audio, manner, 1).await
    }

    async fn collect(&self, audio: &dyn Audio, job: &str) -> Result<Answer, TranscribeError> {
        let Some(job) = Job::parse(job) else { return self.begin(audio, Manner::Usual, 1).await };
        let looked = self.client.get_transcription_job().transcription_job_name(&job.id).send().await;
        let found = match looked {
            Err(error) if error.as_service_error().is_some_and(is_unknown) => return self.again(audio, &job, refused(&error)).await,
            Err(error) => return Err(refused(&error)),
            Ok(found) => found.transcription_job,
        };
        let Some(found) = found else {
            let what = "the answer holds no job".to_owned();
            return Err(TranscribeError::Unreadable { what, trace: VendorTrace::default() });
        };
        let now = self.clock.now();
        match found.transcription_job_status() {
            Some(TranscriptionJobStatus::Completed) => self.completed(audio, &job).await,
            Some(TranscriptionJobStatus::Failed) => self.failed(audio, &job, reason(&found)).await,
            _ if job.is_lost(now, audio.duration()) => {
                let what = format!("the job `{}` is not done after {:?}", job.id, job.age(now));
                self.again(audio, &job, TranscribeError::Unavailable { what, trace: VendorTrace::default() }).await
            }
            _ => Ok(Answer::Underway(Underway { job: job.to_string(), again_in: job.next_look(now) })),
        }
    }

    async fn release(&self, audio: &str, _job: &str) -> Result<(), TranscribeError> {
        self.forget(audio).await;
        self.clear(audio).await;
        Ok(())
    }
}
