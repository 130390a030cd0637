//! How a call went: who talked how long, who waited, who interrupted whom.

use serde::{Deserialize, Serialize};

use crate::{document::Turn, turns::thousandths};

/// Measures of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Seconds in which anybody speaks.
    pub talk_seconds: f64,
    /// Seconds in which nobody speaks.
    pub silence_seconds: f64,
    /// Seconds in which more than one speaks.
    pub overlap_seconds: f64,
    /// Turns that begin while another speaks who then stops within `GIVES_WAY_SECONDS`.
    pub interruptions: u32,
    /// Longest stretch in which nobody speaks.
    pub longest_hold_seconds: f64,
    /// Where that stretch begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub longest_hold_start: Option<f64>,
    /// Turns with text.
    pub turns: u32,
    /// Each speaker, in the order in which they first speak.
    pub sides: Vec<SideMeasures>,
}

/// How one speaker took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideMeasures {
    /// As in the turns; absent when nobody knows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speaker: Option<String>,
    /// Channel of the recording.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<u8>,
    /// Seconds this one speaks.
    pub talk_seconds: f64,
    /// Share of all talk, 0 to 1.
    pub talk_ratio: f64,
    /// Turns with text.
    pub turns: u32,
    /// Words said.
    pub words: u32,
    /// Words per minute of this one's talk; absent without talk.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub words_per_minute: Option<f64>,
    /// How often this one interrupts.
    pub interruptions: u32,
    /// Mean sentiment of the turns, weighted by words; absent when none was computed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sentiment: Option<f64>,
}

/// Time within which a speaker who is talked over stops, if they give way.
const GIVES_WAY_SECONDS: f64 = 2.0;
/// Time that a speaker must have been talking before being talked over is an interruption; less is two who begin together.
const UNDER_WAY_SECONDS: f64 = 0.3;
/// Talk from which on words per minute mean something.
const SHORTEST_RATED_SECONDS: f64 = 1.0;
/// A pause within a turn up to which a person counts as speaking.
const BREATH_SECONDS: f64 = 0.5;

/// A stretch of time.
type Span = (f64, f64);

/// One voice: who, and where.
type Voice<'v> = (Option<&'v str>, Option<u8>);

/// The measures of a call whose turns have these words and which lasts so long. Turns without times have words but no seconds.
#[must_use]
pub fn measure(turns: &[Turn], audio_seconds: f64) -> Measures {
    let mut voices: Vec<Voice<'_>> = Vec::new();
    let spoken: Vec<&Turn> = turns.iter().filter(|turn| !turn.text.trim().is_empty()).collect();
    for voice in spoken.iter().map(|turn| voice_of(turn)) {
        if !voices.contains(&voice) {
            voices.push(voice);
        }
    }
    let talks: Vec<Vec<Span>> = voices.iter().map(|voice| talk(spoken.iter().copied().filter(|turn| voice_of(turn) == *voice))).collect();
    let anybody = united(talks.concat());
    let talk_seconds = seconds(&anybody);
    let all_talk: f64 = talks.iter().map(|talk| seconds(talk)).sum();
    let interruptions = interruptions(&spoken);
    let sides = voices.iter().zip(&talks).map(|(voice, talk)| {
        let own: Vec<&Turn> = spoken.iter().copied().filter(|turn| voice_of(turn) == *voice).collect();
        side(*voice, &own, seconds(talk), all_talk, count(interruptions.iter().filter(|by| *by == voice).count()))
    });
    let hold = longest_hold(&anybody, audio_seconds);
    Measures {
        talk_seconds: thousandths(talk_seconds),
        silence_seconds: thousandths((audio_seconds - talk_seconds).max(0.0)),
        overlap_seconds: thousandths((all_talk - talk_seconds).max(0.0) - more_than_two(&talks)),
        interruptions: count(interruptions.len()),
        longest_hold_seconds: thousandths(hold.map_or(0.0, |(from, to)| to - from)),
        longest_hold_start: hold.map(|(from, _)| thousandths(from)),
        turns: count(spoken.len()),
        sides: sides.collect(),
    }
}

fn voice_of(turn: &Turn) -> Voice<'_> {
    (turn.speaker.as_deref(), turn.channel)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// When a voice speaks: its words with breaths bridged, or its turns where words have no times.
