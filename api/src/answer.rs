//! Answers that are not what was hoped for: a status, what happened, and what to do next, as JSON.

use std::any::Any;

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, Response, StatusCode, Uri, header},
    response::IntoResponse,
};
use serde_json::json;

/// Why a request was not done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: String,
    hint: Option<&'static str>,
}

impl Refusal {
    /// `error` says what happened, `hint` what to do.
    pub(crate) fn new(status: StatusCode, error: impl Into<String>, hint: &'static str) -> Self {
        Self { status, error: error.into(), hint: Some(hint) }
    }

    /// A handler panicked; the line in the log has the rest.
    pub(crate) fn of_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
        let what = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
        tracing::error!(error = what.unwrap_or_default(), "a request panicked: a bug, report it");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, error: "the request broke".to_owned(), hint: None }.into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut body = json!({ "error": self.error });
        if let (Some(hint), Some(object)) = (self.hint, body.as_object_mut()) {
            object.insert("hint".to_owned(), hint.into());
        }
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

pub(crate) async fn not_found(uri: Uri) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("there is nothing at `{}`", uri.path()), "docs/OPERATIONS.md lists the addresses")
}

pub(crate) async fn wrong_method(uri: Uri) -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("`{}` does not take this method", uri.path()),
        "the header `Allow` names those it takes",
    )
}
