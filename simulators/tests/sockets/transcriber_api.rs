//! The transcriber as it should be: it hears what is said, on whichever channel, in every profile's own shape.

use std::sync::Arc;
use std::time::Duration;

use callscribe_simulators::speech::{Layout, Length, Recording, Script, Shape};
use callscribe_simulators::transcriber::{Profile, Transcriber, TranscriberPlan};
use callscribe_simulators::webex::WebexPlan;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::client::{Caller, http, read};

pub(crate) fn call(seconds: u64, shape: Shape) -> Recording {
    Recording::new(Arc::new(Script::compose(1, 2, Length::Spoken(Duration::from_secs(seconds)))), shape)
}

pub(crate) fn bytes(recording: &Recording) -> Vec<u8> {
    recording.read(0, usize::try_from(recording.size_bytes()).unwrap()).to_vec()
}

pub(crate) fn form(file: Vec<u8>, format: &str) -> Form {
    let part = Part::bytes(file).file_name("call.wav").mime_str("audio/wav").unwrap();
    Form::new()
        .text("model", "whisper-1")
        .text("response_format", format.to_owned())
        .text("timestamp_granularities[]", "word")
        .text("timestamp_granularities[]", "segment")
        .part("file", part)
}

pub(crate) async fn send(transcriber: &Transcriber, form: Form) -> reqwest::Response {
    let request = http().post(format!("{}/audio/transcriptions", transcriber.base_url())).multipart(form);
    request.bearer_auth(transcriber.api_key().unwrap_or("none")).send().await.unwrap()
}

pub(crate) async fn ask(transcriber: &Transcriber, file: Vec<u8>) -> (u16, Value) {
    read(send(transcriber, form(file, "verbose_json")).await).await
}

pub(crate) async fn start(profile: Profile) -> Transcriber {
    Transcriber::start(TranscriberPlan::new(profile)).await.unwrap()
}

#[tokio::test]
async fn a_call_from_webex_is_transcribed_word_for_word() {
    let caller = Caller::of(WebexPlan::ordinary(4, 6)).await;
    let transcriber = start(Profile::OpenAi).await;
    for (number, truth) in (0..).zip(caller.webex.truth()) {
        let (status, body) = ask(&transcriber, caller.download(number).await.bytes().await.unwrap().to_vec()).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["text"], json!(truth.text()));
        assert_eq!(body["language"], json!("english"));
        for (told, said) in body["words"].as_array().unwrap().iter().zip(truth.words()) {
            assert_eq!(
                (told["word"].as_str(), told["start"].as_f64(), told["end"].as_f64()),
                (Some(said.word.as_str()), Some(said.start), Some(said.end))
            );
        }
        let ask = transcriber.asks().pop().unwrap();
        assert_eq!((Some(ask.sha256), Some(ask.bytes), ask.status), (truth.sha256(), truth.size_bytes(), 200));
    }
    assert_eq!(transcriber.requests().answered(200), 6);
}

#[tokio::test]
async fn a_mono_mix_is_heard_and_a_channel_alone_is_half_the_talk() {
    let transcriber = start(Profile::OpenAi).await;
    let stereo = call(15, Shape::PCM);
    let mix = call(15, Shape { layout: Layout::Mono, ..Shape::PCM });
    let (_, of_mix) = ask(&transcriber, bytes(&mix)).await;
    let (_, of_stereo) = ask(&transcriber, bytes(&stereo)).await;
    assert_eq!(of_mix["text"], of_stereo["text"]);
    // the left channel alone, as a mono file: what a splitter would send
    let whole = bytes(&stereo);
    let left: Vec<u8> = whole[44..].chunks_exact(4).flat_map(|frame| [frame[0], frame[1]]).collect();
    let mut file = call(15, Shape { layout: Layout::Mono, ..Shape::PCM }).read(0, 44).to_vec();
    file.extend(left);
    let agent: Vec<String> = stereo.words().into_iter().filter(|said| said.channel == 0).map(|said| said.word).collect();
    assert!(!agent.is_empty());
    assert_eq!(ask(&transcriber, file).await.1["text"], json!(agent.join(" ")));
}

#[tokio::test]
async fn silence_is_an_empty_text() {
    let silent = Recording::new(Arc::new(Script::compose(1, 1, Length::Silent(Duration::from_secs(3)))), Shape::ULAW);
    let (status, body) = ask(&start(Profile::OpenAi).await, bytes(&silent)).await;
    assert_eq!((status, &body["text"], &body["duration"]), (200, &json!(""), &json!(3.0)));
}

