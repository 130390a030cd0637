//! Webex's own transcripts: two forms of file under one name, told apart by what is in them.

mod legacy;
mod vcon;

use serde_json::Value;

use crate::{
    domain::TranscriptOffer,
    sources::{Turn, UnrecognisedTranscript, VendorTranscript},
};

/// Reads a file in either form.
pub(super) fn read(offer: &TranscriptOffer, bytes: &[u8]) -> Result<VendorTranscript, UnrecognisedTranscript> {
    let file: Value = serde_json::from_slice(bytes).map_err(|error| UnrecognisedTranscript {
        // serde's own text says where, and quotes nothing of what was said
        what: format!("{} bytes that are no JSON (line {}, column {})", bytes.len(), error.line(), error.column()),
    })?;
    let file = plain_keys(file);
    if file.get("responsecontents").is_some() {
        return legacy::read(file, offer);
    }
    if file.get("dialog").is_some() {
        return vcon::read(file, offer);
    }
    let keys: Vec<&str> = file.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).take(10).collect();
    Err(UnrecognisedTranscript { what: format!("JSON with neither `responseContents` nor `dialog`, but with: {}", keys.join(", ")) })
}

/// Keys in lower case without underscores: the guides write the same key in several ways.
fn plain_keys(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase().replace('_', ""), plain_keys(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(plain_keys).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// Trimmed, every run of white space one space; no U+0000, which PostgreSQL takes in no text.
fn one_line(text: &str) -> String {
    text.split(|letter: char| letter.is_whitespace() || letter == '\0').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `en-US` as `en`.
fn language(code: Option<String>) -> Option<String> {
    let code = one_line(&code?);
    let (language, _) = code.split_once(['-', '_']).unwrap_or((&code, ""));
    (!language.is_empty()).then(|| language.to_ascii_lowercase())
}

/// In order of their starts. A turn that does not say when it began stays behind the one it followed.
fn by_time(turns: Vec<(Option<f64>, Turn)>) -> Vec<Turn> {
    let mut reached = 0.0;
    let mut placed: Vec<(f64, Turn)> = turns
        .into_iter()
        .map(|(start, turn)| {
            reached = start.unwrap_or(reached);
            (reached, turn)
        })
        .collect();
    placed.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    placed.into_iter().map(|(_, turn)| turn).collect()
}

#[cfg(test)]
mod tests;
