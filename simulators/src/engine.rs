//! An engine on this machine, hearing as the simulated services do: the words of a file, and what `whisper-cli -ojf` would write about it.

use serde_json::{Value, json};

use crate::hearing::{Hearing, Word};
use crate::services::{joined, turns};

/// A word that was heard, with its times in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardWord {
    /// The word, lower case.
    pub text: String,
    /// Seconds from the beginning of the file.
    pub start: f64,
    /// Seconds from the beginning of the file.
    pub end: f64,
}

/// The words of a file, in the order in which they begin; nothing when it cannot be decoded.
#[must_use]
pub fn heard(audio: &[u8]) -> Option<Vec<HeardWord>> {
    let mut hearing = Hearing::default();
    hearing.take(audio);
    let words = hearing.end().ok()?.words.into_iter();
    Some(words.filter_map(|word| Some(HeardWord { text: word.text, start: word.start?, end: word.end? })).collect())
}

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
