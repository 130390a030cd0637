//! The bodies that Webex, its gateways and its object store answer with.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Site;
use super::fault::{ErrorBody, Fault};
use crate::chance::Chance;

pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The id that ties a request to the vendor's log: the client's own, or a new one.
pub(super) fn tracking_id(site: &Site, headers: &HeaderMap) -> Option<String> {
    if site.faults.any() && site.faults.lasting_for("", |fault| (*fault == Fault::MissingTrackingId).then_some(())).is_some() {
        return None;
    }
    let own = headers.get("trackingid").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Some(own.unwrap_or_else(|| format!("SIM_{:016x}", Chance::of(site.seed, &[80, site.requests.total()]).next())))
}

fn with_tracking(mut body: Value, tracking: Option<String>) -> Value {
    if let (Some(id), Some(object)) = (tracking, body.as_object_mut()) {
        object.insert("trackingId".into(), json!(id));
    }
    body
}

/// An error of the data APIs: `{"trackingId", "error": {"key", "message": [{"description"}]}}`.
pub(super) fn api_error(site: &Site, headers: &HeaderMap, status: StatusCode, description: &str) -> Response {
    let key = if site.faults.strikes(&[], &Fault::IntegerKey) { json!(status.as_u16()) } else { json!(status.as_u16().to_string()) };
    let body = json!({"error": {"key": key, "message": [{"description": description}]}});
    json_answer(status, &with_tracking(body, tracking_id(site, headers)))
}

/// An error of webexapis.com: `{"message", "errors": [{"description"}], "trackingId"}`.
pub(super) fn platform_error(site: &Site, headers: &HeaderMap, status: StatusCode, message: &str, description: &str) -> Response {
    let body = json!({"message": message, "errors": [{"description": description}]});
    json_answer(status, &with_tracking(body, tracking_id(site, headers)))
}

/// An error of the object store.
pub(super) fn xml_error(status: StatusCode, code: &str, message: &str, more: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}\
         <RequestId>SIMULATED0000000</RequestId><HostId>c2ltdWxhdGVk</HostId></Error>"
    );
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

/// A failure of the server or of a gateway before it.
pub(super) fn server_error(site: &Site, headers: &HeaderMap, status: u16, body: ErrorBody) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match body {
        ErrorBody::Json => api_error(site, headers, status, "Something went wrong on our side."),
        ErrorBody::Empty => status.into_response(),
        ErrorBody::Html => {
            let page = format!("<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center><hr></body></html>");
            (status, [(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
    }
}

/// Compresses a large body for a client that takes gzip.
pub(super) fn compressed(headers: &HeaderMap, body: String, from_bytes: usize) -> Response {
    let takes = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("gzip"));
    let mut answer = Response::new(Body::empty());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !takes || body.len() < from_bytes {
        *answer.body_mut() = Body::from(body);
        return answer;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let written = std::io::Write::write_all(&mut encoder, body.as_bytes()).and_then(|()| encoder.finish());
    if let Ok(packed) = written {
        answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        *answer.body_mut() = Body::from(packed);
    }
    answer
}
