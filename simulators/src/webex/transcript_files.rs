//! The two forms of a transcript's file. Both tell what the script of the call says, turn by turn.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use super::book::Call;
use super::captures::masked;
use crate::speech::{Said, Speaker};

/// How a file is written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// Turns in the opposite order.
    pub(super) unordered: bool,
    /// No words, only text.
    pub(super) without_words: bool,
    /// `seconds` as a string, as protobuf writes 64 bits.
    pub(super) seconds_as_text: bool,
    /// Times from the beginning of each utterance.
    pub(super) relative: bool,
    /// Dialogs of no content between the others.
    pub(super) empty_dialog: bool,
    /// The second half of the turns is missing.
    pub(super) cut_short: bool,
}

/// What one person says until the other begins.
struct Turn<'w> {
    speaker: Speaker,
    words: &'w [Said],
}

impl Turn<'_> {
    fn text(&self) -> String {
        self.words.iter().map(|said| said.word.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn start(&self) -> f64 {
        self.words.first().map_or(0.0, |said| said.start)
    }

    fn end(&self) -> f64 {
        self.words.last().map_or(0.0, |said| said.end)
    }
}

fn turns(words: &[Said], manner: Manner) -> Vec<Turn<'_>> {
    let mut turns: Vec<_> = words
        .chunk_by(|one, next| one.speaker == next.speaker)
        .filter_map(|words| Some(Turn { speaker: words.first()?.speaker, words }))
        .collect();
    if manner.cut_short {
        turns.truncate(turns.len() / 2);
    }
    if manner.unordered {
        turns.reverse();
    }
    turns
}

/// The older form: the agent's results, then the caller's.
pub(super) fn legacy(call: &Call, words: &[Said], manner: Manner) -> Value {
    let turns = turns(words, manner);
    let of = |speaker: Speaker| turns.iter().filter(move |turn| turn.speaker == speaker);
    let results: Vec<_> = of(Speaker::Agent).chain(of(Speaker::Customer)).map(|turn| result(turn, manner)).collect();
    json!({"interactionId": call.id, "languageCode": "en-US", "responseContents": results})
}

fn result(turn: &Turn<'_>, manner: Manner) -> Value {
    let from = if manner.relative { turn.start() } else { 0.0 };
    let word =
        |said: &Said| json!({"word": said.word, "start_time": time(said.start - from, manner), "end_time": time(said.end - from, manner)});
    let words: Vec<_> = if manner.without_words { Vec::new() } else { turn.words.iter().map(word).collect() };
    let role = if turn.speaker == Speaker::Agent { "AGENT" } else { "CALLER" };
    let mut result = json!({
        "role": role, "language_code": "en-US", "is_final": true,
        "alternatives": [
            {"transcript": turn.text(), "confidence": 0.93, "words": words},
            {"transcript": "a worse guess", "confidence": 0.41, "words": []},
        ],
    });
    if let (true, Some(fields)) = (manner.relative, result.as_object_mut()) {
        fields.insert("has_applied_recording_offsets".to_owned(), json!(false));
    }
    json!({ "recognitionResult": result })
}

/// A protobuf duration: zeros are left out.
#[expect(clippy::as_conversions, reason = "the length of a call in nanoseconds")]
fn time(seconds: f64, manner: Manner) -> Value {
    let nanoseconds = (seconds * 1e9).round() as i64;
    let (whole, nanos) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let mut time = Map::new();
    if whole != 0 {
        time.insert("seconds".to_owned(), if manner.seconds_as_text { json!(whole.to_string()) } else { json!(whole) });
    }
    if nanos != 0 {
        time.insert("nanos".to_owned(), json!(nanos));
    }
    Value::Object(time)
}

/// The newer form. Party 0 is the customer, party 1 the agent.
pub(super) fn vcon(call: &Call, agent: &str, words: &[Said], manner: Manner) -> Value {
    let mut dialogs =
        vec![json!({"type": "recording", "start": moment(call, 0.0), "duration": call.spec.audio.seconds(), "parties": [0, 1]})];
    for (number, turn) in turns(words, manner).iter().enumerate() {
        if manner.empty_dialog {
            dialogs.push(json!({}));
        }
        dialogs.push(dialog(call, turn, number));
    }
    if manner.empty_dialog {
        dialogs.push(json!({"type": "incomplete", "start": moment(call, 0.0), "disposition": "hung-up", "parties": 0}));
    }
    let mut file = json!({
        "uuid": call.id, "created_at": moment(call, call.spec.audio.seconds()),
        "parties": [{"tel": masked(&call.numbers().0), "role": "customer"}, {"name": agent, "role": "agent"}],
        "dialog": dialogs, "analysis": [], "attachments": [],
    });
    // the version's key is deprecated: some files have it
    if let (true, Some(fields)) = (call.number.is_multiple_of(2), file.as_object_mut()) {
        fields.insert("vcon".to_owned(), json!("0.4.0"));
    }
    file
}

fn dialog(call: &Call, turn: &Turn<'_>, number: usize) -> Value {
    let (speaker, other) = if turn.speaker == Speaker::Agent { (1, 0) } else { (0, 1) };
    let mut dialog = json!({
        "type": "text", "start": moment(call, turn.start()), "duration": turn.end() - turn.start(),
        "mediatype": "text/plain", "body": turn.text(), "encoding": "none",
    });
    // an index, a list whose first is the originator unless it says otherwise, or lists in a list
    let (parties, originator) = match number % 4 {
        0 => (json!(speaker), None),
        1 => (json!([speaker, other]), None),
        2 => (json!([other, speaker]), Some(speaker)),
        _ => (json!([[speaker], [other]]), None),
    };
    if let Some(fields) = dialog.as_object_mut() {
        fields.insert("parties".to_owned(), parties);
        if let Some(originator) = originator {
            fields.insert("originator".to_owned(), json!(originator));
        }
    }
    dialog
}

#[expect(clippy::as_conversions, reason = "the length of a call in milliseconds")]
fn moment(call: &Call, seconds: f64) -> String {
    let at = DateTime::from_timestamp_millis(call.created_ms + (seconds * 1e3).round() as i64).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
