//! The header of a WAV file, read from a stream as it passes; the samples are somebody else's.
//!
//! Chunks may stand in any order before `data`; RF64 and BW64 carry their sizes in `ds64`. A header written before its
//! length was known (`0`, `0xFFFF_FFFF`, or the `0x7FFF_F000` of sox and espeak) counts as streamed: the bytes decide.

use std::time::Duration;

use super::sniff::name_of;

/// `data` must begin within this many bytes: real headers have 44 to a few thousand, album art and broadcast notes included.
const LONGEST_HEADER_BYTES: u64 = 1024 * 1024;
/// What of a `fmt ` chunk is read: WAVE_FORMAT_EXTENSIBLE has 40 bytes, and nothing after them matters.
const FORMAT_BYTES: usize = 40;
/// What of a `ds64` chunk is read: size of the file, size of the data.
const SIZES_BYTES: usize = 16;
/// Bytes wanted before a file that is no WAV is given a name; HTML may begin with a comment or blank lines.
const SNIFF_BYTES: usize = 256;
/// More channels than any telephone system records; a header that says more is broken.
const MOST_CHANNELS: u16 = 32;

const TAG_PCM: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_ALAW: u16 = 6;
const TAG_MULAW: u16 = 7;
const TAG_EXTENSIBLE: u16 = 0xFFFE;
/// The fixed tail of every sub-format GUID that stands for a plain format tag.
const SUB_FORMAT_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
/// Sizes that writers leave behind when they cannot go back to correct them.
const STREAMED_SIZES: [u32; 3] = [0, u32::MAX, 0x7FFF_F000];

/// How a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Linear; 8 bits are unsigned, more are signed and little-endian.
    Pcm,
    /// G.711 A-law.
    ALaw,
    /// G.711 µ-law.
    MuLaw,
    /// Floating point between -1 and 1, of 32 or 64 bits.
    Float,
}

impl Codec {
    /// The word `call_recordings.codec` uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pcm => "pcm",
            Self::ALaw => "alaw",
            Self::MuLaw => "mulaw",
            Self::Float => "float",
        }
    }
}

/// What a WAV header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wav {
    /// How a sample is written.
    pub codec: Codec,
    /// Samples per second per channel.
    pub sample_rate_hz: u32,
    /// Number of channels.
    pub channels: u16,
    /// Bits per sample: 8, 16, 24, 32 or 64.
    pub bits: u16,
    /// Where the samples begin in the file.
    pub data_offset: u64,
    /// How many bytes of samples the header promises; `None` when it was written before anyone knew.
    pub data_bytes: Option<u64>,
}

/// Why a file is not a WAV we can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// Something else came.
    #[error("it is {found}, not a recording")]
    NotWav {
        /// What it looks like: `HTML`, `XML`, `JSON`, …
        found: &'static str,
    },
    /// The file ends before it should.
    #[error("it ends after {got_bytes} bytes of {expected_bytes}")]
    Truncated {
        /// Bytes of the file that there are.
        got_bytes: u64,
        /// Bytes of the file that there should be at least.
        expected_bytes: u64,
    },
    /// A WAV in a format that we do not read.
    #[error("it is a WAV of format {format_tag:#06x} with {bits} bits per sample, which is not supported")]
    Unsupported {
        /// The format tag, or the sub-format's.
        format_tag: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// The header contradicts itself.
    #[error("its WAV header is broken: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// No bytes, or a header without samples.
    #[error("it holds no audio")]
    Empty,
}

impl Wav {
    /// Bytes that one sample of all channels takes.
    #[must_use]
    pub fn block_bytes(&self) -> u64 {
        u64::from(self.channels) * u64::from(self.bits / 8)
    }

