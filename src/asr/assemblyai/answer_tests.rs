//! Transcripts in the shape the contract gives.

use super::*;
use crate::asr::order::{Asked, in_order};

fn read(body: &str) -> WireTranscript {
    serde_json::from_str(body).unwrap()
}

#[test]
fn milliseconds_become_seconds_and_speakers_stay() {
    let read = read(
        r#"{"id":"t1","status":"completed","text":"Hi there. Bye.","language_code":"en_us","audio_duration":12,"utterances":[
        {"text":"Hi there.","start":250,"end":900,"speaker":"A"},{"text":"Bye.","start":4000,"end":4300,"speaker":"B"}],"words":[
        {"text":"Hi","start":250,"end":400,"confidence":0.9,"speaker":"A","channel":null},{"text":"there.","start":450,"end":900,"confidence":0.8,"speaker":"A"},
        {"text":"Bye.","start":4000,"end":4300,"confidence":0.7,"speaker":"B"}]}"#,
    );
    let made = in_order(read.told().unwrap(), Asked { audio_seconds: 12.0, model: "universal-2", request_id: Some("t1") });
    assert_eq!((made.text.as_str(), made.language.as_deref(), made.billed_seconds), ("Hi there. Bye.", Some("en"), Some(12.0)));
    let words: Vec<_> = made.words.iter().map(|word| (word.text.as_str(), word.start, word.speaker.as_deref().unwrap())).collect();
    assert_eq!(words, [("Hi", 0.25, "A"), ("there.", 0.45, "A"), ("Bye.", 4.0, "B")]);
    assert_eq!((made.segments.len(), made.segments[1].speaker.as_deref(), made.repairs), (2, Some("B"), 0));
}

#[test]
fn words_without_utterances_are_parted_at_pauses() {
    let read = read(
        r#"{"id":"t1","status":"completed","text":"Hi there. Bye.","utterances":null,"words":[{"text":"Hi","start":250,"end":400,"confidence":0.9,"speaker":null},
        {"text":"there.","start":450,"end":900,"confidence":0.8},{"text":"Bye.","start":4000,"end":4300,"confidence":0.7}]}"#,
    );
    let texts: Vec<_> = read.told().unwrap().segments.into_iter().map(|segment| segment.text).collect();
    assert_eq!(texts, ["Hi there.", "Bye."]);
}

#[test]
fn nothing_heard_is_empty_and_nothing_told_is_an_error() {
    let empty = read(r#"{"id":"t1","status":"completed","text":"","words":[]}"#).told().unwrap();
    assert_eq!((empty.text.as_deref(), empty.words.len()), (Some(""), 0));
    assert!(read(r#"{"id":"t1","status":"completed"}"#).told().is_err());
    assert_eq!(read(r#"{"id":"t1","status":"error","error":"Download error"}"#).failure(), "Download error");
    assert!(serde_json::from_str::<WireTranscript>(r#"{"id":"t1","status":"thinking"}"#).is_err());
}
