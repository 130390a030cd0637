//! What the simulated transcription services that take bare audio have in common: a key, faults, a log of what was sent, an ear.
//!
//! Each service's paths, shapes and errors are its own; the OpenAI-compatible one has none of this, since it takes forms.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::faults::{Faults, When};
use crate::hearing::{Heard, Hearing, Unheard, Word};
use crate::requests::{Request as Logged, Requests, Watched};
use crate::{SimulatedClock, server::Connection};

mod fault;

pub use fault::ServiceFault;

/// A pause this long, in seconds, ends an utterance.
const TURN: f64 = 0.8;

/// A service to start.
#[derive(Debug, Clone)]
pub struct ServicePlan {
    /// From which chance follows.
    pub seed: u64,
    /// The key to present.
    pub api_key: String,
    /// Models that it has.
    pub models: Vec<String>,
    /// Faults that are on from the start.
    pub faults: Vec<(ServiceFault, When)>,
}

impl ServicePlan {
    /// A healthy service with these models.
    #[must_use]
    pub fn new(models: &[&str]) -> Self {
        let models = models.iter().map(|model| (*model).to_owned()).collect();
        Self { seed: 1, api_key: "simulated-key".to_owned(), models, faults: Vec::new() }
    }

    /// Adds a fault that is on from the start.
    #[must_use]
    pub fn with(mut self, fault: ServiceFault, when: When) -> Self {
        self.faults.push((fault, when));
        self
    }
}

/// One piece of audio that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The service's id of it.
    pub id: String,
    /// Lower-case hex SHA-256 of the audio.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Model that was asked for.
    pub model: String,
    /// Language that was said to be spoken.
    pub language: Option<String>,
    /// Speakers were to be told apart.
    pub diarize: bool,
    /// What was heard, with spaces between the words.
    pub heard: String,
}

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) plan: ServicePlan,
    pub(crate) faults: Faults<ServiceFault>,
    pub(crate) requests: Requests,
    clock: SimulatedClock,
    taken: Mutex<Vec<Taken>>,
    ids: AtomicU64,
}

impl Desk {
    pub(crate) fn new(plan: ServicePlan) -> Self {
        let faults = Faults::new(plan.seed, plan.faults.clone());
        Self { faults, requests: Requests::default(), clock: SimulatedClock::real(), taken: Mutex::default(), ids: AtomicU64::new(1), plan }
    }

    pub(crate) fn note(&self, taken: Taken) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this fault strikes now.
    pub(crate) fn strikes(&self, fault: &ServiceFault) -> bool {
        self.faults.strikes(&[], fault)
    }

    /// An id that nobody had before, in the form of a UUID.
    pub(crate) fn new_id(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.ids.fetch_add(1, Ordering::Relaxed))
    }
}

/// What came as audio.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) heard: Result<Heard, Unheard>,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// Listens to a whole body.
pub(crate) async fn listen(body: Body) -> Option<Sound> {
    let (mut hearing, mut hash, mut bytes) = (Hearing::default(), Sha256::new(), 0);
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.ok()?;
        hearing.take(&piece);
        hash.update(&piece);
        bytes += u64::try_from(piece.len()).unwrap_or(0);
    }
    Some(Sound { heard: hearing.end(), sha256: hex::encode(hash.finalize()), bytes })
}

/// Logs every request and its answer.
pub(crate) async fn log(desk: Arc<Desk>, request: Request, next: Next) -> Response {
    let entry = Arc::new(desk.requests.begin(Logged {
        at: desk.clock.now(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        status: 0,
        org_id: None,
        had_authorization: request.headers().contains_key(header::AUTHORIZATION),
        range: None,
        bytes_received: 0,
    }));
    let answer = next.run(request).await;
    entry.note(|logged| logged.status = answer.status().as_u16());
    answer.map(|body| Body::new(Watched::new(body, entry)))
}

/// Words that belong together: one channel, no long pause.
pub(crate) fn turns(words: &[Word]) -> impl Iterator<Item = &[Word]> {
    words.chunk_by(|a, b| a.channel == b.channel && a.end.zip(b.start).is_none_or(|(end, start)| start - end < TURN))
}

/// The words of a turn with spaces between them.
pub(crate) fn joined(turn: &[Word]) -> String {
    turn.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// JSON with a status.
pub(crate) fn json(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The first half of an answer, whole as far as HTTP can tell.
pub(crate) fn halved(body: &Value) -> Response {
    let text = body.to_string();
    let half: String = text.chars().take(text.chars().count() / 2).collect();
    ([(header::CONTENT_TYPE, "application/json")], half).into_response()
}

/// An answer that never arrives.
pub(crate) fn cut(connection: &Connection) -> Response {
    connection.cut();
    StatusCode::OK.into_response()
}

/// Longest head of an answer that is looked at.
const LONGEST_HEAD: usize = 512;

/// Posts JSON to an address of this machine, over a connection of its own, and reads the status of the answer.
pub(crate) async fn post_json(destination: &str, body: &str) -> io::Result<u16> {
    let url = Url::parse(destination).map_err(io::Error::other)?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "http" || !matches!(host, "127.0.0.1" | "localhost") {
        return Err(io::Error::other("simulated results leave no machine"));
    }
    let mut stream = TcpStream::connect((host, url.port_or_known_default().unwrap_or(80))).await?;
    let (path, length) = (url.path(), body.len());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') && answer.len() < LONGEST_HEAD {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    let status = String::from_utf8_lossy(&answer).split_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other("the answer is no HTTP"))
}
