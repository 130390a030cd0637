//! Every clip of the vocabulary as samples to be found: straight, as A-law makes them, and at half the level of a mix.
#![expect(clippy::as_conversions, reason = "a hash of samples: bits, not numbers")]

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::speech::Speaker;
use crate::speech::g711::{ALAW, ULAW, to_alaw};
use crate::speech::vocabulary::Vocabulary;

/// Samples at the end of a clip by which it is found: 50 ms.
pub(super) const WINDOW: usize = 400;
/// Multiplier of the rolling hash.
const BASE: u64 = 0x5851_F42D_4C95_7F2D;
/// `BASE` to the power of `WINDOW`.
const BASE_OUT: u64 = {
    let mut power = 1_u64;
    let mut round = 0;
    while round < WINDOW {
        power = power.wrapping_mul(BASE);
        round += 1;
    }
    power
};
const FILTER_BITS: u32 = 16;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::build);

#[derive(Debug)]
pub(super) struct Known {
    pub(super) word: &'static str,
    pub(super) samples: Vec<i16>,
}

#[derive(Debug)]
pub(super) struct Catalogue {
    known: Vec<Known>,
    by_hash: HashMap<u64, Vec<usize>>,
    filter: Vec<bool>,
    pub(super) longest: usize,
}

/// The hash of the window after one sample came in and one went out. A window of zeros has the hash 0.
pub(super) fn rolled(hash: u64, sample_in: i16, sample_out: i16) -> u64 {
    let (sample_in, sample_out) = (i64::from(sample_in) as u64, i64::from(sample_out) as u64);
    hash.wrapping_mul(BASE).wrapping_add(sample_in).wrapping_sub(sample_out.wrapping_mul(BASE_OUT))
}

fn place(hash: u64) -> usize {
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - FILTER_BITS)) as usize
}

impl Catalogue {
    pub(super) fn get() -> &'static Self {
        &CATALOGUE
    }

    fn build() -> Self {
        let mut catalogue = Self { known: Vec::new(), by_hash: HashMap::new(), filter: vec![false; 1 << FILTER_BITS], longest: 0 };
        for clip in [Speaker::Agent, Speaker::Customer].into_iter().flat_map(|speaker| &Vocabulary::get().voice(speaker).clips) {
            let straight: Vec<i16> = clip.samples.iter().map(|byte| table(&ULAW, *byte)).collect();
            let through_alaw = straight.iter().map(|sample| table(&ALAW, to_alaw(*sample))).collect();
            let halved = straight.iter().map(|sample| sample / 2).collect();
            for samples in [straight, through_alaw, halved] {
                catalogue.add(Known { word: &clip.word, samples });
            }
        }
        catalogue
    }

    fn add(&mut self, known: Known) {
        let tail = known.samples.len().saturating_sub(WINDOW);
        let hash = known.samples.iter().skip(tail).fold(0, |hash, sample| rolled(hash, *sample, 0));
        self.longest = self.longest.max(known.samples.len());
        self.by_hash.entry(hash).or_default().push(self.known.len());
        if let Some(bit) = self.filter.get_mut(place(hash)) {
            *bit = true;
        }
        self.known.push(known);
    }

    /// The clips whose last samples have this hash.
    pub(super) fn ending_with(&self, hash: u64) -> impl Iterator<Item = &Known> {
        let maybe = hash != 0 && self.filter.get(place(hash)).copied().unwrap_or(false);
        let found = if maybe { self.by_hash.get(&hash) } else { None };
        found.into_iter().flatten().filter_map(|number| self.known.get(*number))
    }
}

fn table(table: &[i16; 256], byte: u8) -> i16 {
    table.get(usize::from(byte)).copied().unwrap_or(0)
}
