//! SubRip and WebVTT.

use std::time::Duration;

use super::{
    ExportError, Format,
    cues::{Cue, cues},
};
use crate::{
    document::{Document, Turn},
    text::label,
};

/// Whether anybody is known: if nobody is, no names stand.
fn named(document: &Document) -> bool {
    document.turns.iter().any(|turn| turn.speaker.is_some())
}

/// SubRip: numbers, times with commas, who speaks before the first words of a turn.
pub(super) fn srt(document: &Document) -> Result<String, ExportError> {
    let named = named(document);
    let before = |turn: &Turn| if named { format!("{}: ", label(turn)) } else { String::new() };
    let cues = cues(document, Format::Srt, |turn| before(turn).chars().count())?;
    let blocks = cues.iter().enumerate().map(|(at, cue)| {
        let text = cue.lines.join("\n").replace("-->", "->");
        let before = if cue.first { before(cue.turn) } else { String::new() };
        format!("{}\n{} --> {}\n{before}{text}\n\n", at + 1, time(cue.start, ','), time(cue.end, ','))
    });
    Ok(blocks.collect())
}

/// WebVTT: each cue in its speaker's voice.
pub(super) fn vtt(document: &Document) -> Result<String, ExportError> {
    let named = named(document);
    let block = |cue: &Cue<'_>| {
        let text = escaped(&cue.lines.join("\n"));
        let voiced = if named { format!("<v {}>{text}</v>", escaped(&label(cue.turn))) } else { text };
        format!("{} --> {}\n{voiced}\n\n", time(cue.start, '.'), time(cue.end, '.'))
    };
    let blocks: String = cues(document, Format::Vtt, |_| 0)?.iter().map(block).collect();
    Ok(format!("WEBVTT\n\n{blocks}"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// `01:02:03,004`.
fn time(seconds: f64, mark: char) -> String {
    // to the nearest millisecond, so that neither form says less than the document
    let millis = Duration::try_from_secs_f64(seconds.max(0.0) + 0.000_5).unwrap_or_default().as_millis();
    let (rest, millis) = (millis / 1_000, millis % 1_000);
    format!("{:02}:{:02}:{:02}{mark}{millis:03}", rest / 3_600, rest / 60 % 60, rest % 60)
}