    /// Bytes that one second takes.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        self.block_bytes() * u64::from(self.sample_rate_hz)
    }

    /// Playing time of `audio_bytes` of samples, to the nanosecond, rounded down to whole samples.
    #[must_use]
    pub fn duration_of(&self, audio_bytes: u64) -> Duration {
        let samples = audio_bytes.checked_div(self.block_bytes()).unwrap_or(0);
        let rate = u64::from(self.sample_rate_hz.max(1));
        let (whole_seconds, rest) = (samples / rate, samples % rate);
        Duration::from_secs(whole_seconds) + Duration::from_nanos(rest * 1_000_000_000 / rate)
    }

    /// Bytes of samples in a file of `file_bytes`: what follows the header, without what follows the samples.
    ///
    /// `Truncated` when the header promises more, `Empty` when there are none. A last sample cut in two is no truncation
    /// when the header was streamed.
    pub fn audio_bytes_in(&self, file_bytes: u64) -> Result<u64, WavError> {
        let there = file_bytes.saturating_sub(self.data_offset);
        let promised = self.data_bytes.unwrap_or(there);
        if there < promised {
            return Err(WavError::Truncated { got_bytes: file_bytes, expected_bytes: self.data_offset.saturating_add(promised) });
        }
        if promised < self.block_bytes() { Err(WavError::Empty) } else { Ok(promised) }
    }
}

/// Reads a header from bytes that come in pieces of any size; keeps less than 300 of them.
#[derive(Debug, Clone, Default)]
pub struct WavReader {
    /// Bytes given so far.
    seen: u64,
    /// Bytes before the wanted ones that are not looked at.
    skip: u64,
    /// Bytes of the element being read.
    held: Vec<u8>,
    state: State,
    format: Option<Format>,
    /// Size of the samples by `ds64`.
    long_data_bytes: Option<u64>,
    done: Option<Wav>,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Magic,
    ChunkHeader,
    /// Inside `fmt `; how many bytes of it lie beyond the ones we read.
    Format {
        want: usize,
        beyond: u64,
    },
    /// Inside `ds64`, likewise.
    Sizes {
        want: usize,
        beyond: u64,
    },
}

#[derive(Debug, Clone, Copy)]
struct Format {
    codec: Codec,
    channels: u16,
    sample_rate_hz: u32,
    bits: u16,
}

impl WavReader {
    /// A reader at the start of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the file; `Some` as soon as the header is complete, and from then on.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Wav>, WavError> {
        let mut rest = bytes;
        while self.done.is_none() && !rest.is_empty() {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
            self.skip -= u64::try_from(skipped).unwrap_or(self.skip);
            let (_, after_skip) = rest.split_at(skipped);
            let taken = self.wanted().saturating_sub(self.held.len()).min(after_skip.len());
            let (element, after) = after_skip.split_at(taken);
            self.held.extend_from_slice(element);
            self.seen = self.seen.saturating_add(u64::try_from(skipped.saturating_add(taken)).unwrap_or(u64::MAX));
            rest = after;
            if self.held.len() >= self.wanted() && self.skip == 0 {
                self.step()?;
            }
        }
        Ok(self.done)
    }

    /// The header, now that the file has ended.
    pub fn finish(self) -> Result<Wav, WavError> {
        match self.done {
            Some(wav) => Ok(wav),
            None if self.seen == 0 => Err(WavError::Empty),
            None if matches!(self.state, State::Magic) && !could_be_wav(&self.held) => Err(WavError::NotWav { found: name_of(&self.held) }),
            None => {
                let missing = self.wanted().saturating_sub(self.held.len());
                let expected_bytes = self.seen.saturating_add(self.skip).saturating_add(u64::try_from(missing).unwrap_or(u64::MAX));
                Err(WavError::Truncated { got_bytes: self.seen, expected_bytes })
            }
        }
    }

    fn wanted(&self) -> usize {
        match self.state {
            State::Magic if could_be_wav(&self.held) => 12,
            State::Magic => SNIFF_BYTES,
            State::ChunkHeader => 8,
            State::Format { want, .. } | State::Sizes { want, .. } => want,
        }
    }

    /// Reads the element held and says what comes next.
    fn step(&mut self) -> Result<(), WavError> {
        let held = std::mem::take(&mut self.held);
        let next = match self.state {
            State::Magic if could_be_wav(&held) && held.get(8..12) == Some(b"WAVE") => State::ChunkHeader,
            State::Magic => return Err(WavError::NotWav { found: name_of(&held) }),
            State::ChunkHeader => self.chunk(&held)?,
            State::Format { beyond, .. } => {
                self.format = Some(Format::read(&held)?);
                self.skip = beyond;
                State::ChunkHeader
            }
            State::Sizes { beyond, .. } => {
                self.long_data_bytes = u64_at(&held, 8);
                self.skip = beyond;
                State::ChunkHeader
            }
        };
        self.state = next;
        Ok(())
    }

    fn chunk(&mut self, header: &[u8]) -> Result<State, WavError> {
        let size = u32_at(header, 4).unwrap_or(0);
        let padded = u64::from(size) + u64::from(size % 2);
        match header.get(..4) {
            Some(b"data") => {
                let format = self.format.ok_or(WavError::Malformed { what: "`data` comes before `fmt `" })?;
                self.done = Some(format.into_wav(self.seen, self.data_bytes(size)));
                Ok(State::ChunkHeader)
            }
            _ if self.seen.saturating_add(padded) > LONGEST_HEADER_BYTES => {
                Err(WavError::Malformed { what: "no `data` within its first MiB" })
            }
            Some(b"fmt ") => {
                let (want, beyond) = part(padded, FORMAT_BYTES);
                Ok(State::Format { want, beyond })
            }
            Some(b"ds64") => {
                let (want, beyond) = part(padded, SIZES_BYTES);
                Ok(State::Sizes { want, beyond })
            }
            _ => {
                self.skip = padded;
                Ok(State::ChunkHeader)
            }
        }
    }

    fn data_bytes(&self, size: u32) -> Option<u64> {
        match self.long_data_bytes {
            Some(0 | u64::MAX) => None,
            Some(long) if size == u32::MAX => Some(long),
            _ if STREAMED_SIZES.contains(&size) => None,
            _ => Some(u64::from(size)),
        }
    }
}

