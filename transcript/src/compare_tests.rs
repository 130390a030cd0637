//! Word error rates that can be counted by hand, and passages that put both transcripts together again.

use proptest::prelude::*;

use super::*;
use crate::document::Turn;

fn document(turns: &[&str]) -> Document {
    let turns = turns.iter().map(|text| Turn { text: (*text).to_owned(), ..Turn::default() });
    Document { turns: turns.collect(), ..Document::new("whisper", "whisper-1", 10.0) }
}

#[test]
fn substitutions_deletions_and_insertions_are_counted() {
    let (truth, other) = (document(&["I want my money back.", "Yes, today."]), document(&["I want the money", "Yes, today, please!"]));
    let compared = compare(&truth, &other);
    assert_eq!((compared.words, compared.same, compared.substitutions, compared.deletions, compared.insertions), (7, 5, 1, 1, 1));
    assert_eq!(compared.word_error_rate, Some(0.4286));
    let differing: Vec<_> = compared.passages.iter().filter(|one| !one.same).map(|one| (one.first.as_str(), one.second.as_str())).collect();
    assert_eq!(differing, [("my", "the"), ("back.", ""), ("", "please!")]);
}

#[test]
fn punctuation_case_and_the_cut_of_turns_make_no_difference() {
    let compared = compare(&document(&["Hello there.", "How are you?"]), &document(&["hello, there how ARE you"]));
    assert_eq!(compared.word_error_rate, Some(0.0));
}

#[test]
fn words_are_compared_in_the_order_in_which_they_are_said() {
    let at = |start: f64, text: &str| Turn { start: Some(start), end: Some(start + 1.0), text: text.to_owned(), ..Turn::default() };
    let one = Document { turns: vec![at(0.0, "hello"), at(2.0, "bye")], ..document(&[]) };
    let other = Document { turns: vec![at(2.0, "bye"), at(0.0, "hello")], ..document(&[]) };
    let compared = compare(&one, &other);
    assert_eq!((compared.word_error_rate, compared.passages.len(), compared.passages[0].start), (Some(0.0), 1, Some(0.0)));
}

#[test]
fn nothing_said_has_no_rate() {
    let compared = compare(&document(&[]), &document(&["something was heard"]));
    assert_eq!((compared.word_error_rate, compared.insertions), (None, 3));
}

#[test]
fn a_long_call_with_every_fourth_word_wrong_is_compared() {
    let word = |at: u32| format!("w{}", at.wrapping_mul(2_654_435_761) % 3_000);
    let truth: Vec<String> = (0..4_000).map(word).collect();
    let other: Vec<String> = (0..4_000).map(|at| if at % 4 == 0 { format!("x{at}") } else { word(at) }).collect();
    let compared = compare(&document(&[&truth.join(" ")]), &document(&[&other.join(" ")]));
    assert_eq!((compared.substitutions, compared.word_error_rate), (1_000, Some(0.25)));
}

proptest! {
    #[test]
    fn passages_hold_all_words_of_both(
        first in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..40),
        second in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "e"]), 0..40),
    ) {
        let (first, second) = (first.join(" "), second.join(" "));
        let compared = compare(&document(&[&first]), &document(&[&second]));
        let joined = |side: fn(&Passage) -> &str| {
            compared.passages.iter().map(side).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
        };
        prop_assert_eq!(joined(|one| &one.first), first);
        prop_assert_eq!(joined(|one| &one.second), second);
        prop_assert_eq!(compared.same + compared.substitutions + compared.deletions, compared.words);
    }
}