#[tokio::test]
async fn every_profile_answers_in_its_own_shape() {
    let recording = call(10, Shape::ULAW);
    let of = async |profile| ask(&start(profile).await, bytes(&recording)).await.1;
    let openai = of(Profile::OpenAi).await;
    assert!(openai["words"][0]["word"].is_string() && openai["segments"][0]["compression_ratio"].is_number());
    assert_eq!(openai["usage"], json!({"type": "duration", "seconds": 10.0}));
    let whisper = of(Profile::WhisperCpp).await;
    assert!(whisper.get("words").is_none() && whisper.get("usage").is_none());
    assert!(whisper["segments"][0]["words"][0]["word"].as_str().unwrap().starts_with(' '));
    assert!(whisper["segments"][0].get("seek").is_none() && whisper["detected_language"] == "english");
    assert_eq!(of(Profile::Speaches).await["language"], json!("en"));
    let vllm = of(Profile::Vllm).await;
    assert_eq!((&vllm["duration"], &vllm["words"]), (&json!("10.00"), &Value::Null));
    assert_eq!(vllm["segments"][0]["no_speech_prob"], Value::Null);
    let local = of(Profile::LocalAi).await;
    assert!(local["words"][0]["text"].is_string() && local["segments"][0].get("avg_logprob").is_none());
}

#[tokio::test]
async fn plain_formats_are_plain_and_unwanted_parts_are_missing() {
    let openai = start(Profile::OpenAi).await;
    let recording = call(10, Shape::ULAW);
    let said = recording.words().into_iter().map(|said| said.word).collect::<Vec<_>>().join(" ");
    let of = async |format| send(&openai, form(bytes(&recording), format)).await.text().await.unwrap();
    assert_eq!(of("text").await, format!("{said}\n"));
    assert!(of("srt").await.starts_with("1\n00:00:00,"));
    assert!(of("vtt").await.starts_with("WEBVTT\n\n00:00:00."));
    let part = Part::bytes(bytes(&recording)).file_name("a.wav");
    let words_only = Form::new().part("file", part).text("model", "whisper-1").text("response_format", "verbose_json");
    let body: Value = send(&openai, words_only.text("timestamp_granularities[]", "word")).await.json().await.unwrap();
    assert!(body.get("segments").is_none() && body["words"].is_array());
}

#[tokio::test]
async fn keys_models_and_files_are_checked_as_each_server_does() {
    let refused = async |profile, key: &str, model: &str, file: Vec<u8>, name: &'static str| {
        let transcriber = start(profile).await;
        let form = Form::new().text("model", model.to_owned()).part("file", Part::bytes(file).file_name(name));
        let request = http().post(format!("{}/audio/transcriptions", transcriber.base_url())).bearer_auth(key).multipart(form);
        read(request.send().await.unwrap()).await
    };
    let good = || bytes(&call(1, Shape::ULAW));
    let key = "simulated-key";
    let (status, body) = refused(Profile::OpenAi, "wrong", "whisper-1", good(), "a.wav").await;
    assert_eq!((status, &body["error"]["code"]), (401, &json!("invalid_api_key")));
    assert_eq!(refused(Profile::Speaches, "wrong", "whisper-1", good(), "a.wav").await.0, 403);
    let (status, body) = refused(Profile::OpenAi, key, "whisper-9", good(), "a.wav").await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("model_not_found")));
    assert_eq!(refused(Profile::WhisperCpp, "", "anything", good(), "a.wav").await.0, 200);
    let page = b"<html></html>".to_vec();
    for (profile, status) in [(Profile::OpenAi, 400), (Profile::WhisperCpp, 400), (Profile::Speaches, 415), (Profile::Vllm, 400)] {
        assert_eq!(refused(profile, key, "whisper-1", page.clone(), "a.wav").await.0, status, "{profile:?}");
    }
    assert_eq!(refused(Profile::OpenAi, key, "whisper-1", good(), "a.bin").await.0, 400);
    assert_eq!(refused(Profile::WhisperCpp, "", "", page, "a.wav").await.1, json!("Invalid request"));
}

#[tokio::test]
async fn a_server_that_answers_at_once_does_not_listen() {
    let plan = TranscriberPlan { answer_at_once: true, ..TranscriberPlan::new(Profile::OpenAi) };
    let transcriber = Transcriber::start(plan).await.unwrap();
    let (status, body) = ask(&transcriber, bytes(&call(10, Shape::ULAW))).await;
    assert_eq!((status, &body["text"]), (200, &json!("hello")));
}
