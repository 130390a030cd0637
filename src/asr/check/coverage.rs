//! Does the answer cover what was spoken: servers cut tails off with a 200 (vLLM #53144, faster-whisper #351).

use crate::{
    asr::Transcription,
    audio::{Interval, Speech},
};

/// The last word may end this long before the last speech.
const TAIL_SECONDS: f64 = 3.0;
/// No stretch with speech in it may be longer than this without a word.
const HOLE_SECONDS: f64 = 10.0;
/// Speech in a tail, less than which may be a beep or a cough.
const TAIL_SPEECH_SECONDS: f64 = 1.0;
/// Speech in a hole, less than which may be noises of a person who waits.
const HOLE_SPEECH_SECONDS: f64 = 3.0;
/// Speech after which an answer without times must have words.
const UNTIMED_SPEECH_SECONDS: f64 = 10.0;
/// Fewer words in a second of speech than the slowest talker says.
const LOWEST_RATE: f64 = 0.3;

pub(super) struct Coverage {
    pub(super) end_of_text: Option<f64>,
    pub(super) longest_unheard_seconds: f64,
    pub(super) words_per_second: Option<f64>,
    pub(super) fault: Option<String>,
}

pub(super) fn measure(answer: &Transcription, speech: &Speech) -> Coverage {
    let heard = heard(answer);
    let end_of_text = heard.iter().map(|interval| interval.end).reduce(f64::max);
    let spoken = speech.seconds();
    let words_per_second = (spoken > 0.0).then(|| word_count(answer) / spoken);
    let holes = speech.left_out_by(&heard, HOLE_SECONDS);
    let longest_unheard_seconds = holes.iter().map(|(_, spoken)| *spoken).fold(0.0, f64::max);
    let untimed = end_of_text.is_none() && !answer.text.is_empty();
    let fault = if untimed {
        thin_text(spoken, words_per_second)
    } else {
        cut_tail(end_of_text.unwrap_or(0.0), speech).or_else(|| worst_hole(&holes))
    };
    // without times everything would be one hole
    Coverage { end_of_text, longest_unheard_seconds: if untimed { 0.0 } else { longest_unheard_seconds }, words_per_second, fault }
}

/// Where the answer has text, by words if it has them.
fn heard(answer: &Transcription) -> Vec<Interval> {
    if answer.words.is_empty() {
        answer.segments.iter().map(|segment| Interval { start: segment.start, end: segment.end }).collect()
    } else {
        answer.words.iter().map(|word| Interval { start: word.start, end: word.end }).collect()
    }
}

fn cut_tail(end_of_text: f64, speech: &Speech) -> Option<String> {
    let end = speech.end_of_last()?;
    let tail = Interval { start: end_of_text, end };
    let lost = speech.seconds_within(tail);
    (tail.seconds() > TAIL_SECONDS && lost >= TAIL_SPEECH_SECONDS)
        .then(|| format!("the text ends at {end_of_text:.1} s, the speech at {end:.1} s: {lost:.1} s of speech have no words"))
}

fn worst_hole(holes: &[(Interval, f64)]) -> Option<String> {
    let (hole, lost) =
        holes.iter().filter(|(_, spoken)| *spoken >= HOLE_SPEECH_SECONDS).max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    Some(format!("nothing was heard from {:.1} s to {:.1} s, where {lost:.1} s of speech are", hole.start, hole.end))
}

fn thin_text(spoken: f64, words_per_second: Option<f64>) -> Option<String> {
    let rate = words_per_second.filter(|rate| *rate < LOWEST_RATE && spoken >= UNTIMED_SPEECH_SECONDS)?;
    Some(format!("{rate:.2} words a second are too few for {spoken:.1} s of speech"))
}

/// Words of the text; half the letters in languages that put no spaces between words.
fn word_count(answer: &Transcription) -> f64 {
    /// Letters per space beyond which spaces separate sentences, not words; long-worded languages have about 8.
    const MOST_LETTERS_A_WORD: usize = 15;
    let spaced = answer.text.split_whitespace().count();
    let letters = answer.text.chars().filter(|letter| letter.is_alphanumeric()).count();
    let by_text = if letters > spaced.saturating_mul(MOST_LETTERS_A_WORD) { letters / 2 } else { spaced };
    f64::from(u32::try_from(by_text.max(answer.words.len())).unwrap_or(u32::MAX))
}
