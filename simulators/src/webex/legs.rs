//! What is recorded of a call beside the call itself: consultations, pieces, virtual agents.

use std::time::Duration;

use crate::speech::Length;

/// A recording beside the one of the whole call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The agent asks a colleague, for half of the call; never a piece.
    Consult,
    /// The first third of the call.
    FirstSegment,
    /// The rest of it.
    SecondSegment,
    /// A virtual agent with the customer.
    VaMain,
    /// A virtual agent, consulted.
    VaConsult,
}

impl Leg {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Consult, Self::FirstSegment, Self::SecondSegment, Self::VaMain, Self::VaConsult];

    pub(super) fn number(self) -> u64 {
        match self {
            Self::Consult => 0,
            Self::FirstSegment => 1,
            Self::SecondSegment => 2,
            Self::VaMain => 3,
            Self::VaConsult => 4,
        }
    }

    /// `attributes.callType`.
    #[must_use]
    pub fn call_type(self) -> &'static str {
        match self {
            Self::Consult => "consult",
            Self::FirstSegment | Self::SecondSegment => "main",
            Self::VaMain => "va-main",
            Self::VaConsult => "va-consult",
        }
    }

    /// Whether it is a piece of the call.
    #[must_use]
    pub fn is_segment(self) -> bool {
        matches!(self, Self::FirstSegment | Self::SecondSegment)
    }

    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::FirstSegment => "recording-1.wav",
            Self::SecondSegment => "recording-2.wav",
            // not unique: every call has a file of this name, too
            Self::Consult | Self::VaMain | Self::VaConsult => "combinedRecordings.wav",
        }
    }

    /// Where it begins and how long it is, in twelfths of the call.
    fn twelfths(self) -> (u32, u32) {
        match self {
            Self::Consult => (3, 6),
            Self::FirstSegment => (0, 4),
            Self::SecondSegment => (4, 8),
            Self::VaMain => (0, 3),
            Self::VaConsult => (3, 3),
        }
    }

    /// From the beginning of the call to its own.
    pub(super) fn begins_after(self, whole: Length) -> Duration {
        part(duration(whole), self.twelfths().0)
    }

    /// What is on it.
    pub(super) fn audio(self, whole: Length) -> Length {
        let (_, twelfths) = self.twelfths();
        match whole {
            Length::Spoken(duration) => Length::Spoken(part(duration, twelfths)),
            Length::Silent(duration) => Length::Silent(part(duration, twelfths)),
        }
    }
}

fn duration(length: Length) -> Duration {
    let (Length::Spoken(duration) | Length::Silent(duration)) = length;
    duration
}

fn part(whole: Duration, twelfths: u32) -> Duration {
    whole * twelfths / 12
}
