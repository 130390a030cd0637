//! A call of two channels on which one voice is caught by the other's microphone.

use std::io::Write;

use callscribe::{
    audio::{Limits, examine},
    transcript::{Heard, Word},
};

use super::*;

const RATE: u32 = 8_000;

/// Amplitudes of both channels, a second each.
fn sound(seconds: &[(i16, i16)]) -> Examined {
    let mut data = Vec::new();
    for (left, right) in seconds {
        for n in 0..RATE {
            // not the same shape on both: they are two microphones
            let wave = |level: i16, half: u32| if (n / half).is_multiple_of(2) { level } else { -level };
            data.extend(wave(*left, 10).to_le_bytes());
            data.extend(wave(*right, 13).to_le_bytes());
        }
    }
    let length = u32::try_from(data.len()).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let head = [b"RIFF".as_slice(), &(length + 36).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes(), &1_u16.to_le_bytes()].concat();
    let form =
        [&2_u16.to_le_bytes()[..], &RATE.to_le_bytes(), &(RATE * 4).to_le_bytes(), &4_u16.to_le_bytes(), &16_u16.to_le_bytes()].concat();
    for part in [head, form, [b"data".as_slice(), &length.to_le_bytes()].concat(), data] {
        file.write_all(&part).unwrap();
    }
    examine(file.path(), &Limits::default()).unwrap()
}

/// Words, one each 0.3 s from `start` on.
fn side(channel: u8, told: &[(f64, &str)]) -> Side {
    let words = told.iter().flat_map(|(start, text)| {
        let all: Vec<_> = text.split(' ').map(str::to_owned).collect();
        all.into_iter().zip(0_u8..).map(move |(text, at)| {
            let start = start + 0.3 * f64::from(at);
            Word { text, start, end: start + 0.25, confidence: None, speaker: None }
        })
    });
    Side { channel: Some(channel), words: words.collect(), ..Side::default() }
}

fn left(sides: &[Side]) -> Vec<String> {
    sides.iter().map(|side| side.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_voice_that_is_caught_by_the_others_microphone_is_told_once() {
    // the agent speaks in the first second, caught quietly on the other channel; the customer answers in the third
    let examined = sound(&[(12_000, 400), (0, 0), (0, 12_000), (0, 0)]);
    let mut sides = [side(0, &[(0.05, "good morning, sir")]), side(1, &[(0.1, "Good morning sir"), (2.05, "hello there")])];
    assert_eq!(take_out(&mut sides, &examined), 3);
    assert_eq!(left(&sides), ["good morning, sir", "hello there"]);
    assert_eq!(take_out(&mut sides, &examined), 0, "twice is once");
}

#[test]
fn who_speaks_softly_meanwhile_or_as_loud_keeps_every_word() {
    let soft = sound(&[(12_000, 400), (0, 0)]);
    let mut other_words = [side(0, &[(0.05, "good morning sir")]), side(1, &[(0.1, "yes I am here")])];
    assert_eq!(take_out(&mut other_words, &soft), 0);
    let both = sound(&[(12_000, 9_000), (0, 0)]);
    let mut in_chorus = [side(0, &[(0.05, "good morning sir")]), side(1, &[(0.1, "good morning sir")])];
    assert_eq!(take_out(&mut in_chorus, &both), 0);
    let mut later = [side(0, &[(0.05, "yes")]), side(1, &[(1.9, "yes")])];
    assert_eq!(take_out(&mut later, &soft), 0, "said again is said again");
}

#[test]
fn a_side_without_words_loses_the_segments_and_a_shared_channel_nothing() {
    let examined = sound(&[(12_000, 400), (0, 0)]);
    let heard = |text: &str| Heard { start: 0.05, end: 0.9, text: text.to_owned(), ..Heard::default() };
    let of = |channel: u8, text: &str| Side { channel: Some(channel), segments: vec![heard(text)], ..Side::default() };
    let mut sides = [of(0, "good morning sir"), of(1, "good morning")];
    assert_eq!((take_out(&mut sides, &examined), sides[1].segments.len()), (2, 0));
    let mut shared = [Side { channel: None, ..of(0, "good morning sir") }, of(1, "good morning")];
    assert_eq!(take_out(&mut shared, &examined), 0);
}
