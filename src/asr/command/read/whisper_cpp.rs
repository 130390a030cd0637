//! `whisper-cli -oj` and `-ojf`: segments, and with the second their tokens, of which words are made.

use serde::Deserialize;

use crate::asr::order::{Told, ToldSegment, ToldWord, one_line};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    result: Outcome,
    /// Without it the file is not the engine's.
    transcription: Vec<Segment>,
}

#[derive(Default, Deserialize)]
struct Outcome {
    language: Option<String>,
}

#[derive(Deserialize)]
struct Segment {
    offsets: Option<Offsets>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    tokens: Vec<Token>,
    speaker: Option<String>,
}

/// In milliseconds.
#[derive(Deserialize, Clone, Copy)]
struct Offsets {
    from: f64,
    to: f64,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    text: String,
    offsets: Option<Offsets>,
    p: Option<f64>,
}

pub(super) fn read(text: &str) -> Result<Told, String> {
    let file: File = serde_json::from_str(text).map_err(|error| format!("no output of `whisper-cli -oj`: {error}"))?;
    let words = file.transcription.iter().flat_map(|segment| words(&segment.tokens)).collect();
    let segments = file.transcription.into_iter().map(|segment| ToldSegment {
        start: segment.offsets.map(|offsets| offsets.from / 1000.0),
        end: segment.offsets.map(|offsets| offsets.to / 1000.0),
        text: segment.text,
        // `?`: the two channels are equally loud
        speaker: segment.speaker.filter(|speaker| speaker != "?"),
        ..ToldSegment::default()
    });
    Ok(Told { language: file.result.language, segments: segments.collect(), words, ..Told::default() })
}

/// Tokens joined to words: one that begins with a space begins a word, and so does one of a script without spaces.
fn words(tokens: &[Token]) -> Vec<ToldWord> {
    let mut words: Vec<Vec<&Token>> = Vec::new();
    for token in tokens.iter().filter(|token| !is_mark(&token.text)) {
        let begins = token.text.starts_with(|letter: char| letter.is_whitespace() || letter >= FIRST_IDEOGRAPH);
        match words.last_mut() {
            Some(word) if !begins => word.push(token),
            Some(_) | None => words.push(vec![token]),
        }
    }
    words.iter().map(|tokens| word(tokens)).collect()
}

/// From here on scripts put no spaces between words: CJK radicals, kana, ideographs.
const FIRST_IDEOGRAPH: char = '\u{2E80}';

/// `[_BEG_]`, `[_TT_150]` and their like are of the model, not of the speaker.
fn is_mark(text: &str) -> bool {
    text.starts_with("[_") || text.starts_with("<|")
}

fn word(tokens: &[&Token]) -> ToldWord {
    let offsets: Vec<Offsets> = tokens.iter().filter_map(|token| token.offsets).collect();
    let certain: Vec<f64> = tokens.iter().filter_map(|token| token.p).collect();
    let count = u32::try_from(certain.len()).unwrap_or(u32::MAX);
    ToldWord {
        text: one_line(&tokens.iter().map(|token| token.text.as_str()).collect::<String>()),
        start: offsets.first().map(|offsets| offsets.from / 1000.0),
        end: offsets.last().map(|offsets| offsets.to / 1000.0),
        confidence: (count > 0).then(|| certain.iter().sum::<f64>() / f64::from(count)),
        speaker: None,
    }
}
