//! The stored recording on its way from S3 to the provider: hashed and listened to as it passes, never held whole.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use callscribe::{
    asr::{Audio, AudioBytes, Speakers},
    audio::{Heard, Listener, Wav, WavError},
    blob::{Blob, BlobError},
    store::transcriptions::StoredAudioRow,
};
use futures_util::{
    StreamExt,
    stream::{BoxStream, try_unfold},
};
use sha2::{Digest, Sha256};

/// Why the stored recording could not be read, or not be trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AudioError {
    /// S3 did not give it.
    #[error("the stored recording cannot be read")]
    Blob(#[from] BlobError),
    /// What S3 gave is not what was stored.
    #[error("the stored recording has changed: {what}")]
    Changed {
        /// How.
        what: String,
    },
    /// It is a file that we cannot listen to.
    #[error("the stored recording cannot be listened to")]
    Wav(#[from] WavError),
}

/// What a first look at the recording found.
#[derive(Debug)]
pub(crate) enum FirstLook {
    /// There is something to hear.
    Sound {
        /// Playing time of the whole.
        duration: Duration,
    },
    /// It was heard to its end, and nobody speaks.
    Silence {
        /// Playing time of the whole.
        duration: Duration,
    },
}

/// Reads the recording until something is heard: a second or two of most calls, all of a silent one.
pub(crate) async fn first_look(blob: &Blob, row: &StoredAudioRow) -> Result<FirstLook, AudioError> {
    let mut listener = Listener::new();
    let mut bytes = open(blob, row).await?;
    while let Some(piece) = bytes.next().await {
        listener.push(&piece?)?;
        if let (true, Some(wav)) = (listener.has_heard_sound(), listener.wav()) {
            return Ok(FirstLook::Sound { duration: playing_time(wav, row)? });
        }
    }
    let heard = listener.finish()?;
    let duration = heard.wav.duration_of(heard.audio_bytes);
    // quiet from end to end is not empty: a bad line is worth a try
    Ok(if heard.speech.is_silence() { FirstLook::Silence { duration } } else { FirstLook::Sound { duration } })
}

/// Hears all of the recording, which is sent to nobody.
pub(crate) async fn hear(blob: &Blob, row: &StoredAudioRow) -> Result<Heard, AudioError> {
    let mut listener = Listener::new();
    let mut bytes = open(blob, row).await?;
    while let Some(piece) = bytes.next().await {
        listener.push(&piece?)?;
    }
    Ok(listener.finish()?)
}

fn playing_time(wav: Wav, row: &StoredAudioRow) -> Result<Duration, WavError> {
    wav.audio_bytes_in(row.size_bytes).map(|audio_bytes| wav.duration_of(audio_bytes))
}

/// Opens the object and fails at once when it has another size than was stored.
async fn open(blob: &Blob, row: &StoredAudioRow) -> Result<BoxStream<'static, Result<Bytes, BlobError>>, AudioError> {
    let reading = blob.get(&row.object_key, None).await?;
    if reading.length != row.size_bytes {
        return Err(AudioError::Changed { what: format!("it has {} bytes, {} were stored", reading.length, row.size_bytes) });
    }
    Ok(reading.bytes)
}

/// A stored recording, for a provider to take.
#[derive(Debug)]
pub(crate) struct StoredAudio {
    blob: Blob,
    row: StoredAudioRow,
    duration: Duration,
    /// What was heard the last time that all of it was sent.
    heard: Arc<Mutex<Option<Heard>>>,
}

impl StoredAudio {
    pub(crate) fn new(blob: Blob, row: StoredAudioRow, duration: Duration) -> Self {
        Self { blob, row, duration, heard: Arc::default() }
    }

    /// What was heard on the way, if all of it was sent since the last time somebody asked.
    pub(crate) fn take_heard(&self) -> Option<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The name a provider sees: nothing of the call, and the extension it looks at.
    pub(crate) const FILE_NAME: &'static str = "recording.wav";
}

#[async_trait]
impl Audio for StoredAudio {
    fn id(&self) -> &str {
        &self.row.sha256
    }

    fn speakers(&self) -> Speakers {
        Speakers::Several
    }

    fn path(&self) -> Option<&Path> {
        None
    }

    fn file_name(&self) -> &str {
        Self::FILE_NAME
    }

