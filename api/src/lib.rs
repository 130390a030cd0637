//! The HTTP face: is it alive, can it work, how much is there to do, "sync now", and what vendors tell by webhook.
//!
//! The caller owns the socket and the stop signal: `serve(listener, app(state), shutdown)`. What does not live here: any work; a request
//! enqueues a job and answers.

mod answer;
mod cron;
mod gauges;
mod health;
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
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

pub use serve::serve;
pub use state::ApiState;

use crate::answer::Refusal;

/// No request of ours has a body worth more than this.
const LARGEST_BODY_BYTES: usize = 64 * 1024;
/// Everything here answers from memory, or asks PostgreSQL for milliseconds; beyond this the client is told to come back.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// Everything `callscribe api` answers.
pub fn app(state: ApiState) -> Router {
    let cron = get(cron::sync_webex_voice).post(cron::sync_webex_voice);
    let routes = probes().route("/api/cron/sync-webex-voice", cron).route("/api/webhooks/webex", post(webhook::receive));
    finished(routes, state)
}

/// What `worker` and `scheduler` answer on `METRICS_LISTEN`: health and figures, nothing that changes anything.
pub fn probes_app(state: ApiState) -> Router {
    finished(probes(), state)
}

fn probes() -> Router<ApiState> {
    Router::new().route("/healthz", get(health::alive)).route("/readyz", get(health::ready)).route("/metrics", get(gauges::metrics))
}

/// The layers every request passes, outermost last: log and id, panics, time, size.
fn finished(routes: Router<ApiState>, state: ApiState) -> Router {
    routes
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(RequestBodyLimitLayer::new(LARGEST_BODY_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LONGEST_ANSWER))
        .layer(CatchPanicLayer::custom(Refusal::of_panic))
        .layer(middleware::from_fn(requests::logged))
        .with_state(state)
}
