//! Listens to a WAV file while its bytes pass on their way to somebody else.

use super::{Speech, Wav, WavError, WavReader, speech::Detector};

/// What was heard of a whole file.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its header.
    pub wav: Wav,
    /// Bytes of samples it held.
    pub audio_bytes: u64,
    /// Where somebody spoke.
    pub speech: Speech,
}

/// Listens to a file, header and all, in pieces of any size; holds a byte per 20 ms and channel.
#[derive(Debug, Clone, Default)]
pub struct Listener {
    reader: WavReader,
    open: Option<(Wav, Detector)>,
    seen_bytes: u64,
}

impl Listener {
    /// A listener at the start of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), WavError> {
        let from = self.seen_bytes;
        self.seen_bytes = from.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.open.is_none() {
            self.open = self.reader.push(bytes)?.map(|wav| (wav, Detector::new(wav)));
        }
        if let Some((wav, detector)) = &mut self.open {
            let audio_end = wav.data_bytes.map_or(u64::MAX, |length| wav.data_offset.saturating_add(length));
            let within = |position: u64| usize::try_from(position.saturating_sub(from)).unwrap_or(usize::MAX).min(bytes.len());
            detector.push(bytes.get(within(wav.data_offset)..within(audio_end)).unwrap_or_default());
        }
        Ok(())
    }

    /// Whether something louder than the gate was heard for longer than a click: a silent file never says so.
    #[must_use]
    pub fn has_heard_sound(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, detector)| detector.has_heard_sound())
    }

    /// The header, once it has passed.
    #[must_use]
    pub fn wav(&self) -> Option<Wav> {
        self.open.as_ref().map(|(wav, _)| *wav)
    }

    /// What was heard, now that the file has ended.
    pub fn finish(self) -> Result<Heard, WavError> {
        let Some((wav, detector)) = self.open else { return Err(self.reader.finish().err().unwrap_or(WavError::Empty)) };
        let audio_bytes = wav.audio_bytes_in(self.seen_bytes)?;
        Ok(Heard { wav, audio_bytes, speech: detector.finish() })
    }
}
