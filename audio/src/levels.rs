//! How loud each channel is, frame by frame, measured while the samples pass: one byte per 20 ms and channel.
//!
//! What is made of the levels, speech and pauses, lives in `speech.rs` and `plan`.

use crate::pair::Pair;

/// Frames per second; 20 ms is what telephony packs and what speech detectors commonly use.
const FRAMES_PER_SECOND: u32 = 50;
/// Levels kept for all channels together. Stereo reaches it after 5.8 hours; then frames become twice as long.
pub(crate) const MOST_LEVELS: usize = 2 * 1024 * 1024;
/// Speech is at least this much louder than the quietest tenth of its channel.
const ABOVE_FLOOR_DB: f64 = 10.0;
/// Quieter than this is not speech on a channel that has louder sound. Telephone speech lies at -15 to -35 dBFS.
const GATE_DBFS: f64 = -40.0;
/// The gate on a channel that never gets louder than the other one: a bad line, not an empty one.
pub(crate) const QUIET_GATE_DBFS: f64 = -60.0;
/// Louder than this is sound however loud the rest is: a channel without a pause has no quiet tenth.
const ALWAYS_SOUND_DBFS: f64 = -26.0;
/// A channel counts as loud once it was above the gate for this many frames: a click is shorter.
const LOUD_FRAMES: u32 = 5;

/// Measures samples as they pass.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    pub(crate) samples_per_frame: u32,
    samples_in_frame: u32,
    pub(crate) channels: Vec<Channel>,
    /// Whether two channels are one; nobody records the same call three times.
    pair: Option<Pair>,
    frames: u64,
}

/// The levels of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) levels: Vec<u8>,
    pub(crate) peak: u16,
    loud_frames: u32,
    sum: i64,
    sum_of_squares: u64,
}

impl Meter {
    pub(crate) fn new(sample_rate_hz: u32, channels: u16) -> Self {
        let samples_per_frame = (sample_rate_hz / FRAMES_PER_SECOND).max(1);
        let pair = (channels == 2).then(Pair::default);
        Self { samples_per_frame, samples_in_frame: 0, channels: vec![Channel::default(); usize::from(channels)], pair, frames: 0 }
    }

    /// Takes whole samples of all channels, interleaved.
    pub(crate) fn take(&mut self, interleaved: &[i16]) {
        let count = self.channels.len().max(1);
        let mut rest = interleaved;
        while !rest.is_empty() {
            let missing = usize::try_from(self.samples_per_frame - self.samples_in_frame).unwrap_or(1).max(1);
            let (now, later) = rest.split_at(missing.saturating_mul(count).min(rest.len()));
            rest = later;
            self.take_within_frame(now, count);
            let taken = u32::try_from(now.len() / count).unwrap_or(self.samples_per_frame).max(1);
            self.samples_in_frame += taken;
            self.frames += u64::from(taken);
            if self.samples_in_frame >= self.samples_per_frame {
                self.end_frame();
            }
        }
    }

    /// Samples per channel taken so far.
    pub(crate) const fn samples(&self) -> u64 {
        self.frames
    }

    /// Whether something louder than the gate was heard for longer than a click.
    pub(crate) fn has_heard_sound(&self) -> bool {
        self.channels.iter().any(Channel::is_loud)
    }

    /// Ends the last frame, unless it is less than half of one, and says whether two channels are one.
    pub(crate) fn finish(&mut self) -> bool {
        if self.samples_in_frame > self.samples_per_frame / 2 {
            self.end_frame();
        }
        self.pair.as_ref().is_some_and(Pair::is_one)
    }

    fn take_within_frame(&mut self, samples: &[i16], count: usize) {
        match (self.channels.as_mut_slice(), &mut self.pair) {
            ([only], _) => samples.iter().for_each(|sample| only.take(*sample)),
            ([left, right], Some(pair)) => {
                let (both, _) = samples.as_chunks::<2>();
                for [one, other] in both {
                    left.take(*one);
                    right.take(*other);
                    pair.take(*one, *other);
                }
            }
            (channels, _) => {
                for samples in samples.chunks_exact(count) {
                    channels.iter_mut().zip(samples).for_each(|(channel, sample)| channel.take(*sample));
                }
            }
        }
    }

    fn end_frame(&mut self) {
        let samples = self.samples_in_frame;
        self.samples_in_frame = 0;
        self.channels.iter_mut().for_each(|channel| channel.end_frame(samples));
        if let (Some(pair), [left, right]) = (&mut self.pair, self.channels.as_slice()) {
            let loudest = left.levels.last().max(right.levels.last()).copied().unwrap_or(0);
            pair.end_frame(samples, loudest >= level(GATE_DBFS));
        }
        let held: usize = self.channels.iter().map(|channel| channel.levels.len()).sum();
        if held >= MOST_LEVELS {
            self.channels.iter_mut().for_each(Channel::halve);
            self.samples_per_frame = self.samples_per_frame.saturating_mul(2);
        }
    }
}

impl Channel {
    fn take(&mut self, sample: i16) {
        self.peak = self.peak.max(sample.unsigned_abs());
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

    pub(crate) fn is_loud(&self) -> bool {
        self.loud_frames >= LOUD_FRAMES
    }

    /// The level from which a frame of this channel counts as spoken.
    pub(crate) fn speech_level(&self) -> u8 {
        let gate = if self.is_loud() { GATE_DBFS } else { QUIET_GATE_DBFS };
        level((self.floor_dbfs() + ABOVE_FLOOR_DB).clamp(gate, ALWAYS_SOUND_DBFS))
    }

    /// The level from which a frame of this channel is no pause: never above that of speech, so that a voice too soft to count
    /// is neither cut in two nor trimmed away.
    pub(crate) fn sound_level(&self) -> u8 {
        level((self.floor_dbfs() + ABOVE_FLOOR_DB).clamp(QUIET_GATE_DBFS, ALWAYS_SOUND_DBFS))
    }

    /// Level of the quietest tenth of the frames.
    fn floor_dbfs(&self) -> f64 {
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
        dbfs(floor.unwrap_or(0))
    }

    /// Makes frames twice as long; the louder of two stands for both.
    fn halve(&mut self) {
        self.levels = self.levels.chunks(2).filter_map(|pair| pair.iter().copied().max()).collect();
    }
}

/// Half decibels above -100 dBFS, so that a level fits a byte.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte just before")]
pub(crate) fn level(dbfs: f64) -> u8 {
    ((dbfs + 100.0) * 2.0).round().clamp(0.0, 255.0) as u8
}

pub(crate) fn dbfs(level: u8) -> f64 {
    f64::from(level) / 2.0 - 100.0
}

fn level_of(mean_square: u32) -> u8 {
    /// A square wave of full 16-bit scale.
    const FULL_SCALE: f64 = 32_768.0 * 32_768.0;
    if mean_square == 0 { 0 } else { level(10.0 * (f64::from(mean_square) / FULL_SCALE).log10()) }
}
