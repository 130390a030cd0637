//! The forms in which pieces of a recording are written.

/// A form in which a provider takes audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// WAV, 16-bit linear, one channel, at the recording's own rate.
    Wav,
    /// WAV, 16-bit linear, one channel, 16,000 samples a second.
    Wav16k,
    /// Opus in Ogg, one channel, about 24 kbit/s.
    Opus,
}

/// Opus varies: at 24 kbit/s no minute of speech was seen to take more than a third above that, pages included.
const OPUS_BYTES_PER_SECOND: f64 = 4_000.0;
/// Bytes of a sample of one channel.
const SAMPLE_BYTES: f64 = 2.0;

impl Form {
    /// Its name in settings and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Wav16k => "wav16k",
            Self::Opus => "opus",
        }
    }

    /// The most bytes that a second takes, of a recording of this rate.
    pub(crate) fn bytes_per_second(self, sample_rate_hz: u32) -> f64 {
        match self {
            Self::Wav => f64::from(sample_rate_hz) * SAMPLE_BYTES,
            Self::Wav16k => 16_000.0 * SAMPLE_BYTES,
            Self::Opus => OPUS_BYTES_PER_SECOND,
        }
    }
}
