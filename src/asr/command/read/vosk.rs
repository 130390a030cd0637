//! `vosk-transcriber -t json`, and what vosk's own interface gives: words with times and certainty.

use serde::Deserialize;

use super::bounds;
use crate::asr::order::{Told, ToldSegment, ToldWord};

#[derive(Deserialize)]
#[serde(untagged)]
enum Output {
    File { monologues: Vec<Monologue> },
    Result(Utterance),
    Results(Vec<Utterance>),
}

#[derive(Deserialize)]
struct Monologue {
    #[serde(default)]
    terms: Vec<Term>,
}

/// As the library gives it; without `result` nothing was heard.
#[derive(Deserialize)]
struct Utterance {
    text: String,
    #[serde(default)]
    result: Vec<Term>,
}

#[derive(Deserialize)]
struct Term {
    #[serde(alias = "word")]
    text: String,
    start: Option<f64>,
    end: Option<f64>,
    #[serde(alias = "conf")]
    confidence: Option<f64>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

pub(super) fn read(text: &str) -> Result<Told, String> {
    let output: Output = serde_json::from_str(text).map_err(|error| format!("no output of `vosk-transcriber -t json`: {error}"))?;
    let (stretches, texts): (Vec<Vec<Term>>, Vec<String>) = match output {
        Output::File { monologues } => (monologues.into_iter().map(|monologue| monologue.terms).collect(), Vec::new()),
        Output::Result(one) => (vec![one.result], vec![one.text]),
        Output::Results(all) => all.into_iter().map(|each| (each.result, each.text)).unzip(),
    };
    let stretches: Vec<Vec<ToldWord>> = stretches.into_iter().map(|terms| terms.into_iter().filter_map(word).collect()).collect();
    let segments = stretches.iter().filter(|words| !words.is_empty()).map(|words| segment(words)).collect();
    let text = Some(texts.join(" ")).filter(|text| !text.trim().is_empty());
    Ok(Told { text, segments, words: stretches.into_iter().flatten().collect(), ..Told::default() })
}

fn word(term: Term) -> Option<ToldWord> {
    let is_word = term.kind.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("word"));
    is_word.then_some(ToldWord { text: term.text, start: term.start, end: term.end, confidence: term.confidence, speaker: None })
}

fn segment(words: &[ToldWord]) -> ToldSegment {
    let (start, end) = bounds(words);
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    ToldSegment { text, start, end, ..ToldSegment::default() }
}
