//! One test per row of the contract's table of checks, and what people really say.

use super::*;
use crate::{
    asr::{Segment, Word},
    audio::Interval,
};

/// A word every half second from `from`, `text` split at spaces.
fn words(text: &str, from: f64) -> Vec<Word> {
    let starts = (0_u32..).map(|n| from + 0.5 * f64::from(n));
    let word = |(text, start): (&str, f64)| Word { text: text.to_owned(), start, end: start + 0.4, confidence: None, speaker: None };
    text.split_whitespace().zip(starts).map(word).collect()
}

fn of_words(words: Vec<Word>) -> Transcription {
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    Transcription {
        text,
        language: None,
        duration: None,
        billed_seconds: None,
        segments: Vec::new(),
        words,
        repairs: 0,
        request_id: None,
        model: "whisper-1".to_owned(),
        too_short: false,
        exhausted_for: None,
    }
}

fn said(text: &str) -> Transcription {
    of_words(words(text, 0.0))
}

fn untimed(text: &str) -> Transcription {
    Transcription { words: Vec::new(), ..said(text) }
}

fn segment(text: &str, start: f64, end: f64) -> Segment {
    Segment { start, end, text: text.to_owned(), no_speech_prob: None, avg_logprob: None, speaker: None }
}

fn spoken(stretches: &[(f64, f64)]) -> Speech {
    Speech::of(stretches.iter().map(|(start, end)| Interval { start: *start, end: *end }).collect())
}

/// Speech for as long as the text's words take.
fn matching(answer: &Transcription) -> Speech {
    spoken(&[(0.0, answer.words.last().map_or(1.0, |word| word.end))])
}

fn reason(checked: &Checked) -> Option<Reason> {
    match checked.verdict {
        Verdict::Bad { reason, .. } => Some(reason),
        Verdict::Good | Verdict::Suspect { .. } => None,
    }
}

fn flags_of(answer: &Transcription, speech: &Speech) -> Vec<Flag> {
    let checked = check(answer, speech);
    assert_eq!(reason(&checked), None, "{checked:?}");
    checked.flags().to_vec()
}

const TALK: &str = "good morning this is the service desk how may I help you today well my laptop does not start since yesterday \
    and I have a meeting at ten so I need it rather soon I see may I have your name and the number on the label please";

#[test]
fn an_ordinary_answer_is_good() {
    let answer = said(TALK);
    assert_eq!(check(&answer, &matching(&answer)).verdict, Verdict::Good);
}

#[test]
fn an_hour_of_ordinary_talk_is_not_taken_for_a_circle() {
    let sentences =
        ["the printer on the second floor", "my account was locked again", "could you read me the code", "let me check that for you"];
    let said_in_turns = sentences.iter().cycle().zip(TALK.split(' ').cycle()).zip(0..2000_u32);
    let turns = said_in_turns.map(|((sentence, word), n)| format!("{sentence} {} {word}", n * 7919 % 1009));
    let answer = said(&turns.collect::<Vec<_>>().join(" "));
    assert_eq!(reason(&check(&answer, &matching(&answer))), None);
}

#[test]
fn a_tail_cut_off_is_low_coverage() {
    let answer = said(TALK);
    let end = answer.words.last().unwrap().end;
    let checked = check(&answer, &spoken(&[(0.0, end), (end + 2.0, end + 9.0)]));
    assert_eq!(reason(&checked), Some(Reason::LowCoverage));
    assert!(matches!(&checked.verdict, Verdict::Bad { what, .. } if what.contains("7.0 s of speech have no words")), "{checked:?}");
    assert_eq!(reason(&check(&answer, &spoken(&[(0.0, end + 2.9)]))), None, "three seconds are allowed");
    assert_eq!(reason(&check(&answer, &spoken(&[(0.0, end), (end + 20.0, end + 20.6)]))), None, "a beep after the call");
}

#[test]
fn a_hole_in_the_middle_is_low_coverage_and_a_pause_is_not() {
    let mut two_parts = words("one thing and then", 0.0);
    two_parts.extend(words("the other thing", 30.0));
    let answer = of_words(two_parts);
    assert_eq!(reason(&check(&answer, &spoken(&[(0.0, 2.0), (5.0, 15.0), (30.0, 31.5)]))), Some(Reason::LowCoverage));
    assert_eq!(reason(&check(&answer, &spoken(&[(0.0, 2.0), (30.0, 31.5)]))), None);
    let beginning_lost = of_words(words("the end", 20.0));
    assert_eq!(reason(&check(&beginning_lost, &spoken(&[(0.0, 21.0)]))), Some(Reason::LowCoverage));
}

#[test]
fn coverage_goes_by_segments_when_there_are_no_words() {
    let segments = vec![segment("hello there how are you", 0.0, 4.0)];
    let answer = Transcription { segments, ..untimed("hello there how are you") };
    assert_eq!(check(&answer, &spoken(&[(0.0, 4.0)])).verdict, Verdict::Good);
    assert_eq!(reason(&check(&answer, &spoken(&[(0.0, 12.0)]))), Some(Reason::LowCoverage));
}

