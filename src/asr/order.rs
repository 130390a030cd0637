//! From what a provider told to a transcript in order: trimmed, sorted, clamped, and the repairs counted.
//!
//! Each provider's own shapes are read in its folder; here they have become words and stretches whose times may be anything.

use super::{Segment, Transcription, Word, languages::code_of};

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

/// A word as it was told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ToldWord {
    pub(super) text: String,
    pub(super) start: Option<f64>,
    pub(super) end: Option<f64>,
    pub(super) confidence: Option<f64>,
    pub(super) speaker: Option<String>,
}

/// A stretch as it was told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ToldSegment {
    pub(super) text: String,
    pub(super) start: Option<f64>,
    pub(super) end: Option<f64>,
    pub(super) no_speech_prob: Option<f64>,
    pub(super) avg_logprob: Option<f64>,
    pub(super) speaker: Option<String>,
}

/// An answer as it was told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Told {
    /// All of it; made of stretches or words when there is none.
    pub(super) text: Option<String>,
    /// A code or an English name.
    pub(super) language: Option<String>,
    pub(super) duration: Option<f64>,
    pub(super) billed_seconds: Option<f64>,
    pub(super) segments: Vec<ToldSegment>,
    pub(super) words: Vec<ToldWord>,
}

/// Puts an answer in order.
pub(super) fn in_order(told: Told, asked: Asked<'_>) -> Transcription {
    let mut repairs = Repairs { count: 0, latest: asked.audio_seconds + SLACK_SECONDS };
    let words = repairs.words(told.words);
    let segments = repairs.segments(told.segments);
    let text = told.text.map(|text| one_line(&text)).filter(|text| !text.is_empty());
    let text = text.unwrap_or_else(|| {
        let spoken: Vec<&str> = if segments.is_empty() {
            words.iter().map(|word| word.text.as_str()).collect()
        } else {
            segments.iter().map(|segment| segment.text.as_str()).collect()
        };
        spoken.join(" ")
    });
    let language = told.language.map(|language| one_line(&language)).filter(|language| !language.is_empty());
    Transcription {
        text,
        language: language.map(|language| code_of(&language).map_or(language, str::to_owned)),
        duration: told.duration.map(|duration| if duration > NANOSECONDS_FROM { duration / 1e9 } else { duration }),
        billed_seconds: told.billed_seconds,
        segments,
        words,
        repairs: repairs.count,
        request_id: asked.request_id.map(str::to_owned),
        model: asked.model.to_owned(),
        too_short: false,
        exhausted_for: None,
    }
}

/// Trimmed, every run of white space one space: servers join lines in their own ways. PostgreSQL takes no NUL in a text.
pub(super) fn one_line(text: &str) -> String {
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
    fn words(&mut self, words: Vec<ToldWord>) -> Vec<Word> {
        if words.iter().all(|word| word.start.is_none() && word.end.is_none()) {
            self.repaired(words.len());
            return Vec::new();
        }
        let raw = words.into_iter().map(|mut word| {
            word.text = one_line(&word.text);
            Raw { start: word.start, end: word.end, item: word }
        });
        let raw = self.without_empty(raw.collect(), |word| &word.text);
        let word = |(start, end, told): (f64, f64, ToldWord)| Word {
            text: told.text,
            start,
            end,
            // pocketsphinx rounds certainty up to 1.0001
            confidence: told.confidence.filter(|confidence| confidence.is_finite()).map(|confidence| confidence.clamp(0.0, 1.0)),
            speaker: told.speaker,
        };
        self.spans(raw).into_iter().map(word).collect()
    }

    fn segments(&mut self, segments: Vec<ToldSegment>) -> Vec<Segment> {
        if segments.iter().all(|segment| segment.start.is_none() && segment.end.is_none()) {
            self.repaired(segments.len());
            return Vec::new();
        }
        let raw = segments.into_iter().map(|mut segment| {
            segment.text = one_line(&segment.text);
            Raw { start: segment.start, end: segment.end, item: segment }
        });
        let raw = self.without_empty(raw.collect(), |segment| &segment.text);
        let segment = |(start, end, told): (f64, f64, ToldSegment)| Segment {
            start,
            end,
            speaker: told.speaker,
            text: told.text,
            no_speech_prob: told.no_speech_prob,
            avg_logprob: told.avg_logprob,
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
