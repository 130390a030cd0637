//! From an answer as it came to one shape: words flattened out of segments, errors in answers that claim success told apart.

use super::wire::{WireAnswer, WireSegment, WireWord};
use crate::asr::{
    Transcription,
    order::{Asked, Told, ToldSegment, ToldWord, in_order, one_line},
};

/// What an answer is.
#[derive(Debug)]
pub(super) enum Reading {
    /// A transcript.
    Transcript(Transcription),
    /// An error, in an answer that claims success.
    Error,
    /// Nothing we know; the text says what is wrong with it.
    Unreadable(String),
}

/// Reads an answer. The type it claims to have decides nothing.
pub(super) fn read(body: &[u8], asked: Asked<'_>) -> Reading {
    let answer: WireAnswer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(error) if error.is_eof() => return Reading::Unreadable(format!("the JSON breaks off after {} bytes", body.len())),
        Err(error) => return Reading::Unreadable(format!("{} bytes that are no transcript: {error}", body.len())),
    };
    if answer.is_error() {
        return Reading::Error;
    }
    if answer.text.is_none() && answer.segments.is_none() && answer.words.is_empty() {
        return Reading::Unreadable("the JSON has neither `text` nor `segments` nor `words`".to_owned());
    }
    Reading::Transcript(put_in_order(answer, asked))
}

fn put_in_order(answer: WireAnswer, asked: Asked<'_>) -> Transcription {
    let billed_seconds = answer.billed_seconds();
    let mut segments = answer.segments.flatten().unwrap_or_default();
    let nested: Vec<WireWord> = segments.iter_mut().flat_map(|segment| std::mem::take(&mut segment.words)).collect();
    let words = if answer.words.is_empty() { nested } else { answer.words };
    let told = Told {
        text: answer.text.flatten(),
        language: Some(answer.language),
        duration: answer.duration,
        billed_seconds,
        segments: segments.into_iter().map(told_segment).collect(),
        words: words.into_iter().map(told_word).collect(),
    };
    in_order(told, asked)
}

fn told_word(word: WireWord) -> ToldWord {
    ToldWord { text: word.word, start: word.start, end: word.end, confidence: word.probability, speaker: None }
}

fn told_segment(segment: WireSegment) -> ToldSegment {
    ToldSegment {
        speaker: segment.speaker.and_then(|speaker| speaker.as_str().map(one_line).or_else(|| speaker.as_i64().map(|n| n.to_string()))),
        text: segment.text,
        start: segment.start,
        end: segment.end,
        no_speech_prob: segment.no_speech_prob,
        avg_logprob: segment.avg_logprob,
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
