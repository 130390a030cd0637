//! What a telephone line adds to what is said on it: hiss, and the hum of the mains; half of the power each.
#![expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "noise is far below the full scale of a sample")]

use std::f64::consts::{SQRT_2, TAU};

use crate::chance::Chance;

/// Of Europe's mains.
const HUM_HZ: u64 = 50;
/// Full scale of 16 bits.
const FULL_SCALE: f64 = 32_768.0;
/// Standard deviation of the sum of four numbers of 16 bits.
const SPREAD_OF_FOUR: f64 = 37_837.2;

/// The noise of a line: the same at every reading, different on every channel.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    seed: u64,
    /// One period.
    hum: Vec<i16>,
    /// What a hiss of the sum of four numbers is multiplied by.
    hiss: f64,
}

impl Line {
    /// A line whose noise has this level, in decibels of full scale.
    pub(crate) fn noisy(dbfs: i8, seed: u64, samples_per_second: u64) -> Self {
        let level = FULL_SCALE * 10_f64.powf(f64::from(dbfs) / 20.0) / SQRT_2;
        let period = u32::try_from(samples_per_second / HUM_HZ).unwrap_or(1).max(1);
        let hum = (0..period).map(|at| (level * SQRT_2 * (TAU * f64::from(at) / f64::from(period)).sin()).round() as i16).collect();
        Self { seed, hum, hiss: level / SPREAD_OF_FOUR }
    }

    /// The noise of one frame of one channel.
    pub(crate) fn at(&self, channel: u64, frame: u64) -> i16 {
        let bits = Chance::of(self.seed ^ channel.rotate_left(32), &[frame]).next();
        let sum: i32 = [bits, bits >> 16, bits >> 32, bits >> 48].into_iter().map(|part| i32::from(part as u16 as i16)).sum();
        let place = usize::try_from(frame).unwrap_or(0).checked_rem(self.hum.len()).unwrap_or(0);
        self.hum.get(place).copied().unwrap_or(0).saturating_add((f64::from(sum) * self.hiss).round() as i16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_loud_as_it_is_said_to_be_and_its_channels_differ() {
        for rate in [8_000, 16_000] {
            let line = Line::noisy(-50, 1, rate);
            let squares: f64 = (0..rate * 4).map(|frame| f64::from(line.at(0, frame)).powi(2)).sum();
            let level = 10.0 * (squares / (4.0 * f64::from(u32::try_from(rate).unwrap())) / FULL_SCALE.powi(2)).log10();
            assert!((level + 50.0).abs() < 0.3, "{level}");
            let hiss = |channel| (0..100).map(|frame| line.at(channel, frame)).collect::<Vec<_>>();
            assert_ne!(hiss(0), hiss(1));
            assert_eq!(hiss(1), hiss(1));
        }
    }
}
