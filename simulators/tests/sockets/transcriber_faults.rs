//! Every fault of the transcriber, byte for byte where the contract gives the bytes.

use std::time::Duration;

use callscribe_simulators::When;
use callscribe_simulators::speech::{Length, Recording, Script, Shape};
use callscribe_simulators::transcriber::{Fault, Known, Profile, Transcriber, TranscriberPlan, Wait};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::client::{http, read};
use crate::transcriber_api::{ask, bytes, call, form, send};

async fn with(fault: Fault) -> Transcriber {
    Transcriber::start(TranscriberPlan::new(Profile::OpenAi).with(fault, When::Always)).await.unwrap()
}

async fn told(fault: Fault) -> (u16, Value) {
    ask(&with(fault).await, bytes(&call(45, Shape::ULAW))).await
}

#[tokio::test]
async fn the_errors_of_the_real_service_are_told_byte_for_byte() {
    let invalid = |message: &str, param: Value, code: Value| json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}});
    let of = async |known| told(Fault::Error(known)).await;
    let short = invalid("Audio file is too short. Minimum audio length is 0.1 seconds.", json!("file"), json!("audio_too_short"));
    assert_eq!(of(Known::TooShort).await, (400, short));
    let formats = "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']";
    assert_eq!(of(Known::InvalidFileFormat).await, (400, invalid(formats, Value::Null, Value::Null)));
    let undecodable = "The audio file could not be decoded or its format is not supported.";
    assert_eq!(of(Known::Undecodable).await, (400, invalid(undecodable, Value::Null, Value::Null)));
    let (status, body) = of(Known::TooLarge).await;
    assert_eq!((status, &body["error"]["type"], &body["error"]["code"]), (413, &json!("server_error"), &Value::Null));
    assert!(body["error"]["message"].as_str().unwrap().starts_with("Maximum content size limit (26214400) exceeded ("));
    assert!(of(Known::TooLargePrefixed).await.1["error"]["message"].as_str().unwrap().starts_with("413: Maximum"));
    for (known, status, code) in [
        (Known::TooLong, 400, "invalid_value"),
        (Known::FormatNotSupported, 400, "unsupported_value"),
        (Known::InvalidKey, 401, "invalid_api_key"),
        (Known::ModelNotFound, 404, "model_not_found"),
        (Known::RateLimited(Wait::Absent), 429, "rate_limit_exceeded"),
        (Known::QuotaExhausted, 429, "insufficient_quota"),
        (Known::SlowDown429, 429, "slow_down"),
        (Known::SlowDown503, 503, "slow_down"),
        (Known::Overloaded, 503, "server_is_overloaded"),
        (Known::ModelLoading, 503, "model_loading"),
    ] {
        let (answered, body) = of(known).await;
        assert_eq!((answered, &body["error"]["code"]), (status, &json!(code)), "{known:?}");
    }
    assert_eq!(of(Known::Forbidden).await.0, 403);
    assert_eq!(of(Known::ChunkingRequired).await.1["error"]["param"], json!("chunking_strategy"));
    for known in [Known::TooLargeHtml, Known::ServerErrorHtml] {
        assert!(of(known).await.1.as_str().unwrap().starts_with("<html>"));
    }
    for (wait, name, value) in [(Wait::Seconds(2), "retry-after", "2"), (Wait::Milliseconds(250), "retry-after-ms", "250")] {
        let limited = with(Fault::Error(Known::RateLimited(wait))).await;
        let answer = send(&limited, form(bytes(&call(1, Shape::ULAW)), "json")).await;
        assert_eq!(answer.headers()[name], value);
    }
}

#[tokio::test]
async fn a_limit_of_requests_is_told_with_every_answer_and_kept() {
    let limited = with(Fault::RateLimit { requests: 2, window: Duration::from_secs(90) }).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let answer = send(&limited, form(bytes(&call(1, Shape::ULAW)), "json")).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-ratelimit-limit-requests"), "2");
        assert!(header("x-ratelimit-reset-requests").starts_with("1m"));
        assert!(!answer.headers().contains_key("retry-after"));
        told.push((answer.status().as_u16(), header("x-ratelimit-remaining-requests")));
    }
    assert_eq!(told, [(200, "1".to_owned()), (200, "0".to_owned()), (429, "0".to_owned())]);
    limited.faults().clear();
    assert_eq!(ask(&limited, bytes(&call(1, Shape::ULAW))).await.0, 200);
}

#[tokio::test]
async fn limits_are_found_by_counting_and_by_listening() {
    let openai = Transcriber::start(TranscriberPlan::new(Profile::OpenAi)).await.unwrap();
    let (status, body) = ask(&openai, bytes(&call(1_700, Shape::ULAW))).await;
    assert_eq!(status, 413, "27 MB");
    assert!(body["error"]["message"].as_str().unwrap().contains("bytes read)"));
    let tiny = Recording::new(std::sync::Arc::new(Script::compose(1, 1, Length::Silent(Duration::from_millis(50)))), Shape::ULAW);
    assert_eq!(ask(&openai, bytes(&tiny)).await.1["error"]["code"], json!("audio_too_short"));
    let newer = async |format: &'static str, file: Vec<u8>| {
        let form = Form::new().text("model", "gpt-4o-transcribe").text("response_format", format);
        read(send(&openai, form.part("file", Part::bytes(file).file_name("a.wav"))).await).await
    };
    let message = "response_format 'verbose_json' is not compatible with model 'gpt-4o-transcribe-api-ev3'. Use 'json' or 'text' instead.";
    assert_eq!(newer("verbose_json", bytes(&call(1, Shape::ULAW))).await.1["error"]["message"], json!(message));
    let long = newer("json", bytes(&call(1_401, Shape::ULAW))).await;
    let message = "audio duration 1401.000000 seconds is longer than 1400 seconds which is the maximum for this model";
    assert_eq!(long.1["error"]["message"], json!(message));
    assert_eq!(newer("json", bytes(&call(5, Shape::ULAW))).await.1["usage"]["type"], json!("tokens"));
}

