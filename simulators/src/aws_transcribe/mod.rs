//! AWS Transcribe on loopback: `Transcribe.StartTranscriptionJob`, `Get…` and `Delete…` as `x-amz-json-1.1`, hearing what lies in the bucket.
//!
//! Signatures are looked at only as far as whose key they name. S3 is real: whoever starts this lends it a bucket.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::faults::Faults;
use crate::hearing::{Heard, Word};
use crate::requests::Requests;
use crate::server::{Connection, Server};
use crate::services::{Desk, ServiceFault, ServicePlan, Taken, cut, listen, log};

/// An answer that comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The buckets that jobs read and write.
pub trait Bucket: fmt::Debug + Send + Sync + 'static {
    /// The object, if it is there.
    fn get<'a>(&'a self, bucket: &'a str, key: &'a str) -> Later<'a, Option<Bytes>>;

    /// Writes an object.
    fn put<'a>(&'a self, bucket: &'a str, key: &'a str, body: Bytes) -> Later<'a, ()>;
}

#[derive(Debug, Clone)]
struct Job {
    wanted: Value,
    looks: u32,
    failure: Option<String>,
}

#[derive(Debug)]
struct Site {
    desk: Arc<Desk>,
    bucket: Arc<dyn Bucket>,
    jobs: Mutex<HashMap<String, Job>>,
}

/// A running AWS Transcribe, stopped when dropped. The plan's key is the access key's id; its models are custom language models.
#[derive(Debug)]
pub struct AwsTranscribe {
    server: Server,
    site: Arc<Site>,
}

impl AwsTranscribe {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(plan: ServicePlan, bucket: Arc<dyn Bucket>) -> io::Result<Self> {
        let desk = Arc::new(Desk::new(plan));
        let site = Arc::new(Site { desk: Arc::clone(&desk), bucket, jobs: Mutex::default() });
        let router = Router::new()
            .route("/", post(receive))
            .layer(axum::middleware::from_fn(move |request, next| log(Arc::clone(&desk), request, next)))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&site));
        Ok(Self { server: Server::start(router).await?, site })
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        self.server.url()
    }

    /// The faults, to switch.
    #[must_use]
    pub fn faults(&self) -> &Faults<ServiceFault> {
        &self.site.desk.faults
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.site.desk.requests
    }

    /// The audio of which jobs were started.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.site.desk.taken()
    }

    /// The names of the jobs that are held.
    #[must_use]
    pub fn jobs(&self) -> Vec<String> {
        self.site.held().keys().cloned().collect()
    }
}

impl Site {
    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string()).into_response()
}

fn error(status: u16, kind: &str, message: &str) -> Response {
    answer(status, &json!({"__type": kind, "Message": message}))
}

