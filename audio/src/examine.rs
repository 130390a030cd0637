//! The first look at a recording: what it is, how long, who speaks when. One pass, in bounded memory.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::Duration,
};

use crate::{
    Format, Interval, SoundError, Speech,
    cut::sample_at,
    decode::{self, Decode, Spec, Step},
    levels::{self, Channel, Meter},
    speech::{self, speech_of},
};

/// How much a recording may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Hours of sound. A file of a few bytes may say that it plays for a year.
    pub most_hours: f64,
    /// Channels.
    pub most_channels: u16,
    /// Seconds that may be lost to damage; never more than a tenth of the recording.
    pub most_damaged_seconds: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { most_hours: 24.0, most_channels: 8, most_damaged_seconds: 30.0 }
    }
}

/// What a recording is.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// Its container.
    pub format: Format,
    /// Its codec, as `call_recordings.codec` names it.
    pub codec: &'static str,
    /// Samples per second per channel, as it is decoded.
    pub sample_rate_hz: u32,
    /// Playing time.
    pub duration: Duration,
    /// Samples per channel.
    pub samples: u64,
    /// Its channels, in order.
    pub channels: Vec<ChannelSound>,
    /// Two channels that carry one sound ("dual mono").
    pub same: bool,
    /// Seconds that could not be decoded and count as silence.
    pub damaged_seconds: f64,
}

/// One channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSound {
    /// Where somebody speaks on it.
    pub speech: Speech,
    /// Nothing on it is worth a request.
    pub is_silent: bool,
    /// The loudest sample, in decibels of full scale; -100 for digital silence.
    pub peak_dbfs: f64,
    /// How loud it is, frame by frame.
    pub levels: Levels,
}

/// How loud a channel is, frame by frame of about 20 ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    levels: Vec<u8>,
    sound_level: u8,
    samples_per_frame: u32,
}

impl Levels {
    #[cfg(test)]
    pub(crate) const fn of(levels: Vec<u8>, sound_level: u8, samples_per_frame: u32) -> Self {
        Self { levels, sound_level, samples_per_frame }
    }

    /// Number of frames.
    #[must_use]
    pub const fn frames(&self) -> usize {
        self.levels.len()
    }

    /// Samples that a frame lasts.
    #[must_use]
    pub const fn samples_per_frame(&self) -> u32 {
        self.samples_per_frame
    }

    /// Whether a frame is part of a pause: no more than 10 dB above the quietest tenth of its channel.
    #[must_use]
    pub fn is_pause(&self, frame: usize) -> bool {
        self.levels.get(frame).is_none_or(|level| *level < self.sound_level)
    }

    /// Loudness of a frame, in decibels of full scale.
    #[must_use]
    pub fn dbfs(&self, frame: usize) -> Option<f64> {
        self.levels.get(frame).copied().map(levels::dbfs)
    }

    /// The mean loudness of a stretch of a recording of this rate, in decibels of full scale; `None` where nothing was recorded.
    #[must_use]
    pub fn mean_dbfs(&self, stretch: Interval, sample_rate_hz: u32) -> Option<f64> {
        let frame = |seconds: f64| {
            let sample = sample_at((seconds * f64::from(sample_rate_hz)).round());
            usize::try_from(sample / u64::from(self.samples_per_frame.max(1))).unwrap_or(usize::MAX).min(self.levels.len())
        };
        let within = self.levels.get(frame(stretch.start)..frame(stretch.end))?;
        let (sum, count) = within.iter().fold((0.0, 0.0), |(sum, count), level| (sum + levels::dbfs(*level), count + 1.0));
        (count > 0.0).then(|| sum / count)
    }
}

impl Examined {
    /// Where somebody speaks, on whichever channel.
    #[must_use]
    pub fn speech(&self) -> Speech {
        let mut all: Vec<Interval> = self.channels.iter().flat_map(|channel| channel.speech.intervals().iter().copied()).collect();
        all.sort_by(|one, other| one.start.total_cmp(&other.start));
        Speech::of(speech::merged(all))
    }

    /// Playing time in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.duration.as_secs_f64()
    }
}

/// Looks at all of a recording. It blocks: for a second per ten hours of plain WAV, and up to a minute of Opus.
///
/// Nothing in the file makes it panic or use more memory than a byte per 20 ms and channel, beside buffers.
pub fn examine(path: &Path, limits: &Limits) -> Result<Examined, SoundError> {
    walled("the look at the recording", || {
        let mut source = decode::open(path, limits)?;
        look(source.as_mut(), limits)
    })
}

