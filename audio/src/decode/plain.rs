//! WAV files of plain samples, read by ourselves: every sample comes through as the very value that it was written as.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{Decode, Spec, Step};
use crate::{Format, SoundError, Wav, WavError, WavReader, samples::linear};

/// Bytes read at once; every block size divides what is used of it.
const PIECE_BYTES: usize = 64 * 1024;

/// Why our own reader does not take a WAV.
pub(super) enum NotPlain {
    /// Its samples are compressed, or worse.
    Compressed(WavError),
    /// Nobody could read it.
    Broken(SoundError),
}

/// A WAV of plain samples.
pub(super) struct Plain {
    file: File,
    path: PathBuf,
    wav: Wav,
    left_bytes: u64,
    piece: Vec<u8>,
    promised: u64,
}

impl Plain {
    pub(super) fn open(path: &Path) -> Result<Self, NotPlain> {
        let io = |error| NotPlain::Broken(SoundError::io(path, error));
        let mut file = File::open(path).map_err(io)?;
        let file_bytes = file.metadata().map_err(io)?.len();
        let wav = header(&mut file, path)?;
        let audio_bytes = match wav.audio_bytes_in(file_bytes) {
            Ok(audio_bytes) => audio_bytes,
            Err(WavError::Truncated { .. }) => {
                let there = file_bytes.saturating_sub(wav.data_offset);
                let (got_seconds, expected_seconds) =
                    (wav.duration_of(there).as_secs_f64(), wav.duration_of(wav.data_bytes.unwrap_or(there)).as_secs_f64());
                return Err(NotPlain::Broken(SoundError::Truncated { got_seconds, expected_seconds }));
            }
            Err(error) => return Err(NotPlain::Broken(error.into())),
        };
        file.seek(SeekFrom::Start(wav.data_offset)).map_err(io)?;
        let left_bytes = audio_bytes - audio_bytes % wav.block_bytes().max(1);
        let promised = left_bytes / wav.block_bytes().max(1);
        Ok(Self { file, path: path.to_owned(), wav, left_bytes, piece: Vec::new(), promised })
    }
}

fn header(file: &mut File, path: &Path) -> Result<Wav, NotPlain> {
    let mut reader = WavReader::new();
    let mut piece = [0_u8; 4096];
    loop {
        let got = file.read(&mut piece).map_err(|error| NotPlain::Broken(SoundError::io(path, error)))?;
        if got == 0 {
            return reader.finish().map_err(NotPlain::Compressed);
        }
        match reader.push(piece.get(..got).unwrap_or_default()) {
            Ok(Some(wav)) => return Ok(wav),
            Ok(None) => {}
            Err(error) => return Err(NotPlain::Compressed(error)),
        }
    }
}

impl Decode for Plain {
    fn spec(&self) -> Spec {
        let Wav { codec, sample_rate_hz, channels, .. } = self.wav;
        Spec { format: Format::Wav, codec: codec.as_str(), sample_rate_hz, channels, promised: Some(self.promised) }
    }

    fn next(&mut self, out: &mut Vec<i16>) -> Result<Step, SoundError> {
        out.clear();
        let block = usize::try_from(self.wav.block_bytes()).unwrap_or(1).max(1);
        let whole_blocks = (PIECE_BYTES / block).max(1) * block;
        let wanted = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(whole_blocks);
        if wanted == 0 {
            return Ok(Step::End);
        }
        self.piece.resize(wanted, 0);
        self.file.read_exact(&mut self.piece).map_err(|error| SoundError::io(&self.path, error))?;
        self.left_bytes = self.left_bytes.saturating_sub(u64::try_from(wanted).unwrap_or(u64::MAX));
        linear(&self.wav, &self.piece, out);
        Ok(Step::Sound)
    }
}
