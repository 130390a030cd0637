//! Pieces of a recording as providers take them: which there are, what their times mean, and their words joined again.

mod plan;
mod stitch;
mod timeline;

pub use plan::{Asked, Cutting, Trim, plan};
pub use stitch::{Joining, TimedWord, stitch, stitch_by};
pub use timeline::Timeline;

use crate::Interval;

/// What a piece is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// One channel; 0 is the first.
    One(usize),
    /// All channels, mixed down.
    Mixed,
}

/// A part of a recording that is sent by itself: its sound is that of its spans, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// What it is taken from.
    pub channel: Channel,
    /// Stretches of the recording, in order and apart from each other.
    pub spans: Vec<Interval>,
    /// So many seconds at its beginning are the end of the piece before it as well: there was no pause to cut at.
    pub overlap_seconds: f64,
    /// Seconds of silence that were left out of its part of the recording.
    pub trimmed_seconds: f64,
}

#[cfg(test)]
mod properties;
