//! The shapes that OpenAI and its copies answer with, read tolerantly: numbers as text, `null` for nothing, `text` for `word`.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An answer as it came. `None` in `text` and `segments` means that the field was not there at all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireAnswer {
    #[serde(deserialize_with = "present")]
    pub(super) text: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    pub(super) segments: Option<Option<Vec<WireSegment>>>,
    #[serde(deserialize_with = "or_default")]
    pub(super) words: Vec<WireWord>,
    #[serde(deserialize_with = "or_default")]
    pub(super) language: String,
    #[serde(deserialize_with = "number")]
    pub(super) duration: Option<f64>,
    pub(super) usage: Option<Value>,
    pub(super) error: Option<Value>,
    pub(super) detail: Option<Value>,
}

impl WireAnswer {
    /// Seconds charged for, where the server counts seconds.
    pub(super) fn billed_seconds(&self) -> Option<f64> {
        self.usage.as_ref()?.get("seconds")?.as_f64()
    }

    /// Whether the server says that it failed, in an answer that claims success.
    pub(super) fn is_error(&self) -> bool {
        [&self.error, &self.detail].into_iter().flatten().any(|error| !error.is_null())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireSegment {
    #[serde(deserialize_with = "number")]
    pub(super) start: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub(super) end: Option<f64>,
    #[serde(deserialize_with = "or_default")]
    pub(super) text: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) words: Vec<WireWord>,
    #[serde(deserialize_with = "signed_number")]
    pub(super) avg_logprob: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub(super) no_speech_prob: Option<f64>,
    pub(super) speaker: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireWord {
    #[serde(alias = "text", deserialize_with = "or_default")]
    pub(super) word: String,
    #[serde(deserialize_with = "number")]
    pub(super) start: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub(super) end: Option<f64>,
    #[serde(alias = "confidence", deserialize_with = "number")]
    pub(super) probability: Option<f64>,
}

/// Any finite number, as number or as text (vLLM: `"29.42"`); everything else is none.
fn signed_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = match Option::<Value>::deserialize(deserializer)? {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
    };
    Ok(number.filter(|number: &f64| number.is_finite()))
}

/// A time or a probability: never negative.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(signed_number(deserializer)?.filter(|number| *number >= 0.0))
}

/// `null` is the default.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Tells a field that is `null` from one that is not there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}
