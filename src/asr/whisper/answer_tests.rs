//! One answer per server, in the shape the contract gives, and everything that can be wrong with one.

use proptest::prelude::*;

use super::*;

const ASKED: Asked<'static> = Asked { audio_seconds: 30.0, model: "whisper-1", request_id: Some("req_1") };

fn transcript(body: &str) -> Transcription {
    match read(body.as_bytes(), ASKED) {
        Reading::Transcript(transcription) => transcription,
        other => panic!("{other:?}"),
    }
}

fn words(transcription: &Transcription) -> Vec<(&str, f64, f64)> {
    transcription.words.iter().map(|word| (word.text.as_str(), word.start, word.end)).collect()
}

#[test]
fn openai_is_read() {
    let read = transcript(
        r#"{"task":"transcribe","language":"english","duration":8.470000267028809,"text":"The beach was a popular spot.",
        "segments":[{"id":0,"seek":0,"start":0.0,"end":3.319999933242798,"text":" The beach was a popular spot.","tokens":[50364,440],
        "temperature":0.0,"avg_logprob":-0.2860786020755768,"compression_ratio":1.2363636493682861,"no_speech_prob":0.00985979475080967}],
        "words":[{"word":"The","start":0.0,"end":0.24},{"word":"beach","start":0.24,"end":0.6}],"usage":{"type":"duration","seconds":9}}"#,
    );
    assert_eq!(read.language.as_deref(), Some("en"));
    assert_eq!(words(&read), [("The", 0.0, 0.24), ("beach", 0.24, 0.6)]);
    assert_eq!((read.billed_seconds, read.repairs), (Some(9.0), 0));
    let [segment] = read.segments.as_slice() else { panic!("{read:?}") };
    assert_eq!((segment.text.as_str(), segment.avg_logprob.map(|p| p < 0.0)), ("The beach was a popular spot.", Some(true)));
}

#[test]
fn json_without_times_is_read() {
    let read = transcript(r#"{"text":" Hello  there\n friend ","usage":{"type":"tokens","input_tokens":14,"total_tokens":59}}"#);
    assert_eq!(read.text, "Hello there friend");
    assert!(read.words.is_empty() && read.segments.is_empty() && read.billed_seconds.is_none());
}

#[test]
fn whisper_cpp_keeps_its_words_in_segments() {
    let read = transcript(
        r#"{"task":"transcribe","language":"english","duration":3.0,"text":" And so\n","segments":[{"id":0,"text":" And so","start":0.0,"end":2.9,
        "tokens":[1],"words":[{"word":" And","start":0.32,"end":0.37,"t_dtw":-1,"probability":0.88},{"word":" so","start":0.37,"end":0.6,"t_dtw":-1,"probability":0.7}],
        "temperature":0.0,"avg_logprob":-0.21,"no_speech_prob":0.01}],"detected_language":"english"}"#,
    );
    assert_eq!(words(&read), [("And", 0.32, 0.37), ("so", 0.37, 0.6)]);
    assert_eq!(read.words.first().unwrap().confidence, Some(0.88));
}

#[test]
fn vllm_writes_its_duration_as_text_and_has_no_words() {
    let read = transcript(
        r#"{"duration":"29.42","language":"en","text":"hello","segments":[{"id":0,"avg_logprob":-0.3,"compression_ratio":1.4,"start":0.0,"end":5.1,
        "no_speech_prob":null,"seek":0,"temperature":0.0,"text":"hello","tokens":[1]}],"words":null}"#,
    );
    assert_eq!((read.duration, read.words.len(), read.segments.len()), (Some(29.42), 0, 1));
}

#[test]
fn local_ai_calls_a_word_text_and_once_counted_nanoseconds() {
    let read = transcript(
        r#"{"text":"hi","segments":[{"id":0,"start":0,"end":2500000000,"text":"hi"}],"words":[{"text":"hi","start":0.5,"end":1}]}"#,
    );
    assert_eq!(words(&read), [("hi", 0.5, 1.0)]);
    assert!((read.segments.first().unwrap().end - 2.5).abs() < 1e-9);
    assert_eq!(read.repairs, 1);
}