/// Runs what reads a stranger's bytes; a panic in it is an error like others.
pub(crate) fn walled<T>(what: &'static str, work: impl FnOnce() -> Result<T, SoundError>) -> Result<T, SoundError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(SoundError::Internal { what }))
}

fn look(source: &mut dyn Decode, limits: &Limits) -> Result<Examined, SoundError> {
    let spec = source.spec();
    let rate = f64::from(spec.sample_rate_hz);
    let mut meter = Meter::new(spec.sample_rate_hz, spec.channels);
    let (mut block, mut damaged) = (Vec::new(), 0_u64);
    loop {
        match source.next(&mut block)? {
            Step::End => break,
            Step::Sound => {}
            Step::Damage(samples) => damaged += samples,
        }
        meter.take(&block);
        if float(damaged) / rate > limits.most_damaged_seconds {
            return Err(too_damaged(meter.samples(), rate, "too much of it cannot be decoded"));
        }
        if float(meter.samples()) / rate > limits.most_hours * 3600.0 {
            return Err(SoundError::TooLong { most_hours: limits.most_hours });
        }
    }
    let missing = missing(&spec, meter.samples())?;
    let damaged_seconds = float(damaged + missing) / rate;
    if meter.samples() == 0 {
        return Err(SoundError::Empty);
    }
    if damaged_seconds > limits.most_damaged_seconds || damaged_seconds > float(meter.samples()) / rate / 10.0 {
        return Err(too_damaged(meter.samples(), rate, "too much of it cannot be decoded"));
    }
    Ok(examined(&spec, meter, damaged_seconds))
}

/// Samples that were promised and did not come. A tenth and more is a file that was cut off.
fn missing(spec: &Spec, got: u64) -> Result<u64, SoundError> {
    let missing = spec.promised.unwrap_or(got).saturating_sub(got);
    // encoders count their own delay in, or not: a fifth of a second is nobody's loss
    if missing <= u64::from(spec.sample_rate_hz / 5) {
        return Ok(0);
    }
    if missing > got / 10 {
        let rate = f64::from(spec.sample_rate_hz);
        return Err(SoundError::Truncated { got_seconds: float(got) / rate, expected_seconds: float(got + missing) / rate });
    }
    Ok(missing)
}

fn too_damaged(at: u64, rate: f64, what: &str) -> SoundError {
    SoundError::Damaged { second: float(at) / rate, what: what.to_owned() }
}

fn examined(spec: &Spec, mut meter: Meter, damaged_seconds: f64) -> Examined {
    let (samples, same) = (meter.samples(), meter.finish());
    let (whole, rest) = (samples / u64::from(spec.sample_rate_hz), samples % u64::from(spec.sample_rate_hz));
    let duration = Duration::from_secs(whole) + Duration::from_nanos(rest * 1_000_000_000 / u64::from(spec.sample_rate_hz));
    let samples_per_frame = meter.samples_per_frame;
    let frame_seconds = f64::from(samples_per_frame) / f64::from(spec.sample_rate_hz);
    let channels = meter.channels.into_iter().map(|channel| channel_sound(channel, samples_per_frame, frame_seconds)).collect();
    Examined {
        format: spec.format,
        codec: spec.codec,
        sample_rate_hz: spec.sample_rate_hz,
        duration,
        samples,
        channels,
        same,
        damaged_seconds,
    }
}

fn channel_sound(channel: Channel, samples_per_frame: u32, frame_seconds: f64) -> ChannelSound {
    let speech = speech_of(std::slice::from_ref(&channel), frame_seconds);
    let loudest = channel.levels.iter().copied().max().unwrap_or(0);
    let is_silent = speech.is_silence() || loudest < levels::level(levels::QUIET_GATE_DBFS);
    let peak_dbfs = if channel.peak == 0 { -100.0 } else { 20.0 * (f64::from(channel.peak) / 32_768.0).log10() };
    let sound_level = channel.sound_level();
    ChannelSound { speech, is_silent, peak_dbfs, levels: Levels { levels: channel.levels, sound_level, samples_per_frame } }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts of samples, far below 2^52")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "examine_tests.rs"]
mod tests;
