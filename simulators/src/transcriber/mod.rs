//! An OpenAI-compatible transcriber on loopback that hears: its answer follows from the bytes that it receives.
//!
//! It knows the vocabulary and nothing of any plan, so that a mixed-up file, a lost part, doubled chunks or swapped channels
//! show up as a wrong transcript. Asynchronous providers are not here.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::clock::SimulatedClock;
use crate::faults::{Faults, When};
use crate::requests::Requests;
use crate::server::Server;

mod answer;
mod errors;
mod fault;
mod limit;
mod serve;
mod spoil;
mod upload;

pub use fault::{Fault, Known, Wait};

/// Whose server it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// api.openai.com.
    OpenAi,
    /// `whisper-server` of whisper.cpp: no key, one at a time, words inside segments, plain-text errors.
    WhisperCpp,
    /// speaches: 403 without a key, language codes, `{"detail"}` errors.
    Speaches,
    /// vLLM: `duration` a string, no words, errors with numeric codes.
    Vllm,
    /// LocalAI: words under `text`, no scores, 15 MB.
    LocalAi,
}

/// A transcriber to start.
#[derive(Debug, Clone)]
pub struct TranscriberPlan {
    /// From which chance follows.
    pub seed: u64,
    /// Whose server it plays.
    pub profile: Profile,
    /// The key to present; `None` takes everyone.
    pub api_key: Option<String>,
    /// Models that it has; `whisper-1` is always there.
    pub models: Vec<String>,
    /// Real time that every answer takes, besides listening.
    pub takes: Duration,
    /// Answers with one fixed word, without listening: for benchmarks of everything else.
    pub answer_at_once: bool,
    /// Faults that are on from the start.
    pub faults: Vec<(Fault, When)>,
}

impl TranscriberPlan {
    /// A healthy server of this kind.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let needs_key = matches!(profile, Profile::OpenAi | Profile::Speaches);
        let models = ["gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"];
        Self {
            seed: 1,
            profile,
            api_key: needs_key.then(|| "simulated-key".to_owned()),
            models: models.map(str::to_owned).to_vec(),
            takes: Duration::ZERO,
            answer_at_once: false,
            faults: Vec::new(),
        }
    }

    /// Adds a fault that is on from the start.
    #[must_use]
    pub fn with(mut self, fault: Fault, when: When) -> Self {
        self.faults.push((fault, when));
        self
    }
}

/// One audio file that was sent, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Lower-case hex SHA-256 of the file part; empty when answers are given at once.
    pub sha256: String,
    /// Size of the file part.
    pub bytes: u64,
    /// Model that was asked for.
    pub model: String,
    /// Language that was said to be spoken.
    pub language: Option<String>,
    /// What was heard, with spaces between the words.
    pub heard: String,
    /// Status of the answer.
    pub status: u16,
}

/// What the handler knows.
#[derive(Debug)]
struct Desk {
    plan: TranscriberPlan,
    faults: Faults<Fault>,
    requests: Requests,
    clock: SimulatedClock,
    asks: Mutex<Vec<Ask>>,
    one_at_a_time: Semaphore,
    window: Mutex<Option<limit::Window>>,
}

impl Desk {
    fn note(&self, ask: Ask) {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner).push(ask);
    }
}

/// A running transcriber, stopped when dropped.
#[derive(Debug)]
pub struct Transcriber {
    server: Server,
    desk: Arc<Desk>,
}

impl Transcriber {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(plan: TranscriberPlan) -> io::Result<Self> {
        let desk = Arc::new(Desk {
            faults: Faults::new(plan.seed, plan.faults.clone()),
            requests: Requests::default(),
            clock: SimulatedClock::real(),
            asks: Mutex::default(),
            one_at_a_time: Semaphore::new(1),
            window: Mutex::default(),
            plan,
        });
        let router = Router::new()
            .route("/v1/audio/transcriptions", post(serve::transcribe))
            .route("/inference", post(serve::transcribe))
            .route("/v1/models", get(serve::models))
            .route("/health", get(serve::health))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&desk), serve::log))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&desk));
        Ok(Self { server: Server::start(router).await?, desk })
    }

    /// What clients take as their base: `http://127.0.0.1:<port>/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.server.url())
    }

    /// The key to present.
    #[must_use]
    pub fn api_key(&self) -> Option<&str> {
        self.desk.plan.api_key.as_deref()
    }

    /// The faults, to switch.
    #[must_use]
    pub fn faults(&self) -> &Faults<Fault> {
        &self.desk.faults
    }

    /// What was asked so far; `most_in_flight` is the concurrency that clients reached.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.desk.requests
    }

    /// The audio that was sent so far, whether or not it was answered well.
    #[must_use]
    pub fn asks(&self) -> Vec<Ask> {
        self.desk.asks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
