//! A piece of a recording as providers take it: a file in the scratch folder, and a name for what is asked.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use callscribe::{
    asr::{Audio, AudioBytes, Form, Manner, Speakers, Transcriber},
    audio::Piece,
    domain::TranscriptId,
};
use futures_util::stream::try_unfold;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

/// Bytes given to the provider at once.
const READ_BYTES: usize = 64 * 1024;
/// Letters of the hash: 128 bits, and no provider's limit on names is that short.
const ID_LETTERS: usize = 32;

/// What is asked, for one piece.
pub(crate) struct Question<'a> {
    pub(crate) transcript: TranscriptId,
    /// SHA-256 of the recording.
    pub(crate) sha256: &'a str,
    pub(crate) transcriber: &'a dyn Transcriber,
    pub(crate) form: Form,
    pub(crate) manner: Manner,
}

impl Question<'_> {
    /// The same for the same question, whoever asks it when: another sound, part, provider, model, language or manner makes another.
    pub(crate) fn id(&self, piece: &Piece) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        };
        add(&self.transcript.0.to_string());
        add(self.sha256);
        add(self.transcriber.name());
        add(self.transcriber.model());
        add(self.transcriber.language().unwrap_or_default());
        add(&format!("{:?} {:?} {:?}", self.form, self.manner, piece.channel));
        for span in &piece.spans {
            add(&format!("{:.3}-{:.3}", span.start, span.end));
        }
        let mut id = hex::encode(hash.finalize());
        id.truncate(ID_LETTERS);
        id
    }
}

/// A piece that was cut out.
#[derive(Debug, Clone)]
pub(crate) struct PieceAudio {
    pub(crate) id: String,
    pub(crate) form: Form,
    pub(crate) speakers: Speakers,
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) duration: Duration,
}

#[async_trait]
impl Audio for PieceAudio {
    fn id(&self) -> &str {
        &self.id
    }

    fn speakers(&self) -> Speakers {
        self.speakers
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    /// Nothing of the call, and the extension that servers look at.
    fn file_name(&self) -> &str {
        match self.form {
            Form::Wav | Form::Wav16k => "recording.wav",
            Form::Opus => "recording.ogg",
        }
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn duration(&self) -> Duration {
        self.duration
    }

    async fn open(&self) -> io::Result<AudioBytes> {
        let file = tokio::fs::File::open(&self.path).await?;
        Ok(Box::pin(try_unfold(file, |mut file| async move {
            let mut bytes = bytes::BytesMut::with_capacity(READ_BYTES);
            let read = file.read_buf(&mut bytes).await?;
            Ok((read > 0).then(|| (bytes.freeze(), file)))
        })))
    }
}