    fn size_bytes(&self) -> u64 {
        self.row.size_bytes
    }

    fn duration(&self) -> Duration {
        self.duration
    }

    async fn open(&self) -> io::Result<AudioBytes> {
        self.take_heard();
        let bytes = open(&self.blob, &self.row).await.map_err(io::Error::other)?;
        let tap = Tap {
            bytes,
            left: self.row.size_bytes,
            sha256: self.row.sha256.clone(),
            hash: Sha256::new(),
            listener: Listener::new(),
            heard: Arc::clone(&self.heard),
        };
        Ok(try_unfold(Some(tap), |tap| async move {
            let Some(tap) = tap else { return Ok(None) };
            tap.next().await.map_err(io::Error::other)
        })
        .boxed())
    }
}

/// The stream, and what is made of it as it passes.
struct Tap {
    bytes: BoxStream<'static, Result<Bytes, BlobError>>,
    left: u64,
    sha256: String,
    hash: Sha256,
    listener: Listener,
    heard: Arc<Mutex<Option<Heard>>>,
}

impl Tap {
    /// The next piece. The last one is only given away once the whole has proved to be what was stored, so that no provider ever
    /// gets a whole request around a wrong recording.
    async fn next(mut self) -> Result<Option<(Bytes, Option<Self>)>, AudioError> {
        let Some(piece) = self.bytes.next().await.transpose()? else {
            return Err(AudioError::Changed { what: format!("it ends {} bytes early", self.left) });
        };
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(length) else {
            return Err(AudioError::Changed { what: "it goes on after its end".to_owned() });
        };
        self.left = left;
        self.hash.update(&piece);
        self.listener.push(&piece)?;
        if left > 0 {
            return Ok(Some((piece, Some(self))));
        }
        let Self { sha256, hash, listener, heard, .. } = self;
        if hex::encode(hash.finalize()) != sha256 {
            return Err(AudioError::Changed { what: "its SHA-256 is another".to_owned() });
        }
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener.finish()?);
        Ok(Some((piece, None)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::stream;

    use super::*;

    const PIECES: usize = 50;

    /// A second of µ-law per piece, and a count of the pieces that were taken from it.
    fn source() -> (Vec<Bytes>, String) {
        let mut header = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1F\0\0\x40\x1F\0\0\x01\0\x08\0data\0\0\0\0".to_vec();
        header.resize(44, 0);
        let mut pieces = vec![Bytes::from(header)];
        pieces.resize(PIECES, Bytes::from(vec![0xFF; 8000]));
        let mut hash = Sha256::new();
        pieces.iter().for_each(|piece| hash.update(piece));
        (pieces, hex::encode(hash.finalize()))
    }

    fn tap(pieces: Vec<Bytes>, sha256: String) -> (Tap, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let left = pieces.iter().map(|piece| u64::try_from(piece.len()).unwrap()).sum();
        let bytes = stream::iter(pieces).map(Ok).inspect(move |_| _ = counted.fetch_add(1, Ordering::Relaxed)).boxed();
        (Tap { bytes, left, sha256, hash: Sha256::new(), listener: Listener::new(), heard: Arc::default() }, taken)
    }

    #[tokio::test]
    async fn nothing_is_read_ahead_of_the_provider_or_kept_behind_it() {
        let (pieces, sha256) = source();
        let (tap, taken) = tap(pieces, sha256);
        let (heard, mut next) = (Arc::clone(&tap.heard), Some(tap));
        for given in 1..=PIECES {
            assert!(heard.lock().unwrap().is_none(), "nothing is told before the end");
            let (_, rest) = next.unwrap().next().await.unwrap().unwrap();
            assert_eq!(taken.load(Ordering::Relaxed), given);
            next = rest;
        }
        assert!(next.is_none());
        assert!(heard.lock().unwrap().as_ref().unwrap().speech.is_silence());
    }

    #[tokio::test]
    async fn the_last_piece_of_a_wrong_recording_is_not_given_away() {
        let (pieces, _) = source();
        let (tap, _) = tap(pieces, "0".repeat(64));
        let mut next = Some(tap);
        for _ in 1..PIECES {
            next = next.unwrap().next().await.unwrap().unwrap().1;
        }
        let refused = next.unwrap().next().await.err().unwrap();
        assert!(refused.to_string().contains("SHA-256"), "{refused}");
    }
}
