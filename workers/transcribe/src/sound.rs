//! What is in the recording, and its pieces cut out of it: work for a thread of its own.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use callscribe::{
    asr::Form,
    audio::{CutPiece, Examined, Interval, Limits, Piece, SoundError, cut, examine, mute},
    blob::Blob,
    store::transcriptions::StoredAudioRow,
};

use crate::scratch::{Scratch, ScratchError, fetch};

/// Why there is nothing to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoundFailed {
    /// It could not be brought here.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// It is a file that we cannot listen to.
    #[error("the stored recording cannot be listened to")]
    Unheard(#[from] SoundError),
    /// The thread ended without an answer.
    #[error("listening to the stored recording ended without a result")]
    Ended(#[from] tokio::task::JoinError),
}

/// A recording that was listened to.
#[derive(Debug)]
pub(crate) struct Sound {
    scratch: Arc<Scratch>,
    pub(crate) examined: Arc<Examined>,
}

impl Sound {
    /// Brings the recording here and listens to it.
    pub(crate) async fn of(blob: &Blob, row: &StoredAudioRow, root: &Path) -> Result<Self, SoundFailed> {
        let scratch = Arc::new(fetch(blob, row, root).await?);
        let here = Arc::clone(&scratch);
        let examined = tokio::task::spawn_blocking(move || examine(&here.recording(), &Limits::default())).await??;
        Ok(Self { scratch, examined: Arc::new(examined) })
    }

    /// Writes the pieces' files, in one pass.
    pub(crate) async fn cut(&self, pieces: Vec<Piece>, form: Form) -> Result<Vec<CutPiece>, SoundFailed> {
        let (scratch, examined) = (Arc::clone(&self.scratch), Arc::clone(&self.examined));
        let cut = move || cut(&scratch.recording(), &examined, &pieces, form, scratch.folder());
        Ok(tokio::task::spawn_blocking(cut).await??)
    }

    /// Writes a copy with silence in these stretches of each channel.
    pub(crate) async fn muted(&self, stretches: Vec<Vec<Interval>>) -> Result<CutPiece, SoundFailed> {
        let (scratch, examined) = (Arc::clone(&self.scratch), Arc::clone(&self.examined));
        let mute = move || mute(&scratch.recording(), &examined, &stretches, &scratch.folder().join("muted.wav"));
        Ok(tokio::task::spawn_blocking(mute).await??)
    }

    /// Where the recording lies on this machine, for as long as this does.
    pub(crate) fn file(&self) -> PathBuf {
        self.scratch.recording()
    }
}
