//! The list of words against sentences that we labelled ourselves.

use super::*;

/// Share of sentences below which the list has become worse; docs/TRANSCRIPT_JSON.md has the figure itself.
const FLOOR: f64 = 0.9;

/// Label and sentence of our own set.
fn labelled() -> Vec<(SentimentLabel, &'static str)> {
    let label = |word: &str| serde_json::from_value(word.into()).unwrap();
    let lines = include_str!("../data/sentiment-labelled.tsv").lines();
    lines.map(|line| line.split_once('\t').unwrap()).map(|(word, sentence)| (label(word), sentence)).collect()
}

fn heard(text: &str) -> SentimentLabel {
    Lexicon.of(text, Some("en")).unwrap().label
}

#[test]
fn sentences_of_contact_centres_are_told_apart_as_well_as_the_docs_say() {
    let all = labelled();
    assert!(all.len() >= 120);
    let wrong: Vec<_> = all.iter().filter(|(label, sentence)| heard(sentence) != *label).collect();
    let count = |number: usize| f64::from(u32::try_from(number).unwrap());
    let accuracy = 1.0 - count(wrong.len()) / count(all.len());
    println!("{} of {} sentences, accuracy {accuracy:.3}; wrong:", all.len() - wrong.len(), all.len());
    wrong.iter().for_each(|(label, sentence)| println!("  {label:?}: {sentence}"));
    let opposite = wrong.iter().filter(|(label, sentence)| *label != SentimentLabel::Neutral && heard(sentence) != SentimentLabel::Neutral);
    println!("taken for the opposite: {}", opposite.count());
    assert!(accuracy >= FLOOR, "accuracy {accuracy:.3}");
    let docs = include_str!("../../docs/TRANSCRIPT_JSON.md");
    let told = format!("{} of {} sentences", all.len() - wrong.len(), all.len());
    assert!(docs.contains(&told), "docs/TRANSCRIPT_JSON.md does not say `{told}`");
}

#[test]
fn a_negation_turns_what_follows_round_and_reaches_no_further_than_its_clause() {
    assert_eq!(heard("That is not good."), SentimentLabel::Negative);
    assert_eq!(heard("That isn't bad."), SentimentLabel::Positive);
    assert_eq!(heard("No, that is great."), SentimentLabel::Positive);
}

#[test]
fn intensity_and_what_comes_after_but_count() {
    let score = |text: &str| Lexicon.of(text, None).unwrap().score;
    assert!(score("very good") > score("good") && score("good") > score("slightly good"));
    assert!(score("It was slow but good") > 0.0);
    assert!(score("It was good but slow") < 0.0);
}

#[test]
fn another_language_has_no_sentiment_rather_than_a_wrong_one() {
    assert_eq!(Lexicon.of("Das ist gut.", Some("de")), None);
    let mut document = Document::new("whisper", "whisper-1", 1.0);
    document.language = Some("en".to_owned());
    document.turns = vec![crate::Turn { text: "Great, thanks.".into(), ..Default::default() }, crate::Turn::default()];
    feel(&mut document, &Lexicon);
    assert_eq!(document.turns[0].sentiment.unwrap().label, SentimentLabel::Positive);
    assert_eq!(document.turns[1].sentiment, None, "nothing is said");
}

#[test]
fn every_line_of_the_list_is_a_phrase_with_a_weight_and_stands_once() {
    let lines: Vec<_> = include_str!("../data/sentiment-lexicon.tsv").lines().collect();
    assert_eq!(WEIGHTS.len(), lines.len());
    assert!(WEIGHTS.iter().all(|(word, weight)| weight.abs() <= 3.0 && word.split(' ').count() <= LONGEST_PHRASE));
    let scores = labelled().into_iter().map(|(_, sentence)| Lexicon.of(sentence, None).unwrap().score);
    assert!(scores.into_iter().all(|score| (-1.0..=1.0).contains(&score)));
}
