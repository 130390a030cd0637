//! The newer form: a vCon (draft-ietf-vcon-vcon-core), of which the dialogs of type `text` are what was said.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::{by_time, language, one_line};
use crate::{
    domain::TranscriptOffer,
    sources::{Span, Speaker, Turn, UnrecognisedTranscript, VendorTranscript},
};

/// The form's name.
const FORM: &str = "vcon";

#[derive(Deserialize)]
struct WireFile {
    #[serde(default)]
    parties: Vec<WireParty>,
    dialog: Vec<Value>,
}

#[derive(Deserialize)]
struct WireParty {
    role: Option<String>,
}

/// Everything is optional: an empty dialog is a legal one.
#[derive(Deserialize)]
struct WireDialog {
    #[serde(rename = "type")]
    kind: Option<String>,
    start: Option<DateTime<Utc>>,
    duration: Option<f64>,
    parties: Option<Value>,
    originator: Option<usize>,
    body: Option<String>,
    encoding: Option<String>,
}

pub(super) fn read(file: Value, offer: &TranscriptOffer) -> Result<VendorTranscript, UnrecognisedTranscript> {
    let shape = |what: &str| UnrecognisedTranscript { what: format!("JSON with `dialog`, but {what}") };
    let file = WireFile::deserialize(file).map_err(|_| shape("it or `parties` is no list as a vCon has it"))?;
    let dialogs: Vec<Option<WireDialog>> = file.dialog.into_iter().map(|dialog| WireDialog::deserialize(dialog).ok()).collect();
    let unread = dialogs.iter().filter(|dialog| dialog.is_none()).count();
    if unread > 0 && unread == dialogs.len() {
        return Err(shape("none of its elements is a dialog"));
    }
    let dialogs: Vec<WireDialog> = dialogs.into_iter().flatten().collect();
    let origin = offer.started_at.or_else(|| origin(&dialogs));
    let (said, other): (Vec<_>, Vec<_>) = dialogs.into_iter().partition(|dialog| dialog.kind.as_deref() == Some("text"));
    let texts = said.len();
    let turns: Vec<_> = said.into_iter().filter_map(|dialog| turn(dialog, &file.parties, origin)).collect();
    if turns.is_empty() && texts > 0 {
        return Err(shape("no text in it can be read"));
    }
    // a text of nothing is left out, and so is a kind that nobody told us of
    let unknown = other
        .iter()
        .filter(|dialog| !matches!(dialog.kind.as_deref(), None | Some("recording" | "recording-set" | "transfer" | "incomplete")));
    let repairs = unread + (texts - turns.len()) + unknown.count();
    Ok(VendorTranscript {
        form: FORM,
        language: language(offer.language.clone()),
        turns: by_time(turns),
        repairs: u32::try_from(repairs).unwrap_or(u32::MAX),
    })
}

/// What times count from: the start of the recording, if the file tells of one, else of the first dialog.
fn origin(dialogs: &[WireDialog]) -> Option<DateTime<Utc>> {
    let starts = |kind: Option<&'static str>| {
        dialogs.iter().filter(move |dialog| kind.is_none() || dialog.kind.as_deref() == kind).filter_map(|dialog| dialog.start).min()
    };
    starts(Some("recording")).or_else(|| starts(None))
}

fn turn(dialog: WireDialog, parties: &[WireParty], origin: Option<DateTime<Utc>>) -> Option<(Option<f64>, Turn)> {
    if dialog.encoding.as_deref().is_some_and(|encoding| !matches!(encoding, "" | "none")) {
        return None;
    }
    let text = dialog.body.as_deref().map(one_line).filter(|text| !text.is_empty())?;
    let start = dialog.start.zip(origin).map(|(start, origin)| seconds_between(origin, start).max(0.0));
    let duration = dialog.duration.filter(|duration| duration.is_finite()).unwrap_or(0.0).max(0.0);
    let span = start.map(|start| Span { start, end: start + duration });
    let place = dialog.originator.or_else(|| dialog.parties.as_ref().and_then(first_index));
    let role = place.and_then(|place| parties.get(place)?.role.as_deref());
    let speaker =
        role.map_or_else(|| Speaker::Other(place.map_or_else(|| "unknown".to_owned(), |place| format!("party {place}"))), Speaker::of_role);
    Some((start, Turn { speaker, text, span, words: Vec::new() }))
}

/// The first index in an index, a list or lists in a list.
fn first_index(parties: &Value) -> Option<usize> {
    match parties {
        Value::Number(number) => usize::try_from(number.as_u64()?).ok(),
        Value::Array(items) => items.iter().find_map(first_index),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Object(_) => None,
    }
}

fn seconds_between(origin: DateTime<Utc>, moment: DateTime<Utc>) -> f64 {
    (moment - origin).as_seconds_f64()
}
