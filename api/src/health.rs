//! `/healthz`: the process answers. `/readyz`: it can do work.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use callscribe::{
    store::{Store, StoreError, missing_migrations},
    telemetry::chain,
};
use serde::Serialize;
use tokio::time::timeout;

use crate::ApiState;

/// A probe waits a few seconds at most; an engine that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn alive() -> &'static str {
    "alive\n"
}

/// What a process needs before it can do work, and what it does better with.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// Ready, but slower than it could be.
    degraded: bool,
    postgres: &'static str,
    schema: &'static str,
    redis: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

pub(crate) async fn ready(State(state): State<ApiState>) -> impl IntoResponse {
    let redis = async {
        match &state.hints {
            None => "not used",
            Some(hints) => match timeout(PATIENCE, hints.ping()).await {
                Ok(Ok(())) => "answers",
                Ok(Err(_)) | Err(_) => "away",
            },
        }
    };
    let (schema, redis) = tokio::join!(timeout(PATIENCE, schema(&state.store)), redis);
    let (postgres, schema, hint) = match schema {
        Ok(Ok(0)) => ("answers", "current", (redis == "away").then_some("work goes on at the pace of a slow poll until Redis answers")),
        Ok(Ok(_)) => ("answers", "behind", Some("run `callscribe migrate`")),
        Ok(Err(error)) => {
            tracing::warn!(error = %chain(&error), "not ready: PostgreSQL does not answer");
            ("away", "unknown", Some("check PostgreSQL and `DATABASE_URL`"))
        }
        Err(_) => ("slow", "unknown", Some("PostgreSQL did not answer in time")),
    };
    let ready = schema == "current";
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, degraded: ready && redis == "away", postgres, schema, redis, hint }))
}

async fn schema(store: &Store) -> Result<usize, StoreError> {
    Ok(missing_migrations(&mut *store.connection().await?).await?.len())
}
