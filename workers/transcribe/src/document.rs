//! What the worker writes into a transcript's document besides what was said. docs/TRANSCRIPT_JSON.md explains it to its readers.

use callscribe::{
    asr::check::{Flag, Measures},
    sources::Speaker,
    transcript::{Checks, Document, OnChannel},
};
use serde_json::Value;

/// Speakers by the names that a vendor gives to the channels of a recording.
pub(crate) fn on_channels(names: &[Option<String>; 2]) -> Vec<OnChannel> {
    let named = names.iter().zip(0..).filter_map(|(name, channel)| Some((name.as_deref()?, channel)));
    named.map(|(name, channel)| OnChannel { speaker: Speaker::of_role(name).as_str().to_owned(), channel: Some(channel) }).collect()
}

/// How a transcript was checked.
pub(crate) fn checks_of(flags: &[Flag], measures: &Measures) -> Checks {
    let measures = match serde_json::to_value(measures) {
        Ok(Value::Object(measures)) => measures,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    Checks { flags: flags.iter().map(|flag| flag.as_str().to_owned()).collect(), measures }
}

/// The document of a recording in which nobody speaks.
pub(crate) fn silent_document(provider: &str, model: &str, audio_seconds: f64) -> Document {
    Document { checks: checks_of(&[Flag::Silent], &Measures::default()), ..Document::new(provider, model, audio_seconds) }
}
