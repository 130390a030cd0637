//! How a turn sounds by its words: bad, good or neither.
//!
//! The default is a list of English words of our own with what stands around them: it needs no model, costs microseconds and says the
//! same tomorrow. Its score on sentences of our own is in docs/TRANSCRIPT_JSON.md. Another one is another `Sentiment`.

use std::{collections::HashMap, sync::LazyLock};

use crate::document::{Document, SentimentLabel, SentimentScore};

/// Tells how words sound.
pub trait Sentiment {
    /// The sentiment of what somebody says at a stretch; `None` where it cannot say, such as in a language it does not know.
    fn of(&self, text: &str, language: Option<&str>) -> Option<SentimentScore>;
}

/// Sets the sentiment of every turn that has words.
pub fn feel(document: &mut Document, sentiment: &dyn Sentiment) {
    let language = document.language.clone();
    for turn in document.turns.iter_mut().filter(|turn| !turn.text.trim().is_empty()) {
        turn.sentiment = sentiment.of(&turn.text, turn.language.as_deref().or(language.as_deref()));
    }
}

/// English words with weights, negation and intensity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lexicon;

/// Words and phrases of up to three words with weights from -3 to 3.
static WEIGHTS: LazyLock<HashMap<&'static str, f64>> = LazyLock::new(|| {
    let lines = include_str!("../data/sentiment-lexicon.tsv").lines();
    lines.filter_map(|line| line.split_once('\t')).filter_map(|(word, weight)| Some((word, weight.parse().ok()?))).collect()
});

/// Words that turn what follows into its opposite.
const NEGATIONS: &[&str] =
    &["not", "no", "never", "without", "hardly", "nothing", "nobody", "none", "neither", "nor", "cannot", "isnt", "dont"];
/// Words that make what follows stronger.
const STRONGER: &[&str] = &["absolutely", "completely", "extremely", "much", "really", "so", "such", "too", "totally", "truly", "very"];
/// Words that make what follows weaker.
const WEAKER: &[&str] = &["bit", "fairly", "little", "maybe", "partly", "slightly", "somewhat"];
/// Words back that a negation reaches.
const REACH: usize = 3;
/// What is left of a weight that is turned round: `not good` is less bad than `bad`.
const TURNED_ROUND: f64 = -0.75;
/// Sum of weights at which the score is half way to its end.
const HALF_WAY: f64 = 3.0;
/// Score from which on a turn is not neutral.
const NOT_NEUTRAL: f64 = 0.2;
/// Longest phrase of the list, in words.
const LONGEST_PHRASE: usize = 3;

impl Sentiment for Lexicon {
    fn of(&self, text: &str, language: Option<&str>) -> Option<SentimentScore> {
        if language.is_some_and(|language| !language.to_ascii_lowercase().starts_with("en")) {
            return None;
        }
        let clauses = text.split(['.', ',', ';', ':', '!', '?', '\n']).map(words);
        let sum: f64 = clauses.map(|words| sum_of(&words)).sum();
        let score = sum / (sum.abs() + HALF_WAY);
        let label = match score {
            score if score >= NOT_NEUTRAL => SentimentLabel::Positive,
            score if score <= -NOT_NEUTRAL => SentimentLabel::Negative,
            _ => SentimentLabel::Neutral,
        };
        Some(SentimentScore { score: (score * 100.0).round() / 100.0, label })
    }
}

/// The words of a clause in lower case; `n't` is a word of its own.
fn words(clause: &str) -> Vec<String> {
    let clause = clause.to_lowercase().replace('’', "'").replace("can't", "ca n't").replace("n't", " not");
    clause
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The weights of a clause, each with what stands before it; after `but` they count more.
fn sum_of(words: &[String]) -> f64 {
    let but = words.iter().position(|word| word == "but");
    let mut sum = 0.0;
    let mut at = 0;
    while at < words.len() {
        let (weight, length) = weight_at(words, at).unwrap_or((0.0, 1));
        if weight != 0.0 {
            let before = words.get(at.saturating_sub(REACH)..at).unwrap_or_default();
            let emphasis = match but {
                Some(but) if at < but => 0.5,
                Some(_) => 1.5,
                None => 1.0,
            };
            sum += coloured(weight, before) * emphasis;
        }
        at += length;
    }
    sum
}

/// The weight of the longest phrase that begins here, and its words.
fn weight_at(words: &[String], at: usize) -> Option<(f64, usize)> {
    (1..=LONGEST_PHRASE).rev().find_map(|length| {
        let phrase = words.get(at..at + length)?.join(" ");
        WEIGHTS.get(phrase.as_str()).map(|weight| (*weight, length))
    })
}

/// A weight as the words before it have it.
fn coloured(weight: f64, before: &[String]) -> f64 {
    let is_one_of = |list: &[&str], word: &String| list.contains(&word.as_str());
    let strength = match before.last() {
        Some(word) if is_one_of(STRONGER, word) => 1.4,
        Some(word) if is_one_of(WEAKER, word) => 0.6,
        _ => 1.0,
    };
    let turned = before.iter().filter(|word| is_one_of(NEGATIONS, word)).count() % 2 == 1;
    weight * strength * if turned { TURNED_ROUND } else { 1.0 }
}

#[cfg(test)]
#[path = "sentiment_tests.rs"]
mod tests;
