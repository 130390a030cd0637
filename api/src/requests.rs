//! One line per request, under an id that the answer carries too.

use std::time::Instant;

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Response},
    middleware::Next,
};
use callscribe::telemetry::traces::{self, ReceivedRequest};
use tracing::{Instrument, Span, field};
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Says which span of the caller the request belongs to.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// A longer id is not one.
const LONGEST_ID: usize = 100;

/// Passes the request on within a span of its id; takes the caller's id when it is a plain word.
pub(crate) async fn logged(request: Request, next: Next) -> Response<Body> {
    let id = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_plain(id)).map(str::to_owned);
    let id = id.unwrap_or_else(|| Uuid::now_v7().to_string());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", http.request_id = %id, trace_id = field::Empty, span_id = field::Empty);
    let trace = trace_of(&request);
    if let Some(ids) = traces::of_span(&trace) {
        span.record("trace_id", ids.trace_id());
        span.record("span_id", ids.span_id());
    }
    let started = Instant::now();
    let mut response = next.run(request).instrument(trace.clone()).instrument(span.clone()).await;
    let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    traces::received_status(&trace, status);
    span.in_scope(|| {
        // probes ask every few seconds; they are worth a line only when the answer is bad
        if response.status().is_success() && !path.starts_with("/api/") {
            tracing::debug!(http.method = %method, http.path = path, http.status = status, http.took_ms = took, "answered");
        } else {
            tracing::info!(http.method = %method, http.path = path, http.status = status, http.took_ms = took, "answered");
        }
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The request as it is traced; probes, which ask every few seconds, are not.
fn trace_of(request: &Request) -> Span {
    let path = request.uri().path();
    if !traces::are_on() || !path.starts_with("/api/") {
        return Span::none();
    }
    let parent = request.headers().get(TRACE_PARENT).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    traces::received(ReceivedRequest { method: request.method().as_str(), route, path, parent: parent.as_ref() })
}

fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_break_a_log_line_is_replaced() {
        assert!(is_plain("0199c3e4-7b1f_a.b"));
        assert!(!is_plain("a\"b"));
        assert!(!is_plain(""));
        assert!(!is_plain(&"a".repeat(101)));
    }
}
