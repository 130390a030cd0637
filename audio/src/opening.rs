//! What the start of a file tells of the whole, for whoever sees the bytes pass and cannot wait for a look at all of them.

use std::time::Duration;

use crate::{Format, kind::mp3_frame_bytes};

/// What is known of a recording from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Its container.
    pub format: Format,
    /// Samples per second, as it will be decoded.
    pub sample_rate_hz: Option<u32>,
    /// Channels.
    pub channels: Option<u16>,
    /// Playing time.
    pub duration: Option<Duration>,
}

impl Opening {
    /// Reads the start of a file that was recognised as `format`. A WAV has [`crate::WavReader`] for this: nothing is told of one.
    #[must_use]
    pub fn of(format: Format, start: &[u8]) -> Self {
        let told = match format {
            Format::Mp3 => mp3(start),
            Format::OggVorbis => first_packet(start).and_then(vorbis),
            Format::OggOpus => first_packet(start).and_then(opus),
            Format::Flac => flac(start),
            Format::Wav | Format::M4a => None,
        };
        let (rate, channels, samples) = told.unwrap_or((0, 0, 0));
        let rate_or_one = u64::from(rate.max(1));
        let duration =
            Duration::from_secs(samples / rate_or_one) + Duration::from_nanos(samples % rate_or_one * 1_000_000_000 / rate_or_one);
        Self {
            format,
            sample_rate_hz: Some(rate).filter(|rate| *rate > 0),
            channels: Some(channels).filter(|channels| *channels > 0),
            duration: Some(duration).filter(|duration| !duration.is_zero()),
        }
    }
}

/// Rate, channels and samples; 0 for what is not told.
type Told = (u32, u16, u64);

fn first_packet(start: &[u8]) -> Option<&[u8]> {
    let segments = usize::from(*start.get(26)?);
    start.get(27 + segments..)
}

fn vorbis(packet: &[u8]) -> Option<Told> {
    let rate = u32::from_le_bytes(*packet.get(12..)?.first_chunk()?);
    Some((rate, u16::from(*packet.get(11)?), 0))
}

fn opus(packet: &[u8]) -> Option<Told> {
    let recorded_at = u32::from_le_bytes(*packet.get(12..)?.first_chunk()?);
    let rate = if [8_000, 12_000, 16_000, 24_000].contains(&recorded_at) { recorded_at } else { 48_000 };
    Some((rate, u16::from(*packet.get(9)?), 0))
}

/// The stream's own description is always the first block: 20 bits of rate, 3 of channels, 5 of depth, 36 of samples.
fn flac(start: &[u8]) -> Option<Told> {
    let bits = u64::from_be_bytes(*start.get(18..)?.first_chunk()?);
    let rate = u32::try_from(bits >> 44).ok()?;
    let channels = u16::try_from((bits >> 41) & 7).ok()? + 1;
    Some((rate, channels, bits & 0xF_FFFF_FFFF))
}

/// Of the first frame after the tags, if it is among the bytes.
fn mp3(start: &[u8]) -> Option<Told> {
    let frame = (0..start.len()).find_map(|at| start.get(at..).filter(|rest| mp3_frame_bytes(rest).is_some()))?;
    let [_, second, third, fourth] = *frame.first_chunk()?;
    let halvings = match second & 0x18 {
        0x18 => 0,
        0x10 => 1,
        _ => 2,
    };
    let rate = [44_100_u32, 48_000, 32_000].get(usize::from((third >> 2) & 3))? >> halvings;
    Some((rate, if fourth >> 6 == 3 { 1 } else { 2 }, 0))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Limits, Recognised, examine, recognise};

    #[test]
    fn what_the_start_tells_is_what_a_look_at_all_of_it_finds() {
        for name in ["mp3.mp3", "stereo.mp3", "vorbis.ogg", "opus.ogg", "stereo.ogg", "flac.flac", "stereo.flac"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
            let start = std::fs::read(&path).unwrap();
            let Recognised::Sound(format) = recognise(&start[..4096]) else { panic!("{name}") };
            let (opening, examined) = (Opening::of(format, &start[..4096]), examine(&path, &Limits::default()).unwrap());
            assert_eq!(opening.format, examined.format, "{name}");
            assert_eq!(opening.sample_rate_hz, Some(examined.sample_rate_hz), "{name}");
            assert_eq!(opening.channels.map(usize::from), Some(examined.channels.len()), "{name}");
            assert!(opening.duration.is_none_or(|duration| duration == examined.duration), "{name}");
            assert!(opening.duration.is_some() == (format == Format::Flac), "{name}");
        }
    }
}
