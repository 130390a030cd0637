//! Finds the words in one channel, at any offset and any loudness, with noise or without: a word is heard where the sound is like its clip.
//!
//! Every loud peak of the sound may be the loudest sample of any clip. A few samples rule out nearly all of them; what is left is a word
//! when the clip and the sound beside it correlate.
#![expect(
    clippy::as_conversions,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "places in a call, far below 2^52, clamped to what was heard"
)]

use super::catalogue::{Catalogue, Known};

/// The correlation of a clip with its sound: all else than the clip is 12 dB below it at least. Noise at -45 dBFS is 15 dB below the
/// quietest clip at half its level.
const LEAST_LIKENESS: f64 = 0.97;
/// The loudest sample of a clip is never below this: half of full level, as in a mix, less what noise takes away.
const FAINTEST_PEAK: u16 = 6_000;
/// Noise moves a peak by no more than so many samples.
const PEAK_MOVES: usize = 2;
/// A probe is as expected to within so many parts of a hundred of the loudest sample.
const PROBE_PERCENT: i32 = 15;
/// Samples that are listened to at once.
const BLOCK: usize = 1 << 16;

/// A word where it was heard, in samples at 8 kHz.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) word: &'static str,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Correlation with the clip.
    pub(super) likeness: f64,
    /// Energy of the sound that the clip explains.
    explained: f64,
}

impl Found {
    /// Whether two are words for one sound: they share half of the shorter.
    fn is_for_the_sound_of(&self, other: &Self) -> bool {
        let shared = self.end.min(other.end).saturating_sub(self.start.max(other.start));
        shared * 2 > (self.end - self.start).min(other.end - other.start)
    }
}

/// Listens to one channel at 8 kHz.
#[derive(Debug)]
pub(super) struct Ear {
    catalogue: &'static Catalogue,
    /// The last samples, as far as words are still looked for in them.
    held: Vec<i16>,
    /// Samples that came before those.
    before: u64,
    /// Samples of those held in which no peak is looked for any more.
    listened: usize,
    pub(super) found: Vec<Found>,
}

impl Ear {
    pub(super) fn new() -> Self {
        Self { catalogue: Catalogue::get(), held: Vec::new(), before: 0, listened: 0, found: Vec::new() }
    }

    pub(super) fn hear(&mut self, sample: i16) {
        self.held.push(sample);
        if self.held.len() >= BLOCK {
            self.listen(BLOCK - self.catalogue.longest);
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        self.listen(self.held.len());
        self.found.sort_by_key(|found| found.start);
    }

    /// Looks at the peaks up to a sample, and forgets what no later one needs.
    fn listen(&mut self, to: usize) {
        let mut tried = self.listened;
        for peak in self.listened..to {
            if self.is_peak(peak) {
                let first = tried.max(peak.saturating_sub(PEAK_MOVES));
                tried = peak + PEAK_MOVES + 1;
                (first..tried).for_each(|at| self.recognise(at));
            }
        }
        let forgotten = to.saturating_sub(self.catalogue.longest + PEAK_MOVES);
        self.held.drain(..forgotten);
        self.before += forgotten as u64;
        self.listened = to - forgotten;
    }

    fn is_peak(&self, at: usize) -> bool {
        let size = |at: usize| self.held.get(at).map_or(0, |sample| sample.unsigned_abs());
        let here = size(at);
        here >= FAINTEST_PEAK && here > size(at + 1) && at.checked_sub(1).is_none_or(|before| here >= size(before))
    }

    /// Looks for clips whose loudest sample is this one.
    fn recognise(&mut self, at: usize) {
        let Some(top) = self.held.get(at).copied().filter(|top| top.unsigned_abs() >= FAINTEST_PEAK) else { return };
        for known in &self.catalogue.known {
            let start = at as i64 - known.anchor as i64;
            if (known.top > 0) != (top > 0) || !self.may_be(known, start, top) {
                continue;
            }
            if let Some(found) = self.likened(known, start) {
                self.take(found);
            }
        }
    }

    fn sample(&self, at: i64) -> i16 {
        usize::try_from(at).ok().and_then(|at| self.held.get(at)).copied().unwrap_or(0)
    }

    fn may_be(&self, known: &Known, start: i64, top: i16) -> bool {
        let (top, known_top) = (i64::from(top), i64::from(known.top));
        let most = (known_top * top).abs() * i64::from(PROBE_PERCENT);
        known.probes.iter().all(|(place, probe)| {
            let off = i64::from(self.sample(start + *place as i64)) * known_top - i64::from(*probe) * top;
            off.abs() * 100 <= most
        })
    }

    /// The clip as a word, if the sound from `start` is like it. What lies before the first sample, or after the last, is silent.
    fn likened(&self, known: &Known, start: i64) -> Option<Found> {
        let sound = (start..).map(|at| self.sample(at)).zip(&known.samples);
        let (cross, energy) = sound.fold((0_i64, 0_i64), |(cross, energy), (heard, clip)| {
            (cross + i64::from(heard) * i64::from(*clip), energy + i64::from(heard) * i64::from(heard))
        });
        let (cross, energy) = (cross as f64, energy as f64);
        let likeness = cross / (energy * known.energy).sqrt().max(1.0);
        let place = |at: i64| (self.before as i64 + at).clamp(0, (self.before + self.held.len() as u64) as i64) as u64;
        (likeness >= LEAST_LIKENESS).then(|| Found {
            word: known.word,
            start: place(start),
            end: place(start + known.samples.len() as i64),
            likeness,
            explained: likeness * likeness * energy,
        })
    }

    /// Of two words for one sound the one stays that explains more of it.
    fn take(&mut self, found: Found) {
        /// More words are not said within the longest.
        const NEAR: usize = 8;
        let near = self.found.len().saturating_sub(NEAR);
        let rivals = self.found.iter().skip(near).filter(|other| other.is_for_the_sound_of(&found));
        if rivals.clone().any(|other| other.explained >= found.explained) {
            return;
        }
        let mut place = 0;
        self.found.retain(|other| {
            place += 1;
            place <= near || !other.is_for_the_sound_of(&found)
        });
        self.found.push(found);
    }
}
