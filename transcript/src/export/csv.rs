//! A row per turn, as RFC 4180 has it, safe to open in a spreadsheet.

use crate::document::{Document, SentimentLabel, Turn};

/// The names of the columns.
pub(super) const HEAD: &str =
    "session_id,leg,started_at,turn,speaker,channel,start_seconds,end_seconds,confidence,language,sentiment,text\r\n";

/// The rows of a transcript.
pub(super) fn rows(document: &Document) -> String {
    let call = document.call.as_ref();
    let of_call = [
        call.map(|call| words(&call.session_id)).unwrap_or_default(),
        call.map(|call| words(&call.leg)).unwrap_or_default(),
        call.map(|call| call.started_at.to_rfc3339()).unwrap_or_default(),
    ]
    .join(",");
    let rows = document.turns.iter().enumerate().map(|(at, turn)| format!("{of_call},{at},{}\r\n", row(turn)));
    rows.collect()
}

fn row(turn: &Turn) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let sentiment = turn.sentiment.map(|sentiment| match sentiment.label {
        SentimentLabel::Negative => "negative",
        SentimentLabel::Neutral => "neutral",
        SentimentLabel::Positive => "positive",
    });
    [
        turn.speaker.as_deref().map(words).unwrap_or_default(),
        turn.channel.map(|channel| channel.to_string()).unwrap_or_default(),
        number(turn.start),
        number(turn.end),
        number(turn.confidence),
        turn.language.as_deref().map(words).unwrap_or_default(),
        sentiment.unwrap_or_default().to_owned(),
        words(&turn.text),
    ]
    .join(",")
}

/// A field of somebody's words: never a formula to a spreadsheet, quoted where it has to be.
fn words(text: &str) -> String {
    // leading spaces do not keep a spreadsheet from seeing a formula
    let formula = text.trim_start_matches([' ', '\u{a0}']).starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '|', '%']);
    let safe = if formula { format!("'{text}") } else { text.to_owned() };
    if safe.contains([',', '"', '\r', '\n']) || safe.starts_with(' ') || safe.ends_with(' ') {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}
