//! How people talk: in turn as a rule, and as they do when a transcriber has a hard time.

use super::vocabulary::Speaker;

/// How the two of a call talk. The default: one after the other, with pauses below a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manner {
    /// Of a hundred turns, those that begin while the other side still talks.
    pub interrupting_percent: u8,
    /// Of a hundred turns, those before which nobody says anything for [`Manner::HOLD_SECONDS`].
    pub holding_percent: u8,
    /// The only one who is heard. The other one's turns pass in silence, and the channel is there all the same.
    pub alone: Option<Speaker>,
    /// Nobody stops between words or turns; whoever is alone does not wait for the other one's turns either.
    pub breathless: bool,
}

impl Manner {
    /// The shortest and the longest hold.
    pub const HOLD_SECONDS: (u64, u64) = (5, 60);
    /// In turn, and often at the same time.
    pub const INTERRUPTING: Self = Self { interrupting_percent: 40, holding_percent: 0, alone: None, breathless: false };
    /// In turn, with long silences.
    pub const HOLDING: Self = Self { interrupting_percent: 0, holding_percent: 8, alone: None, breathless: false };
    /// The agent alone, without a pause.
    pub const MONOLOGUE: Self = Self { interrupting_percent: 0, holding_percent: 0, alone: Some(Speaker::Agent), breathless: true };
}
