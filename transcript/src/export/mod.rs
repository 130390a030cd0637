//! Transcripts for other programs and for players: one file here per form.
//!
//! Every form is a function of the document and of what its `Origin` tells. Where the files go is the command line's business.

mod csv;
mod cues;
mod subtitles;
mod vcon;

use std::{fmt, str::FromStr};

use crate::{
    document::{Document, Turn},
    text::text,
};

/// A form to export in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The document as it is.
    Json,
    /// A line of JSON per turn.
    Jsonl,
    /// The readable text.
    Txt,
    /// SubRip subtitles.
    Srt,
    /// WebVTT captions with voices.
    Vtt,
    /// A vCon with the conversation's parties, its recording and its transcript.
    Vcon,
    /// A row per turn.
    Csv,
}

impl Format {
    /// All of them, in the order in which help texts list them.
    pub const ALL: [Self; 7] = [Self::Json, Self::Jsonl, Self::Txt, Self::Srt, Self::Vtt, Self::Vcon, Self::Csv];

    /// Its name, which is also the end of its files' names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Txt => "txt",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Vcon => "vcon",
            Self::Csv => "csv",
        }
    }

    /// What stands once at the beginning of a file, however many transcripts follow.
    #[must_use]
    pub const fn head(self) -> &'static str {
        match self {
            Self::Csv => csv::HEAD,
            Self::Json | Self::Jsonl | Self::Txt | Self::Srt | Self::Vtt | Self::Vcon => "",
        }
    }

    /// Whether several transcripts may follow each other in one file.
    #[must_use]
    pub const fn holds_several(self) -> bool {
        !matches!(self, Self::Srt | Self::Vtt)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A word that names no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no format `{0}`: take json, jsonl, txt, srt, vtt, vcon or csv")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == word).ok_or_else(|| UnknownFormat(word.to_owned()))
    }
}

/// Where a transcript comes from, beyond what the document says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The agent's name.
    pub agent: Option<String>,
    /// The agent side's number, as dialled or shown.
    pub agent_number: Option<String>,
    /// The customer's number.
    pub customer_number: Option<String>,
    /// Address of the recording.
    pub recording: Option<String>,
}

/// Why a transcript cannot be exported in a form.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Subtitles need times.
    #[error("`{format}` needs times and the vendor's transcript of this call has none: take txt, json or csv")]
    NoTimes {
        /// The form asked for.
        format: Format,
    },
    /// It could not be written as JSON.
    #[error("the transcript cannot be written as JSON: report this as a defect")]
    Json(#[from] serde_json::Error),
}

/// The transcript in a form, without the form's head; whole lines, so that the next may follow.
///
/// # Errors
/// When the form needs times that the transcript does not have.
pub fn export(document: &Document, origin: &Origin, format: Format) -> Result<String, ExportError> {
    let whole = match format {
        Format::Json => serde_json::to_string(document)? + "\n",
        Format::Jsonl => lines(document)?,
        Format::Txt => text(document) + "\n",
        Format::Srt => subtitles::srt(document)?,
        Format::Vtt => subtitles::vtt(document)?,
        Format::Vcon => serde_json::to_string(&vcon::of(document, origin))? + "\n",
        Format::Csv => csv::rows(document),
    };
    Ok(whole)
}

/// A turn on its own line, with the call it is of.
#[derive(serde::Serialize)]
struct Line<'l> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leg: Option<&'l str>,
    turn: usize,
    #[serde(flatten)]
    said: &'l Turn,
}

fn lines(document: &Document) -> Result<String, serde_json::Error> {
    let call = document.call.as_ref();
    let (session_id, leg) = (call.map(|call| call.session_id.as_str()), call.map(|call| call.leg.as_str()));
    let mut lines = String::new();
    for (turn, said) in document.turns.iter().enumerate() {
        lines.push_str(&serde_json::to_string(&Line { session_id, leg, turn, said })?);
        lines.push('\n');
    }
    Ok(lines)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
