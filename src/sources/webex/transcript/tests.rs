//! Both forms in every spelling the guides and other clients show. Whole files from the simulator are compared with the truth
//! word by word in `tests/it/vendor_transcripts`.

use serde_json::json;

use super::*;
use crate::{
    domain::SessionId,
    sources::{Span, Speaker},
};

fn offer() -> TranscriptOffer {
    TranscriptOffer {
        session_id: SessionId::parse("s").unwrap(),
        of_recording: true,
        started_at: Some("2026-07-01T12:00:00Z".parse().unwrap()),
        created_at: None,
        language: Some("en-US".to_owned()),
        link: String::new(),
    }
}

fn transcript(file: &Value) -> VendorTranscript {
    super::read(&offer(), file.to_string().as_bytes()).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    super::read(&offer(), bytes).unwrap_err().to_string()
}

fn lines(transcript: &VendorTranscript) -> Vec<(&str, &str)> {
    transcript.turns.iter().map(|turn| (turn.speaker.as_str(), turn.text.as_str())).collect()
}

fn result(role: &str, text: &str, words: Value) -> Value {
    json!({"recognitionResult": {"role": role, "language_code": "en-US", "alternatives": [{"transcript": text, "words": words}]}})
}

#[test]
fn the_older_form_is_ordered_by_time_and_its_words_are_kept() {
    let word = |word: &str, start: Value, end: Value| json!({"word": word, "start_time": start, "end_time": end});
    let file = json!({"interactionId": "s", "languageCode": "en-GB", "responseContents": [
        result("AGENT", "thank you", json!([
            word("you", json!({"seconds": "2", "nanos": 500_000_000}), json!({"seconds": "3"})),
            word("thank", json!({"seconds": 2}), json!({"seconds": 2, "nanos": 400_000_000})),
        ])),
        result("CALLER", "hi", json!([word("hi", json!({}), json!("0.4s"))])),
        json!({"recognitionResult": {"role": "CALLER", "is_final": false, "alternatives": [{"transcript": "high"}]}}),
        json!({"recognitionResult": {"role": "CALLER", "alternatives": []}}),
    ]});
    let read = transcript(&file);
    assert_eq!((read.form, read.language.as_deref(), read.repairs), ("legacy", Some("en"), 1));
    assert_eq!(lines(&read), [("customer", "hi"), ("agent", "thank you")]);
    let words: Vec<_> = read.turns[1].words.iter().map(|word| (word.text.as_str(), word.span.start, word.span.end)).collect();
    assert_eq!(words, [("thank", 2.0, 2.4), ("you", 2.5, 3.0)]);
    assert_eq!(read.turns[0].span, Some(Span { start: 0.0, end: 0.4 }));
}

#[test]
fn text_without_words_or_with_times_of_its_own_is_kept_without_times() {
    let relative = json!({"recognitionResult": {"role": "CALLER", "has_applied_recording_offsets": false, "alternatives": [
        {"transcript": "hello there", "words": [{"word": "hello", "start_time": {}, "end_time": {"seconds": 1}}]}]}});
    let read = transcript(&json!({"responseContents": [result("AGENT", "good morning", json!([])), relative]}));
    assert_eq!(lines(&read), [("agent", "good morning"), ("customer", "hello there")]);
    assert!(read.turns.iter().all(|turn| turn.span.is_none() && turn.words.is_empty()));
    assert_eq!(read.language.as_deref(), Some("en"));
}

#[test]
fn the_newer_form_is_ordered_by_time_and_parties_may_be_told_in_any_way() {
    let text = |start: &str, parties: Value, body: &str| json!({"type": "text", "start": start, "duration": 1.5, "parties": parties, "body": body, "encoding": "none"});
    let mut originated = text("2026-07-01T12:00:09.500Z", json!([0, 1]), "goodbye");
    originated["originator"] = json!(1);
    let file = json!({"parties": [{"tel": "+1832***0000", "role": "customer"}, {"name": "Jane Agent", "role": "agent"}, {}], "dialog": [
        originated,
        {}, {"type": "incomplete"}, {"type": "recording", "start": "2026-07-01T11:59:00Z"},
        text("2026-07-01T12:00:03.120Z", json!([[0], [1]]), " hello\u{0} there "),
        text("2026-07-01T14:00:01.000+02:00", json!(1), "good morning"),
        text("2026-07-01T12:00:20Z", json!([2]), "mm"),
        text("2026-07-01T12:00:21Z", json!([0]), " "),
    ]});
    let read = transcript(&file);
    assert_eq!(lines(&read), [("agent", "good morning"), ("customer", "hello there"), ("agent", "goodbye"), ("party 2", "mm")]);
    assert_eq!(read.turns[1].span, Some(Span { start: 3.12, end: 4.62 }));
    assert_eq!((read.form, read.repairs), ("vcon", 1), "the text of nothing was left out");
}

#[test]
fn a_file_in_which_nobody_speaks_is_a_transcript() {
    assert!(transcript(&json!({"responseContents": []})).turns.is_empty());
    assert!(transcript(&json!({"dialog": [{}, {}], "parties": []})).turns.is_empty());
}

#[test]
fn what_is_no_transcript_is_told_by_its_shape_and_without_a_word_of_it() {
    let secret = "my number is 555";
    for file in [
        format!("{{\"dialog\": [{{\"body\": \"{secret}\""),
        json!({"text": secret}).to_string(),
        json!([secret]).to_string(),
        json!({"responseContents": secret}).to_string(),
        json!({"responseContents": [{"recognitionResult": {"transcript": secret}}]}).to_string(),
        json!({"dialog": {"body": secret}}).to_string(),
        json!({"dialog": [{"type": "text", "body": {"said": secret}}]}).to_string(),
        json!({"dialog": [{"type": "text", "body": secret, "encoding": "base64url"}]}).to_string(),
        String::new(),
    ] {
        let what = refusal(file.as_bytes());
        assert!(!what.contains("555") && what.len() > 15, "{what}");
    }
    assert!(refusal(b"{\"interactionId\": 1}").contains("interactionid"));
    assert!(refusal(&[0xff, 0xfe]).contains("no JSON"));
}

#[test]
fn any_role_is_a_speaker() {
    assert_eq!(Speaker::of_role(" CALLER "), Speaker::Customer);
    assert_eq!(Speaker::of_role("Supervisor").as_str(), "supervisor");
}
