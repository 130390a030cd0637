//! Every row of the contract's table of errors, exact bytes where it gives them, and the ways the copies differ.

use chrono::DateTime;

use super::*;
use crate::clock::ManualClock;

fn head(status: u16, headers: &[(&'static str, &str)]) -> Head {
    let headers = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect();
    Head::read(StatusCode::from_u16(status).unwrap(), &headers, &ManualClock::at(DateTime::UNIX_EPOCH))
}

fn refusal_with(status: u16, headers: &[(&'static str, &str)], body: &str) -> Refusal {
    head(status, headers).refusal(&ErrorBody::read(body.as_bytes()))
}

/// One word for what follows from an answer.
fn meaning(status: u16, body: &str) -> &'static str {
    word(&refusal_with(status, &[], body))
}

fn word(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Format(_) => "format",
        Refusal::Error(TranscribeError::RateLimited { .. }) => "rate limited",
        Refusal::Error(TranscribeError::Unavailable { .. }) => "unavailable",
        Refusal::Error(TranscribeError::Down { .. } | TranscribeError::NoTurn { .. }) => "not asked",
        Refusal::Error(TranscribeError::Misconfigured { .. }) => "misconfigured",
        Refusal::Error(TranscribeError::Rejected { reason, .. }) => reason.as_str(),
        Refusal::Error(TranscribeError::TooShort { .. }) => "too short",
        Refusal::Error(TranscribeError::Unreadable { .. }) => "unreadable",
        Refusal::Error(TranscribeError::Audio(_)) => "audio",
    }
}

fn error(message: &str, code: &str) -> String {
    serde_json::json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}}).to_string()
}

#[test]
fn openai_means_what_the_contract_says() {
    let too_large = r#"{"error":{"message":"Maximum content size limit (26214400) exceeded (26294972 bytes read)","type":"server_error","param":null,"code":null}}"#;
    let too_large_2025 = r#"{"error":{"message":"413: Maximum content size limit (26214400) exceeded (26294972 bytes read)","type":"server_error","param":null,"code":null,"usage":{"type":"duration","seconds":0}}}"#;
    let rows = [
        (413, too_large.to_owned(), "audio_too_long"),
        (413, too_large_2025.to_owned(), "audio_too_long"),
        (413, "<html><head><title>413 Request Entity Too Large</title></head></html>".to_owned(), "audio_too_long"),
        (400, error("Audio file is too short. Minimum audio length is 0.1 seconds.", "audio_too_short"), "too short"),
        (
            400,
            error("audio duration 1830.530612 seconds is longer than 1400 seconds which is the maximum for this model", "invalid_value"),
            "audio_too_long",
        ),
        (
            400,
            error(
                "response_format 'verbose_json' is not compatible with model 'gpt-4o-transcribe-api-ev3'. Use 'json' or 'text' instead.",
                "unsupported_value",
            ),
            "format",
        ),
        (400, error("chunking_strategy is required for diarization models", ""), "misconfigured"),
        (400, error("Invalid file format. Supported formats: ['flac', 'm4a', 'wav', 'webm']", ""), "audio_undecodable"),
        (400, error("The audio file could not be decoded or its format is not supported.", ""), "audio_undecodable"),
        (401, error("Incorrect API key provided", "invalid_api_key"), "misconfigured"),
        (403, error("Country, region, or territory not supported", "unsupported_country_region_territory"), "misconfigured"),
        (404, error("The model `whisper-9` does not exist", "model_not_found"), "misconfigured"),
        (429, error("Rate limit reached", "rate_limit_exceeded"), "rate limited"),
        (429, error("You exceeded your current quota", "insufficient_quota"), "misconfigured"),
        (429, error("Your credit balance is exhausted", "credit_balance_exhausted"), "misconfigured"),
        (429, error("Slow down", "slow_down"), "rate limited"),
        (503, error("Slow down", "slow_down"), "rate limited"),
        (500, error("The server had an error", "server_error"), "unavailable"),
        (503, error("The server is overloaded", "server_is_overloaded"), "unavailable"),
        (502, "<html><body><h1>502 Bad Gateway</h1></body></html>".to_owned(), "unavailable"),
    ];
    for (status, body, expected) in rows {
        assert_eq!(meaning(status, &body), expected, "{status} {body}");
    }
}

