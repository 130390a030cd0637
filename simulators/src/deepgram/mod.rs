//! Deepgram on loopback: `POST /v1/listen`, answered at once or posted to `callback`, hearing the body it gets.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::faults::Faults;
use crate::hearing::{Heard, Word};
use crate::requests::Requests;
use crate::server::{Connection, Server};
use crate::services::{Desk, ServiceFault, ServicePlan, Sound, Taken, cut, halved, joined, listen, log, post_json, turns};

/// The models of a healthy server.
pub const MODELS: [&str; 2] = ["nova-3", "nova-2"];
/// Work without a client waiting is done soon, not at once.
const WORK: Duration = Duration::from_millis(20);

type Shared = State<Arc<Desk>>;

/// A running Deepgram, stopped when dropped.
#[derive(Debug)]
pub struct Deepgram {
    server: Server,
    desk: Arc<Desk>,
}

impl Deepgram {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(plan: ServicePlan) -> io::Result<Self> {
        let desk = Arc::new(Desk::new(plan));
        let logged = Arc::clone(&desk);
        let router = Router::new()
            .route("/v1/listen", post(hear))
            .layer(axum::middleware::from_fn(move |request, next| log(Arc::clone(&logged), request, next)))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&desk));
        Ok(Self { server: Server::start(router).await?, desk })
    }

    /// `http://127.0.0.1:<port>`, without `/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.server.url()
    }

    /// The key to present.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.desk.plan.api_key
    }

    /// The faults, to switch.
    #[must_use]
    pub fn faults(&self) -> &Faults<ServiceFault> {
        &self.desk.faults
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.desk.requests
    }

    /// The audio that was taken so far.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.desk.taken()
    }
}

/// The shape of most errors.
fn error(status: u16, code: &str, message: &str, id: &str) -> Response {
    crate::services::json(status, &json!({"err_code": code, "err_msg": message, "request_id": id}))
}

/// What a healthy or faulty server refuses.
fn refused(desk: &Desk, headers: &HeaderMap, model: &str, id: &str) -> Option<Response> {
    let key = headers.get(header::AUTHORIZATION).and_then(|key| key.to_str().ok()?.strip_prefix("Token "));
    if key != Some(desk.plan.api_key.as_str()) || desk.strikes(&ServiceFault::KeyRefused) {
        return Some(error(401, "INVALID_AUTH", "Invalid credentials.", id));
    }
    if desk.strikes(&ServiceFault::NoCredit) {
        return Some(error(
            402,
            "ASR_PAYMENT_REQUIRED",
            "Project does not have enough credits for an ASR request and does not have an overage agreement.",
            id,
        ));
    }
    let wait = desk.faults.strike(&[], |fault| if let ServiceFault::TooMany { retry_after } = fault { Some(*retry_after) } else { None });
    if let Some(wait) = wait {
        let mut answer = error(429, "TOO_MANY_REQUESTS", "Too many requests. Please try again later", id);
        if let Some(wait) = wait {
            answer.headers_mut().insert(header::RETRY_AFTER, wait.into());
        }
        return Some(answer);
    }
    if let Some(status) = desk.faults.strike(&[], |fault| if let ServiceFault::Failing { status } = fault { Some(*status) } else { None }) {
        let body = json!({"category": "INTERNAL_SERVER_ERROR", "message": "Internal server error.", "details": "Try again later.", "request_id": id});
        return Some(crate::services::json(status, &body));
    }
    if let Some(status) =
        desk.faults.strike(&[], |fault| if let ServiceFault::FailingAsPage { status } = fault { Some(*status) } else { None })
    {
        let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
        return Some((status, "upstream connect error or disconnect/reset before headers").into_response());
    }
    let has_model = desk.plan.models.iter().any(|each| each == model);
    (!has_model).then(|| error(400, "Bad Request", "Bad Request: No such model/language/tier combination found.", id))
}

async fn hear(
    State(desk): Shared,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let id = desk.new_id();
    let mut answer = heard(desk, &connection, &query, &headers, request, &id).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(HeaderName::from_static("dg-request-id"), value);
    }
    answer
}

