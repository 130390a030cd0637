//! Whether the bytes that pass are a recording, and what they say about themselves.

use std::time::Duration;

use callscribe::{
    audio::{Format, Opening, RECOGNISED_WITHIN_BYTES, Recognised, Wav, WavError, WavReader, recognise},
    domain::RecordingOffer,
};

/// The header was written before anyone knew the length: the bytes received decide.
const STREAMED_HEADER: &str = "streamed_header";
/// The file plays for another time than the vendor says it was recorded: pauses and transfers do that.
const DURATION_DIFFERS: &str = "duration_differs";
/// A WAV in a codec that we do not read; the transcriber may.
const UNKNOWN_CODEC: &str = "unknown_codec";
/// Differences up to this, or a twentieth, are rounding.
const SAME_DURATION: Duration = Duration::from_secs(2);

/// Bytes after which it is certain whether a file is a WAV.
const WAV_MAGIC_BYTES: usize = 12;

/// Reads the header as it passes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    kind: Kind,
    seen_bytes: u64,
}

/// What the bytes have told so far.
#[derive(Debug, Clone)]
enum Kind {
    /// Too few.
    Unknown(Vec<u8>),
    /// A WAV, whose header is read to its end.
    Wav(WavReader),
    /// A WAV whose header has passed.
    PlainWav(Wav),
    /// A WAV in a codec that our own reader does not read.
    OtherWav,
    /// Another format.
    Other(Opening),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Unknown(Vec::new())
    }
}

/// What the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) format: Format,
    pub(crate) codec: Option<&'static str>,
    pub(crate) sample_rate_hz: Option<u32>,
    pub(crate) channels: Option<u16>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) flags: Vec<&'static str>,
}

impl Content {
    /// Looks at the next bytes, and tells what they are as soon as that is known. What is no recording is found out within its
    /// first few thousand.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Result<Option<Format>, WavError> {
        self.seen_bytes = self.seen_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        match &mut self.kind {
            Kind::PlainWav(_) | Kind::OtherWav | Kind::Other(_) => {}
            Kind::Wav(reader) => {
                if let Some(kind) = read_on(reader, bytes)? {
                    self.kind = kind;
                }
            }
            Kind::Unknown(start) => {
                start.extend_from_slice(bytes);
                let is_wav = start.len() >= WAV_MAGIC_BYTES && recognise(start) == Recognised::Sound(Format::Wav);
                if is_wav || start.len() >= RECOGNISED_WITHIN_BYTES {
                    self.kind = decide(&std::mem::take(start))?;
                }
            }
        }
        Ok(self.kind.format())
    }

    /// What the file was, now that it has ended.
    pub(crate) fn describe(self, offer: &RecordingOffer) -> Result<Described, WavError> {
        let kind = match self.kind {
            Kind::Unknown(start) if start.is_empty() => return Err(WavError::Empty),
            Kind::Unknown(start) => decide(&start)?,
            known => known,
        };
        match kind {
            Kind::Wav(reader) => describe_wav(reader.finish()?, self.seen_bytes, offer),
            Kind::PlainWav(header) => describe_wav(header, self.seen_bytes, offer),
            Kind::Other(opening) => Ok(describe_other(&opening, offer)),
            Kind::OtherWav | Kind::Unknown(_) => {
                let flags = vec![UNKNOWN_CODEC];
                Ok(Described { format: Format::Wav, codec: None, sample_rate_hz: None, channels: None, duration_ms: None, flags })
            }
        }
    }
}

impl Kind {
    const fn format(&self) -> Option<Format> {
        match self {
            Self::Unknown(_) => None,
            Self::Wav(_) | Self::PlainWav(_) | Self::OtherWav => Some(Format::Wav),
            Self::Other(opening) => Some(opening.format),
        }
    }
}

/// What a file is that begins so: all of it, or enough.
fn decide(start: &[u8]) -> Result<Kind, WavError> {
    match recognise(start) {
        Recognised::Sound(Format::Wav) => {
            let mut reader = WavReader::new();
            Ok(read_on(&mut reader, start)?.unwrap_or(Kind::Wav(reader)))
        }
        Recognised::Sound(format) => Ok(Kind::Other(Opening::of(format, start))),
        // a WAV cut off within its first bytes is told as such
        Recognised::NotSound(_) if start.len() < WAV_MAGIC_BYTES => Err(named_by_reader(start)),
        Recognised::Foreign(found) | Recognised::NotSound(found) => Err(WavError::NotWav { found }),
    }
}

fn named_by_reader(start: &[u8]) -> WavError {
    let mut reader = WavReader::new();
    reader.push(start).err().or_else(|| reader.finish().err()).unwrap_or(WavError::Empty)
}

/// Reads on in a WAV's header; `Some` when something is certain.
fn read_on(reader: &mut WavReader, bytes: &[u8]) -> Result<Option<Kind>, WavError> {
    match reader.push(bytes) {
        Ok(header) => Ok(header.map(Kind::PlainWav)),
        // kept all the same: the vendor may delete it, and someone may read it
        Err(WavError::Unsupported { .. }) => Ok(Some(Kind::OtherWav)),
        Err(error) => Err(error),
    }
}

fn describe_wav(header: Wav, seen_bytes: u64, offer: &RecordingOffer) -> Result<Described, WavError> {
    let duration = header.duration_of(header.audio_bytes_in(seen_bytes)?);
    let mut flags = Vec::new();
    if header.data_bytes.is_none() {
        flags.push(STREAMED_HEADER);
    }
    if plays_otherwise(offer, duration) {
        flags.push(DURATION_DIFFERS);
    }
    Ok(Described {
        format: Format::Wav,
        codec: Some(header.codec.as_str()),
        sample_rate_hz: Some(header.sample_rate_hz),
        channels: Some(header.channels),
        duration_ms: u64::try_from(duration.as_millis()).ok(),
        flags,
    })
}

/// Its length is known to few of these before they are decoded; the transcription does that.
fn describe_other(opening: &Opening, offer: &RecordingOffer) -> Described {
    let differs = opening.duration.is_some_and(|duration| plays_otherwise(offer, duration));
    Described {
        format: opening.format,
        codec: opening.format.codec(),
        sample_rate_hz: opening.sample_rate_hz,
        channels: opening.channels,
        duration_ms: opening.duration.and_then(|duration| u64::try_from(duration.as_millis()).ok()),
        flags: if differs { vec![DURATION_DIFFERS] } else { Vec::new() },
    }
}

fn plays_otherwise(offer: &RecordingOffer, duration: Duration) -> bool {
    recorded_for(offer).is_some_and(|recorded| differs(recorded, duration))
}

fn recorded_for(offer: &RecordingOffer) -> Option<Duration> {
    let (start, stop) = offer.started_at.zip(offer.stopped_at)?;
    (stop - start).to_std().ok()
}

fn differs(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) > SAME_DURATION.max(one / 20)
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
