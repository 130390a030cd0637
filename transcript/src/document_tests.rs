//! The document and its schema say the same; older versions read.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::measures::SideMeasures;

/// The schema as it is published.
fn schema() -> Value {
    serde_json::from_str(include_str!("../schema/transcript-v2.schema.json")).unwrap()
}

/// What of a value a schema does not allow; as much of JSON Schema as ours uses, and a panic on any other word of it.
fn faults(schema: &Value, whole: &Value, value: &Value, at: &str, seen: &mut BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                seen.insert(name.to_owned());
                found.extend(faults(&whole["$defs"][name], whole, value, at, seen));
                true
            }
            "type" => {
                let types: Vec<&str> = rule
                    .as_str()
                    .map_or_else(|| rule.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect(), |one| vec![one]);
                types.iter().any(|one| is_of_type(value, one))
            }
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "required" => rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                value.as_object().is_none_or(|object| object.keys().all(|name| known.contains_key(name)))
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(field) = value.get(name) {
                        seen.insert(format!("{}.{name}", at.rsplit('/').next().unwrap()));
                        found.extend(faults(rule, whole, field, &format!("{at}/{name}"), seen));
                    }
                }
                true
            }
            "items" => {
                value.as_array().into_iter().flatten().for_each(|item| found.extend(faults(rule, whole, item, at, seen)));
                true
            }
            "description" | "title" | "format" | "pattern" | "$schema" | "$id" | "$defs" => true,
            other => panic!("the test knows no `{other}`"),
        };
        if !fits {
            found.push(format!("{at}: {value} breaks `{word}`"));
        }
    }
    found
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("the test knows no type `{other}`"),
    }
}

/// A document in which nothing is left out.
fn maximal() -> Document {
    let word = Word { text: "Hello".into(), start: 0.5, end: 0.9, confidence: Some(0.9), speaker: Some("agent".into()) };
    let turn = Turn {
        speaker: Some("agent".into()),
        channel: Some(0),
        start: Some(0.5),
        end: Some(0.9),
        text: "Hello.".into(),
        confidence: Some(0.9),
        language: Some("en".into()),
        sentiment: Some(SentimentScore { score: 0.25, label: SentimentLabel::Positive }),
        words: vec![word],
    };
    let side = SideMeasures {
        speaker: Some("agent".into()),
        channel: Some(0),
        talk_seconds: 0.4,
        talk_ratio: 1.0,
        turns: 1,
        words: 1,
        words_per_minute: Some(150.0),
        interruptions: 0,
        sentiment: Some(0.25),
    };
    Document {
        call: Some(CallOfDocument { session_id: "s1".into(), source: "webex".into(), leg: "main".into(), started_at: DateTime::default() }),
        parameters: json!({"temperature": 0, "form": "verbose_json"}).as_object().unwrap().clone(),
        request_ids: vec!["req_1".into()],
        language: Some("en".into()),
        heard_seconds: Some(8.5),
        billed_seconds: Some(9.0),
        sent_seconds: Some(6.0),
        trimmed_seconds: Some(2.5),
        cost: Some(Cost { amount: "0.0009".into(), currency: "USD".into() }),
        speakers: vec![OnChannel { speaker: "agent".into(), channel: Some(0) }],
        turns: vec![turn],
        measures: Some(Measures {
            talk_seconds: 0.4,
            silence_seconds: 8.1,
            overlap_seconds: 0.0,
            interruptions: 0,
            longest_hold_seconds: 7.6,
            longest_hold_start: Some(0.9),
            turns: 1,
            sides: vec![side],
        }),
        repairs: 1,
        vendor_file: Some("a/b.json".into()),
        redactions: vec![Redaction { kind: RedactionKind::Card, turn: 0, channel: Some(0), start: Some(0.5), end: Some(0.9) }],
        checks: Checks { flags: vec!["asked_twice".into()], measures: json!({"speech_seconds": 6.1}).as_object().unwrap().clone() },
        ..Document::new("whisper", "whisper-1", 8.5)
    }
}