async fn receive(
    State(site): State<Arc<Site>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut response = decided(&site, &connection, &headers, &body).await;
    if let Ok(id) = HeaderValue::from_str(&site.desk.new_id()) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

async fn decided(site: &Site, connection: &Connection, headers: &HeaderMap, body: &[u8]) -> Response {
    let desk = &site.desk;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let signed = format!("Credential={}/", desk.plan.api_key);
    if !text("authorization").contains(&signed) || desk.strikes(&ServiceFault::KeyRefused) {
        return error(400, "UnrecognizedClientException", "The security token included in the request is invalid.");
    }
    if desk.strikes(&ServiceFault::NoCredit) {
        return error(400, "SubscriptionRequiredException", "The AWS Access Key Id needs a subscription for the service");
    }
    if desk.faults.strike(&[], |fault| matches!(fault, ServiceFault::TooMany { .. }).then_some(())).is_some() {
        return error(429, "LimitExceededException", "You have exceeded your maximum concurrent job limit.");
    }
    let failing = |fault: &ServiceFault| match fault {
        ServiceFault::Failing { status } | ServiceFault::FailingAsPage { status } => Some(*status),
        _ => None,
    };
    if let Some(status) = desk.faults.strike(&[], failing) {
        return error(
            status,
            "InternalFailureException",
            "There was an internal error. Check the error message, correct the issue, and try again.",
        );
    }
    if desk.strikes(&ServiceFault::Cut) {
        return cut(connection);
    }
    let Ok(wanted) = serde_json::from_slice::<Value>(body) else { return error(400, "SerializationException", "no JSON") };
    let name = wanted.get("TranscriptionJobName").and_then(Value::as_str).unwrap_or_default().to_owned();
    match text("x-amz-target").as_str() {
        "Transcribe.StartTranscriptionJob" => start(site, connection, name, wanted).await,
        "Transcribe.GetTranscriptionJob" => get(site, &name).await,
        "Transcribe.DeleteTranscriptionJob" => {
            site.held().remove(&name);
            answer(200, &json!({}))
        }
        other => error(400, "UnknownOperationException", other),
    }
}

async fn start(site: &Site, connection: &Connection, name: String, wanted: Value) -> Response {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if name.is_empty() || name.len() > 200 || !name.chars().all(is_name) {
        return error(
            400,
            "BadRequestException",
            "1 validation error detected: Value at 'transcriptionJobName' failed to satisfy constraint",
        );
    }
    if site.held().contains_key(&name) {
        return error(409, "ConflictException", "The requested job name already exists.");
    }
    let model = wanted.pointer("/ModelSettings/LanguageModelName").and_then(Value::as_str);
    if model.is_some_and(|model| !site.desk.plan.models.iter().any(|each| each == model)) {
        return error(400, "BadRequestException", "The LanguageModelName that you specified doesn't exist.");
    }
    let uri = wanted.pointer("/Media/MediaFileUri").and_then(Value::as_str).unwrap_or_default();
    let (bucket, key) = uri.strip_prefix("s3://").and_then(|path| path.split_once('/')).unwrap_or_default();
    let Some(sound) = site.bucket.get(bucket, key).await else {
        return error(
            400,
            "BadRequestException",
            "The URI that you provided doesn't point to an S3 object. Make sure that the object exists.",
        );
    };
    let Some(sound) = listen(Body::from(sound)).await else { return error(500, "InternalFailureException", "not read") };
    site.desk.note(Taken {
        id: name.clone(),
        sha256: sound.sha256,
        bytes: sound.bytes,
        model: model.unwrap_or("default").to_owned(),
        language: wanted.get("LanguageCode").and_then(Value::as_str).map(str::to_owned),
        diarize: wanted.pointer("/Settings/ShowSpeakerLabels") == Some(&Value::Bool(true)),
        heard: sound.heard.as_ref().map(Heard::text).unwrap_or_default(),
    });
    let told =
        site.desk.faults.strike(&[], |fault| if let ServiceFault::JobFails { reason } = fault { Some(reason.clone()) } else { None });
    let failure = match (&sound.heard, told) {
        (_, Some(reason)) => Some(reason),
        (Ok(heard), None) if !site.desk.strikes(&ServiceFault::CannotDecode) => {
            let file = result(&wanted, &name, heard).to_string();
            let file = if site.desk.strikes(&ServiceFault::HalfAnswer) { file.chars().take(file.len() / 2).collect() } else { file };
            let output = |field: &str| wanted.get(field).and_then(Value::as_str).unwrap_or_default();
            site.bucket.put(output("OutputBucketName"), output("OutputKey"), file.into()).await;
            None
        }
        (_, None) => Some("The media format provided does not match the detected media format, or the media file isn't valid.".to_owned()),
    };
    let answered = answer(200, &json!({"TranscriptionJob": {"TranscriptionJobName": name, "TranscriptionJobStatus": "IN_PROGRESS"}}));
    site.held().insert(name, Job { wanted, looks: 0, failure });
    if site.desk.strikes(&ServiceFault::StartReplyLost) { cut(connection) } else { answered }
}

async fn get(site: &Site, name: &str) -> Response {
    let job = {
        let mut held = site.held();
        if site.desk.strikes(&ServiceFault::JobForgotten) {
            held.remove(name);
        }
        held.get_mut(name).map(|job| {
            job.looks = job.looks.saturating_add(1);
            job.clone()
        })
    };
    let Some(job) = job else {
        return error(400, "BadRequestException", "The requested job couldn't be found. Check the job name and try your request again.");
    };
    let lasts = site.desk.faults.strike(&[], |fault| if let ServiceFault::JobLasts { looks } = fault { Some(*looks) } else { None });
    let status = match (lasts.is_some_and(|looks| job.looks <= looks), &job.failure) {
        (true, _) => "IN_PROGRESS",
        (false, Some(_)) => "FAILED",
        (false, None) => "COMPLETED",
    };
    let mut told = json!({"TranscriptionJobName": name, "TranscriptionJobStatus": status, "Media": job.wanted.get("Media")});
    if let (Some(fields), "FAILED") = (told.as_object_mut(), status) {
        fields.insert("FailureReason".to_owned(), json!(job.failure));
    }
    answer(200, &json!({"TranscriptionJob": told}))
}

fn result(wanted: &Value, name: &str, heard: &Heard) -> Value {
    let diarizes = wanted.pointer("/Settings/ShowSpeakerLabels") == Some(&Value::Bool(true));
    let time = |seconds: Option<f64>| seconds.map(|seconds| format!("{seconds:.3}"));
    let item = |word: &Word| {
        let mut item = json!({"type": "pronunciation", "start_time": time(word.start), "end_time": time(word.end),
                              "alternatives": [{"confidence": "0.99", "content": word.text}]});
        if let Some(fields) = item.as_object_mut().filter(|_| diarizes) {
            fields.insert("speaker_label".to_owned(), json!(format!("spk_{}", word.channel)));
        }
        item
    };
    let items: Vec<Value> = heard.words.iter().map(item).collect();
    json!({"jobName": name, "accountId": "000000000000", "status": "COMPLETED",
           "results": {"language_code": wanted.get("LanguageCode").cloned().unwrap_or_else(|| json!("en-US")),
                       "transcripts": [{"transcript": heard.text()}], "items": items}})
}