#[tokio::test]
async fn what_is_heard_can_be_lost_doubled_invented_or_out_of_time() {
    let truth = call(45, Shape::ULAW).words();
    let times = |body: &Value, number: usize, which: &str| body["words"][number][which].clone();
    let count = |body: &Value| body["words"].as_array().unwrap().len();
    let lost = truth.len() - truth.len() / 3;
    let tail = told(Fault::TailLost).await.1;
    assert_eq!((count(&tail), times(&tail, 0, "start")), (lost, json!(truth[0].start)));
    let middle = told(Fault::MiddleLost).await.1;
    assert_eq!((count(&middle), times(&middle, lost - 1, "end")), (lost, json!(truth[truth.len() - 1].end)));
    assert_eq!(told(Fault::EmptyText).await.1["text"], json!(""));
    assert!(count(&told(Fault::DoubledAtBorders).await.1) > truth.len());
    let unsorted = told(Fault::WordsUnsorted).await.1;
    assert_eq!(times(&unsorted, 0, "end"), json!(truth[truth.len() - 1].end));
    let backward = told(Fault::WordsBackward).await.1;
    assert!(times(&backward, 0, "end").as_f64() < times(&backward, 0, "start").as_f64());
    assert!(times(&told(Fault::WordsBeyondEnd).await.1, 0, "start").as_f64() > Some(45.0));
    assert_eq!(times(&told(Fault::WordsWithoutTimes).await.1, 0, "start"), Value::Null);
    assert_eq!(told(Fault::LanguageOtherForm).await.1["language"], json!("en"));
    assert_eq!(told(Fault::WrongLanguage).await.1["language"], json!("welsh"));
}

#[tokio::test]
async fn silence_is_hallucinated_and_speech_only_where_named() {
    let silent = Recording::new(std::sync::Arc::new(Script::compose(1, 1, Length::Silent(Duration::from_secs(20)))), Shape::ULAW);
    let transcriber = with(Fault::Hallucination).await;
    let body = ask(&transcriber, bytes(&silent)).await.1;
    assert_eq!(body["text"], json!(vec!["Thank you for watching."; 30].join(" ")));
    assert_eq!((&body["segments"][0]["no_speech_prob"], &body["segments"][0]["compression_ratio"]), (&json!(0.9), &json!(8.0)));
    let recording = call(10, Shape::ULAW);
    assert!(!ask(&transcriber, bytes(&recording)).await.1["text"].as_str().unwrap().contains("watching"));
    transcriber.faults().on(Fault::Hallucination, When::For(vec![recording.words()[0].word.clone()]));
    assert!(ask(&transcriber, bytes(&recording)).await.1["text"].as_str().unwrap().contains("watching"));
}

#[tokio::test]
async fn connections_are_cut_before_and_inside_the_answer() {
    let file = bytes(&call(5, Shape::ULAW));
    let cut = with(Fault::ConnectionCut { after: Duration::from_millis(20) }).await;
    let request = http().post(format!("{}/audio/transcriptions", cut.base_url())).bearer_auth("simulated-key");
    assert!(request.multipart(form(file.clone(), "json")).send().await.is_err());
    assert_eq!(cut.asks().len(), 1, "it was heard, and will be paid for");
    let half = with(Fault::DisconnectAt { byte: 40 }).await;
    let answer = send(&half, form(file, "verbose_json")).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.is_err());
}

#[tokio::test]
async fn one_at_a_time_is_seen_from_outside_and_a_deadlock_is_not() {
    let file = bytes(&call(2, Shape::ULAW));
    let plan = TranscriberPlan { takes: Duration::from_millis(150), ..TranscriberPlan::new(Profile::WhisperCpp) };
    let single = Transcriber::start(plan).await.unwrap();
    let began = std::time::Instant::now();
    let answers = tokio::join!(ask(&single, file.clone()), ask(&single, file.clone()));
    assert_eq!((answers.0.0, answers.1.0), (200, 200));
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(single.requests().most_in_flight(), 2);

    let dead = with(Fault::Deadlock).await;
    let request = http().post(format!("{}/audio/transcriptions", dead.base_url())).bearer_auth("simulated-key");
    let waited = request.multipart(form(file, "json")).timeout(Duration::from_millis(200)).send().await;
    assert!(waited.unwrap_err().is_timeout());
    let health = dead.base_url().replace("/v1", "/health");
    assert_eq!(read(http().get(health).send().await.unwrap()).await, (200, json!({"status": "ok"})));
}

#[tokio::test]
async fn a_stream_ends_with_done_or_without() {
    for (fault, done) in [(None, true), (Some(Fault::StreamWithoutDone), false)] {
        let transcriber = Transcriber::start(TranscriberPlan::new(Profile::OpenAi)).await.unwrap();
        fault.into_iter().for_each(|fault| transcriber.faults().on(fault, When::Always));
        let part = Part::bytes(bytes(&call(5, Shape::ULAW))).file_name("a.wav");
        let form = Form::new().text("model", "gpt-4o-transcribe").text("stream", "true").part("file", part);
        let body = send(&transcriber, form).await.text().await.unwrap();
        assert!(body.contains("\"transcript.text.delta\""));
        assert_eq!(body.contains("\"transcript.text.done\""), done);
    }
}