async fn heard(
    desk: Arc<Desk>,
    connection: &Connection,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    request: Request,
    id: &str,
) -> Response {
    let Some(sound) = listen(request.into_body()).await else {
        return error(408, "SLOW_UPLOAD", "Waiting for data took too long.", id);
    };
    let model = query.get("model").map_or("base-general", String::as_str);
    if let Some(refused) = refused(&desk, headers, model, id) {
        return refused;
    }
    if desk.strikes(&ServiceFault::Cut) {
        return cut(connection);
    }
    let is_true = |name: &str| query.get(name).is_some_and(|value| value == "true");
    desk.note(Taken {
        id: id.to_owned(),
        sha256: sound.sha256.clone(),
        bytes: sound.bytes,
        model: model.to_owned(),
        language: query.get("language").cloned(),
        diarize: is_true("diarize"),
        heard: sound.heard.as_ref().map(Heard::text).unwrap_or_default(),
    });
    let undecodable = "Bad Request: failed to process audio: corrupt or unsupported data";
    let heard = match sound {
        Sound { heard: Ok(heard), .. } if !desk.strikes(&ServiceFault::CannotDecode) => heard,
        Sound { .. } => return error(400, "Bad Request", undecodable, id),
    };
    let answer = result(query, &heard, id, &sound_hash(&desk));
    let Some(callback) = query.get("callback").cloned() else {
        return if desk.strikes(&ServiceFault::HalfAnswer) { halved(&answer) } else { axum::Json(answer).into_response() };
    };
    let posted = if desk.strikes(&ServiceFault::CallbackFails) {
        json!({"err_code": "Internal Server Error", "err_msg": "The transcription failed.", "request_id": id})
    } else {
        answer
    };
    let times = if desk.strikes(&ServiceFault::CallbackTwice) { 2 } else { 1 };
    if desk.strikes(&ServiceFault::CallbackFirst) {
        post_times(&callback, &posted, times).await;
    } else if !desk.strikes(&ServiceFault::CallbackNever) {
        tokio::spawn(async move {
            tokio::time::sleep(WORK).await;
            post_times(&callback, &posted, times).await;
        });
    }
    if desk.strikes(&ServiceFault::StartReplyLost) { cut(connection) } else { axum::Json(json!({"request_id": id})).into_response() }
}

/// The hash of the last sound.
fn sound_hash(desk: &Desk) -> String {
    desk.taken().last().map(|taken| taken.sha256.clone()).unwrap_or_default()
}

async fn post_times(callback: &str, body: &Value, times: u32) {
    for _ in 0..times {
        // whoever is not there gets nothing: the fault of `CallbackNever` by other means
        let _: io::Result<u16> = post_json(callback, &body.to_string()).await;
    }
}

fn result(query: &HashMap<String, String>, heard: &Heard, id: &str, sha256: &str) -> Value {
    let is_true = |name: &str| query.get(name).is_some_and(|value| value == "true");
    let (diarizes, punctuates) = (is_true("diarize"), is_true("punctuate"));
    let word = |word: &Word| {
        let mut told = json!({"word": word.text.to_lowercase(), "start": word.start, "end": word.end, "confidence": 0.98});
        if let Some(fields) = told.as_object_mut() {
            if punctuates {
                fields.insert("punctuated_word".to_owned(), json!(word.text));
            }
            if diarizes {
                fields.insert("speaker".to_owned(), json!(word.channel));
                fields.insert("speaker_confidence".to_owned(), json!(0.8));
            }
        }
        told
    };
    let utterance = |turn: &[Word]| {
        let (first, last) = (turn.first(), turn.last());
        let mut told = json!({"start": first.and_then(|word| word.start), "end": last.and_then(|word| word.end), "confidence": 0.98, "channel": 0,
                              "transcript": joined(turn), "words": turn.iter().map(word).collect::<Vec<_>>(), "id": format!("{id}-u")});
        if let Some(fields) = told.as_object_mut().filter(|_| diarizes) {
            fields.insert("speaker".to_owned(), json!(first.map(|word| word.channel)));
        }
        told
    };
    let mut channel = json!({"alternatives": [{"transcript": heard.text(), "confidence": 0.98,
                              "words": heard.words.iter().map(word).collect::<Vec<_>>()}]});
    if let Some(fields) = channel.as_object_mut().filter(|_| is_true("detect_language")) {
        fields.insert("detected_language".to_owned(), json!("en"));
        fields.insert("language_confidence".to_owned(), json!(0.99));
    }
    let mut results = json!({"channels": [channel]});
    if let Some(fields) = results.as_object_mut().filter(|_| is_true("utterances")) {
        fields.insert("utterances".to_owned(), turns(&heard.words).map(utterance).collect());
    }
    json!({"metadata": {"transaction_key": "deprecated", "request_id": id, "sha256": sha256, "created": "2026-01-01T00:00:00.000Z",
                        "duration": heard.seconds, "channels": 1, "models": ["00000000-0000-0000-0000-000000000000"]},
           "results": results})
}
