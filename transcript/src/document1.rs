//! Documents of version 1, which had stretches and words side by side instead of turns.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    document::{Checks, Document, OnChannel, Turn, VERSION, Word},
    turns::{Heard, Side, turns_of},
};

#[derive(Deserialize)]
struct Document1 {
    provider: String,
    model: String,
    request_id: Option<String>,
    language: Option<String>,
    audio_seconds: f64,
    heard_seconds: Option<f64>,
    billed_seconds: Option<f64>,
    segments: Vec<Heard>,
    words: Vec<Word>,
    repairs: u32,
    #[serde(default)]
    speakers: Vec<OnChannel>,
    #[serde(default)]
    turns: Vec<UntimedTurn>,
    vendor_file: Option<String>,
    checks: Checks1,
}

#[derive(Deserialize)]
struct UntimedTurn {
    speaker: String,
    text: String,
}

#[derive(Deserialize)]
struct Checks1 {
    flags: Vec<String>,
    measures: Map<String, Value>,
}

/// Reads a document of version 1.
pub(crate) fn read(json: &Value) -> Result<Document, serde_json::Error> {
    let old = Document1::deserialize(json)?;
    let turns = if old.turns.is_empty() {
        turns_of(&[Side { language: old.language.clone(), segments: old.segments, words: old.words, ..Side::default() }])
    } else {
        old.turns.into_iter().map(|turn| Turn { speaker: Some(turn.speaker), text: turn.text, ..Turn::default() }).collect()
    };
    Ok(Document {
        version: VERSION,
        request_ids: old.request_id.into_iter().collect(),
        language: old.language,
        heard_seconds: old.heard_seconds,
        billed_seconds: old.billed_seconds,
        speakers: old.speakers.clone(),
        turns: on_their_channels(turns, &old.speakers),
        repairs: old.repairs,
        vendor_file: old.vendor_file,
        checks: Checks { flags: old.checks.flags, measures: old.checks.measures },
        ..Document::new(&old.provider, &old.model, old.audio_seconds)
    })
}

/// The turns with the channels that their speakers are on.
fn on_their_channels(mut turns: Vec<Turn>, speakers: &[OnChannel]) -> Vec<Turn> {
    for turn in &mut turns {
        let on = speakers.iter().find(|on| turn.speaker.as_ref() == Some(&on.speaker));
        turn.channel = on.and_then(|on| on.channel);
    }
    turns
}
