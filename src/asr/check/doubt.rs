//! Does the answer sound made up: by the provider's own scores, by its words' lengths, by the phrases Whisper says into silence.

use super::{Measures, repetition::Repetition};
use crate::{
    asr::{Segment, Transcription, Word},
    audio::{Interval, Speech},
    domain::Reason,
};

/// openai/whisper's `logprob_threshold`.
const LOWEST_LOGPROB: f64 = -1.0;
/// openai/whisper's `no_speech_threshold`.
const HIGHEST_NO_SPEECH: f64 = 0.6;
/// One segment in so many may be poor in any call.
const POOR_SEGMENTS: usize = 10;
/// Words in a second of speech outside of which nobody talks; the bounds are our proposal.
const RATES: std::ops::RangeInclusive<f64> = 0.3..=6.0;
/// Speech from which a rate means something.
const RATED_SPEECH_SECONDS: f64 = 5.0;
/// Speech under a phrase, less than which nobody said it.
const PHRASE_SPEECH_SECONDS: f64 = 0.5;
/// Words of a segment that openai/whisper looks at for anomalies, and the score from which it is one.
const ANOMALY_WORDS: usize = 8;
const ANOMALY_SCORE: f64 = 3.0;

/// What Whisper says when nobody says anything (freeflow #68, screenpipe PR #4070, WhisperLive #185).
const STOCK_PHRASES: [&str; 14] = [
    "thank you for watching",
    "thanks for watching",
    "thank you for watching and see you next time",
    "please subscribe",
    "please subscribe to my channel",
    "like and subscribe",
    "subtitles by the amara org community",
    "subtitles by",
    "transcription by castingwords",
    "thank you",
    "bye",
    "you",
    "music",
    "silence",
];

/// What is odd about a transcript that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Nobody speaks in the audio; no provider was asked.
    Silent,
    /// The audio is shorter than the provider takes.
    TooShort,
    /// Who was to be asked first has no transcript of it, or none that passes its checks; another provider made this.
    FellBack,
    /// The first answer failed its checks; this is the second.
    AskedTwice,
    /// The answer has no times, so that its coverage is only known by the number of its words.
    CoverageUnchecked,
    /// The audio holds a little speech and the answer is empty.
    EmptyText,
    /// A word or a few are said three times in a row.
    WordLoop,
    /// The same words come again and again: a script that is read, or a model that lost its way.
    Repetitive,
    /// Too many or too few words for the speech there is.
    OddRate,
    /// The provider was not sure of what it heard.
    LowConfidence,
    /// The provider thought that a part with text is silence.
    LikelySilence,
    /// Words last too short or too long to have been said.
    OddWords,
    /// A phrase that Whisper says into silence stands where nobody speaks.
    StockPhrase,
    /// A tenth of the times or more were out of order or range, and were put right.
    RepairedTimes,
    /// One side's voice was caught by the other's microphone, and is told once.
    CrossTalk,
    /// Kept though it failed its checks: it covers less speech than the audio holds.
    LowCoverage,
    /// Kept though it failed its checks: it repeats itself.
    Repetition,
    /// Kept though it failed its checks: it is in another language than was asked for.
    LanguageMismatch,
}

impl Flag {
    /// The word in `call_transcripts.flags`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::TooShort => "too_short",
            Self::FellBack => "fell_back",
            Self::AskedTwice => "asked_twice",
            Self::CoverageUnchecked => "coverage_unchecked",
            Self::EmptyText => "empty_text",
            Self::WordLoop => "word_loop",
            Self::Repetitive => "repetitive",
            Self::OddRate => "odd_rate",
            Self::LowConfidence => "low_confidence",
            Self::LikelySilence => "likely_silence",
            Self::OddWords => "odd_words",
            Self::StockPhrase => "stock_phrase",
            Self::RepairedTimes => "repaired_times",
            Self::CrossTalk => "cross_talk",
            Self::LowCoverage => "low_coverage",
            Self::Repetition => "repetition",
            Self::LanguageMismatch => "language_mismatch",
        }
    }

    /// What a transcript is flagged with that is kept in spite of a fault.
    #[must_use]
    pub const fn of_fault(reason: Reason) -> Option<Self> {
        match reason {
            Reason::LowCoverage => Some(Self::LowCoverage),
            Reason::Repetition => Some(Self::Repetition),
            Reason::LanguageMismatch => Some(Self::LanguageMismatch),
            _ => None,
        }
    }
}

