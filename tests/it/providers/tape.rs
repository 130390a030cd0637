//! A piece of audio in memory.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use callscribe::asr::{Audio, AudioBytes, Speakers};
use callscribe_simulators::speech::Recording;

/// A piece of audio in memory.
pub(super) struct Tape {
    pub(super) id: String,
    pub(super) speakers: Speakers,
    pub(super) bytes: Bytes,
    pub(super) seconds: f64,
}

impl Tape {
    /// A whole recording.
    pub(super) fn of(recording: &Recording) -> Self {
        let bytes = recording.read(0, usize::MAX >> 1);
        // 16-bit, 8,000 samples a second
        let seconds = f64::from(u32::try_from(bytes.len()).unwrap()) / 16_000.0;
        Self { id: "tape-1".to_owned(), speakers: Speakers::One, bytes, seconds }
    }

    /// Any bytes, of a second.
    pub(super) fn of_bytes(bytes: &'static [u8]) -> Self {
        Self { id: "tape-2".to_owned(), speakers: Speakers::One, bytes: Bytes::from_static(bytes), seconds: 1.0 }
    }
}

#[async_trait]
impl Audio for Tape {
    fn id(&self) -> &str {
        &self.id
    }
    fn speakers(&self) -> Speakers {
        self.speakers
    }
    fn path(&self) -> Option<&Path> {
        None
    }
    fn file_name(&self) -> &str {
        "piece.wav"
    }
    fn size_bytes(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap()
    }
    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
    async fn open(&self) -> std::io::Result<AudioBytes> {
        let bytes = self.bytes.clone();
        Ok(Box::pin(futures_util::stream::iter([Ok(bytes)])))
    }
}
