//! Where somebody speaks, by energy alone: listened to while the bytes pass, one byte kept per 20 ms and channel.
//!
//! It tells sound from quiet, not words from music: good enough to notice that a transcript lacks a minute of talk, and
//! that a file holds nothing at all. Whoever asks must allow for beeps and clicks.

use super::{
    Codec, Wav,
    g711::{alaw, mulaw},
};

/// Frames per second; 20 ms is what telephony packs and what speech detectors commonly use.
const FRAMES_PER_SECOND: u32 = 50;
/// Levels kept for all channels together. Stereo reaches it after 5.8 hours; then frames become twice as long.
const MOST_LEVELS: usize = 2 * 1024 * 1024;
/// Speech is at least this much louder than the quietest tenth of its channel.
const ABOVE_FLOOR_DB: f64 = 10.0;
/// Quieter than this is not speech on a channel that has louder sound. Telephone speech lies at -15 to -35 dBFS.
const GATE_DBFS: f64 = -40.0;
/// The gate on a channel that never gets louder than the other one: a bad line, not an empty one.
const QUIET_GATE_DBFS: f64 = -60.0;
/// Louder than this is sound however loud the rest is: a channel without a pause has no quiet tenth.
const ALWAYS_SOUND_DBFS: f64 = -26.0;
/// A channel counts as loud once it was above the gate for this many frames: a click is shorter.
const LOUD_FRAMES: u32 = 5;
/// Pauses no longer than this belong to the speech around them.
const BRIDGED_SECONDS: f64 = 0.3;
/// Sounds shorter than this are clicks.
const SHORTEST_SECONDS: f64 = 0.1;

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

/// Listens to samples as they pass.
#[derive(Debug, Clone)]
pub(super) struct Detector {
    wav: Wav,
    samples_per_frame: u32,
    samples_in_frame: u32,
    channels: Vec<Channel>,
    /// The start of a sample that was cut in two between pieces.
    cut: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Channel {
    levels: Vec<u8>,
    loud_frames: u32,
    sum: i64,
    sum_of_squares: u64,
}

impl Detector {
    pub(super) fn new(wav: Wav) -> Self {
        let samples_per_frame = (wav.sample_rate_hz / FRAMES_PER_SECOND).max(1);
        let channels = vec![Channel::default(); usize::from(wav.channels)];
        Self { wav, samples_per_frame, samples_in_frame: 0, channels, cut: Vec::new() }
    }

    /// Takes the next bytes of samples, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let block = usize::try_from(self.wav.block_bytes()).unwrap_or(1);
        let missing = if self.cut.is_empty() { 0 } else { block.saturating_sub(self.cut.len()).min(bytes.len()) };
        let (head, rest) = bytes.split_at(missing);
        self.cut.extend_from_slice(head);
        if self.cut.len() == block {
            let whole = std::mem::take(&mut self.cut);
            self.take_blocks(&whole, block);
        }
        let (whole, tail) = rest.split_at(rest.len() - rest.len() % block);
        self.take_blocks(whole, block);
        self.cut.extend_from_slice(tail);
    }

    /// Whether something louder than the gate was heard for longer than a click.
    pub(super) fn has_heard_sound(&self) -> bool {
        self.channels.iter().any(Channel::is_loud)
    }

    /// Where somebody spoke.
    pub(super) fn finish(mut self) -> Speech {
        if self.samples_in_frame > self.samples_per_frame / 2 {
            self.end_frame();
        }
        let frame_seconds = f64::from(self.samples_per_frame) / f64::from(self.wav.sample_rate_hz.max(1));
        let thresholds: Vec<u8> = self.channels.iter().map(Channel::threshold).collect();
        let frames = self.channels.iter().map(|channel| channel.levels.len()).max().unwrap_or(0);
        let is_spoken = |frame: usize| {
            self.channels
                .iter()
                .zip(&thresholds)
                .any(|(channel, threshold)| channel.levels.get(frame).is_some_and(|level| level >= threshold))
        };
        Speech::of(intervals((0..frames).map(is_spoken), frame_seconds))
    }

    fn take_blocks(&mut self, whole: &[u8], block: usize) {
        match (self.wav.codec, self.wav.bits) {
            (Codec::MuLaw, _) => self.take_samples(whole, block, |[byte]: [u8; 1]| mulaw(byte)),
            (Codec::ALaw, _) => self.take_samples(whole, block, |[byte]: [u8; 1]| alaw(byte)),
            (Codec::Pcm, 8) => self.take_samples(whole, block, |[byte]: [u8; 1]| i16::from_le_bytes([0, byte ^ 0x80])),
            (Codec::Pcm, 24) => self.take_samples(whole, block, |[_, low, high]: [u8; 3]| i16::from_le_bytes([low, high])),
            (Codec::Pcm, 32) => self.take_samples(whole, block, |[_, _, low, high]: [u8; 4]| i16::from_le_bytes([low, high])),
            (Codec::Pcm, _) => self.take_samples(whole, block, i16::from_le_bytes),
        }
    }

