//! Where somebody speaks, by energy alone: listened to while the bytes pass, one byte kept per 20 ms and channel.
//!
//! It tells sound from quiet, not words from music: good enough to notice that a transcript lacks a minute of talk, and
//! that a file holds nothing at all. Whoever asks must allow for beeps and clicks.

use crate::{
    Wav,
    levels::{Channel, Meter},
    samples::linear,
};

/// Samples made linear at once: enough to be fast, few enough to stay in the cache.
const BLOCKS_AT_ONCE: usize = 4096;
/// Pauses no longer than this belong to the speech around them.
const BRIDGED_SECONDS: f64 = 0.3;
/// Sounds shorter than this are clicks.
const SHORTEST_SECONDS: f64 = 0.1;
/// Times are sums of frames: a millisecond of slack keeps rounding out of the comparisons.
const SLACK_SECONDS: f64 = 0.001;

/// A stretch of time, in seconds from the start of the audio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// First moment.
    pub start: f64,
    /// First moment after; not before `start`.
    pub end: f64,
}

impl Interval {
    /// Seconds from start to end.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.end - self.start
    }
}

/// Where somebody speaks, on whichever channel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Speech {
    spoken: Vec<Interval>,
}

impl Speech {
    /// Speech in these stretches, in order and apart from each other.
    #[must_use]
    pub fn of(spoken: Vec<Interval>) -> Self {
        Self { spoken }
    }

    /// The stretches, in order and apart from each other.
    #[must_use]
    pub fn intervals(&self) -> &[Interval] {
        &self.spoken
    }

    /// Whether nobody speaks at all.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        self.spoken.is_empty()
    }

    /// Seconds of speech.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.spoken.iter().map(Interval::seconds).sum()
    }

    /// Where the last speech ends.
    #[must_use]
    pub fn end_of_last(&self) -> Option<f64> {
        self.spoken.last().map(|last| last.end)
    }

    /// Seconds of speech within a stretch.
    #[must_use]
    pub fn seconds_within(&self, stretch: Interval) -> f64 {
        let first = self.spoken.partition_point(|spoken| spoken.end <= stretch.start);
        let reached = self.spoken.iter().skip(first).take_while(|spoken| spoken.start < stretch.end);
        reached.map(|spoken| spoken.end.min(stretch.end) - spoken.start.max(stretch.start)).sum()
    }

    /// The stretches longer than `longest_hole` seconds that `heard` (sorted by start) leaves out, from the start of the
    /// audio to the end of the last speech, each with the seconds of speech in it.
    #[must_use]
    pub fn left_out_by(&self, heard: &[Interval], longest_hole: f64) -> Vec<(Interval, f64)> {
        let Some(end) = self.end_of_last() else { return Vec::new() };
        let mut holes = Vec::new();
        let mut reached = 0.0_f64;
        for next in heard.iter().copied().chain([Interval { start: end, end }]) {
            let hole = Interval { start: reached, end: next.start.min(end) };
            if hole.seconds() > longest_hole {
                holes.push((hole, self.seconds_within(hole)));
            }
            reached = reached.max(next.end);
        }
        holes
    }
}

/// Listens to the bytes of a WAV file's samples as they pass.
#[derive(Debug, Clone)]
pub(super) struct Detector {
    wav: Wav,
    meter: Meter,
    /// The start of a sample that was cut in two between pieces.
    cut: Vec<u8>,
    linear: Vec<i16>,
}

impl Detector {
    pub(super) fn new(wav: Wav) -> Self {
        Self { wav, meter: Meter::new(wav.sample_rate_hz, wav.channels), cut: Vec::new(), linear: Vec::new() }
    }

    /// Takes the next bytes of samples, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let block = usize::try_from(self.wav.block_bytes()).unwrap_or(1);
        let missing = if self.cut.is_empty() { 0 } else { block.saturating_sub(self.cut.len()).min(bytes.len()) };
        let (head, rest) = bytes.split_at(missing);
        self.cut.extend_from_slice(head);
        if self.cut.len() == block {
            let whole = std::mem::take(&mut self.cut);
            self.take_blocks(&whole);
        }
        let (whole, tail) = rest.split_at(rest.len() - rest.len() % block);
        whole.chunks(block.saturating_mul(BLOCKS_AT_ONCE)).for_each(|some| self.take_blocks(some));
        self.cut.extend_from_slice(tail);
    }

    /// Whether something louder than the gate was heard for longer than a click.
    pub(super) fn has_heard_sound(&self) -> bool {
        self.meter.has_heard_sound()
    }

    /// Where somebody spoke.
    pub(super) fn finish(mut self) -> Speech {
        self.meter.finish();
        speech_of(&self.meter.channels, f64::from(self.meter.samples_per_frame) / f64::from(self.wav.sample_rate_hz.max(1)))
    }

    fn take_blocks(&mut self, whole: &[u8]) {
        self.linear.clear();
        linear(&self.wav, whole, &mut self.linear);
        self.meter.take(&self.linear);
    }
}

/// Where somebody speaks on any of the channels.
pub(crate) fn speech_of(channels: &[Channel], frame_seconds: f64) -> Speech {
    let thresholds: Vec<u8> = channels.iter().map(Channel::speech_level).collect();
    let frames = channels.iter().map(|channel| channel.levels.len()).max().unwrap_or(0);
    let is_spoken = |frame: usize| {
        let mut levels = channels.iter().zip(&thresholds);
        levels.any(|(channel, threshold)| channel.levels.get(frame).is_some_and(|level| level >= threshold))
    };
    Speech::of(intervals((0..frames).map(is_spoken), frame_seconds))
}

/// Spoken frames as stretches of time: short pauses bridged, clicks left out.
fn intervals(spoken: impl Iterator<Item = bool>, frame_seconds: f64) -> Vec<Interval> {
    let frames = (0_u32..).zip(spoken).filter(|(_, spoken)| *spoken);
    let mut intervals = merged(frames.map(|(frame, _)| {
        let start = f64::from(frame) * frame_seconds;
        Interval { start, end: start + frame_seconds }
    }));
    intervals.retain(|interval| interval.seconds() >= SHORTEST_SECONDS - SLACK_SECONDS);
    intervals
}

/// Stretches that are sorted by start, with those that overlap or lie close together made one.
pub(crate) fn merged(sorted: impl IntoIterator<Item = Interval>) -> Vec<Interval> {
    let mut merged: Vec<Interval> = Vec::new();
    for next in sorted {
        match merged.last_mut() {
            Some(last) if next.start - last.end <= BRIDGED_SECONDS + SLACK_SECONDS => last.end = last.end.max(next.end),
            _ => merged.push(next),
        }
    }
    merged
}

#[cfg(test)]
#[path = "speech_tests.rs"]
mod tests;