fn talk<'t>(turns: impl Iterator<Item = &'t Turn>) -> Vec<Span> {
    let mut spans = Vec::new();
    for turn in turns {
        let (Some(start), Some(end)) = (turn.start, turn.end) else { continue };
        if turn.words.is_empty() {
            spans.push((start, end));
        }
        let mut open: Option<Span> = None;
        for word in &turn.words {
            open = match open {
                Some((from, to)) if word.start - to <= BREATH_SECONDS => Some((from, to.max(word.end))),
                before => {
                    spans.extend(before);
                    Some((word.start, word.end))
                }
            };
        }
        spans.extend(open);
    }
    united(spans)
}

/// The same time without any moment twice.
fn united(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut united: Vec<Span> = Vec::new();
    for (from, to) in spans {
        match united.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => united.push((from, to.max(from))),
        }
    }
    united
}

fn seconds(spans: &[Span]) -> f64 {
    spans.iter().map(|(from, to)| to - from).sum()
}

/// Seconds that would be counted twice as overlap because a third person speaks as well.
fn more_than_two(talks: &[Vec<Span>]) -> f64 {
    if talks.len() < 3 {
        return 0.0;
    }
    let mut edges: Vec<(f64, i32)> = talks.iter().flatten().flat_map(|(from, to)| [(*from, 1), (*to, -1)]).collect();
    edges.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let (mut speaking, mut since, mut twice) = (0, 0.0, 0.0);
    for (at, change) in edges {
        if speaking > 2 {
            twice += (at - since) * f64::from(speaking - 2);
        }
        speaking += change;
        since = at;
    }
    twice
}

/// Who interrupts, once per interruption: a turn that begins while another is well under way, who then stops soon.
fn interruptions<'t>(turns: &[&'t Turn]) -> Vec<Voice<'t>> {
    let timed: Vec<(f64, f64, Voice<'t>)> = turns.iter().filter_map(|turn| Some((turn.start?, turn.end?, voice_of(turn)))).collect();
    let mut by = Vec::new();
    for (at, (start, end, voice)) in timed.iter().enumerate() {
        let gave_way = timed.iter().take(at).any(|(from, to, other)| {
            other != voice && from + UNDER_WAY_SECONDS <= *start && *to > *start && *to <= start + GIVES_WAY_SECONDS && end > to
        });
        if gave_way {
            by.push(*voice);
        }
    }
    by
}

/// The longest stretch in which nobody speaks; the first of several.
fn longest_hold(anybody: &[Span], audio_seconds: f64) -> Option<Span> {
    let begins = std::iter::once(0.0).chain(anybody.iter().map(|(_, to)| *to));
    let ends = anybody.iter().map(|(from, _)| *from).chain([audio_seconds]);
    let holds = begins.zip(ends).filter(|(from, to)| to > from);
    holds.reduce(|longest, next| if next.1 - next.0 > longest.1 - longest.0 { next } else { longest })
}

/// How one voice took part.
fn side(voice: Voice<'_>, own: &[&Turn], talk_seconds: f64, all_talk: f64, interruptions: u32) -> SideMeasures {
    let words_of = |turn: &Turn| if turn.words.is_empty() { turn.text.split_whitespace().count() } else { turn.words.len() };
    let words = count(own.iter().map(|turn| words_of(turn)).sum());
    let felt = own.iter().filter_map(|turn| Some((turn.sentiment?.score, f64::from(count(words_of(turn))))));
    let (sum, weight) = felt.fold((0.0, 0.0), |(sum, all), (score, weight)| (score.mul_add(weight, sum), all + weight));
    SideMeasures {
        speaker: voice.0.map(str::to_owned),
        channel: voice.1,
        talk_seconds: thousandths(talk_seconds),
        talk_ratio: if all_talk > 0.0 { thousandths(talk_seconds / all_talk) } else { 0.0 },
        turns: count(own.len()),
        words,
        words_per_minute: (talk_seconds >= SHORTEST_RATED_SECONDS).then(|| (f64::from(words) * 600.0 / talk_seconds).round() / 10.0),
        interruptions,
        sentiment: (weight > 0.0).then(|| thousandths(sum / weight)),
    }
}

#[cfg(test)]
#[path = "measures_tests.rs"]
mod tests;
