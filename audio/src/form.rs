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

/// No sound takes more of Opus than this, pages included: speech takes 2,400, loud noise 3,200; a test holds us to it.
const OPUS_BYTES_PER_SECOND: f64 = 3_500.0;
/// Rates that a WAV of ours has; what lies outside is resampled to the nearer end.
const WAV_RATES: (u32, u32) = (8_000, 48_000);
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

    /// The extension of its files, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Wav | Self::Wav16k => "wav",
            Self::Opus => "ogg",
        }
    }

    /// Its content type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Wav | Self::Wav16k => "audio/wav",
            Self::Opus => "audio/ogg",
        }
    }

    /// The rate at which a recording of another is written.
    #[must_use]
    pub fn rate_for(self, sample_rate_hz: u32) -> u32 {
        let (lowest, highest) = WAV_RATES;
        match self {
            Self::Wav => sample_rate_hz.clamp(lowest, highest),
            Self::Wav16k => 16_000,
            Self::Opus if sample_rate_hz == 12_000 => sample_rate_hz,
            Self::Opus if sample_rate_hz <= lowest => lowest,
            // speech has nothing above that
            Self::Opus => 16_000,
        }
    }

    /// The most bytes that a second takes, of a recording of this rate.
    pub(crate) fn bytes_per_second(self, sample_rate_hz: u32) -> f64 {
        match self {
            Self::Wav | Self::Wav16k => f64::from(self.rate_for(sample_rate_hz)) * SAMPLE_BYTES,
            Self::Opus => OPUS_BYTES_PER_SECOND,
        }
    }
}
