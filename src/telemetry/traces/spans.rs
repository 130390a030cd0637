//! The spans there are, each with its attributes: those of OpenTelemetry's semantic conventions where it has some, beside them the fields of
//! our log lines under the same names. Never a number, a link, a name of a person or a word that was said.

use std::{error::Error, fmt::Display, future::Future, time::Duration};

use chrono::{DateTime, Utc};
use opentelemetry::{
    Context,
    trace::{Status, TraceContextExt},
};
use tracing::{Instrument, Span, field::Empty, trace_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{TARGET, TraceParent, are_on, ids};
use crate::{
    domain::{JobId, JobKind, Reason, SessionId, SourceName},
    telemetry::chain,
};

/// Of an error so much is told; the rest is in the log and in the ledger.
const LONGEST_STATUS: usize = 1_000;

/// A run of a job that begins.
#[derive(Debug, Clone, Copy)]
pub struct Run<'r> {
    /// What kind of work.
    pub kind: JobKind,
    /// The job.
    pub id: JobId,
    /// This attempt, from 1.
    pub attempt: u16,
    /// This claim, from 1.
    pub run: i32,
    /// Vendor, if one.
    pub source: Option<SourceName>,
    /// Call, if one.
    pub session_id: Option<&'r SessionId>,
    /// When it was claimed, by PostgreSQL's clock.
    pub started_at: DateTime<Utc>,
    /// How long it had been due.
    pub waited: Duration,
    /// The run or request that enqueued it.
    pub enqueued_by: Option<&'r TraceParent>,
}

/// The span of a run: a trace of its own, linked to what enqueued it.
#[must_use]
pub fn run(run: Run<'_>) -> Span {
    let kind = run.kind.as_str();
    let span = trace_span!(
        target: TARGET, parent: None, "run", otel.name = kind, otel.kind = "consumer",
        messaging.system = "callscribe", messaging.operation.name = "process", "messaging.operation.type" = "process",
        messaging.destination.name = kind, messaging.message.id = %run.id, messaging.message.conversation_id = run.session_id.map(SessionId::as_str),
        job.id = run.id.0, job.kind = kind, job.attempt = i64::from(run.attempt), job.run = i64::from(run.run),
        job.waited_ms = milliseconds(run.waited), call.source = run.source.map(SourceName::as_str),
        call.session_id = run.session_id.map(SessionId::as_str), job.outcome = Empty, job.reason = Empty, "error.type" = Empty,
    );
    if let Some(parent) = run.enqueued_by {
        span.add_link(parent.context());
    }
    if !span.is_disabled() {
        // asking for its context begins it
        ids::with_trace_id(ids::of_run(run.id, run.run, run.started_at), || span.context());
    }
    span
}

/// How the run ended. `error` is there when it went wrong rather than waits.
pub fn run_ended(span: &Span, outcome: &'static str, reason: Option<Reason>, error: Option<&str>) {
    if !are_on() {
        return;
    }
    span.record("job.outcome", outcome);
    if let Some(reason) = reason {
        span.record("job.reason", reason.as_str());
    }
    if let Some(error) = error {
        failed(span, reason.map_or(outcome, Reason::as_str), &error);
    }
}

/// The span of a request that is sent; `path` is left out where it is a secret.
#[must_use]
pub fn sent(vendor: &'static str, method: &str, url: &url::Url, path: Option<&str>) -> Span {
    trace_span!(
        target: TARGET, "request", otel.name = %format_args!("{method} {vendor}"), otel.kind = "client",
        peer.service = vendor, http.request.method = method, url.scheme = url.scheme(), server.address = url.host_str(),
        server.port = url.port_or_known_default().map(i64::from), url.path = path, http.response.status_code = Empty, "error.type" = Empty,
    )
}

/// What was answered to it, or the word for what came instead.
pub fn sent_status<E: Error>(span: &Span, status: Result<u16, (&'static str, &E)>) {
    if span.is_disabled() {
        return;
    }
    match status {
        Ok(status) => {
            span.record("http.response.status_code", i64::from(status));
            // of a request that was sent, 4xx is a failure as well
            if status >= 400 {
                failed(span, &status.to_string(), &"");
            }
        }
        Err((word, error)) => failed(span, word, &chain(error)),
    }
}

/// A request to our own API.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedRequest<'r> {
    /// Its method.
    pub method: &'r str,
    /// The route it took, if one of ours.
    pub route: Option<&'r str>,
    /// Its path.
    pub path: &'r str,
    /// The caller's own span, if it said so.
    pub parent: Option<&'r TraceParent>,
}

/// The span of a request that came in: part of the caller's trace when it has one.
#[must_use]
pub fn received(request: ReceivedRequest<'_>) -> Span {
    let ReceivedRequest { method, route, path, parent } = request;
    let span = trace_span!(
        target: TARGET, parent: None, "received", otel.name = %format_args!("{method} {}", route.unwrap_or("other")), otel.kind = "server",
        http.request.method = method, http.route = route, url.path = path, url.scheme = "http", http.response.status_code = Empty,
        "error.type" = Empty,
    );
    if let Some(parent) = parent
        && let Err(error) = span.set_parent(Context::new().with_remote_span_context(parent.context()))
        && !span.is_disabled()
    {
        tracing::debug!(%error, "a request's span could not be put under its caller's");
    }
    span
}

/// What was answered to it.
pub fn received_status(span: &Span, status: u16) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        failed(span, &status.to_string(), &"");
    }
}

/// The span of a request to S3.
#[must_use]
pub fn storage(operation: &'static str, bucket: &str, key: &str) -> Span {
    trace_span!(
        target: TARGET, "storage", otel.name = %format_args!("S3.{operation}"), otel.kind = "client", rpc.system = "aws-api",
        rpc.service = "S3", rpc.method = operation, aws.s3.bucket = bucket, aws.s3.key = key, aws.s3.part_number = Empty,
        storage.size_bytes = Empty, "error.type" = Empty,
    )
}

/// Does `work` within `span`, which is told as failed when the work fails.
pub async fn told<T, E: Error>(span: Span, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let result = work.instrument(span.clone()).await;
    if let Err(error) = &result
        && !span.is_disabled()
    {
        failed(&span, "storage", &chain(error));
    }
    result
}

/// The same for a request to S3.
pub async fn storing<T, E: Error>(
    operation: &'static str,
    bucket: &str,
    key: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    told(storage(operation, bucket, key), work).await
}

/// The span ended in failure: of which kind, and with which words.
pub fn failed(span: &Span, kind: &str, error: &dyn Display) {
    if span.is_disabled() {
        return;
    }
    span.record("error.type", kind);
    let text: String = error.to_string().chars().take(LONGEST_STATUS).collect();
    span.set_status(Status::error(text));
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
