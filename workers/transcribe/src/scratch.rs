//! The stored recording as a file of this machine, in a folder of its own that goes with it.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use callscribe::{
    blob::{Blob, BlobError},
    store::transcriptions::StoredAudioRow,
};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt, BufWriter};

/// What the folders are called, so that those of processes that were killed are known again.
const PREFIX: &str = "callscribe-recording-";
/// No transcription takes as long as this: what is older belongs to nobody.
const ABANDONED_AFTER: Duration = Duration::from_hours(24);
/// Bytes gathered before they are written.
const GATHERED_BYTES: usize = 256 * 1024;

/// Why the stored recording could not be read, or not be trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScratchError {
    /// S3 did not give it.
    #[error("the stored recording cannot be read")]
    Blob(#[from] BlobError),
    /// What S3 gave is not what was stored.
    #[error("the stored recording has changed: {what}")]
    Changed {
        /// How.
        what: String,
    },
    /// The folder for such files does not take it.
    #[error("`{}` does not take the recording: free some space, or set `TRANSCRIPTION_SCRATCH_DIR`", .folder.display())]
    Disk {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// A recording in a folder of its own; both are gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Where the recording lies.
    pub(crate) fn recording(&self) -> PathBuf {
        self.folder.path().join("recording")
    }

    /// Where its pieces may lie.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Copies the object here, and fails when it is not the one that was stored.
pub(crate) async fn fetch(blob: &Blob, row: &StoredAudioRow, root: &Path) -> Result<Scratch, ScratchError> {
    let disk = |source| ScratchError::Disk { folder: root.to_owned(), source };
    let reading = blob.get(&row.object_key, None).await?;
    if reading.length != row.size_bytes {
        return Err(ScratchError::Changed { what: format!("it has {} bytes, {} were stored", reading.length, row.size_bytes) });
    }
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root).map_err(disk)?;
    let scratch = Scratch { folder };
    let mut file = BufWriter::with_capacity(GATHERED_BYTES, tokio::fs::File::create(scratch.recording()).await.map_err(disk)?);
    let (mut bytes, mut hash, mut seen) = (reading.bytes, Sha256::new(), 0_u64);
    while let Some(piece) = bytes.next().await.transpose()? {
        seen = seen.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if seen > row.size_bytes {
            return Err(ScratchError::Changed { what: "it goes on after its end".to_owned() });
        }
        hash.update(&piece);
        file.write_all(&piece).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    if seen < row.size_bytes {
        return Err(ScratchError::Changed { what: format!("it ends {} bytes early", row.size_bytes - seen) });
    }
    if hex::encode(hash.finalize()) != row.sha256 {
        return Err(ScratchError::Changed { what: "its SHA-256 is another".to_owned() });
    }
    Ok(scratch)
}

/// Removes what killed processes left in `root`; returns how many folders went.
pub(crate) fn sweep(root: &Path, now: SystemTime) -> io::Result<usize> {
    let mut gone = 0;
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // somebody else may sweep at the same moment
        let Some(age) =
            entry.metadata().ok().filter(std::fs::Metadata::is_dir).and_then(|found| now.duration_since(found.modified().ok()?).ok())
        else {
            continue;
        };
        if is_ours && age > ABANDONED_AFTER && std::fs::remove_dir_all(entry.path()).is_ok() {
            gone += 1;
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_processes_left_is_removed_once_nobody_can_still_use_it() {
        let root = tempfile::tempdir().unwrap();
        for name in ["callscribe-recording-abc", "somebody-elses"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        std::fs::write(root.path().join("callscribe-recording-file"), "").unwrap();
        let made = std::fs::metadata(root.path().join("callscribe-recording-abc")).unwrap().modified().unwrap();
        assert_eq!(sweep(root.path(), made).unwrap(), 0);
        let later = made + ABANDONED_AFTER + Duration::from_secs(1);
        assert_eq!(sweep(root.path(), later).unwrap(), 1);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
        assert_eq!(sweep(root.path(), later).unwrap(), 0);
    }
}
