//! A second of sound, as a recording: mono, 16-bit PCM at 8 kHz, a quiet square wave.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use callscribe::asr::{Audio, AudioBytes, Speakers};
use futures_util::stream;

const SAMPLES_PER_SECOND: u32 = 8_000;
const BYTES_PER_SAMPLE: u16 = 2;
/// Samples of half a wave: 400 Hz.
const HALF_WAVE: u32 = 10;
const LEVEL: i16 = 1_000;

/// The sound, as a file.
pub(super) struct Tone(Vec<u8>);

impl Default for Tone {
    fn default() -> Self {
        let samples = (0..SAMPLES_PER_SECOND).map(|n| if (n / HALF_WAVE).is_multiple_of(2) { LEVEL } else { -LEVEL });
        let content: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
        let bytes = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let mut file = Vec::new();
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&bytes.saturating_add(36).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        file.extend_from_slice(&16_u32.to_le_bytes());
        // PCM, one channel
        file.extend_from_slice(&1_u16.to_le_bytes());
        file.extend_from_slice(&1_u16.to_le_bytes());
        file.extend_from_slice(&SAMPLES_PER_SECOND.to_le_bytes());
        file.extend_from_slice(&(SAMPLES_PER_SECOND * u32::from(BYTES_PER_SAMPLE)).to_le_bytes());
        file.extend_from_slice(&BYTES_PER_SAMPLE.to_le_bytes());
        file.extend_from_slice(&(BYTES_PER_SAMPLE * 8).to_le_bytes());
        file.extend_from_slice(b"data");
        file.extend_from_slice(&bytes.to_le_bytes());
        file.extend_from_slice(&content);
        Self(file)
    }
}

#[async_trait]
impl Audio for Tone {
    fn id(&self) -> &'static str {
        "callscribe-doctor"
    }

    fn speakers(&self) -> Speakers {
        Speakers::One
    }

    fn path(&self) -> Option<&Path> {
        None
    }

    fn file_name(&self) -> &'static str {
        "callscribe-doctor.wav"
    }

    fn size_bytes(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn open(&self) -> std::io::Result<AudioBytes> {
        let bytes = self.0.clone();
        Ok(Box::pin(stream::once(async move { Ok(bytes.into()) })))
    }
}
