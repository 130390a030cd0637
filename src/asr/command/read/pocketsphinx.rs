//! pocketsphinx: lines of JSON from 5.x (`pocketsphinx single`), lines of words from 5prealpha, which Debian ships
//! (`pocketsphinx_continuous -infile … -time yes`). Neither escapes anything in its JSON.

use serde::Deserialize;

use super::bounds;
use crate::asr::order::{Told, ToldSegment, ToldWord};

/// An utterance: begin and duration in seconds, certainty, text, words.
#[derive(Deserialize)]
struct Utterance {
    #[serde(default)]
    w: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    b: f64,
    d: f64,
    p: Option<f64>,
    t: String,
}

pub(super) fn read(text: &str) -> Result<Told, String> {
    let mut stretches: Vec<Vec<ToldWord>> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with('{') {
            stretches.push(of_json(line)?);
        } else if let Some(word) = of_line(line) {
            match stretches.last_mut() {
                Some(words) => words.extend(spoken(word)),
                None => stretches.push(spoken(word).into_iter().collect()),
            }
        } else {
            // the text of the next utterance, which its words repeat
            stretches.push(Vec::new());
        }
    }
    stretches.retain(|words| !words.is_empty());
    let segments = stretches.iter().map(|words| segment(words)).collect();
    Ok(Told { segments, words: stretches.into_iter().flatten().collect(), ..Told::default() })
}

fn of_json(line: &str) -> Result<Vec<ToldWord>, String> {
    let items = match serde_json::from_str::<Utterance>(line) {
        Ok(utterance) => utterance.w,
        Err(error) => unescaped(line).ok_or_else(|| format!("no output of `pocketsphinx single`: {error}"))?,
    };
    let word = |item: Item| ToldWord { text: item.t, start: Some(item.b), end: Some(item.b + item.d), confidence: item.p, speaker: None };
    Ok(items.into_iter().map(word).filter_map(spoken).collect())
}

/// The words of a line in which a quotation mark or a backslash stands as it was heard.
fn unescaped(line: &str) -> Option<Vec<Item>> {
    let (_, words) = line.split_once("\"w\":[{")?;
    let words = words.strip_suffix("}]}")?;
    words.split("},{").map(item).collect()
}

fn item(fields: &str) -> Option<Item> {
    let number = |name: &str| {
        let (_, rest) = fields.split_once(name)?;
        rest.split(',').next()?.trim().parse::<f64>().ok()
    };
    let (_, text) = fields.split_once("\"t\":\"")?;
    Some(Item { b: number("\"b\":")?, d: number("\"d\":")?, p: number("\"p\":"), t: text.strip_suffix('"')?.to_owned() })
}

/// `monday(2) 2.710 3.290 0.999300`
fn of_line(line: &str) -> Option<ToldWord> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [text, start, end, certain] = fields.as_slice() else { return None };
    let number = |text: &str| text.parse::<f64>().ok();
    Some(ToldWord { text: (*text).to_owned(), start: number(start), end: number(end), confidence: Some(number(certain)?), speaker: None })
}

/// The word without the number of its pronunciation (`to(3)`); nothing for silence, breath and noise.
fn spoken(mut word: ToldWord) -> Option<ToldWord> {
    let is_filler = ["<", "[", "++", "_"].iter().any(|mark| word.text.starts_with(mark));
    if let Some((text, number)) = word.text.strip_suffix(')').and_then(|text| text.rsplit_once('('))
        && !text.is_empty()
        && number.chars().all(|digit| digit.is_ascii_digit())
    {
        word.text = text.to_owned();
    }
    (!is_filler && !word.text.is_empty()).then_some(word)
}

fn segment(words: &[ToldWord]) -> ToldSegment {
    let (start, end) = bounds(words);
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    ToldSegment { text, start, end, ..ToldSegment::default() }
}