#[test]
fn an_empty_answer_to_speech_is_low_coverage() {
    assert_eq!(reason(&check(&said(""), &spoken(&[(0.0, 20.0)]))), Some(Reason::LowCoverage));
    assert_eq!(flags_of(&said(""), &spoken(&[(0.0, 1.5)])), [Flag::EmptyText]);
}

#[test]
fn without_times_the_number_of_words_decides() {
    assert_eq!(flags_of(&untimed(TALK), &spoken(&[(0.0, 22.0)])), [Flag::CoverageUnchecked]);
    assert_eq!(reason(&check(&untimed("hello there"), &spoken(&[(0.0, 60.0)]))), Some(Reason::LowCoverage));
    let without_spaces = untimed("お電話ありがとうございますサービスデスクの田中でございます本日はどのようなご用件でしょうか");
    assert_eq!(flags_of(&without_spaces, &spoken(&[(0.0, 12.0)])), [Flag::CoverageUnchecked]);
}

#[test]
fn thirty_thanks_for_watching_are_a_circle() {
    let answer = said(&"Thank you for watching. ".repeat(30));
    let checked = check(&answer, &matching(&answer));
    assert_eq!(reason(&checked), Some(Reason::Repetition));
    assert!(checked.measures.compression_ratio > 2.4);
}

#[test]
fn text_that_compresses_too_well_is_a_circle_though_no_group_repeats_in_a_row() {
    let circle = "so I said to him that we should go and he said to me that we should not go then ";
    let text: String = (0..8).map(|n| format!("{n} {circle}")).collect();
    let answer = said(&text);
    assert_eq!(reason(&check(&answer, &matching(&answer))), Some(Reason::Repetition));
}

#[test]
fn people_do_say_things_three_times_and_read_out_zeros() {
    let thrice = said(&format!("{TALK} no no no"));
    assert_eq!(flags_of(&thrice, &matching(&thrice)), [Flag::WordLoop]);
    let zeros = said(&format!("{TALK} zero zero zero zero zero 0 0 0"));
    assert_eq!(flags_of(&zeros, &matching(&zeros)), []);
    let many_zeros = said(&format!("{TALK} {}", "0 ".repeat(11)));
    assert_eq!(flags_of(&many_zeros, &matching(&many_zeros)), [Flag::WordLoop]);
    let stuck = said(&format!("{TALK} {}", "no ".repeat(12)));
    assert_eq!(reason(&check(&stuck, &matching(&stuck))), Some(Reason::Repetition));
    let stuck_on_four = said(&format!("{TALK} {}", "I do not know ".repeat(3)));
    assert_eq!(reason(&check(&stuck_on_four, &matching(&stuck_on_four))), Some(Reason::Repetition));
}

#[test]
fn a_rate_that_nobody_talks_at_is_flagged() {
    let answer = said(TALK);
    let end = answer.words.last().unwrap().end;
    assert_eq!(flags_of(&answer, &spoken(&[(0.0, 5.5), (end - 0.1, end)])), [Flag::OddRate]);
}

#[test]
fn poor_scores_of_the_provider_are_flagged() {
    let mut answer = said(TALK);
    let end = answer.words.last().unwrap().end;
    answer.segments = vec![Segment { avg_logprob: Some(-1.4), no_speech_prob: Some(0.2), ..segment(TALK, 0.0, end) }];
    let speech = matching(&answer);
    assert_eq!(flags_of(&answer, &speech), [Flag::LowConfidence]);
    answer.segments.first_mut().unwrap().no_speech_prob = Some(0.9);
    assert_eq!(flags_of(&answer, &speech), [Flag::LowConfidence, Flag::LikelySilence]);
}

#[test]
fn words_too_short_to_be_said_are_flagged() {
    let mut answer = said(TALK);
    let end = answer.words.last().unwrap().end;
    answer.segments = vec![segment(TALK, 0.0, end)];
    answer.words.iter_mut().take(4).for_each(|word| word.end = word.start + 0.05);
    assert_eq!(flags_of(&answer, &matching(&answer)), [Flag::OddWords]);
}

#[test]
fn a_stock_phrase_where_nobody_speaks_is_flagged_and_one_that_was_said_is_not() {
    let mut answer = said(TALK);
    let end = answer.words.last().unwrap().end;
    answer.words.extend(words("Thank you.", end + 5.0));
    answer.segments = vec![segment(TALK, 0.0, end), segment("Thank you.", end + 5.0, end + 6.0)];
    answer.text.push_str(" Thank you.");
    assert_eq!(flags_of(&answer, &spoken(&[(0.0, end)])), [Flag::StockPhrase]);
    assert_eq!(flags_of(&answer, &spoken(&[(0.0, end), (end + 5.0, end + 5.9)])), []);
}
