//! What a simulator was asked: the log from which tests tell effects, without bodies, tokens or passwords.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use chrono::{DateTime, Utc};

/// Longest log that is kept; the counters go on. 200,000 entries are about 60 MB.
const LOG_LIMIT: usize = 200_000;

/// One request and how it was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// When it came, in simulated time.
    pub at: DateTime<Utc>,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query, undecoded; empty when there is none.
    pub query: String,
    /// Status of the answer; 0 while there is none, and when the client gave up.
    pub status: u16,
    /// Tenant named in the query or body.
    pub org_id: Option<String>,
    /// Whether it carried an `Authorization` header.
    pub had_authorization: bool,
    /// The `Range` header.
    pub range: Option<String>,
    /// Bytes of the body that were read.
    pub bytes_received: u64,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<Request>,
    total: u64,
    in_flight: u64,
    most_in_flight: u64,
}

/// The log of one simulator. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<State>>);

impl Requests {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Request> {
        self.with(|state| state.log.clone())
    }

    /// The requests that `keep` picks, oldest first.
    #[must_use]
    pub fn matching(&self, keep: impl Fn(&Request) -> bool) -> Vec<Request> {
        self.with(|state| state.log.iter().filter(|each| keep(each)).cloned().collect())
    }

    /// How many requests `keep` picks.
    #[must_use]
    pub fn count(&self, keep: impl Fn(&Request) -> bool) -> usize {
        self.with(|state| state.log.iter().filter(|each| keep(each)).count())
    }

    /// How many requests went to a path that begins with `prefix`.
    #[must_use]
    pub fn to(&self, prefix: &str) -> usize {
        self.count(|each| each.path.starts_with(prefix))
    }

    /// How many requests were answered with `status`.
    #[must_use]
    pub fn answered(&self, status: u16) -> usize {
        self.count(|each| each.status == status)
    }

    /// Requests ever received, also those that the log no longer holds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.with(|state| state.total)
    }

    /// The most requests that were being answered at one moment; an answer ends with its last byte.
    #[must_use]
    pub fn most_in_flight(&self) -> u64 {
        self.with(|state| state.most_in_flight)
    }

    /// Requests being answered now.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.with(|state| state.in_flight)
    }

    /// Forgets the log and the high-water mark.
    pub fn clear(&self) {
        self.with(|state| {
            state.log.clear();
            state.most_in_flight = state.in_flight;
        });
    }

    /// Notes a request that begins.
    pub(crate) fn begin(&self, request: Request) -> Entry {
        let number = self.with(|state| {
            state.total += 1;
            state.in_flight += 1;
            state.most_in_flight = state.most_in_flight.max(state.in_flight);
            (state.log.len() < LOG_LIMIT).then(|| {
                state.log.push(request);
                state.log.len() - 1
            })
        });
        Entry { requests: self.clone(), number }
    }
}

/// A request being answered; dropped when its last byte is out.
#[derive(Debug)]
pub(crate) struct Entry {
    requests: Requests,
    number: Option<usize>,
}

impl Entry {
    /// Notes more about the request.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Request)) {
        self.requests.with(|state| {
            if let Some(request) = self.number.and_then(|number| state.log.get_mut(number)) {
                change(request);
            }
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.requests.with(|state| state.in_flight = state.in_flight.saturating_sub(1));
    }
}

/// A body that keeps its request's entry until its last byte is out.
#[derive(Debug)]
pub(crate) struct Watched {
    body: axum::body::Body,
    _entry: Arc<Entry>,
}

impl Watched {
    pub(crate) fn new(body: axum::body::Body, entry: Arc<Entry>) -> Self {
        Self { body, _entry: entry }
    }
}

impl http_body::Body for Watched {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
