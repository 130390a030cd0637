//! Files as they are written: hashed on the way, never read again.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{CutPiece, told};
use crate::SoundError;

/// Bytes of the header, the first eight not counted.
const HEADER_BYTES: u32 = 36;

/// A file, its size and its hash so far.
pub(super) struct Hashed {
    file: BufWriter<File>,
    path: PathBuf,
    hash: Sha256,
    bytes: u64,
}

impl Hashed {
    pub(super) fn create(path: &Path) -> Result<Self, SoundError> {
        let file = File::create(path).map_err(|error| SoundError::io(path, error))?;
        Ok(Self { file: BufWriter::with_capacity(64 * 1024, file), path: path.to_owned(), hash: Sha256::new(), bytes: 0 })
    }

    pub(super) fn failed(&self, error: std::io::Error) -> SoundError {
        SoundError::io(&self.path, error)
    }

    pub(super) fn finish(mut self) -> Result<(PathBuf, u64, String), SoundError> {
        self.file.flush().map_err(|error| SoundError::io(&self.path, error))?;
        Ok((self.path, self.bytes, hex::encode(self.hash.finalize())))
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes += u64::try_from(written).unwrap_or(0);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A 16-bit WAV whose length is known before its first sample.
pub(super) struct WavSink {
    file: Hashed,
    bytes: Vec<u8>,
}

impl WavSink {
    pub(super) fn create(path: &Path, rate: u32, channels: u16, samples: u64) -> Result<Self, SoundError> {
        let mut file = Hashed::create(path)?;
        let header = header(rate, channels, samples);
        file.write_all(&header).map_err(|error| SoundError::io(path, error))?;
        Ok(Self { file, bytes: Vec::new() })
    }

    /// Takes interleaved samples.
    pub(super) fn write(&mut self, samples: &[i16]) -> Result<(), SoundError> {
        self.bytes.clear();
        self.bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        self.file.write_all(&self.bytes).map_err(|error| self.file.failed(error))
    }

    pub(super) fn finish(self, rate: u32, samples: u64) -> Result<CutPiece, SoundError> {
        told(self.file, rate, samples)
    }
}

/// The plain header of 44 bytes. More than 4 GiB are written as a stream is, for which no size means "to the end".
fn header(rate: u32, channels: u16, samples: u64) -> Vec<u8> {
    let block = channels.saturating_mul(2);
    let data = u32::try_from(samples.saturating_mul(block.into())).unwrap_or(u32::MAX);
    let mut header = b"RIFF".to_vec();
    header.extend(data.saturating_add(HEADER_BYTES).to_le_bytes());
    header.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    header.extend(channels.to_le_bytes());
    header.extend(rate.to_le_bytes());
    header.extend(rate.saturating_mul(block.into()).to_le_bytes());
    header.extend(block.to_le_bytes());
    header.extend(16_u16.to_le_bytes());
    header.extend(b"data");
    header.extend(data.to_le_bytes());
    header
}
