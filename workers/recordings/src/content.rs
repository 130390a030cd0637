//! Whether the bytes that pass are a recording, and what they say about themselves.

use std::time::Duration;

use callscribe::{
    audio::{Wav, WavError, WavReader},
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

/// Reads the header as it passes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    reader: WavReader,
    header: Option<Wav>,
    unknown_codec: bool,
    seen_bytes: u64,
}

/// What the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) codec: Option<&'static str>,
    pub(crate) sample_rate_hz: Option<u32>,
    pub(crate) channels: Option<u16>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) flags: Vec<&'static str>,
}

impl Content {
    /// Looks at the next bytes. A file that is no WAV is found out within its first few hundred.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Result<(), WavError> {
        self.seen_bytes = self.seen_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.header.is_some() || self.unknown_codec {
            return Ok(());
        }
        match self.reader.push(bytes) {
            Ok(header) => self.header = header,
            // kept all the same: the vendor may delete it, and someone may read it
            Err(WavError::Unsupported { .. }) => self.unknown_codec = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What the file was, now that it has ended.
    pub(crate) fn describe(self, offer: &RecordingOffer) -> Result<Described, WavError> {
        if self.unknown_codec {
            let flags = vec![UNKNOWN_CODEC];
            return Ok(Described { codec: None, sample_rate_hz: None, channels: None, duration_ms: None, flags });
        }
        let header = match self.header {
            Some(header) => header,
            None => self.reader.finish()?,
        };
        let audio_bytes = header.audio_bytes_in(self.seen_bytes)?;
        let duration = header.duration_of(audio_bytes);
        let mut flags = Vec::new();
        if header.data_bytes.is_none() {
            flags.push(STREAMED_HEADER);
        }
        if recorded_for(offer).is_some_and(|recorded| differs(recorded, duration)) {
            flags.push(DURATION_DIFFERS);
        }
        Ok(Described {
            codec: Some(header.codec.as_str()),
            sample_rate_hz: Some(header.sample_rate_hz),
            channels: Some(header.channels),
            duration_ms: u64::try_from(duration.as_millis()).ok(),
            flags,
        })
    }
}

fn recorded_for(offer: &RecordingOffer) -> Option<Duration> {
    let (start, stop) = offer.started_at.zip(offer.stopped_at)?;
    (stop - start).to_std().ok()
}

fn differs(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) > SAME_DURATION.max(one / 20)
}
