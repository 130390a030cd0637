//! Why a recording cannot be read, in words for people.

use crate::WavError;

/// What is wrong with a recording, or with the place that pieces of it go to.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// Something else than audio.
    #[error("it is {found}, not audio; play it in the vendor's portal")]
    NotAudio {
        /// What it looks like: `HTML`, `JSON`, `ZIP`, …
        found: &'static str,
    },
    /// Audio in a codec that we do not decode.
    #[error("its codec is {codec}, which is not supported; convert it to WAV, MP3, Ogg Opus, Ogg Vorbis, FLAC or AAC in M4A")]
    Unsupported {
        /// Its name, as people know it.
        codec: String,
    },
    /// It holds less than it promises.
    #[error("it ends after {got_seconds:.1} of {expected_seconds:.1} s; fetch it again")]
    Truncated {
        /// Seconds that there are.
        got_seconds: f64,
        /// Seconds that its container promises.
        expected_seconds: f64,
    },
    /// It ends before its sound can be read.
    #[error("it was cut off before its sound begins; fetch it again")]
    CutOff,
    /// No bytes, or no samples.
    #[error("it holds no audio")]
    Empty,
    /// Too much of it cannot be decoded.
    #[error("it is damaged at second {second:.1}: {what}")]
    Damaged {
        /// Where, from the start of the audio.
        second: f64,
        /// What the decoder says.
        what: String,
    },
    /// More channels than are allowed.
    #[error("it has {channels} channels, {most} are allowed")]
    TooManyChannels {
        /// What it has.
        channels: u32,
        /// What is allowed.
        most: u16,
    },
    /// Longer than is allowed.
    #[error("it is longer than the {most_hours:.1} hours that are allowed")]
    TooLong {
        /// What is allowed.
        most_hours: f64,
    },
    /// A sample rate that no telephone system has.
    #[error("its sample rate is {sample_rate_hz} Hz, which is not sound of a call")]
    AbsurdRate {
        /// What it says.
        sample_rate_hz: u32,
    },
    /// The file changed between the look at it and the cut.
    #[error("it is not the file that was examined: {what}; examine it again")]
    Changed {
        /// How.
        what: String,
    },
    /// The disk, not the recording.
    #[error("the file `{path}` cannot be read or written; look at the disk")]
    Io {
        /// Which file.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Our own fault.
    #[error("{what} failed within itself; keep the recording and report it")]
    Internal {
        /// Which part.
        what: &'static str,
    },
}

impl SoundError {
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}

impl From<WavError> for SoundError {
    fn from(error: WavError) -> Self {
        match error {
            WavError::NotWav { found } => Self::NotAudio { found },
            // the header's: that of the samples is told in seconds, by who knows the rate
            WavError::Truncated { .. } => Self::CutOff,
            WavError::Unsupported { format_tag, bits } => Self::Unsupported {
                codec: crate::kind::name_of_tag(format_tag)
                    .map_or_else(|| format!("{format_tag:#06x} in WAV with {bits} bits"), str::to_owned),
            },
            WavError::Malformed { what } => Self::Damaged { second: 0.0, what: format!("its WAV header is broken: {what}") },
            WavError::Empty => Self::Empty,
        }
    }
}
