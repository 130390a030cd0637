//! The older form: results of speech recognition, by role and not by time, times as protobuf writes them.

use serde::Deserialize;
use serde_json::Value;

use super::{by_time, language, one_line};
use crate::{
    domain::TranscriptOffer,
    sources::{Span, Speaker, SpokenWord, Turn, UnrecognisedTranscript, VendorTranscript},
};

#[derive(Deserialize)]
struct WireFile {
    languagecode: Option<String>,
    responsecontents: Vec<Value>,
}

#[derive(Deserialize)]
struct WireContent {
    recognitionresult: WireResult,
}

#[derive(Deserialize)]
struct WireResult {
    role: Option<String>,
    languagecode: Option<String>,
    isfinal: Option<bool>,
    /// False: times begin with each utterance, and where that is in the recording is not told.
    hasappliedrecordingoffsets: Option<bool>,
    resultendtime: Option<Value>,
    /// Missing is not empty: without it this is no result.
    alternatives: Vec<WireAlternative>,
}

#[derive(Deserialize)]
struct WireAlternative {
    transcript: Option<String>,
    #[serde(default)]
    words: Option<Vec<WireWord>>,
}

#[derive(Deserialize)]
struct WireWord {
    word: Option<String>,
    starttime: Option<Value>,
    endtime: Option<Value>,
}

pub(super) fn read(file: Value, offer: &TranscriptOffer) -> Result<VendorTranscript, UnrecognisedTranscript> {
    let shape = |what: &str| UnrecognisedTranscript { what: format!("JSON with `responseContents`, but {what}") };
    let file = WireFile::deserialize(file).map_err(|_| shape("it is no list"))?;
    let (mut turns, mut repairs, mut spoken) = (Vec::new(), 0_u32, None);
    let listed = file.responsecontents.len();
    let mut unread = 0_usize;
    for content in file.responsecontents {
        let Ok(WireContent { recognitionresult: result }) = WireContent::deserialize(content) else {
            unread += 1;
            continue;
        };
        spoken = spoken.or_else(|| result.languagecode.clone());
        // what was only guessed on the way comes again when it is known
        if result.isfinal != Some(false) {
            turns.extend(turn(result, &mut repairs));
        }
    }
    if unread > 0 && unread == listed {
        return Err(shape("no element of it is a result"));
    }
    Ok(VendorTranscript {
        form: "legacy",
        language: language(file.languagecode.or(spoken).or_else(|| offer.language.clone())),
        turns: by_time(turns),
        repairs: repairs.saturating_add(u32::try_from(unread).unwrap_or(u32::MAX)),
    })
}

/// When a result begins, as far as that can be known, and what it says; nothing when it says nothing.
fn turn(result: WireResult, repairs: &mut u32) -> Option<(Option<f64>, Turn)> {
    let in_recording = result.hasappliedrecordingoffsets != Some(false);
    let best = result.alternatives.into_iter().next()?;
    let mut words: Vec<SpokenWord> =
        if in_recording { best.words.unwrap_or_default().iter().filter_map(word).collect() } else { Vec::new() };
    if !words.is_sorted_by(|one, next| one.span.start <= next.span.start) {
        *repairs = repairs.saturating_add(1);
        words.sort_by(|one, other| one.span.start.total_cmp(&other.span.start));
    }
    let text = best.transcript.as_deref().map(one_line).filter(|text| !text.is_empty());
    let text =
        text.or_else(|| Some(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty()))?;
    let span = words.first().zip(words.last()).map(|(first, last)| Span { start: first.span.start, end: last.span.end });
    let ended = result.resultendtime.as_ref().and_then(seconds).filter(|_| in_recording);
    let speaker = Speaker::of_role(result.role.as_deref().unwrap_or("unknown"));
    Some((span.map(|span| span.start).or(ended), Turn { speaker, text, span, words }))
}

/// A word with letters and times. One that says when it ends and not when it begins, begins with zero: protobuf leaves zeros out.
fn word(wire: &WireWord) -> Option<SpokenWord> {
    let text = wire.word.as_deref().map(one_line).filter(|text| !text.is_empty())?;
    let (start, end) = match (&wire.starttime, &wire.endtime) {
        (None, None) => return None,
        (start, end) => (start.as_ref().map_or(Some(0.0), seconds)?, end.as_ref().and_then(seconds)),
    };
    Some(SpokenWord { text, span: Span { start, end: end.unwrap_or(start).max(start) } })
}

/// `{"seconds": 1, "nanos": 200000000}`, either of them missing or a text, or `"1.2s"`, or a number.
fn seconds(time: &Value) -> Option<f64> {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().trim_end_matches('s').parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let seconds = match time {
        Value::Object(fields) => {
            let part = |name: &str| fields.get(name).map_or(Some(0.0), number);
            part("seconds")? + part("nanos")? / 1e9
        }
        other => number(other)?,
    };
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}