    fn take_samples<const N: usize>(&mut self, whole: &[u8], block: usize, decode: impl Fn([u8; N]) -> i16) {
        for samples in whole.chunks_exact(block) {
            let (samples, _) = samples.as_chunks::<N>();
            for (channel, sample) in self.channels.iter_mut().zip(samples) {
                channel.take(decode(*sample));
            }
            self.samples_in_frame += 1;
            if self.samples_in_frame == self.samples_per_frame {
                self.end_frame();
            }
        }
    }

    fn end_frame(&mut self) {
        let samples = self.samples_in_frame;
        self.samples_in_frame = 0;
        self.channels.iter_mut().for_each(|channel| channel.end_frame(samples));
        let held: usize = self.channels.iter().map(|channel| channel.levels.len()).sum();
        if held >= MOST_LEVELS {
            self.channels.iter_mut().for_each(Channel::halve);
            self.samples_per_frame = self.samples_per_frame.saturating_mul(2);
        }
    }
}

impl Channel {
    fn take(&mut self, sample: i16) {
        let sample = i64::from(sample);
        self.sum += sample;
        self.sum_of_squares += (sample * sample).unsigned_abs();
    }

    /// Level of the frame's variance: a constant offset is no sound.
    fn end_frame(&mut self, samples: u32) {
        let count = u64::from(samples.max(1));
        let mean = self.sum.unsigned_abs() / count;
        let variance = (self.sum_of_squares / count).saturating_sub(mean * mean);
        let loudness = level_of(u32::try_from(variance).unwrap_or(u32::MAX));
        if loudness >= level(GATE_DBFS) {
            self.loud_frames = self.loud_frames.saturating_add(1);
        }
        self.levels.push(loudness);
        (self.sum, self.sum_of_squares) = (0, 0);
    }

    fn is_loud(&self) -> bool {
        self.loud_frames >= LOUD_FRAMES
    }

    /// The level from which a frame of this channel counts as spoken.
    fn threshold(&self) -> u8 {
        let mut counts = [0_usize; 256];
        for level in &self.levels {
            if let Some(count) = counts.get_mut(usize::from(*level)) {
                *count += 1;
            }
        }
        let tenth = self.levels.len() / 10;
        let mut below = 0;
        let floor = (0..=u8::MAX).zip(counts).find_map(|(level, count)| {
            below += count;
            (below > tenth).then_some(level)
        });
        let gate = if self.is_loud() { GATE_DBFS } else { QUIET_GATE_DBFS };
        let wanted = dbfs(floor.unwrap_or(0)) + ABOVE_FLOOR_DB;
        level(wanted.clamp(gate, ALWAYS_SOUND_DBFS))
    }

    /// Makes frames twice as long; the louder of two stands for both.
    fn halve(&mut self) {
        self.levels = self.levels.chunks(2).filter_map(|pair| pair.iter().copied().max()).collect();
    }
}

/// Half decibels above -100 dBFS, so that a level fits a byte.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte just before")]
fn level(dbfs: f64) -> u8 {
    ((dbfs + 100.0) * 2.0).round().clamp(0.0, 255.0) as u8
}

fn dbfs(level: u8) -> f64 {
    f64::from(level) / 2.0 - 100.0
}

fn level_of(mean_square: u32) -> u8 {
    /// A square wave of full 16-bit scale.
    const FULL_SCALE: f64 = 32_768.0 * 32_768.0;
    if mean_square == 0 { 0 } else { level(10.0 * (f64::from(mean_square) / FULL_SCALE).log10()) }
}

/// Spoken frames as stretches of time: short pauses bridged, clicks left out.
fn intervals(spoken: impl Iterator<Item = bool>, frame_seconds: f64) -> Vec<Interval> {
    /// Times are sums of frames: a millisecond of slack keeps rounding out of the comparisons.
    const SLACK_SECONDS: f64 = 0.001;
    let mut intervals: Vec<Interval> = Vec::new();
    for (frame, _) in (0_u32..).zip(spoken).filter(|(_, spoken)| *spoken) {
        let start = f64::from(frame) * frame_seconds;
        let end = start + frame_seconds;
        match intervals.last_mut() {
            Some(last) if start - last.end <= BRIDGED_SECONDS + SLACK_SECONDS => last.end = end,
            _ => intervals.push(Interval { start, end }),
        }
    }
    intervals.retain(|interval| interval.seconds() >= SHORTEST_SECONDS - SLACK_SECONDS);
    intervals
}

#[cfg(test)]
#[path = "speech_tests.rs"]
mod tests;
