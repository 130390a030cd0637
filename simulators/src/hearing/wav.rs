//! Reads a WAV file as it arrives: header first, then one frame after the other.

use crate::speech::g711::{ALAW, ULAW};

/// Longest header that is waited for: beyond it a file is no audio.
const HEADER_LIMIT: usize = 64 * 1024;

/// Why a file cannot be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unheard {
    /// It is no WAV.
    NotWav,
    /// It is a WAV of a kind that nobody decodes.
    Undecodable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Pcm16,
    ALaw,
    ULaw,
}

/// What the header said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    encoding: Encoding,
    pub(super) channels: usize,
    pub(super) rate: u32,
}

impl Format {
    fn sample_bytes(self) -> usize {
        if self.encoding == Encoding::Pcm16 { 2 } else { 1 }
    }

    fn sample(self, bytes: &[u8]) -> i16 {
        match (self.encoding, bytes) {
            (Encoding::Pcm16, [low, high]) => i16::from_le_bytes([*low, *high]),
            (Encoding::ULaw, [byte]) => ULAW.get(usize::from(*byte)).copied().unwrap_or(0),
            (Encoding::ALaw, [byte]) => ALAW.get(usize::from(*byte)).copied().unwrap_or(0),
            _ => 0,
        }
    }
}

/// A WAV file being read.
#[derive(Debug, Default)]
pub(super) struct Wav {
    pending: Vec<u8>,
    format: Option<Format>,
    /// Bytes of audio still to come, when the header knows.
    left: Option<usize>,
}

impl Wav {
    pub(super) fn format(&self) -> Option<Format> {
        self.format
    }

    /// Takes more bytes and gives every whole frame in them to `each`, sample by sample with its channel.
    pub(super) fn take(&mut self, bytes: &[u8], mut each: impl FnMut(Format, usize, i16)) -> Result<(), Unheard> {
        self.pending.extend_from_slice(bytes);
        let Some(format) = self.header()? else { return Ok(()) };
        let frame = format.channels * format.sample_bytes();
        let usable = self.left.map_or(self.pending.len(), |left| left.min(self.pending.len())) / frame * frame;
        for frame in self.pending.get(..usable).unwrap_or_default().chunks_exact(frame) {
            for (channel, sample) in frame.chunks_exact(format.sample_bytes()).enumerate() {
                each(format, channel, format.sample(sample));
            }
        }
        self.pending.drain(..usable);
        self.left = self.left.map(|left| left - usable);
        Ok(())
    }

    /// Reads the header once it is there.
    fn header(&mut self) -> Result<Option<Format>, Unheard> {
        if self.format.is_some() {
            return Ok(self.format);
        }
        let start = self.pending.get(..12);
        if start.is_some_and(|start| !start.starts_with(b"RIFF") || !start.ends_with(b"WAVE")) {
            return Err(Unheard::NotWav);
        }
        let (mut at, mut format) = (12, None);
        while let Some(head) = self.pending.get(at..at + 8) {
            let (name, size) = head.split_at(4);
            let size = size.try_into().map(u32::from_le_bytes).unwrap_or(0);
            let length = usize::try_from(size).unwrap_or(usize::MAX);
            if name == b"data" {
                self.left = (size != 0 && size != u32::MAX).then_some(length);
                self.pending.drain(..at + 8);
                self.format = Some(format.ok_or(Unheard::Undecodable)?);
                return Ok(self.format);
            }
            if length > HEADER_LIMIT {
                return Err(Unheard::Undecodable);
            }
            let Some(body) = self.pending.get(at + 8..at + 8 + length) else { return Ok(None) };
            if name == b"fmt " {
                format = Some(parsed(body).ok_or(Unheard::Undecodable)?);
            }
            at += 8 + length + length % 2;
        }
        if self.pending.len() > HEADER_LIMIT { Err(Unheard::Undecodable) } else { Ok(None) }
    }
}

fn parsed(body: &[u8]) -> Option<Format> {
    let short = |at: usize| Some(u16::from_le_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let tag = match short(0)? {
        0xFFFE => short(24)?,
        tag => tag,
    };
    let encoding = match (tag, short(14)?) {
        (1, 16) => Encoding::Pcm16,
        (6, 8) => Encoding::ALaw,
        (7, 8) => Encoding::ULaw,
        _ => return None,
    };
    let rate = u32::from_le_bytes(body.get(4..8)?.try_into().ok()?);
    let channels = usize::from(short(2)?);
    ((1..=2).contains(&channels) && matches!(rate, 8_000 | 16_000)).then_some(Format { encoding, channels, rate })
}
