//! Finds the words in one channel, sample by sample, at any offset.

use super::catalogue::{Catalogue, Known, WINDOW, rolled};

/// A word where it was heard, in samples at 8 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) word: &'static str,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Listens to one channel at 8 kHz.
#[derive(Debug)]
pub(super) struct Ear {
    catalogue: &'static Catalogue,
    /// The last samples; its length is a power of two and holds the longest clip.
    ring: Vec<i16>,
    heard: u64,
    hash: u64,
    pub(super) found: Vec<Found>,
}

impl Ear {
    pub(super) fn new() -> Self {
        let catalogue = Catalogue::get();
        let ring = vec![0; (catalogue.longest + 1).max(WINDOW + 1).next_power_of_two()];
        Self { catalogue, ring, heard: 0, hash: 0, found: Vec::new() }
    }

    /// The sample heard `back` samples ago; 1 is the last one.
    #[expect(clippy::as_conversions, clippy::indexing_slicing, reason = "masked by the length of the ring, a power of two")]
    fn ago(&self, back: u64) -> i16 {
        self.ring[self.heard.wrapping_sub(back) as usize & (self.ring.len() - 1)]
    }

    #[expect(clippy::as_conversions, clippy::indexing_slicing, reason = "masked by the length of the ring, a power of two")]
    pub(super) fn hear(&mut self, sample: i16) {
        let out = self.ago(WINDOW as u64);
        let place = self.heard as usize & (self.ring.len() - 1);
        self.ring[place] = sample;
        self.heard += 1;
        self.hash = rolled(self.hash, sample, out);
        let best = self.catalogue.ending_with(self.hash).filter(|known| self.ends_with(known)).max_by_key(|known| known.samples.len());
        if let Some(known) = best {
            let start = self.heard - known.samples.len() as u64;
            // a longer word takes back the shorter ones that it contains
            while self.found.last().is_some_and(|before| before.start >= start) {
                self.found.pop();
            }
            self.found.push(Found { word: known.word, start, end: self.heard });
        }
    }

    fn ends_with(&self, known: &Known) -> bool {
        let length = u64::try_from(known.samples.len()).unwrap_or(u64::MAX);
        length <= self.heard && (1..=length).zip(known.samples.iter().rev()).all(|(back, sample)| self.ago(back) == *sample)
    }
}
