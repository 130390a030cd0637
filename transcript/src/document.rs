//! The document of a transcript, version 2, as `transcript_json` holds it, and the reader of every version there has been.
//! schema/transcript-v2.schema.json says the same to programs, docs/TRANSCRIPT_JSON.md to people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{document1, measures::Measures};

/// The version that is written.
pub const VERSION: u32 = 2;

/// How a transcript was asked for, by name: an open list, since each provider has its own.
pub type Parameters = Map<String, Value>;

/// A transcript: who said what and when, who made it, from how much audio, and how it was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// 2.
    pub version: u32,
    /// The call, where the document is read apart from its row.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call: Option<CallOfDocument>,
    /// Who made it.
    pub provider: String,
    /// The provider's model, as asked for.
    pub model: String,
    /// How it was asked for.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub parameters: Parameters,
    /// The provider's ids of the requests, in the order of the audio.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub request_ids: Vec<String>,
    /// ISO 639-1 code of the language that most is said in, or the provider's word.
    pub language: Option<String>,
    /// Playing time of the stored recording.
    pub audio_seconds: f64,
    /// Seconds the provider says it heard.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heard_seconds: Option<f64>,
    /// Seconds the provider says it charges for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub billed_seconds: Option<f64>,
    /// Seconds of sound that were sent, all channels and pieces together.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sent_seconds: Option<f64>,
    /// Seconds of silence that were not sent, all channels together.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trimmed_seconds: Option<f64>,
    /// What it cost by the price list; absent when no price is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<Cost>,
    /// Who speaks on which channel; empty when nobody told.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub speakers: Vec<OnChannel>,
    /// Who said what, in the order in which they began.
    pub turns: Vec<Turn>,
    /// How the call went, by its turns and words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub measures: Option<Measures>,
    /// Values of the answers that were out of order or range and were put right.
    pub repairs: u32,
    /// Key of the vendor's own file, as it came, in the bucket.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vendor_file: Option<String>,
    /// What was taken out of it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub redactions: Vec<Redaction>,
    /// How it was checked.
    pub checks: Checks,
}

/// The call that a document is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOfDocument {
    /// The vendor's id of the call.
    pub session_id: String,
    /// The vendor.
    pub source: String,
    /// Leg of the call.
    pub leg: String,
    /// When the call began.
    pub started_at: DateTime<Utc>,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Decimal number as text, such as `0.0216`: no floating point touches money.
    pub amount: String,
    /// ISO 4217 code.
    pub currency: String,
}

/// A speaker, and the channel that holds the voice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnChannel {
    /// `agent`, `customer`, or the vendor's word.
    pub speaker: String,
    /// 0 is the first channel of the recording; absent when the recording has one channel for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<u8>,
}

/// What one person says at a stretch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// `agent`, `customer`, the vendor's or the provider's word; absent when nobody knows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speaker: Option<String>,
    /// Channel of the recording that it was heard on; 0 is the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<u8>,
    /// Seconds from the start of the audio; absent in a vendor's transcript without times.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start: Option<f64>,
    /// Seconds from the start of the audio; not before `start`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<f64>,
    /// What was said, with punctuation where the provider writes it.
    pub text: String,
    /// 0 to 1: mean over its words, if the provider said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confidence: Option<f64>,
    /// ISO 639-1 code, or the provider's word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<String>,
    /// How it sounds in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sentiment: Option<SentimentScore>,
    /// Its words by time; empty when the provider tells none.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub words: Vec<Word>,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// As the provider wrote it, trimmed.
    pub text: String,
    /// Seconds from the start of the audio.
    pub start: f64,
    /// Seconds from the start of the audio; not before `start`.
    pub end: f64,
    /// 0 to 1, if the provider said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confidence: Option<f64>,
    /// Who said it, in what providers answer; within a turn it is the turn's speaker and left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speaker: Option<String>,
}

/// How a turn sounds by its words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SentimentScore {
    /// -1, bad, to 1, good.
    pub score: f64,
    /// In a word.
    pub label: SentimentLabel,
}

/// Sentiment in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SentimentLabel {
    /// Bad.
    Negative,
    /// Neither.
    Neutral,
    /// Good.
    Positive,
}

/// A stretch whose words were taken out; it says nothing of what they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Redaction {
    /// What they were.
    pub kind: RedactionKind,
    /// Index of the turn in `turns`.
    pub turn: usize,
    /// Channel of the recording, if the turn has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<u8>,
    /// Seconds from the start of the audio; absent when the turn has no times.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start: Option<f64>,
    /// Seconds from the start of the audio.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<f64>,
}

/// What kind of thing was taken out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedactionKind {
    /// Number of a payment card.
    Card,
    /// Number that a state gives to a person.
    NationalId,
    /// Telephone number.
    Phone,
    /// E-mail address.
    Email,
    /// Matches a pattern of the policy, which has this name.
    #[serde(untagged)]
    Custom(String),
}

impl RedactionKind {
    /// The word that stands in brackets in place of what was taken out.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Card => "card",
            Self::NationalId => "national_id",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Custom(name) => name,
        }
    }
}

/// How a transcript was checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// What is doubtful; empty when nothing is. Also in the column `flags`.
    pub flags: Vec<String>,
    /// What the checks measured, by name.
    pub measures: Map<String, Value>,
}

/// Why a stored document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A newer program wrote it, or it is no transcript.
    #[error("the transcript is of version `{found}`; this program reads 1 and 2: use the one that wrote it")]
    UnknownVersion {
        /// What stands in its `version`.
        found: Value,
    },
    /// It says a version that it does not look like.
    #[error("the transcript says version {version} but does not look like it: transcribe the call again")]
    Shape {
        /// The version it says.
        version: u32,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads a document of any version there has been; what is older than `VERSION` is read as if it had been written today.
///
/// # Errors
/// When the version is not known or the document does not look like it.
pub fn read(json: &Value) -> Result<Document, ReadError> {
    match json.get("version").and_then(Value::as_u64) {
        Some(1) => document1::read(json).map_err(|source| ReadError::Shape { version: 1, source }),
        Some(2) => Document::deserialize(json).map_err(|source| ReadError::Shape { version: 2, source }),
        _ => Err(ReadError::UnknownVersion { found: json.get("version").cloned().unwrap_or(Value::Null) }),
    }
}

impl Document {
    /// A document in which nothing is said yet.
    #[must_use]
    pub fn new(provider: &str, model: &str, audio_seconds: f64) -> Self {
        Self {
            version: VERSION,
            call: None,
            provider: provider.to_owned(),
            model: model.to_owned(),
            parameters: Map::new(),
            request_ids: Vec::new(),
            language: None,
            audio_seconds,
            heard_seconds: None,
            billed_seconds: None,
            sent_seconds: None,
            trimmed_seconds: None,
            cost: None,
            speakers: Vec::new(),
            turns: Vec::new(),
            measures: None,
            repairs: 0,
            vendor_file: None,
            redactions: Vec::new(),
            checks: Checks::default(),
        }
    }

    /// All words, turn by turn.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        self.turns.iter().flat_map(|turn| &turn.words)
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
