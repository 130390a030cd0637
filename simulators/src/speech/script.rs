//! What is said in a call, and when: turns of an agent and a customer, one at a time unless they interrupt each other, with a number no
//! other call says.

use std::time::Duration;

use super::SAMPLES_PER_SECOND;
use super::lines::{AGENT, CUSTOMER, DIGITS, GREETINGS, NUMBER, THINGS};
use super::manner::Manner;
use super::vocabulary::{Speaker, Vocabulary};
use crate::chance::Chance;

/// Numbers that calls can say: six digits.
const NUMBERS: u64 = 1_000_000;
/// Odd and no multiple of five, so that multiplying by it maps the numbers one to one.
const NUMBER_STRIDE: u64 = 387_413;
/// Below this a call has no room for a greeting before its number. Seven seconds hold the number at its longest.
const SHORT: u64 = 7 * SAMPLES_PER_SECOND;
/// Silence before the first word.
const LEAD_IN: u64 = SAMPLES_PER_SECOND / 10;

/// How long a call's audio is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Speech until less than a turn is left.
    Spoken(Duration),
    /// No speech at all.
    Silent(Duration),
}

impl Length {
    /// Length in seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        seconds(self.samples())
    }

    fn samples(self) -> u64 {
        let (Self::Spoken(duration) | Self::Silent(duration)) = self;
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / SAMPLES_PER_SECOND).saturating_mul(SAMPLES_PER_SECOND) / 1_000
    }
}

/// One clip at its place, in samples at 8 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) speaker: Speaker,
    pub(super) clip: u16,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// One spoken word of a call's truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The word, lower case, without punctuation.
    pub word: String,
    /// Who said it.
    pub speaker: Speaker,
    /// The channel it is on: 0 is left; 0 too when the recording has but one voice track.
    pub channel: u8,
    /// Seconds from the beginning of the recording.
    pub start: f64,
    /// Seconds from the beginning of the recording.
    pub end: f64,
}

/// A call's words at their places, in the order in which they begin. At most one word of a side sounds at any time, and at most one at all
/// unless [`Manner`] says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    placed: Vec<Placed>,
    samples: u64,
}

impl Script {
    /// Composes call number `call` of `seed`. Calls with different numbers below 1,000,000 say different numbers.
    #[must_use]
    pub fn compose(seed: u64, call: u64, length: Length) -> Self {
        Self::in_manner(seed, call, length, Manner::default())
    }

    /// The same, of people who talk in this manner.
    #[must_use]
    pub fn in_manner(seed: u64, call: u64, length: Length, manner: Manner) -> Self {
        let samples = length.samples();
        if matches!(length, Length::Silent(_)) {
            return Self { placed: Vec::new(), samples };
        }
        let mut composer = Composer {
            chance: Chance::of(seed, &[call]),
            placed: Vec::new(),
            at: LEAD_IN.min(samples / 50),
            samples,
            number: spoken_number(seed, call),
            manner,
            turn: None,
        };
        composer.compose();
        composer.placed.sort_by_key(|word| (word.start, word.speaker));
        Self { placed: composer.placed, samples }
    }

    /// Length in samples at 8 kHz.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        seconds(self.samples)
    }

    pub(super) fn placed(&self) -> &[Placed] {
        &self.placed
    }
}

/// Samples at 8 kHz as seconds.
#[expect(clippy::as_conversions, reason = "a call is far shorter than the 2^53 samples a float tells apart")]
pub(super) fn seconds(samples: u64) -> f64 {
    samples as f64 / SAMPLES_PER_SECOND as f64
}

fn spoken_number(seed: u64, call: u64) -> u64 {
    (call % NUMBERS * NUMBER_STRIDE + Chance::of(seed, &[]).below(NUMBERS)) % NUMBERS
}

struct Composer {
    chance: Chance,
    placed: Vec<Placed>,
    at: u64,
    samples: u64,
    number: u64,
    manner: Manner,
    /// Who had the last turn, and when it began and ended.
    turn: Option<(Speaker, u64, u64)>,
}

