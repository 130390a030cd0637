//! `sherpa-onnx-offline`: one line of JSON per file on its output, tokens with the times at which they begin.

use serde::Deserialize;

use super::bounds;
use crate::asr::order::{Told, ToldSegment, ToldWord, one_line};

/// How long the last token lasts when nothing tells: as long as a syllable does.
const LAST_TOKEN_SECONDS: f64 = 0.2;

#[derive(Deserialize)]
struct Line {
    text: String,
    #[serde(default)]
    lang: String,
    #[serde(default)]
    tokens: Vec<String>,
    #[serde(default)]
    timestamps: Vec<f64>,
    #[serde(default)]
    durations: Vec<f64>,
}

pub(super) fn read(text: &str) -> Result<Told, String> {
    let line = text.lines().rev().map(str::trim).find(|line| line.starts_with('{'));
    let line = line.ok_or("no line of JSON as `sherpa-onnx-offline` writes it")?;
    let line: Line = serde_json::from_str(line).map_err(|error| format!("no output of `sherpa-onnx-offline`: {error}"))?;
    let words = words(&line);
    let (start, end) = bounds(&words);
    let segments = (!words.is_empty()).then(|| ToldSegment { text: line.text.clone(), start, end, ..ToldSegment::default() });
    // SenseVoice writes `<|en|>`
    let language = line.lang.trim_matches(['<', '|', '>']).to_owned();
    Ok(Told { text: Some(line.text), language: Some(language), segments: segments.into_iter().collect(), words, ..Told::default() })
}

/// Tokens joined to words, where every token has its time; sentence pieces mark the beginning of a word with `▁`, others with a space.
fn words(line: &Line) -> Vec<ToldWord> {
    if line.timestamps.len() != line.tokens.len() {
        return Vec::new();
    }
    let mut words: Vec<ToldWord> = Vec::new();
    for (number, (token, start)) in line.tokens.iter().zip(&line.timestamps).enumerate() {
        let next = line.timestamps.get(number + 1).copied();
        let lasts = line.durations.get(number).copied().filter(|seconds| *seconds > 0.0);
        let end = lasts.map(|seconds| start + seconds).or(next).unwrap_or(start + LAST_TOKEN_SECONDS);
        let begins = token.starts_with([' ', '▁']);
        match words.last_mut() {
            Some(word) if !begins => {
                word.text.push_str(token);
                word.end = Some(end);
            }
            Some(_) | None => words.push(ToldWord { text: token.clone(), start: Some(*start), end: Some(end), ..ToldWord::default() }),
        }
    }
    for word in &mut words {
        word.text = one_line(&word.text.replace('▁', " "));
    }
    words
}
