//! The HTTP face: is it alive, can it work, how much is there to do, "sync now", and what vendors tell by webhook.
//!
//! The caller owns the socket and the stop signal: `serve(listener, app(state), shutdown)`. What does not live here: any work; a request
//! enqueues a job and answers.

mod answer;
mod cron;
mod gauges;
mod health;
mod hooks;
mod requests;
mod serve;
mod state;
mod webhook;

use std::time::Duration;

use axum::{
    Router,
    http::StatusCode,
    middleware,
    routing::{get, post},
};
use callscribe::asr::deepgram::LARGEST_ANSWER_BYTES;
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

pub use serve::serve;
pub use state::ApiState;

use crate::answer::Refusal;

/// No request of ours has a body worth more than this.
const LARGEST_BODY_BYTES: usize = 64 * 1024;
/// Everything here answers from memory, or asks PostgreSQL for milliseconds; beyond this the client is told to come back.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// A transcript of hours that a service posts may take this long on its way; services give up after about as long.
const LONGEST_POST: Duration = Duration::from_mins(1);

/// Everything `callscribe api` answers.
pub fn app(state: ApiState) -> Router {
    let cron = get(cron::sync_webex_voice).post(cron::sync_webex_voice);
    let routes = probes().route("/api/cron/sync-webex-voice", cron).route("/api/webhooks/webex", post(webhook::receive));
    let posted = Router::new().route("/hooks/deepgram/{token}", post(hooks::deepgram));
    let routes = bounded(routes, LARGEST_BODY_BYTES, LONGEST_ANSWER).merge(bounded(posted, LARGEST_ANSWER_BYTES, LONGEST_POST));
    finished(routes, state)
}

/// What `worker` and `scheduler` answer on `METRICS_LISTEN`: health and figures, nothing that changes anything.
pub fn probes_app(state: ApiState) -> Router {
    finished(bounded(probes(), LARGEST_BODY_BYTES, LONGEST_ANSWER), state)
}

fn probes() -> Router<ApiState> {
    Router::new().route("/healthz", get(health::alive)).route("/readyz", get(health::ready)).route("/metrics", get(gauges::metrics))
}

/// The bounds of a request: size and time.
fn bounded(routes: Router<ApiState>, most_bytes: usize, longest: Duration) -> Router<ApiState> {
    routes.layer(RequestBodyLimitLayer::new(most_bytes)).layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, longest))
}

/// The layers every request passes, outermost last: log and id, panics.
fn finished(routes: Router<ApiState>, state: ApiState) -> Router {
    routes
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(CatchPanicLayer::custom(Refusal::of_panic))
        .layer(middleware::from_fn(requests::logged))
        .with_state(state)
}
