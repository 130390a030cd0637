//! Sound at another rate, block by block: as many samples as there should be, and none of the resampler's own delay.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

use crate::{SoundError, samples::rounded_f32};

/// Samples taken at once.
const BLOCK_SAMPLES: usize = 1024;
/// What goes wrong in it is our own fault.
const FAILED: SoundError = SoundError::Internal { what: "the resampling" };

/// A resampler of one channel.
pub(super) struct Resampled {
    resampler: Fft<f32>,
    held: Vec<f32>,
    out: Vec<f32>,
    linear: Vec<i16>,
    /// Samples of the resampler's delay, still to be dropped.
    delay: usize,
    /// Samples still to be written.
    left: u64,
    samples: u64,
}

impl Resampled {
    /// Makes `samples` samples of one rate as long at another.
    pub(super) fn new(from: u32, to: u32, samples: u64) -> Result<Self, SoundError> {
        let rate = |hz: u32| usize::try_from(hz).map_err(|_| FAILED);
        let resampler = Fft::new(rate(from)?, rate(to)?, BLOCK_SAMPLES, 1, FixedSync::Input).map_err(|_| FAILED)?;
        let delay = resampler.output_delay();
        let out = vec![0.0; resampler.output_frames_max()];
        let samples = (samples.saturating_mul(to.into()) + u64::from(from / 2)) / u64::from(from.max(1));
        Ok(Self { resampler, held: Vec::new(), out, linear: Vec::new(), delay, left: samples, samples })
    }

    /// Samples that come out of it, all in all.
    pub(super) const fn samples(&self) -> u64 {
        self.samples
    }

    pub(super) fn push(&mut self, samples: &[i16], mut write: impl FnMut(&[i16]) -> Result<(), SoundError>) -> Result<(), SoundError> {
        self.held.extend(samples.iter().map(|sample| f32::from(*sample) / 32_768.0));
        while self.held.len() >= self.resampler.input_frames_next() {
            self.step(&mut write)?;
        }
        Ok(())
    }

    /// Gives what is still inside.
    pub(super) fn finish(&mut self, mut write: impl FnMut(&[i16]) -> Result<(), SoundError>) -> Result<(), SoundError> {
        while self.left > 0 {
            self.held.resize(self.resampler.input_frames_next().max(1), 0.0);
            self.step(&mut write)?;
        }
        Ok(())
    }

    fn step(&mut self, write: &mut impl FnMut(&[i16]) -> Result<(), SoundError>) -> Result<(), SoundError> {
        let (wanted, room) = (self.resampler.input_frames_next(), self.out.len());
        let input = InterleavedSlice::new(self.held.get(..wanted).unwrap_or_default(), 1, wanted).map_err(|_| FAILED)?;
        let mut output = InterleavedSlice::new_mut(&mut self.out, 1, room).map_err(|_| FAILED)?;
        let (taken, made) = self.resampler.process_into_buffer(&input, &mut output, None).map_err(|_| FAILED)?;
        self.held.drain(..taken.min(self.held.len()));
        let dropped = self.delay.min(made);
        self.delay -= dropped;
        let now = (made - dropped).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= u64::try_from(now).unwrap_or(self.left);
        self.linear.clear();
        self.linear.extend(self.out.iter().skip(dropped).take(now).copied().map(rounded_f32));
        write(&self.linear)
    }
}
