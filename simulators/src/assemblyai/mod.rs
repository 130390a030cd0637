//! AssemblyAI on loopback: `POST /v2/upload`, `POST /v2/transcript`, `GET` and `DELETE /v2/transcript/{id}`, hearing what was uploaded.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::faults::Faults;
use crate::hearing::{Heard, Unheard};
use crate::requests::Requests;
use crate::server::{Connection, Server};
use crate::services::{Desk, ServiceFault, ServicePlan, Sound, Taken, cut, halved, joined, listen, log, turns};

/// The models of a healthy server; older ones are refused by name.
pub const MODELS: [&str; 2] = ["universal-2", "universal-3-5-pro"];

/// A transcript under way or done.
#[derive(Debug, Clone)]
struct Order {
    heard: Result<Heard, Unheard>,
    wanted: Value,
    looks: u32,
}

#[derive(Debug)]
struct Site {
    desk: Arc<Desk>,
    uploads: Mutex<HashMap<String, Sound>>,
    orders: Mutex<HashMap<String, Order>>,
    address: Mutex<String>,
}

type Shared = State<Arc<Site>>;

/// A running AssemblyAI, stopped when dropped.
#[derive(Debug)]
pub struct AssemblyAi {
    server: Server,
    site: Arc<Site>,
}

impl AssemblyAi {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(plan: ServicePlan) -> io::Result<Self> {
        let desk = Arc::new(Desk::new(plan));
        let site =
            Arc::new(Site { desk: Arc::clone(&desk), uploads: Mutex::default(), orders: Mutex::default(), address: Mutex::default() });
        let router = Router::new()
            .route("/v2/upload", post(upload))
            .route("/v2/transcript", post(order))
            .route("/v2/transcript/{id}", get(look).delete(remove))
            .layer(axum::middleware::from_fn(move |request, next| log(Arc::clone(&desk), request, next)))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&site));
        let server = Server::start(router).await?;
        *site.address.lock().unwrap_or_else(PoisonError::into_inner) = server.url();
        Ok(Self { server, site })
    }

    /// `http://127.0.0.1:<port>`, without `/v2`.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.server.url()
    }

    /// The key to present.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.site.desk.plan.api_key
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

    /// The audio of which transcripts were ordered.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.site.desk.taken()
    }
}

fn error(status: u16, what: &str) -> Response {
    crate::services::json(status, &json!({"error": what}))
}

/// What any request may meet.
fn refused(site: &Site, headers: &HeaderMap, connection: &Connection) -> Option<Response> {
    let desk = &site.desk;
    let key = headers.get(header::AUTHORIZATION).and_then(|key| key.to_str().ok());
    if key != Some(desk.plan.api_key.as_str()) || desk.strikes(&ServiceFault::KeyRefused) {
        return Some(error(401, "Authentication error, API token missing/invalid"));
    }
    if desk.strikes(&ServiceFault::NoCredit) {
        return Some(error(400, "Your current account balance is negative. Please top up to continue using the API."));
    }
    let wait = desk.faults.strike(&[], |fault| if let ServiceFault::TooMany { retry_after } = fault { Some(*retry_after) } else { None });
    if let Some(wait) = wait {
        let mut answer = error(429, "Too many requests");
        if let Some(wait) = wait {
            answer.headers_mut().insert(header::RETRY_AFTER, wait.into());
        }
        return Some(answer);
    }
    let failing = desk.faults.strike(&[], |fault| match fault {
        ServiceFault::Failing { status } => Some((*status, false)),
        ServiceFault::FailingAsPage { status } => Some((*status, true)),
        _ => None,
    });
    match failing {
        Some((status, false)) => Some(error(status, "Server error, developers have been alerted.")),
        Some((status, true)) => {
            let page = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>";
            let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
            Some((status, [(header::CONTENT_TYPE, "text/html")], page).into_response())
        }
        None => desk.strikes(&ServiceFault::Cut).then(|| cut(connection)),
    }
}

async fn upload(State(site): Shared, ConnectInfo(connection): ConnectInfo<Connection>, request: Request) -> Response {
    let headers = request.headers().clone();
    let Some(sound) = listen(request.into_body()).await else { return error(422, "Upload failed, please try again.") };
    if let Some(refused) = refused(&site, &headers, &connection) {
        return refused;
    }
    let id = site.desk.new_id();
    let url = format!("{}/upload/{id}", site.address.lock().unwrap_or_else(PoisonError::into_inner));
    site.uploads.lock().unwrap_or_else(PoisonError::into_inner).insert(url.clone(), sound);
    Json(json!({"upload_url": url})).into_response()
}

