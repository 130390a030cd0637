//! How a call went: who talked how long, who waited, who interrupted whom.

use serde::{Deserialize, Serialize};

/// Measures of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Seconds in which anybody speaks.
    pub talk_seconds: f64,
    /// Seconds in which nobody speaks.
    pub silence_seconds: f64,
    /// Seconds in which more than one speaks.
    pub overlap_seconds: f64,
    /// Turns that begin while another speaks who then stops within `GIVES_WAY_SECONDS`.
    pub interruptions: u32,
    /// Longest stretch in which nobody speaks.
    pub longest_hold_seconds: f64,
    /// Where that stretch begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub longest_hold_start: Option<f64>,
    /// Turns with text.
    pub turns: u32,
    /// Each speaker, in the order in which they first speak.
    pub sides: Vec<SideMeasures>,
}

/// How one speaker took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideMeasures {
    /// As in the turns; absent when nobody knows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speaker: Option<String>,
    /// Channel of the recording.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<u8>,
    /// Seconds this one speaks.
    pub talk_seconds: f64,
    /// Share of all talk, 0 to 1.
    pub talk_ratio: f64,
    /// Turns with text.
    pub turns: u32,
    /// Words said.
    pub words: u32,
    /// Words per minute of this one's talk; absent without talk.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub words_per_minute: Option<f64>,
    /// How often this one interrupts.
    pub interruptions: u32,
    /// Mean sentiment of the turns, weighted by words; absent when none was computed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sentiment: Option<f64>,
}
