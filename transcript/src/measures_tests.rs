//! What is counted as talk, overlap, interruption and hold.

use proptest::prelude::*;

use super::*;
use crate::document::{SentimentLabel, SentimentScore, Word};

fn turn(speaker: &str, start: f64, end: f64, text: &str) -> Turn {
    let channel = Some(u8::from(speaker == "customer"));
    Turn { speaker: Some(speaker.to_owned()), channel, start: Some(start), end: Some(end), text: text.to_owned(), ..Turn::default() }
}

#[test]
fn talk_silence_and_overlap_add_up() {
    let measures =
        measure(&[turn("agent", 0.0, 4.0, "one two"), turn("customer", 3.0, 6.0, "three"), turn("agent", 9.0, 10.0, "four")], 20.0);
    assert_eq!((measures.talk_seconds, measures.silence_seconds, measures.overlap_seconds), (7.0, 13.0, 1.0));
    assert_eq!((measures.longest_hold_seconds, measures.longest_hold_start, measures.turns), (10.0, Some(10.0), 3));
    let shares: Vec<_> = measures.sides.iter().map(|side| (side.talk_seconds, side.talk_ratio, side.turns, side.words)).collect();
    assert_eq!(shares, [(5.0, 0.625, 2, 3), (3.0, 0.375, 1, 1)]);
    assert_eq!(measures.sides[0].words_per_minute, Some(36.0));
}

#[test]
fn a_pause_between_words_is_no_talk_but_a_breath_is() {
    let word = |start: f64, end: f64| Word { text: "x".to_owned(), start, end, confidence: None, speaker: None };
    let one = Turn { words: vec![word(0.0, 1.0), word(1.4, 2.0), word(3.2, 4.0)], ..turn("agent", 0.0, 4.0, "x x x") };
    assert_eq!(measure(&[one], 4.0).talk_seconds, 2.8);
}

#[test]
fn who_talks_over_another_who_stops_interrupts_and_who_is_waited_out_does_not() {
    let stops = [turn("agent", 0.0, 5.0, "so as I"), turn("customer", 4.0, 8.0, "no listen")];
    assert_eq!(measure(&stops, 10.0).sides.iter().map(|side| side.interruptions).collect::<Vec<_>>(), [0, 1]);
    let goes_on = [turn("agent", 0.0, 9.0, "so as I was saying"), turn("customer", 4.0, 8.0, "no listen")];
    assert_eq!(measure(&goes_on, 10.0).interruptions, 0, "the agent went on");
    let together = [turn("agent", 0.0, 1.0, "hello"), turn("customer", 0.1, 2.0, "hello there")];
    assert_eq!(measure(&together, 10.0).interruptions, 0, "both began");
    let aside = [turn("agent", 0.0, 5.0, "so as I"), turn("customer", 4.0, 4.4, "mhm")];
    assert_eq!(measure(&aside, 10.0).interruptions, 0, "the agent kept the floor");
}

#[test]
fn turns_without_times_count_words_alone() {
    let untimed = Turn { start: None, end: None, ..turn("agent", 0.0, 0.0, "good morning") };
    let measures = measure(&[untimed], 30.0);
    assert_eq!((measures.talk_seconds, measures.silence_seconds, measures.sides[0].words), (0.0, 30.0, 2));
    assert_eq!((measures.sides[0].words_per_minute, measures.sides[0].talk_ratio), (None, 0.0));
}

#[test]
fn nothing_said_is_one_hold() {
    let measures = measure(&[], 12.0);
    assert_eq!((measures.longest_hold_seconds, measures.sides.len(), measures.turns), (12.0, 0, 0));
    assert_eq!(measure(&[], 0.0).longest_hold_start, None);
}

#[test]
fn a_sides_sentiment_weighs_its_turns_by_their_words() {
    let felt = |score, text: &str| Turn {
        sentiment: Some(SentimentScore { score, label: SentimentLabel::Neutral }),
        ..turn("agent", 0.0, 1.0, text)
    };
    assert_eq!(measure(&[felt(1.0, "a b c"), felt(-1.0, "d")], 1.0).sides[0].sentiment, Some(0.5));
}

proptest! {
    #[test]
    fn every_second_is_talk_or_silence_and_shares_are_whole(
        spans in prop::collection::vec((0_u32..100, 1_u32..20, prop::sample::select(vec!["agent", "customer", "third"])), 1..20)
    ) {
        let mut turns: Vec<Turn> =
            spans.iter().map(|(start, length, speaker)| turn(speaker, f64::from(*start), f64::from(start + length), "x")).collect();
        turns.sort_by(|one, other| one.start.unwrap().total_cmp(&other.start.unwrap()));
        let measures = measure(&turns, 120.0);
        prop_assert!((measures.talk_seconds + measures.silence_seconds - 120.0).abs() < 0.01);
        prop_assert!((measures.sides.iter().map(|side| side.talk_ratio).sum::<f64>() - 1.0).abs() < 0.01);
        // second by second, since all begins and ends are whole seconds
        let speaking = |second: f64| {
            let who: std::collections::BTreeSet<_> =
                turns.iter().filter(|turn| turn.start.unwrap() <= second && second < turn.end.unwrap()).map(|turn| turn.speaker.clone()).collect();
            who.len()
        };
        let overlapped = (0_u32..120).filter(|second| speaking(f64::from(*second)) > 1).count();
        prop_assert!((measures.overlap_seconds - f64::from(u32::try_from(overlapped).unwrap())).abs() < 0.01);
        prop_assert!(measures.longest_hold_seconds <= measures.silence_seconds + 0.01);
    }
}
