//! Files in the shape the contract gives.

use super::*;
use crate::asr::order::{Asked, in_order};

const FILE: &str = r#"{"jobName":"j","accountId":"1","status":"COMPLETED","results":{"language_code":"en-US","transcripts":[{"transcript":"I've got it. Bye."}],
 "speaker_labels":{"speakers":2,"segments":[{"start_time":"4.86","end_time":"5.9","speaker_label":"spk_0","items":[{"start_time":"4.86","end_time":"5.02","speaker_label":"spk_0"}]}]},
 "items":[{"start_time":"4.86","end_time":"5.02","alternatives":[{"confidence":"0.99","content":"I've"}],"type":"pronunciation"},
 {"start_time":"5.02","end_time":"5.3","alternatives":[{"confidence":"0.98","content":"got"}],"type":"pronunciation","speaker_label":"spk_0"},
 {"start_time":"5.3","end_time":"5.9","alternatives":[{"confidence":"0.97","content":"it"}],"type":"pronunciation","speaker_label":"spk_0"},
 {"alternatives":[{"confidence":"0.0","content":"."}],"type":"punctuation"},
 {"start_time":"6.1","end_time":"6.4","alternatives":[{"confidence":"0.9","content":"Bye"}],"type":"pronunciation","speaker_label":"spk_1"},
 {"alternatives":[{"confidence":"0.0","content":"."}],"type":"punctuation"}]}}"#;

#[test]
fn times_are_text_and_punctuation_belongs_to_the_word_before_it() {
    let made = in_order(read(FILE.as_bytes()).unwrap(), Asked { audio_seconds: 7.0, model: "default", request_id: Some("j") });
    let words: Vec<_> = made.words.iter().map(|word| (word.text.as_str(), word.start, word.end, word.speaker.as_deref())).collect();
    let (one, other) = (Some("spk_0"), Some("spk_1"));
    assert_eq!(words, [("I've", 4.86, 5.02, one), ("got", 5.02, 5.3, one), ("it.", 5.3, 5.9, one), ("Bye.", 6.1, 6.4, other)]);
    let segments: Vec<_> = made.segments.iter().map(|segment| (segment.text.as_str(), segment.start)).collect();
    assert_eq!(segments, [("I've got it.", 4.86), ("Bye.", 6.1)]);
    assert_eq!((made.text.as_str(), made.language.as_deref(), made.repairs), ("I've got it. Bye.", Some("en"), 0));
}

#[test]
fn silence_is_empty_and_another_file_is_an_error() {
    let silence = read(br#"{"results":{"transcripts":[{"transcript":""}],"items":[]},"status":"COMPLETED"}"#).unwrap();
    assert_eq!((silence.text.as_deref(), silence.words.len()), (Some(""), 0));
    assert!(read(br#"{"jobName":"j"}"#).is_err() && read(b"{\"results\":").unwrap_err().contains("breaks off"));
    let odd = br#"{"results":{"transcripts":[],"items":[{"alternatives":[{"content":"."}],"type":"punctuation"},{"type":"pronunciation","start_time":"x","alternatives":[]}]}}"#;
    assert!(read(odd).unwrap().words.is_empty());
}
