//! `/api/cron/…`: for schedulers outside that want a run now. A request enqueues a job and answers with its id.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use callscribe::{
    domain::SourceName,
    queue::push_hints,
    schedule::{SyncRun, enqueue_sync_now},
    store::{Store, StoreError},
    telemetry::chain,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use subtle::ConstantTimeEq;

use crate::{ApiState, answer::Refusal};

/// The dispatcher finds within a second what is not hinted in this time.
const HINT_PATIENCE: Duration = Duration::from_millis(500);

/// A run that was asked for.
#[derive(Debug, Serialize)]
struct Asked {
    job_id: i64,
    /// False: one was open already, and this is it.
    created: bool,
}

pub(crate) async fn sync_webex_voice(State(state): State<ApiState>, headers: HeaderMap) -> Result<impl IntoResponse, Refusal> {
    authorize(state.cron_secret.as_ref(), &headers)?;
    if !state.sources.contains(&SourceName::Webex) {
        let hint = "set `WEBEX_CC_ORG_ID` and the credentials beside it, see docs/CONFIGURATION.md";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Webex is not configured in this process", hint));
    }
    let run = enqueue(&state.store).await.map_err(|error| {
        tracing::error!(error = %chain(&error), "a sync could not be enqueued");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "PostgreSQL did not take the job", "ask again; `/readyz` tells when it can")
    })?;
    if run.created {
        tracing::info!(job.id = run.id.0, job.kind = "sync", "sync asked for");
        hint(&state, &run).await;
    }
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::ACCEPTED, headers, Json(Asked { job_id: run.id.0, created: run.created })))
}

/// Two requests within a millisecond may leave one without an answer; asked again it finds the other's job.
async fn enqueue(store: &Store) -> Result<SyncRun, StoreError> {
    let mut connection = store.connection().await?;
    for _ in 0..3 {
        if let Some(run) = enqueue_sync_now(&mut connection, SourceName::Webex).await? {
            return Ok(run);
        }
    }
    Err(StoreError::Row { table: "jobs", what: "the job just enqueued cannot be found".to_owned() })
}

async fn hint(state: &ApiState, run: &SyncRun) {
    let Some(hints) = &state.hints else { return };
    if !matches!(tokio::time::timeout(HINT_PATIENCE, push_hints(hints, &[run.hint()])).await, Ok(Ok(()))) {
        tracing::debug!(job.id = run.id.0, "the hint was lost; the dispatcher sends it again");
    }
}

fn authorize(secret: Option<&SecretString>, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(secret) = secret else {
        let error = "this endpoint is switched off: `CRON_SECRET` is not set";
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            error,
            "set `CRON_SECRET` for the process `api` and send it as `Authorization: Bearer …`",
        ));
    };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let matches = given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(secret.expose_secret().as_bytes())));
    if matches {
        return Ok(());
    }
    let error = if given.is_some() { "the secret is not the right one" } else { "the secret is missing" };
    Err(Refusal::new(StatusCode::UNAUTHORIZED, error, "send `CRON_SECRET` as `Authorization: Bearer …`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn only_the_right_secret_opens_and_none_is_none() {
        let secret = SecretString::from("0123456789abcdef");
        assert!(authorize(Some(&secret), &with("Bearer 0123456789abcdef")).is_ok());
        assert!(authorize(Some(&secret), &with("bearer 0123456789abcdef")).is_ok());
        for wrong in ["Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Basic 0123456789abcdef", "0123456789abcdef", "Bearer "] {
            assert_eq!(authorize(Some(&secret), &with(wrong)).unwrap_err().into_response().status(), StatusCode::UNAUTHORIZED, "{wrong}");
        }
        assert!(authorize(Some(&secret), &HeaderMap::new()).is_err());
        assert_eq!(authorize(None, &with("Bearer ")).unwrap_err().into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