pub(super) fn flags(answer: &Transcription, speech: &Speech, measures: &Measures, circles: &Repetition) -> Vec<Flag> {
    let segments = &answer.segments;
    let many = |poor: usize| poor > 0 && poor.saturating_mul(POOR_SEGMENTS) >= segments.len();
    let unsure = segments.iter().filter(|segment| is_unsure(segment)).count();
    let odd = segments.iter().filter(|segment| has_odd_words(words_of(answer, segment))).count();
    let rate_is_odd = measures.words_per_second.is_some_and(|rate| !RATES.contains(&rate));
    let found = [
        (Flag::CoverageUnchecked, measures.end_of_text.is_none() && !answer.text.is_empty()),
        (Flag::EmptyText, answer.text.is_empty()),
        (Flag::WordLoop, circles.loops),
        (Flag::Repetitive, circles.repetitive),
        (Flag::OddRate, rate_is_odd && measures.speech_seconds >= RATED_SPEECH_SECONDS),
        (Flag::LowConfidence, many(unsure)),
        (Flag::LikelySilence, segments.iter().any(is_likely_silence)),
        (Flag::OddWords, many(odd)),
        (Flag::StockPhrase, has_stock_phrase(answer, speech)),
        (Flag::RepairedTimes, has_many_repairs(answer)),
    ];
    found.into_iter().filter_map(|(flag, is_so)| is_so.then_some(flag)).collect()
}

fn has_many_repairs(answer: &Transcription) -> bool {
    /// One time in so many may be odd in any answer.
    const MANY: usize = 10;
    let repairs = usize::try_from(answer.repairs).unwrap_or(usize::MAX);
    repairs > 0 && repairs.saturating_mul(MANY) >= answer.words.len().max(answer.segments.len())
}

fn is_unsure(segment: &Segment) -> bool {
    segment.avg_logprob.is_some_and(|logprob| logprob < LOWEST_LOGPROB)
}

fn is_likely_silence(segment: &Segment) -> bool {
    is_unsure(segment) && segment.no_speech_prob.is_some_and(|probability| probability > HIGHEST_NO_SPEECH)
}

/// The words that begin within a segment; both are in order of their starts.
fn words_of<'a>(answer: &'a Transcription, segment: &Segment) -> &'a [Word] {
    let first = answer.words.partition_point(|word| word.start < segment.start);
    let after = answer.words.partition_point(|word| word.start < segment.end);
    answer.words.get(first..after).unwrap_or_default()
}

/// openai/whisper's `is_segment_anomaly`: the score of the first words reaches 3, or their own number.
fn has_odd_words(words: &[Word]) -> bool {
    let looked_at = words.get(..ANOMALY_WORDS).unwrap_or(words);
    let score: f64 = looked_at.iter().map(anomaly).sum();
    let all_of_them = f64::from(u32::try_from(looked_at.len()).unwrap_or(u32::MAX));
    !looked_at.is_empty() && (score >= ANOMALY_SCORE || score + 0.01 >= all_of_them)
}

/// openai/whisper's `word_anomaly_score`.
fn anomaly(word: &Word) -> f64 {
    const IMPROBABLE: f64 = 0.15;
    const SHORT_SECONDS: f64 = 0.133;
    const LONG_SECONDS: f64 = 2.0;
    let lasts = word.end - word.start;
    let improbable = if word.confidence.is_some_and(|confidence| confidence < IMPROBABLE) { 1.0 } else { 0.0 };
    improbable + (SHORT_SECONDS - lasts).max(0.0) * 15.0 + (lasts - LONG_SECONDS).max(0.0)
}

fn has_stock_phrase(answer: &Transcription, speech: &Speech) -> bool {
    if answer.segments.is_empty() {
        return is_stock_phrase(&answer.text) && speech.seconds() < PHRASE_SPEECH_SECONDS;
    }
    answer.segments.iter().any(|segment| {
        let spoken = speech.seconds_within(Interval { start: segment.start, end: segment.end });
        is_stock_phrase(&segment.text) && spoken < PHRASE_SPEECH_SECONDS
    })
}

fn is_stock_phrase(text: &str) -> bool {
    let letters = text.to_lowercase().replace(|letter: char| !letter.is_alphanumeric(), " ");
    let words = letters.split_whitespace().collect::<Vec<_>>().join(" ");
    STOCK_PHRASES.iter().any(|phrase| *phrase == words)
}