impl Format {
    fn read(chunk: &[u8]) -> Result<Self, WavError> {
        const SHORT: WavError = WavError::Malformed { what: "`fmt ` is too short" };
        let outer_tag = u16_at(chunk, 0).ok_or(SHORT)?;
        let channels = u16_at(chunk, 2).ok_or(SHORT)?;
        let sample_rate_hz = u32_at(chunk, 4).ok_or(SHORT)?;
        let bits = u16_at(chunk, 14).ok_or(SHORT)?;
        let format_tag = if outer_tag == TAG_EXTENSIBLE && chunk.get(26..40) == Some(SUB_FORMAT_TAIL.as_slice()) {
            u16_at(chunk, 24).ok_or(SHORT)?
        } else {
            outer_tag
        };
        if !(1..=MOST_CHANNELS).contains(&channels) {
            return Err(WavError::Malformed { what: "its number of channels is 0 or absurd" });
        }
        if sample_rate_hz == 0 {
            return Err(WavError::Malformed { what: "its sample rate is 0" });
        }
        let codec = match (format_tag, bits) {
            (TAG_PCM, 8 | 16 | 24 | 32) => Codec::Pcm,
            (TAG_FLOAT, 32 | 64) => Codec::Float,
            (TAG_ALAW, 8) => Codec::ALaw,
            (TAG_MULAW, 8) => Codec::MuLaw,
            _ => return Err(WavError::Unsupported { format_tag, bits }),
        };
        Ok(Self { codec, channels, sample_rate_hz, bits })
    }

    const fn into_wav(self, data_offset: u64, data_bytes: Option<u64>) -> Wav {
        let Self { codec, channels, sample_rate_hz, bits } = self;
        Wav { codec, sample_rate_hz, channels, bits, data_offset, data_bytes }
    }
}

/// How much of a chunk is read, and how much is skipped after that.
fn part(padded: u64, most: usize) -> (usize, u64) {
    let want = usize::try_from(padded).unwrap_or(usize::MAX).min(most);
    (want, padded.saturating_sub(u64::try_from(want).unwrap_or(0)))
}

/// Whether what there is of the first four bytes is a magic we know.
fn could_be_wav(start: &[u8]) -> bool {
    let magic = start.get(..4).unwrap_or(start);
    [b"RIFF", b"RF64", b"BW64"].iter().any(|known| known.starts_with(magic))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
#[path = "wav_tests.rs"]
mod tests;
