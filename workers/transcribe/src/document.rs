//! `call_transcripts.transcript_json`: what it holds, version by version. docs/TRANSCRIPT_JSON.md explains it to its readers.

use callscribe::{
    asr::{
        Segment, Transcription, Word,
        check::{Flag, Measures},
    },
    sources::{Speaker, Turn},
};
use serde::{Deserialize, Serialize};

/// The version written; readers refuse what they do not know.
pub const VERSION: u32 = 1;

/// A transcript with its times and how it was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscriptDocument {
    /// 1.
    pub version: u32,
    /// Who made it.
    pub provider: String,
    /// The provider's model, as asked for.
    pub model: String,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// ISO 639-1 code, or the provider's word.
    pub language: Option<String>,
    /// Playing time of the audio.
    pub audio_seconds: f64,
    /// Seconds the provider says it heard.
    pub heard_seconds: Option<f64>,
    /// Seconds the provider says it charges for.
    pub billed_seconds: Option<f64>,
    /// Stretches of speech, by time.
    pub segments: Vec<Segment>,
    /// Words, by time; empty when the provider tells none.
    pub words: Vec<Word>,
    /// Values of the answer that were out of order or range and were put right.
    pub repairs: u32,
    /// Who speaks on which channel of the recording; empty when nobody told.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub speakers: Vec<OnChannel>,
    /// Who said what, in order; only in a transcript whose turns have no times, which has no segments.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub turns: Vec<UntimedTurn>,
    /// Key of the vendor's own file, as it came, in the bucket.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vendor_file: Option<String>,
    /// How it was checked.
    pub checks: Checks,
}

/// A speaker, and the channel that holds the voice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnChannel {
    /// `agent`, `customer`, or the vendor's word.
    pub speaker: String,
    /// 0 is the first channel of the recording.
    pub channel: u8,
}

/// What one person says at a stretch, at a time nobody told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntimedTurn {
    /// `agent`, `customer`, or the vendor's word.
    pub speaker: String,
    /// What was said.
    pub text: String,
}

/// Speakers by the names that a vendor gives to the channels of a recording.
pub(crate) fn on_channels(names: &[Option<String>; 2]) -> Vec<OnChannel> {
    let named = names.iter().zip(0..).filter_map(|(name, channel)| Some((name.as_deref()?, channel)));
    named.map(|(name, channel)| OnChannel { speaker: Speaker::of_role(name).as_str().to_owned(), channel }).collect()
}

/// The turns of a transcript without times.
pub(crate) fn untimed(turns: &[Turn]) -> Vec<UntimedTurn> {
    turns.iter().map(|turn| UntimedTurn { speaker: turn.speaker.as_str().to_owned(), text: turn.text.clone() }).collect()
}

/// How a transcript was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// What is doubtful; empty when nothing is.
    pub flags: Vec<Flag>,
    /// What was measured.
    pub measures: Measures,
}

impl TranscriptDocument {
    /// The document of an answer that passed its checks.
    pub(crate) fn of(provider: &str, answer: &Transcription, audio_seconds: f64, checks: Checks) -> Self {
        Self {
            version: VERSION,
            provider: provider.to_owned(),
            model: answer.model.clone(),
            request_id: answer.request_id.clone(),
            language: answer.language.clone(),
            audio_seconds,
            heard_seconds: answer.duration,
            billed_seconds: answer.billed_seconds,
            segments: answer.segments.clone(),
            words: answer.words.clone(),
            repairs: answer.repairs,
            speakers: Vec::new(),
            turns: Vec::new(),
            vendor_file: None,
            checks,
        }
    }

    /// The document of a recording in which nothing is said.
    pub(crate) fn without_speech(provider: &str, model: &str, request_id: Option<String>, audio_seconds: f64, why: Flag) -> Self {
        Self {
            version: VERSION,
            provider: provider.to_owned(),
            model: model.to_owned(),
            request_id,
            language: None,
            audio_seconds,
            heard_seconds: None,
            billed_seconds: None,
            segments: Vec::new(),
            words: Vec::new(),
            repairs: 0,
            speakers: Vec::new(),
            turns: Vec::new(),
            vendor_file: None,
            checks: Checks { flags: vec![why], measures: Measures::default() },
        }
    }
}
