//! The faults of what was heard: words lost, doubled, invented, or at impossible times.

use super::Desk;
use super::fault::Fault;
use crate::hearing::{Heard, Word};

/// What Whisper invents when it hears nothing.
const INVENTED: &str = "Thank you for watching.";
const INVENTED_TIMES: usize = 30;
/// Whisper works through its audio in windows of this many seconds.
const WINDOW_SECONDS: f64 = 30.0;

/// What is told in place of what was heard.
#[derive(Debug)]
pub(super) struct Spoilt {
    pub(super) heard: Heard,
    /// Whether it was invented, and its scores say so.
    pub(super) invented: bool,
}

pub(super) fn spoilt(desk: &Desk, keys: &[&str], mut heard: Heard) -> Spoilt {
    let strikes = |fault: Fault| desk.faults.strikes(keys, &fault);
    let third = heard.words.len() / 3;
    if strikes(Fault::EmptyText) {
        heard.words.clear();
    }
    if strikes(Fault::TailLost) {
        heard.words.truncate(heard.words.len() - third);
    }
    if strikes(Fault::MiddleLost) {
        heard.words.drain(third..third * 2);
    }
    if strikes(Fault::DoubledAtBorders) {
        heard.words = doubled(heard.words);
    }
    if strikes(Fault::WordsBackward) {
        heard.words.iter_mut().for_each(|word| std::mem::swap(&mut word.start, &mut word.end));
    }
    if strikes(Fault::WordsBeyondEnd) {
        let late = |time: Option<f64>| time.map(|time| time + heard.seconds);
        heard.words.iter_mut().for_each(|word| (word.start, word.end) = (late(word.start), late(word.end)));
    }
    if strikes(Fault::WordsUnsorted) {
        heard.words.reverse();
    }
    if strikes(Fault::WordsWithoutTimes) {
        heard.words.iter_mut().for_each(|word| (word.start, word.end) = (None, None));
    }
    // silence is what makes Whisper invent; for words that are heard the rule has to name one
    let may_invent = keys.is_empty() || desk.faults.names(keys, &Fault::Hallucination);
    if may_invent && strikes(Fault::Hallucination) {
        return Spoilt { heard: invented(heard.seconds), invented: true };
    }
    Spoilt { heard, invented: false }
}

fn doubled(words: Vec<Word>) -> Vec<Word> {
    let at_border = |word: &Word| word.start.is_some_and(|start| start > WINDOW_SECONDS / 2.0 && (start % WINDOW_SECONDS) < 1.0);
    words.into_iter().flat_map(|word| std::iter::repeat_n(word.clone(), if at_border(&word) { 2 } else { 1 })).collect()
}

fn invented(seconds: f64) -> Heard {
    let step = seconds.max(1.0) / 30.0 / 4.0;
    let texts = std::iter::repeat_n(INVENTED, INVENTED_TIMES).flat_map(|line| line.split(' '));
    let mut at = 0.0;
    let words = texts.map(|text| {
        let word = Word { text: text.to_owned(), channel: 0, start: Some(at), end: Some(at + step) };
        at += step;
        word
    });
    Heard { words: words.collect(), seconds }
}
