//! The errors of transcribers, byte for byte, and each server's own way to say them.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Profile;
use super::fault::{Known, Wait};

/// Size limit of OpenAI, in bytes of the body.
pub(super) const OPENAI_LIMIT: u64 = 26_214_400;

const GATEWAY_PAGE: &str = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<center><h1>413 Request Entity Too \
                            Large</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n";
const ERROR_PAGE: &str =
    "<html><head><title>500 Internal Server Error</title></head><body><h1>500 Internal Server Error</h1></body></html>";
const FORMATS: &str = "['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']";

/// What an error may have to tell.
#[derive(Debug, Clone)]
pub(super) struct Told<'a> {
    pub(super) model: &'a str,
    pub(super) format: &'a str,
    pub(super) seconds: f64,
    pub(super) bytes: u64,
    pub(super) limit: u64,
}

fn json(status: u16, body: &Value) -> Response {
    plain(status, "application/json", body.to_string())
}

fn plain(status: u16, kind: &'static str, body: impl Into<String>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, kind)], body.into()).into_response()
}

fn openai(status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Response {
    json(status, &json!({"error": {"message": message, "type": kind, "param": param, "code": code}}))
}

/// An error of the real service.
pub(super) fn known(known: Known, told: &Told<'_>) -> Response {
    const INVALID: &str = "invalid_request_error";
    let too_large = format!("Maximum content size limit ({}) exceeded ({} bytes read)", told.limit, told.bytes);
    match known {
        Known::TooLarge => openai(413, &too_large, "server_error", None, None),
        Known::TooLargePrefixed => json(
            413,
            &json!({"error": {"message": format!("413: {too_large}"), "type": "server_error", "param": null, "code": null},
                    "usage": {"type": "duration", "seconds": 0}}),
        ),
        Known::TooLargeHtml => plain(413, "text/html", GATEWAY_PAGE),
        Known::TooShort => {
            openai(400, "Audio file is too short. Minimum audio length is 0.1 seconds.", INVALID, Some("file"), Some("audio_too_short"))
        }
        Known::TooLong => {
            let message =
                format!("audio duration {:.6} seconds is longer than 1400 seconds which is the maximum for this model", told.seconds);
            openai(400, &message, INVALID, None, Some("invalid_value"))
        }
        Known::FormatNotSupported => {
            let message = format!(
                "response_format '{}' is not compatible with model '{}-api-ev3'. Use 'json' or 'text' instead.",
                told.format, told.model
            );
            openai(400, &message, INVALID, Some("response_format"), Some("unsupported_value"))
        }
        Known::ChunkingRequired => {
            openai(400, "chunking_strategy is required for diarization models", INVALID, Some("chunking_strategy"), None)
        }
        Known::InvalidFileFormat => openai(400, &format!("Invalid file format. Supported formats: {FORMATS}"), INVALID, None, None),
        Known::Undecodable => openai(400, "The audio file could not be decoded or its format is not supported.", INVALID, None, None),
        Known::InvalidKey => openai(401, "Incorrect API key provided.", INVALID, None, Some("invalid_api_key")),
        Known::Forbidden => openai(
            403,
            "Country, region, or territory not supported",
            "request_forbidden",
            None,
            Some("unsupported_country_region_territory"),
        ),
        Known::ModelNotFound => {
            let message = format!("The model `{}` does not exist or you do not have access to it.", told.model);
            openai(404, &message, INVALID, None, Some("model_not_found"))
        }
        Known::RateLimited(wait) => {
            waiting(openai(429, "Rate limit reached for requests.", "requests", None, Some("rate_limit_exceeded")), wait)
        }
        Known::QuotaExhausted => {
            let message = "You exceeded your current quota, please check your plan and billing details.";
            openai(429, message, "insufficient_quota", None, Some("insufficient_quota"))
        }
        Known::SlowDown429 => openai(429, "Slow down.", "requests", None, Some("slow_down")),
        Known::SlowDown503 => openai(503, "Slow down.", "server_error", None, Some("slow_down")),
        Known::Overloaded => openai(503, "The server is currently overloaded.", "server_error", None, Some("server_is_overloaded")),
        Known::ServerErrorHtml => plain(500, "text/html", ERROR_PAGE),
        Known::ModelLoading => {
            waiting(openai(503, "The model is loading.", "model_loading", None, Some("model_loading")), Wait::Seconds(1))
        }
    }
}

fn waiting(mut answer: Response, wait: Wait) -> Response {
    let (name, value) = match wait {
        Wait::Seconds(seconds) => ("retry-after", seconds),
        Wait::Milliseconds(milliseconds) => ("retry-after-ms", milliseconds),
        Wait::Absent => return answer,
    };
    answer.headers_mut().insert(name, HeaderValue::from(value));
    answer
}

/// How this server says that a key is missing or wrong.
pub(super) fn unauthorised(profile: Profile, told: &Told<'_>) -> Response {
    match profile {
        Profile::OpenAi | Profile::WhisperCpp => known(Known::InvalidKey, told),
        Profile::Speaches => json(403, &json!({"detail": "Invalid API key"})),
        Profile::Vllm => json(401, &json!({"error": "Unauthorized"})),
        Profile::LocalAi => {
            json(401, &json!({"error": {"code": 401, "message": "An authentication key is required", "type": "invalid_request_error"}}))
        }
    }
}

/// How this server says that it has no such model.
pub(super) fn no_model(profile: Profile, told: &Told<'_>) -> Response {
    match profile {
        Profile::OpenAi | Profile::WhisperCpp | Profile::LocalAi => known(Known::ModelNotFound, told),
        Profile::Speaches => json(404, &json!({"detail": format!("Model '{}' is not installed locally.", told.model)})),
        Profile::Vllm => {
            let message = format!("The model `{}` does not exist.", told.model);
            json(404, &json!({"error": {"message": message, "type": "NotFoundError", "param": null, "code": 404}}))
        }
    }
}

/// How this server says that a request or its audio is wrong.
pub(super) fn unreadable(profile: Profile, as_openai: Known, told: &Told<'_>) -> Response {
    let message = "Invalid or unsupported audio file.";
    match profile {
        Profile::OpenAi => known(as_openai, told),
        Profile::WhisperCpp => plain(400, "text/plain", "Invalid request"),
        Profile::Speaches => json(415, &json!({"detail": message})),
        Profile::Vllm => json(400, &json!({"error": {"message": message, "type": "BadRequestError", "param": null, "code": 400}})),
        Profile::LocalAi => json(500, &json!({"error": {"code": 500, "message": message, "type": ""}})),
    }
}

/// How this server says that a body is too large, if it has a limit.
pub(super) fn too_large(profile: Profile, told: &Told<'_>) -> Option<Response> {
    let limit = limit(profile).filter(|limit| told.bytes > *limit)?;
    let told = Told { limit, ..told.clone() };
    Some(match profile {
        Profile::Vllm => {
            let message = "Maximum file size exceeded.";
            json(400, &json!({"error": {"message": message, "type": "BadRequestError", "param": null, "code": 400}}))
        }
        Profile::LocalAi => json(413, &json!({"error": {"code": 413, "message": "Request Entity Too Large", "type": ""}})),
        Profile::OpenAi | Profile::WhisperCpp | Profile::Speaches => known(Known::TooLarge, &told),
    })
}

/// Largest body, in bytes.
pub(super) fn limit(profile: Profile) -> Option<u64> {
    match profile {
        Profile::OpenAi => Some(OPENAI_LIMIT),
        Profile::Vllm => Some(25 * 1024 * 1024),
        Profile::LocalAi => Some(15 * 1024 * 1024),
        Profile::WhisperCpp | Profile::Speaches => None,
    }
}
