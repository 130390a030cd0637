//! Every clip of the vocabulary as something to be found: its loudest sample, a few more by which most places are ruled out at once, and
//! all of it for those that are left.

use std::sync::LazyLock;

use crate::speech::Speaker;
use crate::speech::g711::ULAW;
use crate::speech::vocabulary::Vocabulary;

/// Stretches of a clip of which the loudest sample is looked at.
const PROBES: usize = 16;
/// A quieter probe tells nothing: of the loudest sample, so many parts of a hundred.
const LEAST_PROBE_PERCENT: i32 = 15;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::build);

/// One clip.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) word: &'static str,
    pub(super) samples: Vec<i16>,
    /// Where its loudest sample is.
    pub(super) anchor: usize,
    /// That sample.
    pub(super) top: i16,
    /// Where other loud samples are, and they.
    pub(super) probes: Vec<(usize, i16)>,
    /// Sum of the squares.
    pub(super) energy: f64,
}

/// All clips of both voices.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) known: Vec<Known>,
    /// Samples of the longest clip.
    pub(super) longest: usize,
}

impl Catalogue {
    pub(super) fn get() -> &'static Self {
        &CATALOGUE
    }

    fn build() -> Self {
        let clips = [Speaker::Agent, Speaker::Customer].into_iter().flat_map(|speaker| &Vocabulary::get().voice(speaker).clips);
        let straight = |byte: &u8| ULAW.get(usize::from(*byte)).copied().unwrap_or(0);
        let known: Vec<Known> = clips.map(|clip| Known::of(&clip.word, clip.samples.iter().map(straight).collect())).collect();
        let longest = known.iter().map(|known| known.samples.len()).max().unwrap_or(0);
        Self { known, longest }
    }
}

impl Known {
    fn of(word: &'static str, samples: Vec<i16>) -> Self {
        let loudest = |from: usize, to: usize| {
            let part = samples.iter().enumerate().take(to).skip(from);
            part.max_by_key(|(_, sample)| sample.unsigned_abs()).map_or((from, 0), |(at, sample)| (at, *sample))
        };
        let (anchor, top) = loudest(0, samples.len());
        let part = samples.len().div_ceil(PROBES);
        let mut probes: Vec<(usize, i16)> = (0..PROBES).map(|number| loudest(number * part, (number + 1) * part)).collect();
        probes.retain(|(at, sample)| *at != anchor && i32::from(*sample).abs() * 100 >= i32::from(top).abs() * LEAST_PROBE_PERCENT);
        probes.sort_by_key(|(_, sample)| std::cmp::Reverse(sample.unsigned_abs()));
        let energy = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        Self { word, samples, anchor, top, probes, energy }
    }
}
