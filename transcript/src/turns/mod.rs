//! Turns out of what was heard: runs of one voice's talk, in the order in which they began.
//!
//! A provider tells words with times, stretches with punctuation, or both; `utterance` makes one list of both, here it is cut into
//! turns. No word is lost or said twice on the way: what came in as a word is in exactly one turn.

mod punctuation;
mod utterance;

use serde::{Deserialize, Serialize};

use crate::document::{Turn, Word};
pub(crate) use punctuation::letters;
use utterance::{Utterance, utterances};

/// A pause after which the same voice begins a new turn; shorter ones are breath and thought.
const PAUSE_SECONDS: f64 = 1.5;

/// A gap in one voice's talk that is long enough for another to take the floor in; below it both are just talking.
const FLOOR_SECONDS: f64 = 0.2;

/// What was heard of one channel, or of a recording whose voices share one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Side {
    /// Who speaks, if one person alone does: `agent`, `customer`, or the vendor's word.
    pub speaker: Option<String>,
    /// Channel of the recording.
    pub channel: Option<u8>,
    /// ISO 639-1 code, or the provider's word.
    pub language: Option<String>,
    /// Stretches of speech.
    pub segments: Vec<Heard>,
    /// Words; may be empty.
    pub words: Vec<Word>,
}

/// A stretch of speech as a provider heard it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// Seconds from the start of the audio.
    pub start: f64,
    /// Seconds from the start of the audio.
    pub end: f64,
    /// What was said.
    pub text: String,
    /// The provider's mean log probability.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub avg_logprob: Option<f64>,
    /// The provider's probability that nobody spoke.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub no_speech_prob: Option<f64>,
    /// Who spoke, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speaker: Option<String>,
}

/// Where somebody else is talking, seen from one voice.
struct Others<'o> {
    /// Middles of what each side says, sorted, with the side's place.
    middles: &'o [(f64, usize)],
}

impl Others<'_> {
    /// Whether another side speaks between two moments.
    fn speak_between(&self, side: usize, from: f64, to: f64) -> bool {
        let first = self.middles.partition_point(|(middle, _)| *middle < from);
        self.middles.iter().skip(first).take_while(|(middle, _)| *middle <= to).any(|(_, other)| *other != side)
    }
}

/// The turns of a call, in the order in which they began; who speaks over another keeps a turn of their own.
#[must_use]
pub fn turns_of(sides: &[Side]) -> Vec<Turn> {
    let heard: Vec<Vec<Utterance>> = sides.iter().map(utterances).collect();
    let mut middles: Vec<(f64, usize)> =
        heard.iter().enumerate().flat_map(|(side, all)| all.iter().map(move |one| (one.start.midpoint(one.end), side))).collect();
    middles.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let others = Others { middles: &middles };
    let mut turns: Vec<Turn> = Vec::new();
    for (place, (side, all)) in sides.iter().zip(heard).enumerate() {
        turns.extend(runs(all, place, &others).into_iter().filter_map(|run| turn_of(run, side)));
    }
    // stable: of two that begin together the first side's comes first
    turns.sort_by(|one, other| one.start.unwrap_or(0.0).total_cmp(&other.start.unwrap_or(0.0)));
    turns
}

/// What one side heard, cut where a turn ends.
fn runs(all: Vec<Utterance>, side: usize, others: &Others<'_>) -> Vec<Vec<Utterance>> {
    let mut runs: Vec<Vec<Utterance>> = Vec::new();
    for next in all {
        match runs.last_mut().and_then(|run| Some((run.last()?.clone_place(), run))) {
            Some(((end, speaker), run)) if speaker == next.speaker && !ends_turn(end, next.start, side, others) => run.push(next),
            _ => runs.push(vec![next]),
        }
    }
    runs
}

fn ends_turn(end: f64, next_start: f64, side: usize, others: &Others<'_>) -> bool {
    let gap = next_start - end;
    gap > PAUSE_SECONDS || (gap >= FLOOR_SECONDS && others.speak_between(side, end, next_start))
}

/// The turn that a run makes.
fn turn_of(run: Vec<Utterance>, side: &Side) -> Option<Turn> {
    let start = run.first()?.start;
    let end = run.iter().map(|one| one.end).fold(start, f64::max);
    let speaker = run.first()?.speaker.clone().or_else(|| side.speaker.clone());
    let mut text = String::new();
    let (mut confidence, mut weight) = (0.0, 0.0);
    for one in &run {
        if !one.joined && !text.is_empty() && !one.text.is_empty() {
            text.push(' ');
        }
        text.push_str(&one.text);
        if let Some(said) = one.confidence {
            confidence += said * one.weight;
            weight += one.weight;
        }
    }
    Some(Turn {
        speaker,
        channel: side.channel,
        start: Some(start),
        end: Some(end),
        text,
        confidence: (weight > 0.0).then(|| thousandths(confidence / weight)),
        language: side.language.clone(),
        sentiment: None,
        words: run.into_iter().filter_map(|one| one.word).collect(),
    })
}

/// A word of a turn as the turn's text writes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WrittenWord {
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) text: String,
    /// Written without a space before it.
    pub(crate) joined: bool,
    /// The word itself; none where the text is not of the turn's words.
    pub(crate) word: Option<Word>,
}

/// The words of a turn as its text writes them; all of the text is in them, in order.
pub(crate) fn written_words(turn: &Turn) -> Vec<WrittenWord> {
    let (start, end) = (turn.start.unwrap_or(0.0), turn.end.unwrap_or(f64::MAX));
    let text = Heard { start, end, text: turn.text.clone(), ..Heard::default() };
    let side = Side { segments: vec![text], words: turn.words.clone(), ..Side::default() };
    let all = utterances(&side).into_iter();
    all.map(|one| WrittenWord { start: one.start, end: one.end, text: one.text, joined: one.joined, word: one.word }).collect()
}

/// A number to three digits: milliseconds are more than any provider knows, and sixteen digits fill a database.
pub(crate) fn thousandths(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
