//! Results in the shape the contract gives.

use super::*;
use crate::asr::order::{Asked, in_order};

fn read(body: &str) -> WireAnswer {
    serde_json::from_str(body).unwrap()
}

#[test]
fn words_utterances_and_speakers_are_read() {
    let read = read(
        r#"{"metadata":{"request_id":"r1","sha256":"x","duration":12.5,"channels":1,"models":["m"]},"results":{"channels":[{"detected_language":"en","alternatives":[
        {"transcript":"hi there. bye.","confidence":0.99,"words":[{"word":"hi","start":0.25,"end":0.4,"confidence":0.9,"punctuated_word":"Hi","speaker":0},
        {"word":"there","start":0.45,"end":0.9,"confidence":0.8,"punctuated_word":"there.","speaker":0},
        {"word":"bye","start":4.0,"end":4.3,"confidence":0.7,"punctuated_word":"Bye.","speaker":1}]}]}],
        "utterances":[{"start":0.25,"end":0.9,"confidence":0.9,"channel":0,"transcript":"Hi there.","speaker":0,"id":"u1"},
        {"start":4.0,"end":4.3,"confidence":0.9,"channel":0,"transcript":"Bye.","speaker":1,"id":"u2"}]}}"#,
    );
    assert_eq!((read.id(), read.is_error()), (Some("r1"), false));
    let made = in_order(read.told().unwrap(), Asked { audio_seconds: 12.5, model: "nova-3", request_id: Some("r1") });
    assert_eq!((made.language.as_deref(), made.billed_seconds, made.repairs), (Some("en"), Some(12.5), 0));
    let words: Vec<_> = made.words.iter().map(|word| (word.text.as_str(), word.start, word.speaker.as_deref().unwrap())).collect();
    assert_eq!(words, [("Hi", 0.25, "0"), ("there.", 0.45, "0"), ("Bye.", 4.0, "1")]);
    assert_eq!(made.segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>(), ["Hi there.", "Bye."]);
}

#[test]
fn silence_is_empty_and_what_has_no_results_is_no_transcript() {
    let silence = r#"{"metadata":{"request_id":"r1","duration":2.0},"results":{"channels":[{"alternatives":[{"transcript":"","confidence":0.0,"words":[]}]}],"utterances":[]}}"#;
    assert_eq!(read(silence).told().unwrap().text.as_deref(), Some(""));
    assert!(read(r#"{"request_id":"r1"}"#).told().is_err());
    assert!(read(r#"{"results":{"channels":[]}}"#).told().is_err());
    assert!(read(r#"{"err_code":"Bad Request","err_msg":"x","request_id":"r1"}"#).is_error());
    assert!(read(r#"{"category":"INVALID_AUTH","message":"x","details":"y","request_id":"r1"}"#).is_error());
}
