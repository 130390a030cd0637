//! What Deepgram answers or posts: channels with words, utterances, times in seconds.

use serde::Deserialize;
use serde_json::Value;

use crate::asr::order::{Told, ToldSegment, ToldWord};

/// A result, the reply to a start, or an error: they are told apart by what is in them.
#[derive(Debug, Deserialize)]
pub(super) struct WireAnswer {
    pub(super) request_id: Option<String>,
    #[serde(default)]
    metadata: Metadata,
    results: Option<Results>,
    err_code: Option<Value>,
    category: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    request_id: Option<String>,
    duration: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Results {
    channels: Vec<Channel>,
    utterances: Option<Vec<Utterance>>,
}

#[derive(Debug, Deserialize)]
struct Channel {
    alternatives: Vec<Alternative>,
    detected_language: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Alternative {
    transcript: String,
    #[serde(default)]
    words: Vec<WireWord>,
    languages: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct WireWord {
    word: String,
    punctuated_word: Option<String>,
    start: Option<f64>,
    end: Option<f64>,
    confidence: Option<f64>,
    speaker: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Utterance {
    transcript: String,
    start: Option<f64>,
    end: Option<f64>,
    speaker: Option<Value>,
}

impl WireAnswer {
    /// The service's id of the request, wherever it stands.
    pub(super) fn id(&self) -> Option<&str> {
        self.metadata.request_id.as_deref().or(self.request_id.as_deref())
    }

    /// Whether it says that it failed, in any of its shapes.
    pub(super) fn is_error(&self) -> bool {
        self.results.is_none() && (self.err_code.is_some() || self.category.is_some())
    }

    /// What was heard.
    pub(super) fn told(self) -> Result<Told, String> {
        let results = self.results.ok_or("the JSON has no `results`")?;
        let mut told = Told { duration: self.metadata.duration, billed_seconds: self.metadata.duration, ..Told::default() };
        let mut texts = Vec::new();
        for channel in results.channels {
            let Some(best) = channel.alternatives.into_iter().next() else { continue };
            told.language = told.language.or(channel.detected_language).or_else(|| best.languages.into_iter().flatten().next());
            texts.push(best.transcript);
            told.words.extend(best.words.into_iter().map(word));
        }
        if texts.is_empty() {
            return Err("the JSON has no alternative of any channel".to_owned());
        }
        told.text = Some(texts.join(" "));
        told.segments = results.utterances.unwrap_or_default().into_iter().map(segment).collect();
        Ok(told)
    }
}

fn word(word: WireWord) -> ToldWord {
    ToldWord {
        text: word.punctuated_word.unwrap_or(word.word),
        start: word.start,
        end: word.end,
        confidence: word.confidence,
        speaker: word.speaker.and_then(speaker),
    }
}

fn segment(utterance: Utterance) -> ToldSegment {
    ToldSegment {
        text: utterance.transcript,
        start: utterance.start,
        end: utterance.end,
        speaker: utterance.speaker.and_then(speaker),
        ..ToldSegment::default()
    }
}

/// Numbers from 0 on; missing without diarization.
fn speaker(value: Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
