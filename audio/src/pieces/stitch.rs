//! The words of a channel's pieces as the words of the channel: none doubled, none lost where two pieces meet.

use super::{Piece, Timeline};
use crate::Interval;

/// A word with its time in the recording.
pub trait TimedWord {
    /// As it is written.
    fn text(&self) -> &str;

    /// When it is said.
    fn span(&self) -> Interval;
}

/// How the words of two pieces are joined that have some sound in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Joining {
    /// Within the longest run of words that both heard alike; in the middle of what they have in common when there is none.
    #[default]
    CommonRun,
    /// In the middle of what they have in common.
    Middle,
    /// One after the other.
    Plain,
}

/// Two providers' times of one word differ by no more than this.
const TOLERANCE_SECONDS: f64 = 1.0;
/// Most differ by less than this: measured are 0.12 s for either.
const USUAL_SECONDS: f64 = 0.2;
/// Less is chance: one word whose times are 0.11 s apart, two whose times are 0.4 s apart.
const LEAST_WEIGHT: f64 = 0.65;

/// The words of one channel, from those of its pieces in order.
#[must_use]
pub fn stitch<W: TimedWord>(pieces: Vec<(Piece, Vec<W>)>) -> Vec<W> {
    stitch_by(Joining::default(), pieces)
}

/// The same by another way of joining.
#[must_use]
pub fn stitch_by<W: TimedWord>(joining: Joining, pieces: Vec<(Piece, Vec<W>)>) -> Vec<W> {
    let mut joined: Vec<W> = Vec::new();
    let mut ended = f64::NEG_INFINITY;
    for (piece, words) in pieces {
        let all = Timeline::of(&piece).all();
        if piece.overlap_seconds > 0.0 && joining != Joining::Plain {
            joined = join(joined, words, Interval { start: all.start, end: ended }, joining);
        } else {
            joined.extend(words);
        }
        ended = all.end;
    }
    joined.sort_by(|one, other| one.span().start.total_cmp(&other.span().start));
    joined
}

fn join<W: TimedWord>(mut before: Vec<W>, mut after: Vec<W>, common: Interval, joining: Joining) -> Vec<W> {
    let middle = common.start.midpoint(common.end);
    let tail_from = before.partition_point(|word| middle_of(word) < common.start);
    let head_to = after.partition_point(|word| middle_of(word) <= common.end);
    let (tail, head) = (before.get(tail_from..).unwrap_or_default(), after.get(..head_to).unwrap_or_default());
    let run = if joining == Joining::CommonRun { longest_run(tail, head, middle) } else { None };
    match run {
        Some(Run { tail: at_tail, head: at_head, length }) => {
            let half = length / 2;
            before.truncate(tail_from + at_tail + half);
            before.extend(after.drain(at_head + half..));
        }
        None => {
            let is_before = |word: &W| middle_of(word) < middle;
            before.retain(is_before);
            before.extend(after.into_iter().filter(|word| !is_before(word)));
        }
    }
    before
}

fn middle_of<W: TimedWord>(word: &W) -> f64 {
    word.span().start.midpoint(word.span().end)
}

/// Words that two pieces heard alike.
struct Run {
    tail: usize,
    head: usize,
    length: usize,
}

/// The longest, where a word counts the less the further its two times are apart: who says "no no no no no" says a run as long with every
/// word matched to the next. Of equals the one nearest to the middle of what the pieces have in common.
fn longest_run<W: TimedWord>(tail: &[W], head: &[W], middle: f64) -> Option<Run> {
    let (tail_words, head_words) = (heard(tail), heard(head));
    let alike = |(one, one_start): &(String, f64), (other, other_start): &(String, f64)| {
        !one.is_empty() && one == other && (one_start - other_start).abs() <= TOLERANCE_SECONDS
    };
    let mut best: Option<(Run, f64, f64)> = None;
    for at_tail in 0..tail.len() {
        for at_head in 0..head.len() {
            let rest = tail_words.iter().skip(at_tail).zip(head_words.iter().skip(at_head));
            let run = rest.take_while(|(one, other)| alike(one, other));
            let (length, weight) = run.fold((0, 0.0), |(length, weight), ((_, one), (_, other))| {
                (length + 1, weight + USUAL_SECONDS / (USUAL_SECONDS + (one - other).abs()))
            });
            if weight < LEAST_WEIGHT {
                continue;
            }
            let span = |word: Option<&W>| word.map_or(middle, |word| word.span().start);
            let centre = span(tail.get(at_tail)).midpoint(span(tail.get(at_tail + length - 1)));
            let distance = (centre - middle).abs();
            let is_better = best.as_ref().is_none_or(|(_, most, far)| weight > *most || (weight >= *most && distance < *far));
            if is_better {
                best = Some((Run { tail: at_tail, head: at_head, length }, weight, distance));
            }
        }
    }
    best.map(|(run, ..)| run)
}

/// Words as they sound: case and punctuation are the provider's taste.
fn heard<W: TimedWord>(words: &[W]) -> Vec<(String, f64)> {
    let sound = |word: &W| word.text().chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    words.iter().map(|word| (sound(word), word.span().start)).collect()
}

#[cfg(test)]
#[path = "stitch_tests.rs"]
mod tests;
