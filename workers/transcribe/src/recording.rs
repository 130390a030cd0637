//! The recording of one transcription: brought here and listened to when somebody first needs it.

use std::{path::Path, time::Duration};

use callscribe::{
    audio::{Listener, WavError},
    blob::Blob,
    store::transcriptions::StoredAudioRow,
};
use futures_util::StreamExt;
use tokio::sync::OnceCell;

use crate::{
    scratch::ScratchError,
    sound::{Sound, SoundFailed},
};

/// A stored recording.
pub(crate) struct Recording<'h> {
    pub(crate) blob: &'h Blob,
    pub(crate) row: &'h StoredAudioRow,
    scratch_root: &'h Path,
    sound: OnceCell<Sound>,
}

impl<'h> Recording<'h> {
    pub(crate) fn new(blob: &'h Blob, row: &'h StoredAudioRow, scratch_root: &'h Path) -> Self {
        Self { blob, row, scratch_root, sound: OnceCell::new() }
    }

    /// What is in it.
    pub(crate) async fn sound(&self) -> Result<&Sound, SoundFailed> {
        self.sound.get_or_try_init(|| Sound::of(self.blob, self.row, self.scratch_root)).await
    }

    /// Its playing time if nobody speaks in it. Reads no more than a second or two of a WAV in which somebody does, and nothing of
    /// other files: whoever waits hours for the vendor looks many times.
    pub(crate) async fn silence_at_first_look(&self) -> Result<Option<Duration>, SoundFailed> {
        let mut listener = Listener::new();
        let reading = self.blob.get(&self.row.object_key, None).await.map_err(ScratchError::Blob)?;
        let mut bytes = reading.bytes;
        while let Some(piece) = bytes.next().await {
            match listener.push(&piece.map_err(ScratchError::Blob)?) {
                Ok(()) if listener.has_heard_sound() => return Ok(None),
                Ok(()) => {}
                // the vendor may have heard what we cannot listen to
                Err(WavError::NotWav { .. } | WavError::Unsupported { .. }) => return Ok(None),
                Err(_) => break,
            }
        }
        let Ok(heard) = listener.finish() else { return Ok(None) };
        // quiet from end to end is not empty: a bad line is worth a try
        Ok(heard.speech.is_silence().then(|| heard.wav.duration_of(heard.audio_bytes)))
    }
}