impl Composer {
    fn compose(&mut self) {
        let digits = format!("{:06}", self.number);
        let digits = digits.bytes().filter_map(|digit| DIGITS.get(usize::from(digit - b'0')).copied());
        // a number that nobody hears would make two calls alike
        let caller = self.manner.alone.unwrap_or(Speaker::Customer);
        if self.samples < SHORT {
            let number: Vec<&str> = digits.collect();
            self.say_what_fits(caller, &number);
            return;
        }
        let greeting = self.line(GREETINGS, None);
        self.say(Speaker::Agent, &greeting);
        let lead = self.line(NUMBER, None);
        // a call with no room for the whole sentence still says its number
        let number: Vec<&str> = lead.iter().copied().chain(digits.clone()).collect();
        if !self.say(caller, &number) {
            self.say_what_fits(caller, &digits.collect::<Vec<_>>());
        }
        self.talk();
    }

    /// Turn by turn, until one does not fit any more.
    fn talk(&mut self) {
        let mut before: [Option<&'static str>; 2] = [None, None];
        for (speaker, lines, last) in [(Speaker::Agent, AGENT, 0), (Speaker::Customer, CUSTOMER, 1)].into_iter().cycle() {
            let previous = before.get(last).copied().flatten();
            let Some(chosen) = self.choose(lines, previous) else { return };
            if let Some(slot) = before.get_mut(last) {
                *slot = Some(chosen);
            }
            let words = self.words(chosen);
            if !self.say(speaker, &words) {
                return;
            }
        }
    }

    fn choose(&mut self, lines: &[&'static str], previous: Option<&str>) -> Option<&'static str> {
        let chosen = *self.chance.pick(lines)?;
        // the same line twice in a row would look like a transcriber's loop
        if previous == Some(chosen) { lines.iter().find(|line| **line != chosen).copied() } else { Some(chosen) }
    }

    fn line(&mut self, lines: &[&'static str], previous: Option<&str>) -> Vec<&'static str> {
        self.choose(lines, previous).map(|chosen| self.words(chosen)).unwrap_or_default()
    }

    fn words(&mut self, line: &'static str) -> Vec<&'static str> {
        line.split(' ').map(|word| if word == "*" { self.chance.pick(THINGS).copied().unwrap_or("phone") } else { word }).collect()
    }

    /// Places a whole turn, or nothing when it does not fit.
    fn say(&mut self, speaker: Speaker, words: &[&str]) -> bool {
        let is_heard = self.manner.alone.is_none_or(|alone| alone == speaker);
        if self.manner.breathless && !is_heard {
            return true;
        }
        let (began, count) = (self.at, self.placed.len());
        self.at = self.beginning(speaker);
        let begins = self.at;
        let fits = words.iter().all(|word| self.place(speaker, word));
        if !fits || !is_heard {
            self.placed.truncate(count);
        }
        if !fits {
            self.at = began;
            return false;
        }
        self.turn = Some((speaker, begins, self.at));
        self.at = self.at.max(began) + self.between_turns();
        true
    }

    /// When a turn begins: now, after a hold, or before the other side is done.
    fn beginning(&mut self, speaker: Speaker) -> u64 {
        let of_hundred = |percent: u8| f64::from(percent) / 100.0;
        let (holding, interrupting) = (self.manner.holding_percent, self.manner.interrupting_percent);
        if holding > 0 && self.chance.happens(of_hundred(holding)) {
            let (shortest, longest) = Manner::HOLD_SECONDS;
            return self.at + self.chance.between(shortest * SAMPLES_PER_SECOND, longest * SAMPLES_PER_SECOND);
        }
        match self.turn {
            Some((before, begins, ended)) if interrupting > 0 && before != speaker && self.chance.happens(of_hundred(interrupting)) => {
                // no sooner than half a second after the other began, so that nobody interrupts two turns at once
                let back = self.chance.between(SAMPLES_PER_SECOND / 2, SAMPLES_PER_SECOND * 4);
                ended.saturating_sub(back).max(begins + SAMPLES_PER_SECOND / 2).max(self.silent_since(speaker)).min(self.at)
            }
            _ => self.at,
        }
    }

    /// When a side may speak again after its last word.
    fn silent_since(&self, speaker: Speaker) -> u64 {
        self.placed.iter().rev().find(|word| word.speaker == speaker).map_or(0, |word| word.end + SAMPLES_PER_SECOND / 10)
    }

    fn between_turns(&mut self) -> u64 {
        if self.manner.breathless {
            return self.between_words();
        }
        self.chance.between(SAMPLES_PER_SECOND * 2 / 5, SAMPLES_PER_SECOND * 4 / 5)
    }

    fn between_words(&mut self) -> u64 {
        if self.manner.breathless {
            return self.chance.below(SAMPLES_PER_SECOND / 50);
        }
        self.chance.between(SAMPLES_PER_SECOND / 25, SAMPLES_PER_SECOND / 10)
    }

    fn say_what_fits(&mut self, speaker: Speaker, words: &[&str]) {
        let _: bool = words.iter().all(|word| self.place(speaker, word));
    }

    fn place(&mut self, speaker: Speaker, word: &str) -> bool {
        let voice = Vocabulary::get().voice(speaker);
        let Some((number, clip)) = voice.number(word).and_then(|number| Some((number, voice.clip(number)?))) else { return false };
        let end = self.at + u64::try_from(clip.samples.len()).unwrap_or(u64::MAX);
        if end > self.samples {
            return false;
        }
        self.placed.push(Placed { speaker, clip: number, start: self.at, end });
        self.at = end + self.between_words();
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn spoken(seconds: f64, call: u64) -> Script {
        Script::compose(1, call, Length::Spoken(Duration::from_secs_f64(seconds)))
    }

    #[test]
    fn one_word_sounds_at_a_time_and_all_lie_inside_the_call() {
        let script = spoken(120.0, 3);
        assert!(script.placed.len() > 100);
        assert!(script.placed.windows(2).all(|pair| pair[0].end < pair[1].start));
        assert!(script.placed.iter().all(|word| word.end <= script.samples()));
        assert!(script.placed.iter().any(|word| word.speaker == Speaker::Agent));
    }

    #[test]
    fn no_two_calls_say_the_same() {
        let clips = |call| spoken(8.0, call).placed.iter().map(|word| word.clip).collect::<Vec<_>>();
        let distinct: HashSet<_> = (0..500).map(clips).collect();
        assert_eq!(distinct.len(), 500);
        let numbers: HashSet<u64> = (0..NUMBERS).map(|call| spoken_number(9, call)).collect();
        assert_eq!(numbers.len(), 1_000_000);
    }

    #[test]
    fn half_a_second_and_three_hours_are_calls_too() {
        assert_eq!(spoken(0.5, 1).samples(), 4_000);
        assert_eq!(spoken(0.6, 1).placed.len(), 1);
        let long = spoken(3.0 * 3_600.0, 1);
        assert_eq!(long.samples(), 86_400_000);
        assert!(long.placed.len() > 15_000);
    }

    fn talked(manner: Manner) -> Script {
        Script::in_manner(1, 3, Length::Spoken(Duration::from_mins(20)), manner)
    }

    #[test]
    fn those_who_interrupt_talk_at_the_same_time_and_never_over_themselves() {
        let script = talked(Manner::INTERRUPTING);
        let overlapped = script.placed.windows(2).filter(|pair| pair[0].end > pair[1].start).count();
        assert!(overlapped > 100, "{overlapped}");
        for speaker in [Speaker::Agent, Speaker::Customer] {
            let own: Vec<_> = script.placed.iter().filter(|word| word.speaker == speaker).collect();
            assert!(own.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
        assert!(script.placed.iter().all(|word| word.end <= script.samples()));
    }

    #[test]
    fn holds_are_long_and_a_monologue_has_none() {
        let longest = |script: &Script| script.placed.windows(2).map(|pair| pair[1].start - pair[0].end).max().unwrap();
        assert!((5 * SAMPLES_PER_SECOND..61 * SAMPLES_PER_SECOND).contains(&longest(&talked(Manner::HOLDING))));
        let monologue = talked(Manner::MONOLOGUE);
        assert!(longest(&monologue) < SAMPLES_PER_SECOND / 25);
        assert!(monologue.placed.iter().all(|word| word.speaker == Speaker::Agent));
    }

    #[test]
    fn who_is_alone_waits_for_the_other_and_says_the_number() {
        for (speaker, other) in [(Speaker::Agent, Speaker::Customer), (Speaker::Customer, Speaker::Agent)] {
            let alone = talked(Manner { alone: Some(speaker), ..Manner::default() });
            assert!(alone.placed.len() > 500 && alone.placed.iter().all(|word| word.speaker != other));
            let digits = alone.placed.iter().filter(|word| word.clip < 10).count();
            assert!(digits >= 6, "{digits}");
        }
    }
}
