//! Ogg Opus as RFC 7845 has it: a head that says how much to skip, times that say how much to play.

use std::path::Path;

use ogg::{PacketWriteEndInfo, PacketWriter};
use opus_rs::{Application, OpusEncoder};

use super::{CutPiece, Hashed, told};
use crate::SoundError;

/// What it aims at: no loss that an engine notices, a twelfth of 16-bit samples at 16 kHz.
const BITS_PER_SECOND: i32 = 24_000;
/// Half way: the upper half of the scale takes twice the time for nothing that can be heard of a telephone.
const COMPLEXITY: i32 = 5;
/// The clock of all times in Ogg Opus.
const CLOCK_HZ: u32 = 48_000;
/// Samples at that clock by which the encoder is late: 6.5 ms, held to by a test.
const PRE_SKIP: u16 = 312;
/// Frames per second: 20 ms is what it does best.
const FRAMES_PER_SECOND: u32 = 50;
/// Packets per page: a second.
const PACKETS_PER_PAGE: u64 = 50;
/// Any number; always the same, so that the same piece has the same bytes.
const SERIAL: u32 = 1;
/// No packet of 20 ms is larger.
const MOST_PACKET_BYTES: usize = 1275;

/// A file of Ogg Opus.
pub(super) struct OpusSink {
    encoder: Box<OpusEncoder>,
    pages: PacketWriter<'static, Hashed>,
    rate: u32,
    frame: usize,
    held: Vec<i16>,
    /// The last packet, which must know that it is the last.
    packet: Option<Vec<u8>>,
    packets: u64,
}

impl OpusSink {
    pub(super) fn create(path: &Path, rate: u32) -> Result<Self, SoundError> {
        let failed = |_| SoundError::Internal { what: "the Opus encoder" };
        let mut encoder = OpusEncoder::new(i32::try_from(rate).unwrap_or(16_000), 1, Application::Voip).map_err(failed)?;
        (encoder.bitrate_bps, encoder.complexity) = (BITS_PER_SECOND, COMPLEXITY);
        let mut sink = Self {
            encoder: Box::new(encoder),
            pages: PacketWriter::new(Hashed::create(path)?),
            rate,
            frame: usize::try_from(rate / FRAMES_PER_SECOND).unwrap_or(160),
            held: Vec::new(),
            packet: None,
            packets: 0,
        };
        sink.page(head(rate), PacketWriteEndInfo::EndPage, 0)?;
        sink.page(tags(), PacketWriteEndInfo::EndPage, 0)?;
        Ok(sink)
    }

    pub(super) fn write(&mut self, samples: &[i16]) -> Result<(), SoundError> {
        self.held.extend_from_slice(samples);
        let whole = self.held.len() - self.held.len() % self.frame;
        let frames: Vec<i16> = self.held.drain(..whole).collect();
        frames.chunks_exact(self.frame).try_for_each(|frame| self.encode(frame))
    }

    /// Ends the file, which plays for `samples` at the encoder's rate.
    pub(super) fn finish(mut self, samples: u64) -> Result<CutPiece, SoundError> {
        let clock = u64::from(CLOCK_HZ / self.rate.max(1));
        let end = samples.saturating_mul(clock) + u64::from(PRE_SKIP);
        // what the encoder still holds must come out before the end
        while self.packets.saturating_mul(u64::from(CLOCK_HZ / FRAMES_PER_SECOND)) < end {
            let mut frame = std::mem::take(&mut self.held);
            frame.resize(self.frame, 0);
            self.encode(&frame)?;
        }
        if let Some(packet) = self.packet.take() {
            self.page(packet, PacketWriteEndInfo::EndStream, end)?;
        }
        told(self.pages.into_inner(), self.rate, samples)
    }

    fn encode(&mut self, frame: &[i16]) -> Result<(), SoundError> {
        let mut packet = vec![0; MOST_PACKET_BYTES];
        let encoded = self.encoder.encode_i16(frame, self.frame, &mut packet);
        let bytes = encoded.map_err(|_| SoundError::Internal { what: "the Opus encoder" })?;
        packet.truncate(bytes);
        if let Some(before) = self.packet.replace(packet) {
            let ends_page = self.packets.is_multiple_of(PACKETS_PER_PAGE);
            let info = if ends_page { PacketWriteEndInfo::EndPage } else { PacketWriteEndInfo::NormalPacket };
            self.page(before, info, self.packets.saturating_mul(u64::from(CLOCK_HZ / FRAMES_PER_SECOND)))?;
        }
        self.packets += 1;
        Ok(())
    }

    fn page(&mut self, packet: Vec<u8>, info: PacketWriteEndInfo, at: u64) -> Result<(), SoundError> {
        let written = self.pages.write_packet(packet, SERIAL, info, at);
        written.map_err(|error| self.pages.inner().failed(error))
    }
}

fn head(rate: u32) -> Vec<u8> {
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend(PRE_SKIP.to_le_bytes());
    head.extend(rate.to_le_bytes());
    head.extend([0, 0, 0]);
    head
}

fn tags() -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    tags.extend(10_u32.to_le_bytes());
    tags.extend(b"callscribe");
    tags.extend(0_u32.to_le_bytes());
    tags
}