#[test]
fn the_schema_allows_what_is_written_and_nothing_of_it_is_never_written() {
    let (schema, mut seen) = (schema(), BTreeSet::new());
    for document in [maximal(), Document::new("whisper", "whisper-1", 0.0)] {
        let json = serde_json::to_value(&document).unwrap();
        assert_eq!(faults(&schema, &schema, &json, "", &mut seen), Vec::<String>::new());
    }
    let unused: Vec<_> = schema["$defs"].as_object().unwrap().keys().filter(|name| !seen.contains(*name)).collect();
    assert!(unused.is_empty(), "nothing of a maximal document is of {unused:?}");
    let rules =
        schema["$defs"].as_object().unwrap().values().chain([&schema]).flat_map(|rule| rule["properties"].as_object().unwrap().keys());
    let never: Vec<_> = rules.filter(|name| !seen.iter().any(|path| path.ends_with(&format!(".{name}")))).collect();
    assert!(never.is_empty(), "no field is called {never:?}");
}

#[test]
fn the_schema_refuses_what_is_not_written() {
    let schema = schema();
    for (field, value) in [("extra", json!(1)), ("version", json!(1)), ("audio_seconds", json!(-1)), ("turns", json!([{"start": 1}]))] {
        let mut json = serde_json::to_value(maximal()).unwrap();
        json[field] = value;
        assert!(!faults(&schema, &schema, &json, "", &mut BTreeSet::new()).is_empty(), "`{field}` may be anything");
    }
}

#[test]
fn every_field_of_the_schema_is_described() {
    let schema = schema();
    let all = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for (name, rule) in all.flat_map(|rule| rule["properties"].as_object().unwrap()) {
        assert!(rule.get("description").is_some() || rule.get("$ref").is_some(), "`{name}` has no description");
    }
}

#[test]
fn what_is_written_reads_back() {
    let document = maximal();
    assert_eq!(read(&serde_json::to_value(&document).unwrap()).unwrap(), document);
    let own = Redaction { kind: RedactionKind::Custom("member_number".into()), turn: 0, channel: None, start: None, end: None };
    let json = serde_json::to_value(&own).unwrap();
    assert_eq!(json, json!({"kind": "member_number", "turn": 0}));
    assert_eq!(serde_json::from_value::<Redaction>(json).unwrap(), own);
}

#[test]
fn the_first_version_reads_as_turns() {
    let old = json!({
        "version": 1, "provider": "whisper", "model": "whisper-1", "request_id": "req_1", "language": "en", "audio_seconds": 8.47,
        "heard_seconds": 8.470000267028809, "billed_seconds": 9.0,
        "segments": [{"start": 0.0, "end": 1.0, "text": "The beach.", "no_speech_prob": 0.01, "avg_logprob": -0.29}],
        "words": [{"text": "The", "start": 0.0, "end": 0.24}, {"text": "beach", "start": 0.3, "end": 0.7}],
        "repairs": 0,
        "checks": {"flags": ["word_loop"], "measures": {"speech_seconds": 6.1, "end_of_speech": null, "compression_ratio": 1.4}}
    });
    let document = read(&old).unwrap();
    assert_eq!(document.version, 2);
    assert_eq!(document.turns.len(), 1);
    assert_eq!((document.turns[0].text.as_str(), document.turns[0].words.len()), ("The beach.", 2));
    assert_eq!((document.request_ids, document.checks.flags), (vec!["req_1".to_owned()], vec!["word_loop".to_owned()]));
}

#[test]
fn a_vendors_turns_without_times_read_with_their_channels() {
    let old = json!({
        "version": 1, "provider": "webex", "model": "legacy", "request_id": null, "language": null, "audio_seconds": 8.0,
        "heard_seconds": null, "billed_seconds": null, "segments": [], "words": [], "repairs": 0,
        "speakers": [{"speaker": "agent", "channel": 1}], "vendor_file": "k",
        "turns": [{"speaker": "agent", "text": "Hello."}, {"speaker": "customer", "text": "Hi."}],
        "checks": {"flags": [], "measures": {}}
    });
    let document = read(&old).unwrap();
    assert_eq!((document.turns[0].channel, document.turns[0].start), (Some(1), None));
    assert_eq!((document.turns[1].channel, document.turns[1].speaker.as_deref()), (None, Some("customer")));
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let message = |json: &Value| read(json).unwrap_err().to_string();
    assert!(message(&json!({"version": 3})).contains("version `3`"));
    assert!(message(&json!({})).contains("version `null`"));
    assert!(message(&json!({"version": 2})).contains("says version 2"));
}
