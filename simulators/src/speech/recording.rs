//! A script as a WAV file of any of the shapes that telephone systems write, made piece by piece: never whole in memory.
#![expect(clippy::as_conversions, reason = "samples and sizes narrow by design; every cast is next to the bound it relies on")]

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::SAMPLES_PER_SECOND;
use super::g711::{ULAW, ULAW_SILENCE, to_alaw, to_ulaw};
use super::line::Line;
use super::script::{Said, Script, seconds};
use super::shape::{Encoding, Layout, Shape};
use super::vocabulary::{Speaker, Vocabulary};

/// A call's audio file.
#[derive(Debug, Clone)]
pub struct Recording {
    script: Arc<Script>,
    shape: Shape,
    header: Bytes,
    line: Option<Arc<Line>>,
}

impl Recording {
    /// The recording of a script in a shape.
    #[must_use]
    pub fn new(script: Arc<Script>, shape: Shape) -> Self {
        let data = script.samples() * shape.factor() * shape.frame_bytes();
        Self { script, shape, header: shape.header(data).into(), line: None }
    }

    /// The same over a line whose noise has this level, in decibels of full scale; telephone lines lie at -70 to -45. Calls with other
    /// seeds have other noise.
    #[must_use]
    pub fn over_noisy_line(self, dbfs: i8, seed: u64) -> Self {
        let line = Line::noisy(dbfs, seed, SAMPLES_PER_SECOND * self.shape.factor());
        Self { line: Some(Arc::new(line)), ..self }
    }

    /// The form of the file.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Length of the audio.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.script.seconds()
    }

    /// Size of the whole file.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.header.len() as u64 + self.script.samples() * self.shape.factor() * self.shape.frame_bytes()
    }

    /// Every word with its channel and times, in the order in which they are said.
    #[must_use]
    pub fn words(&self) -> Vec<Said> {
        let on_one_track = matches!(self.shape.layout, Layout::Mono | Layout::DualMono);
        let swapped = self.shape.layout == Layout::Swapped;
        let said = self.script.placed().iter().filter_map(|placed| {
            let clip = Vocabulary::get().voice(placed.speaker).clip(placed.clip)?;
            let right = (placed.speaker == Speaker::Customer) != swapped;
            let channel = u8::from(right && !on_one_track);
            Some(Said { word: clip.word.clone(), speaker: placed.speaker, channel, start: seconds(placed.start), end: seconds(placed.end) })
        });
        said.collect()
    }

    /// Lower-case hex SHA-256 of the whole file, read in pieces.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let mut at = 0;
        while at < self.size_bytes() {
            let piece = self.read(at, 1 << 20);
            at += piece.len() as u64;
            hash.update(&piece);
        }
        hex::encode(hash.finalize())
    }

    /// Up to `length` bytes from `offset`; fewer only at the end of the file.
    #[must_use]
    pub fn read(&self, offset: u64, length: usize) -> Bytes {
        let header = self.header.len() as u64;
        let end = (offset + length as u64).min(self.size_bytes());
        if offset >= end {
            return Bytes::new();
        }
        let mut piece = BytesMut::with_capacity((end - offset) as usize + 16);
        if offset < header {
            piece.put_slice(self.header.get(offset as usize..end.min(header) as usize).unwrap_or_default());
        }
        if end > header {
            let (from, to) = (offset.max(header) - header, end - header);
            let frame = self.shape.frame_bytes();
            let (first, last) = (from / frame, to.div_ceil(frame));
            let frames = self.frames(first, last);
            let (low, high) = ((from - first * frame) as usize, (to - first * frame) as usize);
            piece.put_slice(frames.get(low..high).unwrap_or_default());
        }
        piece.freeze()
    }

    /// The frames from `first` up to, but not including, `last`.
    fn frames(&self, first: u64, last: u64) -> Vec<u8> {
        let factor = self.shape.factor();
        let (from, to) = (first / factor, last.div_ceil(factor) + 1);
        let agent = self.lane(Speaker::Agent, from, to);
        let customer = self.lane(Speaker::Customer, from, to);
        let mut out = Vec::with_capacity(((last - first) * self.shape.frame_bytes()) as usize);
        let sample = |lane: &[u8], frame: u64| interpolated(lane, frame - from * factor, factor);
        for frame in first..last {
            let (a, c) = (sample(&agent, frame), sample(&customer, frame));
            // where nobody interrupts, one of the two is silent and the mix is exactly the other one
            let mix = a.saturating_add(c);
            let noisy = |channel: u64, value: i16| self.line.as_ref().map_or(value, |line| value.saturating_add(line.at(channel, frame)));
            match self.shape.layout {
                Layout::Stereo => [Some(noisy(0, a)), Some(noisy(1, c))],
                Layout::Swapped => [Some(noisy(0, c)), Some(noisy(1, a))],
                Layout::Mono => [Some(noisy(0, mix)), None],
                Layout::DualMono => [Some(noisy(0, mix)); 2],
            }
            .into_iter()
            .flatten()
            .for_each(|value| match self.shape.encoding {
                Encoding::Pcm16 => out.put_i16_le(value),
                Encoding::ULaw => out.put_u8(to_ulaw(value)),
                Encoding::ALaw => out.put_u8(to_alaw(value)),
            });
        }
        out
    }

    /// One voice alone, from sample `from` up to `to`, in µ-law.
    fn lane(&self, speaker: Speaker, from: u64, to: u64) -> Vec<u8> {
        let mut lane = vec![ULAW_SILENCE; (to - from) as usize];
        let placed = self.script.placed();
        // two who talk at once do not end in the order in which they began
        let begin = placed.partition_point(|word| word.start + Vocabulary::get().longest() <= from);
        let within = placed.iter().skip(begin).take_while(|word| word.start < to).filter(|word| word.end > from);
        for word in within.filter(|word| word.speaker == speaker) {
            let Some(clip) = Vocabulary::get().voice(speaker).clip(word.clip) else { continue };
            let (low, high) = (word.start.max(from), word.end.min(to));
            let source = clip.samples.get((low - word.start) as usize..(high - word.start) as usize);
            if let (Some(target), Some(source)) = (lane.get_mut((low - from) as usize..(high - from) as usize), source) {
                target.copy_from_slice(source);
            }
        }
        lane
    }
}

