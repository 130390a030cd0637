//! What AssemblyAI tells of a transcript: states, and times in milliseconds.

use serde::Deserialize;

use crate::asr::order::{Told, ToldSegment, ToldWord};

/// `GET /v2/transcript/{id}`, and the answer to its making.
#[derive(Debug, Deserialize)]
pub(super) struct WireTranscript {
    pub(super) id: String,
    pub(super) status: Status,
    error: Option<String>,
    text: Option<String>,
    words: Option<Vec<WireWord>>,
    utterances: Option<Vec<WireUtterance>>,
    /// Seconds.
    audio_duration: Option<f64>,
    language_code: Option<String>,
}

/// Where it stands. A word that we do not know is an unreadable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Queued,
    Processing,
    Completed,
    Error,
}

#[derive(Debug, Deserialize)]
struct WireWord {
    text: String,
    start: Option<f64>,
    end: Option<f64>,
    confidence: Option<f64>,
    speaker: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WireUtterance {
    text: String,
    start: Option<f64>,
    end: Option<f64>,
    speaker: Option<String>,
}

/// Words that are this far apart, in seconds, belong to different stretches when no utterances were told.
const PAUSE_SECONDS: f64 = 0.8;

impl WireTranscript {
    /// What it says went wrong.
    pub(super) fn failure(&self) -> &str {
        self.error.as_deref().unwrap_or("no reason given")
    }

    /// What was heard. Without `text` a completed transcript is none.
    pub(super) fn told(self) -> Result<Told, String> {
        if self.text.is_none() && self.words.is_none() {
            return Err("the transcript is `completed` and has neither `text` nor `words`".to_owned());
        }
        let seconds = |milliseconds: Option<f64>| milliseconds.map(|milliseconds| milliseconds / 1000.0);
        let word = |word: WireWord| ToldWord {
            text: word.text,
            start: seconds(word.start),
            end: seconds(word.end),
            confidence: word.confidence,
            speaker: word.speaker,
        };
        let words: Vec<ToldWord> = self.words.unwrap_or_default().into_iter().map(word).collect();
        let utterance = |said: WireUtterance| ToldSegment {
            text: said.text,
            start: seconds(said.start),
            end: seconds(said.end),
            speaker: said.speaker,
            ..ToldSegment::default()
        };
        let utterances = self.utterances.unwrap_or_default();
        let segments = if utterances.is_empty() { stretches(&words) } else { utterances.into_iter().map(utterance).collect() };
        Ok(Told {
            text: self.text,
            language: self.language_code,
            duration: self.audio_duration,
            // it charges for what it heard
            billed_seconds: self.audio_duration,
            segments,
            words,
        })
    }
}

/// Words without utterances, parted at pauses.
fn stretches(words: &[ToldWord]) -> Vec<ToldSegment> {
    let near = |one: &ToldWord, next: &ToldWord| {
        one.speaker == next.speaker && one.end.zip(next.start).is_none_or(|(end, start)| start - end < PAUSE_SECONDS)
    };
    let segment = |words: &[ToldWord]| ToldSegment {
        text: words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "),
        start: words.first().and_then(|word| word.start),
        end: words.last().and_then(|word| word.end),
        speaker: words.first().and_then(|word| word.speaker.clone()),
        ..ToldSegment::default()
    };
    words.chunk_by(near).map(segment).collect()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
