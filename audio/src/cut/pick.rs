//! One channel out of several, or several mixed into one.

use crate::{Channel, ChannelSound, Examined};

/// Whose samples are taken.
pub(super) enum Pick {
    /// Those of one of so many channels.
    One { channel: usize, of: usize },
    /// The mean of some.
    Mean { channels: Vec<usize>, of: usize },
}

impl Pick {
    pub(super) fn new(examined: &Examined, channel: Channel) -> Self {
        let of = examined.channels.len().max(1);
        match channel {
            // either is the whole sound; added up, one that is upside down would cancel the other
            Channel::One(_) | Channel::Mixed if examined.same => Self::One { channel: loudest(&examined.channels), of },
            Channel::One(channel) => Self::One { channel, of },
            Channel::Mixed => {
                // a silent channel would only make the others softer
                let sounding = examined.channels.iter().enumerate().filter(|(_, channel)| !channel.is_silent);
                Self::Mean { channels: sounding.map(|(number, _)| number).collect(), of }
            }
        }
    }

    /// Puts samples `from..to` of a block into `out`.
    pub(super) fn take(&self, block: &[i16], from: usize, to: usize, out: &mut Vec<i16>) {
        out.clear();
        let within = |of: usize| block.get(from.saturating_mul(of)..to.saturating_mul(of)).unwrap_or_default();
        match self {
            Self::One { channel: 0, of: 1 } => out.extend_from_slice(within(1)),
            Self::One { channel, of } => out.extend(within(*of).iter().skip(*channel).step_by(*of)),
            Self::Mean { channels, of } => out.extend(within(*of).chunks_exact(*of).map(|samples| mean(samples, channels))),
        }
    }
}

fn mean(samples: &[i16], channels: &[usize]) -> i16 {
    let sum: i32 = channels.iter().filter_map(|channel| samples.get(*channel)).map(|sample| i32::from(*sample)).sum();
    let count = i32::try_from(channels.len()).unwrap_or(1).max(1);
    i16::try_from(sum / count).unwrap_or(0)
}

fn loudest(channels: &[ChannelSound]) -> usize {
    let mut loudest = 0;
    let mut peak = f64::NEG_INFINITY;
    for (number, channel) in channels.iter().enumerate() {
        if channel.peak_dbfs > peak {
            (loudest, peak) = (number, channel.peak_dbfs);
        }
    }
    loudest
}

/// The number of a sample that was rounded already.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded before; negative becomes 0")]
pub(crate) fn sample_at(rounded: f64) -> u64 {
    rounded.max(0.0) as u64
}
