//! Scripts cut into pieces as a provider would hear them, and joined again.

use proptest::prelude::*;

use super::*;
use crate::Channel;

#[derive(Debug, Clone, PartialEq)]
struct Said(String, f64, f64);

impl TimedWord for Said {
    fn text(&self) -> &str {
        &self.0
    }

    fn span(&self) -> Interval {
        Interval { start: self.1, end: self.2 }
    }
}

fn piece(start: f64, end: f64, overlap_seconds: f64) -> Piece {
    Piece { channel: Channel::One(0), spans: vec![Interval { start, end }], overlap_seconds, trimmed_seconds: 0.0 }
}

/// What a provider hears of a script in a piece: whole words alone, each time off by up to a tenth of a second.
fn heard(script: &[Said], piece: &Piece, jitter: &[f64]) -> Vec<Said> {
    let span = piece.spans[0];
    let within = script.iter().zip(jitter.iter().cycle()).filter(|(word, _)| word.1 >= span.start && word.2 <= span.end);
    within.map(|(Said(text, start, end), off)| Said(text.clone(), start + off, end + off)).collect()
}

fn texts(words: &[Said]) -> Vec<&str> {
    words.iter().map(|word| word.0.as_str()).collect()
}

/// Words from a small vocabulary, one every 0.4 s.
fn script(words: &[u8]) -> Vec<Said> {
    let at = |place: usize| 0.4 * f64::from(u32::try_from(place).unwrap());
    words.iter().enumerate().map(|(place, word)| Said(format!("word{word}"), at(place), at(place) + 0.3)).collect()
}

proptest! {
    #[test]
    fn no_word_is_lost_or_doubled_where_pieces_overlap(
        words in prop::collection::vec(0_u8..30, 120..200),
        jitter in prop::collection::vec(-0.1_f64..0.1, 7..13),
        cut in 20.0_f64..30.0,
    ) {
        let script = script(&words);
        let end = script.last().unwrap().2 + 1.0;
        let pieces = [piece(0.0, cut, 0.0), piece(cut - 10.0, end, 10.0)];
        let other: Vec<f64> = jitter.iter().rev().copied().collect();
        let parts = vec![
            (pieces[0].clone(), heard(&script, &pieces[0], &jitter)),
            (pieces[1].clone(), heard(&script, &pieces[1], &other)),
        ];
        let stitched = stitch(parts);
        prop_assert_eq!(texts(&stitched), texts(&script));
    }
}

#[test]
fn one_word_said_again_and_again_is_said_as_often() {
    let script = script(&[1; 60]);
    let pieces = [piece(0.0, 12.1, 0.0), piece(8.7, 30.0, 3.4)];
    let parts = pieces.iter().map(|piece| (piece.clone(), heard(&script, piece, &[0.0]))).collect();
    assert_eq!(texts(&stitch(parts)), texts(&script));
}

#[test]
fn pieces_cut_in_a_pause_are_put_one_after_the_other() {
    let script = script(&[1, 1, 1, 2, 2, 2]);
    let parts = vec![(piece(0.0, 1.2, 0.0), script[..3].to_vec()), (piece(1.2, 9.0, 0.0), script[3..].to_vec())];
    assert_eq!(stitch(parts), script);
}

#[test]
fn what_was_heard_otherwise_in_both_pieces_is_divided_in_the_middle() {
    let first = vec![Said("one".into(), 1.0, 1.5), Said("tow".into(), 6.0, 6.4), Said("tree".into(), 8.0, 8.4)];
    let second = vec![Said("to".into(), 6.0, 6.4), Said("three".into(), 8.0, 8.4), Said("four".into(), 12.0, 12.5)];
    let parts = vec![(piece(0.0, 10.0, 0.0), first), (piece(4.0, 20.0, 6.0), second)];
    assert_eq!(texts(&stitch(parts)), ["one", "tow", "three", "four"]);
}

#[test]
fn plain_joining_says_what_both_heard_twice() {
    let script = script(&[1, 2, 3, 4, 5, 6]);
    let pieces = [piece(0.0, 1.6, 0.0), piece(0.8, 9.0, 0.8)];
    let parts = || pieces.iter().map(|piece| (piece.clone(), heard(&script, piece, &[0.0]))).collect::<Vec<_>>();
    assert_eq!(stitch_by(Joining::Plain, parts()).len(), 8);
    assert_eq!(texts(&stitch(parts())), texts(&script));
}
