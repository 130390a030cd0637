//! What an engine on this machine would write about a file: `whisper-cli -ojf`, hearing as the simulated services do.

use serde_json::{Value, json};

use crate::hearing::{Hearing, Word};
use crate::services::{joined, turns};

/// The file that `whisper-cli -ojf` writes about this audio; nothing when it cannot be decoded.
#[must_use]
pub fn whisper_cli(audio: &[u8]) -> Option<String> {
    let mut hearing = Hearing::default();
    hearing.take(audio);
    let heard = hearing.end().ok()?;
    let milliseconds = |seconds: Option<f64>| (seconds.unwrap_or(0.0) * 1000.0).round();
    let token = |word: &Word| {
        json!({"text": format!(" {}", word.text), "id": 1, "p": 0.9, "t_dtw": -1,
               "offsets": {"from": milliseconds(word.start), "to": milliseconds(word.end)}})
    };
    let begin = json!({"text": "[_BEG_]", "id": 50_364, "p": 0.9, "t_dtw": -1, "offsets": {"from": 0, "to": 0}});
    let segment = |turn: &[Word]| {
        let from = milliseconds(turn.first().and_then(|word| word.start));
        let to = milliseconds(turn.last().and_then(|word| word.end));
        let tokens: Vec<Value> = std::iter::once(begin.clone()).chain(turn.iter().map(token)).collect();
        json!({"offsets": {"from": from, "to": to}, "text": format!(" {}", joined(turn)), "tokens": tokens})
    };
    let transcription: Vec<Value> = turns(&heard.words).map(segment).collect();
    Some(json!({"systeminfo": "simulated", "params": {}, "result": {"language": "en"}, "transcription": transcription}).to_string())
}
