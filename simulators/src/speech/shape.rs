//! The forms of file that telephone systems write, and their headers.
#![expect(clippy::as_conversions, reason = "header fields are narrower than the arithmetic, which stays inside them up to 4 GB")]

use bytes::BufMut;

/// How a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// 16-bit linear, format tag 1.
    Pcm16,
    /// G.711 µ-law, format tag 7.
    ULaw,
    /// G.711 A-law, format tag 6.
    ALaw,
}

/// Where the two voices are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Agent left, customer right.
    Stereo,
    /// Customer left, agent right.
    Swapped,
    /// Both voices on the one channel.
    Mono,
    /// Both voices on both of two channels.
    DualMono,
}

/// Samples a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// 8,000, as on the telephone.
    Hz8000,
    /// 16,000: every other sample lies half-way between its neighbours.
    Hz16000,
}

/// What the header says about the length of the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataSize {
    /// The truth.
    True,
    /// 0, as a writer leaves it that never came back to fill it in.
    Zero,
    /// 0xFFFFFFFF, as a streaming writer says "unknown".
    Max,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How a sample is written.
    pub encoding: Encoding,
    /// Where the two voices are.
    pub layout: Layout,
    /// Samples a second.
    pub rate: Rate,
    /// Whether the header is a `WAVE_FORMAT_EXTENSIBLE`, format tag 0xFFFE.
    pub extensible: bool,
    /// What the header says about the length.
    pub data_size: DataSize,
}

impl Shape {
    /// Two channels of µ-law at 8 kHz with a plain, true header.
    pub const ULAW: Self =
        Self { encoding: Encoding::ULaw, layout: Layout::Stereo, rate: Rate::Hz8000, extensible: false, data_size: DataSize::True };
    /// Two channels of 16-bit PCM at 8 kHz with a plain, true header.
    pub const PCM: Self = Self { encoding: Encoding::Pcm16, ..Self::ULAW };
    /// Two channels of A-law at 8 kHz with a plain, true header.
    pub const ALAW: Self = Self { encoding: Encoding::ALaw, ..Self::ULAW };

    /// What the vendor calls the first and the second channel.
    pub(crate) fn channel_names(self) -> (&'static str, &'static str) {
        if self.layout == Layout::Swapped { ("Caller", "Agent") } else { ("Agent", "Caller") }
    }

    fn channels(self) -> u64 {
        if self.layout == Layout::Mono { 1 } else { 2 }
    }

    fn sample_bytes(self) -> u64 {
        if self.encoding == Encoding::Pcm16 { 2 } else { 1 }
    }

    pub(super) fn frame_bytes(self) -> u64 {
        self.channels() * self.sample_bytes()
    }

    /// Frames for one sample of the script.
    pub(super) fn factor(self) -> u64 {
        if self.rate == Rate::Hz16000 { 2 } else { 1 }
    }

    pub(super) fn header(self, data_bytes: u64) -> Vec<u8> {
        let tag: u16 = match self.encoding {
            Encoding::Pcm16 => 1,
            Encoding::ALaw => 6,
            Encoding::ULaw => 7,
        };
        let rate = 8_000 * self.factor() as u32;
        let (channels, frame, bits) = (self.channels() as u16, self.frame_bytes() as u16, 8 * self.sample_bytes() as u16);
        let mut fmt = Vec::new();
        fmt.put_u16_le(if self.extensible { 0xFFFE } else { tag });
        fmt.put_u16_le(channels);
        fmt.put_u32_le(rate);
        fmt.put_u32_le(rate * u32::from(frame));
        fmt.put_u16_le(frame);
        fmt.put_u16_le(bits);
        if self.extensible {
            fmt.put_u16_le(22);
            fmt.put_u16_le(bits);
            fmt.put_u32_le(if channels == 1 { 4 } else { 3 });
            fmt.put_u16_le(tag);
            fmt.put_slice(b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71");
        } else if tag != 1 {
            fmt.put_u16_le(0);
        }
        let told = |true_size: u64| match self.data_size {
            DataSize::True => true_size as u32,
            DataSize::Zero => 0,
            DataSize::Max => u32::MAX,
        };
        let mut header = Vec::with_capacity(80);
        header.put_slice(b"RIFF");
        header.put_u32_le(told(4 + 8 + fmt.len() as u64 + 8 + data_bytes));
        header.put_slice(b"WAVEfmt ");
        header.put_u32_le(fmt.len() as u32);
        header.put_slice(&fmt);
        header.put_slice(b"data");
        header.put_u32_le(told(data_bytes));
        header
    }
}