#[test]
fn its_copies_are_understood_too() {
    let rows = [
        // whisper.cpp
        (400, "Invalid request", "provider_rejected"),
        (400, r#"{"error":"failed to read audio data"}"#, "audio_undecodable"),
        (404, "File Not Found (/v1/audio/transcriptions)", "misconfigured"),
        (500, "500 Internal Server Error\r\nstof", "unavailable"),
        (503, r#"{"status":"loading model"}"#, "rate limited"),
        // speaches
        (403, r#"{"detail":"Not authenticated"}"#, "misconfigured"),
        (404, r#"{"detail":"Model 'x' is not installed locally."}"#, "misconfigured"),
        (415, r#"{"detail":"Failed to decode audio."}"#, "audio_undecodable"),
        (422, r#"{"detail":[{"type":"missing","loc":["body","file"],"msg":"Field required","input":null}]}"#, "provider_rejected"),
        (422, r#"{"detail":[{"loc":["body","response_format"],"msg":"Input should be 'json'"}]}"#, "format"),
        // vLLM
        (400, r#"{"error":{"message":"Maximum file size exceeded","type":"BadRequestError","param":null,"code":400}}"#, "audio_too_long"),
        (404, r#"{"error":{"message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}}"#, "misconfigured"),
        // LocalAI
        (503, r#"{"error":{"code":503,"message":"model_loading","type":""}}"#, "rate limited"),
        (500, "", "unavailable"),
        // gateways
        (302, "", "misconfigured"),
        (405, "<html></html>", "misconfigured"),
        (418, "I'm a teapot", "provider_rejected"),
    ];
    for (status, body, expected) in rows {
        assert_eq!(meaning(status, body), expected, "{status} {body}");
    }
}

#[test]
fn the_wait_asked_for_is_the_wait_told() {
    let wait = |headers: &[(&'static str, &str)]| match refusal_with(429, headers, "{}") {
        Refusal::Error(TranscribeError::RateLimited { wait, .. }) => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(&[("retry-after", "2")]), Duration::from_secs(2));
    assert_eq!(wait(&[("retry-after", "1"), ("retry-after-ms", "250")]), Duration::from_millis(250));
    assert_eq!(wait(&[("retry-after", "600")]), Duration::from_secs(600), "longer than clients wait, not than jobs do");
    assert_eq!(wait(&[]), UNSAID_WAIT);
    let exhausted = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6s")];
    assert_eq!(wait(&exhausted), Duration::from_secs(6), "what the limit says where `Retry-After` says nothing");
}

#[test]
fn a_server_that_knows_better_about_retries_is_believed() {
    let told = |status, word_of_server: &str| word(&refusal_with(status, &[("x-should-retry", word_of_server)], "{}"));
    assert_eq!(told(500, "false"), "provider_rejected");
    assert_eq!(told(400, "true"), "unavailable");
}

#[test]
fn an_error_within_a_success_is_no_transcript() {
    let within = |body: &str| word(&head(200, &[]).refusal_within_success(&ErrorBody::read(body.as_bytes())));
    assert_eq!(within(&error("Audio file is too short.", "audio_too_short")), "too short");
    assert_eq!(within(&error("quota", "insufficient_quota")), "misconfigured");
    assert_eq!(within(&error("something", "odd")), "unreadable");
}

#[test]
fn the_request_id_is_kept_for_the_providers_support() {
    let trace = head(500, &[("x-request-id", "req_1")]).trace;
    assert_eq!(trace, VendorTrace { status: Some(500), request_id: Some("req_1".to_owned()) });
}
