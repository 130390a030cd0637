//! One voice on two channels: what a headset's microphone catches of the other side is heard twice, and is one person's.
//!
//! A stretch goes from the side on which it is much quieter, and only if the other side says the same at that time: whoever speaks softly
//! while the other shouts keeps every word.

use callscribe::{
    audio::{Examined, Interval},
    transcript::Side,
};

/// How much louder the other channel is, in decibels, while what is heard there is caught here.
const LOUDER_BY_DB: f64 = 15.0;
/// The share of a stretch's words that the other side says as well.
const SAME_WORDS: f64 = 0.6;
/// Engines place the same word differently on two channels, in seconds.
const APART_SECONDS: f64 = 1.0;
/// A gap that ends a stretch, in seconds.
const PAUSE_SECONDS: f64 = 0.8;

/// Takes what was caught from the other channel out of either side. Returns how many words went.
pub(crate) fn take_out(sides: &mut [Side], examined: &Examined) -> usize {
    let [one, other] = sides else { return 0 };
    if one.channel.is_none() || other.channel.is_none() || examined.same {
        return 0;
    }
    let (of_one, of_other) = (caught(one, other, examined), caught(other, one, examined));
    without(one, &of_one) + without(other, &of_other)
}

/// The stretches of `side` that are `other`'s voice.
fn caught(side: &Side, other: &Side, examined: &Examined) -> Vec<Interval> {
    let told = said(other);
    let is_caught = |stretch: &Vec<(Interval, String)>| {
        let (Some((first, _)), Some((last, _))) = (stretch.first(), stretch.last()) else { return None };
        let whole = Interval { start: first.start, end: last.end };
        let louder = loudness(examined, other.channel, whole)? - loudness(examined, side.channel, whole)?;
        if louder < LOUDER_BY_DB {
            return None;
        }
        let near = |span: &Interval| span.start < whole.end + APART_SECONDS && span.end > whole.start - APART_SECONDS;
        let mut there: Vec<&str> = told.iter().filter(|(span, _)| near(span)).map(|(_, word)| word.as_str()).collect();
        // each of them answers for one word
        let same = stretch.iter().filter(|(_, word)| there.iter().position(|one| one == word).map(|at| there.swap_remove(at)).is_some());
        (share(same.count(), stretch.len()) >= SAME_WORDS).then_some(whole)
    };
    stretches(said(side)).iter().filter_map(is_caught).collect()
}

/// Words and when they were said; of a side without words, those of its segments, as if they took the same time.
fn said(side: &Side) -> Vec<(Interval, String)> {
    let plain = |word: &str| word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    if !side.words.is_empty() {
        return side.words.iter().map(|word| (Interval { start: word.start, end: word.end }, plain(&word.text))).collect();
    }
    let of_segment = |segment: &callscribe::transcript::Heard| {
        let span = Interval { start: segment.start, end: segment.end };
        segment.text.split_whitespace().map(|word| (span, plain(word))).collect::<Vec<_>>()
    };
    side.segments.iter().flat_map(of_segment).collect()
}

/// Words between two pauses.
fn stretches(words: Vec<(Interval, String)>) -> Vec<Vec<(Interval, String)>> {
    let mut stretches: Vec<Vec<(Interval, String)>> = Vec::new();
    for word in words {
        match stretches.last_mut() {
            Some(stretch) if stretch.last().is_some_and(|(before, _)| word.0.start - before.end < PAUSE_SECONDS) => stretch.push(word),
            Some(_) | None => stretches.push(vec![word]),
        }
    }
    stretches
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "words of a call are far fewer than the 2^53 that a float tells apart"
)]
fn share(of: usize, all: usize) -> f64 {
    of as f64 / all.max(1) as f64
}

/// The mean level of a channel during a stretch, in decibels of full scale.
fn loudness(examined: &Examined, channel: Option<u8>, span: Interval) -> Option<f64> {
    examined.channels.get(usize::from(channel?))?.levels.mean_dbfs(span, examined.sample_rate_hz)
}

/// Drops what lies in these stretches. Returns how many words went.
fn without(side: &mut Side, stretches: &[Interval]) -> usize {
    let before = side.words.len();
    let lies_in = |start: f64, end: f64| {
        let middle = start.midpoint(end);
        stretches.iter().any(|stretch| (stretch.start..=stretch.end).contains(&middle))
    };
    side.words.retain(|word| !lies_in(word.start, word.end));
    let gone: usize = if before == 0 {
        side.segments
            .iter()
            .filter(|segment| lies_in(segment.start, segment.end))
            .map(|segment| segment.text.split_whitespace().count())
            .sum()
    } else {
        before - side.words.len()
    };
    side.segments.retain(|segment| !lies_in(segment.start, segment.end));
    gone
}

#[cfg(test)]
#[path = "bleed_tests.rs"]
mod tests;