async fn order(
    State(site): Shared,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    Json(wanted): Json<Value>,
) -> Response {
    if let Some(refused) = refused(&site, &headers, &connection) {
        return refused;
    }
    let url = wanted.get("audio_url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let models = wanted.get("speech_models").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(model) = models.first().and_then(Value::as_str) else {
        return error(400, "\"speech_models\" must be a non-empty list containing one or more of: \"universal-3-5-pro\", \"universal-2\"");
    };
    if !site.desk.plan.models.iter().any(|each| each == model) {
        return error(
            400,
            &format!(
                "The \"{model}\" speech model(s) have been deprecated. Use speech_models: [\"universal-3-5-pro\", \"universal-2\"] instead."
            ),
        );
    }
    let Some(sound) = site.uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(&url) else {
        return error(403, "Cannot access uploaded file");
    };
    let id = site.desk.new_id();
    site.desk.note(Taken {
        id: id.clone(),
        sha256: sound.sha256,
        bytes: sound.bytes,
        model: model.to_owned(),
        language: wanted.get("language_code").and_then(Value::as_str).map(str::to_owned),
        diarize: wanted.get("speaker_labels") == Some(&Value::Bool(true)),
        heard: sound.heard.as_ref().map(Heard::text).unwrap_or_default(),
    });
    let answer = json!({"id": id, "status": "queued", "audio_url": url, "text": null, "words": null, "error": null});
    site.orders.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Order { heard: sound.heard, wanted, looks: 0 });
    if site.desk.strikes(&ServiceFault::StartReplyLost) { cut(&connection) } else { Json(answer).into_response() }
}

async fn look(
    State(site): Shared,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = refused(&site, &headers, &connection) {
        return refused;
    }
    let order = {
        let mut orders = site.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if site.desk.strikes(&ServiceFault::JobForgotten) {
            orders.remove(&id);
        }
        orders.get_mut(&id).map(|order| {
            order.looks = order.looks.saturating_add(1);
            order.clone()
        })
    };
    let Some(order) = order else { return error(404, "Transcript lookup error, transcript id not found") };
    let lasts = site.desk.faults.strike(&[], |fault| if let ServiceFault::JobLasts { looks } = fault { Some(*looks) } else { None });
    if lasts.is_some_and(|looks| order.looks <= looks) {
        let status = if order.looks == 1 { "queued" } else { "processing" };
        return Json(json!({"id": id, "status": status, "text": null, "words": null, "error": null})).into_response();
    }
    let answer = finished(&site, &id, &order);
    if site.desk.strikes(&ServiceFault::HalfAnswer) { halved(&answer) } else { Json(answer).into_response() }
}

fn finished(site: &Site, id: &str, order: &Order) -> Value {
    let failed = |why: &str| json!({"id": id, "status": "error", "text": null, "words": null, "error": why});
    let told =
        site.desk.faults.strike(&[], |fault| if let ServiceFault::JobFails { reason } = fault { Some(reason.clone()) } else { None });
    if let Some(reason) = told {
        return failed(&reason);
    }
    let undecodable = "Transcoding failed. File type is text/plain (ASCII text). File does not appear to contain audio.";
    let heard = match &order.heard {
        Ok(heard) if !site.desk.strikes(&ServiceFault::CannotDecode) => heard,
        Ok(_) | Err(_) => return failed(undecodable),
    };
    let detects = order.wanted.get("language_detection") == Some(&Value::Bool(true));
    if detects && heard.words.is_empty() {
        return failed("language_detection cannot be performed on files with no spoken audio.");
    }
    let diarizes = order.wanted.get("speaker_labels") == Some(&Value::Bool(true));
    let milliseconds = |seconds: Option<f64>| seconds.map(|seconds| (seconds * 1000.0).round());
    let speaker = |channel: usize| {
        if !diarizes {
            Value::Null
        } else if channel == 0 {
            json!("A")
        } else {
            json!("B")
        }
    };
    let word = |word: &crate::hearing::Word| {
        json!({"text": word.text, "start": milliseconds(word.start), "end": milliseconds(word.end), "confidence": 0.97,
               "speaker": speaker(word.channel), "channel": null})
    };
    let utterances: Vec<Value> = turns(&heard.words)
        .map(|turn| {
            let (first, last) = (turn.first(), turn.last());
            json!({"text": joined(turn), "start": milliseconds(first.and_then(|word| word.start)),
                   "end": milliseconds(last.and_then(|word| word.end)), "confidence": 0.97,
                   "speaker": speaker(first.map_or(0, |word| word.channel)), "words": turn.iter().map(word).collect::<Vec<_>>()})
        })
        .collect();
    let language = order.wanted.get("language_code").cloned().unwrap_or_else(|| json!("en_us"));
    json!({"id": id, "status": "completed", "text": heard.text(), "confidence": 0.97, "audio_duration": heard.seconds.ceil(),
           "words": heard.words.iter().map(word).collect::<Vec<_>>(), "language_code": language, "error": null,
           "utterances": if diarizes { Value::Array(utterances) } else { Value::Null }})
}

async fn remove(State(site): Shared, Path(id): Path<String>) -> Response {
    let removed = site.orders.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    removed.map_or_else(
        || error(404, "Transcript lookup error, transcript id not found"),
        |_| Json(json!({"id": id, "text": "Deleted by user."})).into_response(),
    )
}
