//! `POST /hooks/deepgram/{token}`: results that Deepgram posts. Kept for the worker that ordered them, and answered.
//!
//! A token proves that we made the address; who knows it was told by us. Unknown, doubled and late results change nothing.

use axum::{
    Json,
    body::to_bytes,
    extract::{Path, Request, State},
    http::StatusCode,
};
use callscribe::{asr::deepgram::LARGEST_ANSWER_BYTES, config::DeepgramSettings, store::provider_answers, telemetry::chain};
use serde::Serialize;

use crate::{ApiState, answer::Refusal};

/// What became of a result.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    /// `kept` or `duplicate`.
    result: &'static str,
}

pub(crate) async fn deepgram(State(state): State<ApiState>, Path(token): Path<String>, request: Request) -> Result<Json<Taken>, Refusal> {
    let Some(callbacks) = &state.deepgram else {
        let error = "this endpoint is switched off: `DEEPGRAM_CALLBACK_SECRET` is not set";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error, "set it for the process `api`, see docs/TRANSCRIBERS.md"));
    };
    let Some(piece) = callbacks.piece(&token) else {
        tracing::warn!("a result was posted to an address that is not ours");
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "nobody waits for this result",
            "the address must be one that `callscribe` gave out",
        ));
    };
    let body = to_bytes(request.into_body(), LARGEST_ANSWER_BYTES).await;
    let body = body.map_err(|_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the result is too large or broke off", "send it again"))?;
    let value = serde_json::from_slice(&body);
    let value = value.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the result is no JSON", "post it as Deepgram does"))?;
    let kept = async {
        let mut connection = state.store.connection().await?;
        provider_answers::keep(&mut connection, DeepgramSettings::PROVIDER, piece, &value).await
    };
    match kept.await {
        Ok(is_new) => {
            tracing::info!(asr.job = piece, asr.provider = DeepgramSettings::PROVIDER, is_new, "a result was posted");
            Ok(Json(Taken { result: if is_new { "kept" } else { "duplicate" } }))
        }
        Err(error) => {
            tracing::warn!(error = %chain(&error), asr.job = piece, "a posted result could not be kept; Deepgram posts it again");
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the result could not be kept just now", "send it again"))
        }
    }
}