fn interpolated(lane: &[u8], position: u64, factor: u64) -> i16 {
    let at = |index: u64| lane.get(index as usize).map_or(0, |byte| ULAW.get(usize::from(*byte)).copied().unwrap_or(0));
    let here = at(position / factor);
    if position.is_multiple_of(factor) { here } else { ((i32::from(here) + i32::from(at(position / factor + 1))) / 2) as i16 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::speech::{Length, Rate};

    #[test]
    fn any_piece_is_a_piece_of_the_whole() {
        let script = Arc::new(Script::compose(3, 5, Length::Spoken(Duration::from_secs(3))));
        let odd = Shape { rate: Rate::Hz16000, extensible: true, ..Shape::PCM };
        for shape in [Shape::ULAW, Shape { layout: Layout::Mono, ..Shape::ALAW }, odd] {
            let recording = Recording::new(Arc::clone(&script), shape);
            let size = recording.size_bytes() as usize;
            let whole = recording.read(0, size + 10);
            assert_eq!(whole.len(), size);
            for (offset, length) in [(0, 20), (30, 100), (50, 1), (51, 4_097), (size - 3, 10)] {
                let end = (offset + length).min(size);
                assert_eq!(recording.read(offset as u64, length), whole.slice(offset..end), "{offset}+{length}");
            }
        }
    }

    #[test]
    fn an_hour_is_as_large_as_arithmetic_says() {
        let script = Arc::new(Script::compose(3, 5, Length::Spoken(Duration::from_hours(1))));
        assert_eq!(Recording::new(Arc::clone(&script), Shape::ULAW).size_bytes(), 46 + 57_600_000);
        assert_eq!(Recording::new(script, Shape::PCM).size_bytes(), 44 + 115_200_000);
    }

    #[test]
    fn what_was_recorded_once_is_recorded_so_for_ever() {
        let script = Arc::new(Script::compose(3, 5, Length::Spoken(Duration::from_secs(90))));
        let odd = Shape { layout: Layout::Mono, rate: Rate::Hz16000, ..Shape::PCM };
        let made = [Shape::ULAW, odd].map(|shape| Recording::new(Arc::clone(&script), shape).sha256()[..16].to_owned());
        assert_eq!(made, ["d3c40b6978de9a61", "1835f380592734fa"]);
    }
}
