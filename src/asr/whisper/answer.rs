//! From an answer as it came to a transcript in order: flattened, sorted, clamped, and the repairs counted.

use super::{
    languages::code_of,
    wire::{WireAnswer, WireSegment, WireWord},
};
use crate::asr::{Segment, Transcription, Word};

/// How far past the end of the audio a time may lie: models round up to their windows.
const SLACK_SECONDS: f64 = 1.0;
/// Times beyond this (11 days) are nanoseconds, as older LocalAI writes them.
const NANOSECONDS_FROM: f64 = 1e6;

/// What is known about a request apart from its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Playing time of what was sent.
    pub(super) audio_seconds: f64,
    pub(super) model: &'a str,
    pub(super) request_id: Option<&'a str>,
}

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
    let mut wire_segments = answer.segments.flatten().unwrap_or_default();
    let nested: Vec<WireWord> = wire_segments.iter_mut().flat_map(|segment| std::mem::take(&mut segment.words)).collect();
    let wire_words = if answer.words.is_empty() { nested } else { answer.words };
    let mut repairs = Repairs { count: 0, latest: asked.audio_seconds + SLACK_SECONDS };
    let words = repairs.words(wire_words);
    let segments = repairs.segments(wire_segments);
    let text = answer.text.flatten().map(|text| one_line(&text)).filter(|text| !text.is_empty());
    let text = text.unwrap_or_else(|| {
        let spoken = if segments.is_empty() { words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>() } else { texts(&segments) };
        spoken.join(" ")
    });
    let language = Some(one_line(&answer.language)).filter(|language| !language.is_empty());
    Transcription {
        text,
        language: language.map(|language| code_of(&language).map_or(language, str::to_owned)),
        duration: answer.duration.map(|duration| if duration > NANOSECONDS_FROM { duration / 1e9 } else { duration }),
        billed_seconds,
        segments,
        words,
        repairs: repairs.count,
        request_id: asked.request_id.map(str::to_owned),
        model: asked.model.to_owned(),
        exhausted_for: None,
    }
}

fn texts(segments: &[Segment]) -> Vec<&str> {
    segments.iter().map(|segment| segment.text.as_str()).collect()
}

/// Trimmed, every run of white space one space: servers join lines in their own ways. PostgreSQL takes no NUL in a text.
fn one_line(text: &str) -> String {
    text.split(|letter: char| letter.is_whitespace() || letter == '\0').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Puts times right and counts how often it had to.
struct Repairs {
    count: u32,
    /// No time lies after this.
    latest: f64,
}

/// A time span as it came, and what it spans.
struct Raw<T> {
    start: Option<f64>,
    end: Option<f64>,
    item: T,
}

impl Repairs {
    /// Words of which none has a time are left out, and segments likewise: everything would seem to be said at the start.
    fn words(&mut self, words: Vec<WireWord>) -> Vec<Word> {
        if words.iter().all(|word| word.start.is_none() && word.end.is_none()) {
            self.repaired(words.len());
            return Vec::new();
        }
        let raw = words.into_iter().map(|word| Raw { start: word.start, end: word.end, item: (one_line(&word.word), word.probability) });
        let raw = self.without_empty(raw.collect(), |(text, _)| text);
        let spans = self.spans(raw);
        let word = |(start, end, (text, confidence))| Word { text, start, end, confidence, speaker: None };
        spans.into_iter().map(word).collect()
    }

    fn segments(&mut self, segments: Vec<WireSegment>) -> Vec<Segment> {
        if segments.iter().all(|segment| segment.start.is_none() && segment.end.is_none()) {
            self.repaired(segments.len());
            return Vec::new();
        }
        let raw = segments.into_iter().map(|mut segment| {
            segment.text = one_line(&segment.text);
            Raw { start: segment.start, end: segment.end, item: segment }
        });
        let raw = self.without_empty(raw.collect(), |segment| &segment.text);
        let segment = |(start, end, wire): (f64, f64, WireSegment)| Segment {
            start,
            end,
            speaker: wire.speaker.and_then(|speaker| speaker.as_str().map(one_line).or_else(|| speaker.as_i64().map(|n| n.to_string()))),
            text: wire.text,
            no_speech_prob: wire.no_speech_prob,
            avg_logprob: wire.avg_logprob,
        };
        self.spans(raw).into_iter().map(segment).collect()
    }

    fn without_empty<T>(&mut self, mut raw: Vec<Raw<T>>, text: impl Fn(&T) -> &String) -> Vec<Raw<T>> {
        let before = raw.len();
        raw.retain(|raw| !text(&raw.item).is_empty());
        self.repaired(before - raw.len());
        raw
    }

    /// In order of their starts, none before its start, none after the end of the audio.
    fn spans<T>(&mut self, mut raw: Vec<Raw<T>>) -> Vec<(f64, f64, T)> {
        let farthest = raw.iter().filter_map(|raw| raw.end.or(raw.start)).fold(0.0, f64::max);
        if farthest > NANOSECONDS_FROM {
            self.repaired(raw.len());
            for raw in &mut raw {
                (raw.start, raw.end) = (raw.start.map(|time| time / 1e9), raw.end.map(|time| time / 1e9));
            }
        }
        let mut spans = Vec::with_capacity(raw.len());
        let mut reached = 0.0;
        for Raw { start, end, item } in raw {
            let (from, to) = match (start, end) {
                (Some(start), Some(end)) => (start, end),
                (Some(only), None) | (None, Some(only)) => (only, only),
                (None, None) => (reached, reached),
            };
            let from_within = from.min(self.latest);
            let to_within = to.min(self.latest).max(from_within);
            let as_it_came = start == Some(from_within) && end == Some(to_within);
            self.repaired(usize::from(!as_it_came));
            reached = to_within;
            spans.push((from_within, to_within, item));
        }
        let out_of_order = spans.windows(2).filter(|pair| matches!(pair, [(earlier, ..), (later, ..)] if later < earlier)).count();
        self.repaired(out_of_order);
        spans.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
        spans
    }

    fn repaired(&mut self, times: usize) {
        self.count = self.count.saturating_add(u32::try_from(times).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
