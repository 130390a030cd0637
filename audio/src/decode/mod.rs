//! Recordings as streams of 16-bit samples, whatever they were written in, in memory that does not grow with them.
//!
//! `plain` reads the WAVs of telephony itself; `packets` has symphonia take containers apart and decode what it knows, and
//! `opus-rs` the rest. Decoders run on bytes of strangers: each packet is decoded behind a wall that a panic does not pass.

mod mp4;
mod packets;
mod plain;
mod voice;

use std::{fs::File, io::Read, path::Path};

use crate::{
    Format, Limits, SoundError, WavError,
    kind::{RECOGNISED_WITHIN_BYTES, Recognised, recognise},
};

/// Rates beyond these are damage: telephony begins at 8 kHz, studios end at 192.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// What is known before the first sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spec {
    pub(crate) format: Format,
    pub(crate) codec: &'static str,
    pub(crate) sample_rate_hz: u32,
    pub(crate) channels: u16,
    /// Samples per channel that the header promises, if it does.
    pub(crate) promised: Option<u64>,
}

/// What came next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Samples.
    Sound,
    /// Silence in place of so many samples per channel that could not be decoded.
    Damage(u64),
    /// Nothing more.
    End,
}

/// A recording being decoded.
pub(crate) trait Decode {
    fn spec(&self) -> Spec;

    /// Replaces what is in `out` with the next samples of all channels, interleaved: a few thousand of them.
    fn next(&mut self, out: &mut Vec<i16>) -> Result<Step, SoundError>;
}

/// Opens a recording and reads what it says about itself.
pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Box<dyn Decode>, SoundError> {
    let file = File::open(path).map_err(|error| SoundError::io(path, error))?;
    let mut start = Vec::new();
    let wanted = u64::try_from(RECOGNISED_WITHIN_BYTES).unwrap_or(u64::MAX);
    (&file).take(wanted).read_to_end(&mut start).map_err(|error| SoundError::io(path, error))?;
    if start.is_empty() {
        return Err(SoundError::Empty);
    }
    let decoder: Box<dyn Decode> = match recognise(&start) {
        Recognised::Sound(Format::Wav) => match plain::Plain::open(path) {
            Ok(plain) => Box::new(plain),
            Err(plain::NotPlain::Compressed(WavError::Unsupported { format_tag: 0x0002 | 0x0011, .. })) => {
                Box::new(packets::Packets::open(path, Format::Wav, &start)?)
            }
            Err(plain::NotPlain::Compressed(error)) => return Err(error.into()),
            Err(plain::NotPlain::Broken(error)) => return Err(error),
        },
        Recognised::Sound(format) => Box::new(packets::Packets::open(path, format, &start)?),
        Recognised::Foreign(codec) => return Err(SoundError::Unsupported { codec: codec.to_owned() }),
        Recognised::NotSound("another kind of RIFF") if start.len() < 12 => return Err(SoundError::CutOff),
        Recognised::NotSound(found) => return Err(SoundError::NotAudio { found }),
    };
    let spec = decoder.spec();
    if !SAMPLE_RATES.contains(&spec.sample_rate_hz) {
        return Err(SoundError::AbsurdRate { sample_rate_hz: spec.sample_rate_hz });
    }
    if spec.channels > limits.most_channels {
        return Err(SoundError::TooManyChannels { channels: spec.channels.into(), most: limits.most_channels });
    }
    Ok(decoder)
}

#[cfg(test)]
mod tests;