#[test]
fn a_field_that_is_null_is_empty_and_none_at_all_is_no_transcript() {
    let read_nulls = transcript(r#"{"text":null,"language":null,"duration":null,"segments":null,"words":null,"usage":null,"error":null}"#);
    assert_eq!((read_nulls.text.as_str(), read_nulls.language), ("", None));
    for other in [r#"{"status":"ok"}"#, "[]", "\"hello\"", "<html>", "", "{}"] {
        assert!(matches!(read(other.as_bytes(), ASKED), Reading::Unreadable(_)), "{other}");
    }
}

#[test]
fn an_answer_that_breaks_off_says_so() {
    let whole = r#"{"text":"hello","words":[{"word":"hello","start":0,"end":1}]}"#;
    for length in 1..whole.len() {
        match read(&whole.as_bytes()[..length], ASKED) {
            Reading::Unreadable(what) => assert!(what.contains("breaks off"), "{what}"),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn an_error_that_claims_success_is_an_error() {
    assert!(matches!(read(br#"{"error":{"message":"no"}}"#, ASKED), Reading::Error));
    assert!(matches!(read(br#"{"detail":"no"}"#, ASKED), Reading::Error));
}

#[test]
fn times_out_of_order_or_range_are_put_right_and_counted() {
    let read = transcript(
        r#"{"text":"a b c d e","words":[{"word":"b","start":2,"end":1},{"word":"a","start":"0.5","end":"1"},{"word":"c","start":null,"end":null},
        {"word":"d","start":29,"end":99},{"word":"e","start":500,"end":501},{"word":" ","start":3,"end":4}]}"#,
    );
    assert_eq!(words(&read), [("a", 0.5, 1.0), ("c", 1.0, 1.0), ("b", 2.0, 2.0), ("d", 29.0, 31.0), ("e", 31.0, 31.0)]);
    // b's end, c's times, d's end, e's times, the empty word, and a before b
    assert_eq!(read.repairs, 6);
}

#[test]
fn text_is_made_from_what_there_is() {
    assert_eq!(transcript(r#"{"segments":[{"text":" one ","start":0,"end":1},{"text":"two","start":1,"end":2}]}"#).text, "one two");
    assert_eq!(transcript(r#"{"words":[{"word":"one","start":0,"end":1},{"word":"two"}]}"#).text, "one two");
}

#[test]
fn words_without_any_times_are_left_out_and_the_text_stays() {
    let read = transcript(r#"{"text":"one two","words":[{"word":"one","start":null},{"word":"two"}]}"#);
    assert_eq!((read.text.as_str(), read.words.len(), read.repairs), ("one two", 0, 2));
}

#[test]
fn a_nul_that_no_database_takes_is_left_out() {
    let read = transcript(r#"{"text":"one\u0000two","language":"\u0000","words":[{"word":"\u0000","start":0,"end":1}]}"#);
    assert_eq!((read.text.as_str(), read.language, read.words.len()), ("one two", None, 0));
}

proptest! {
    #[test]
    fn whatever_comes_never_panics_and_what_is_read_is_in_order(
        times in proptest::collection::vec((proptest::option::of(-5.0_f64..2e10), proptest::option::of(-5.0_f64..60.0)), 0..20),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = read(&noise, ASKED);
        let words: Vec<_> = times.iter().map(|(start, end)| serde_json::json!({"word": "w", "start": start, "end": end})).collect();
        let body = serde_json::json!({"text": "w", "words": words}).to_string();
        let read = transcript(&body);
        let none_is_known = times.iter().all(|(start, end)| [start, end].into_iter().all(|time| time.is_none_or(|time| time < 0.0)));
        prop_assert_eq!(read.words.len(), if none_is_known { 0 } else { times.len() });
        prop_assert!(read.words.is_sorted_by(|one, other| one.start <= other.start));
        prop_assert!(read.words.iter().all(|word| word.end >= word.start && word.end <= 31.0));
    }
}
