//! Turns out of words and stretches, as providers tell them.

use proptest::prelude::*;

use super::*;

fn word(text: &str, start: f64, end: f64) -> Word {
    Word { text: text.to_owned(), start, end, confidence: None, speaker: None }
}

/// A word of 0.3 s for each text, 0.4 s apart.
fn words(from: f64, text: &str) -> Vec<Word> {
    let mut at = from;
    text.split_whitespace()
        .map(|text| {
            let word = word(text, at, at + 0.3);
            at += 0.4;
            word
        })
        .collect()
}

fn segment(start: f64, end: f64, text: &str) -> Heard {
    Heard { start, end, text: text.to_owned(), ..Heard::default() }
}

fn side(speaker: &str, channel: u8) -> Side {
    Side { speaker: Some(speaker.to_owned()), channel: Some(channel), ..Side::default() }
}

/// `speaker: text` of each turn.
fn lines(turns: &[Turn]) -> Vec<String> {
    turns.iter().map(|turn| format!("{}: {}", turn.speaker.as_deref().unwrap_or("?"), turn.text)).collect()
}

#[test]
fn two_channels_are_interleaved_by_time() {
    let agent = Side { words: [words(0.0, "hello"), words(3.0, "how can I help")].concat(), ..side("agent", 0) };
    let customer = Side { words: words(1.0, "hi there"), ..side("customer", 1) };
    let turns = turns_of(&[agent, customer]);
    assert_eq!(lines(&turns), ["agent: hello", "customer: hi there", "agent: how can I help"]);
    assert_eq!((turns[2].start, turns[2].end, turns[2].channel), (Some(3.0), Some(4.5), Some(0)));
}

#[test]
fn a_short_pause_is_a_new_turn_only_when_the_other_takes_the_floor() {
    let talk = [words(0.0, "one moment"), words(1.9, "please")].concat();
    let alone = turns_of(&[Side { words: talk.clone(), ..side("agent", 0) }]);
    assert_eq!(lines(&alone), ["agent: one moment please"]);
    let other = Side { words: words(1.0, "okay"), ..side("customer", 1) };
    let both = turns_of(&[Side { words: talk, ..side("agent", 0) }, other]);
    assert_eq!(lines(&both), ["agent: one moment", "customer: okay", "agent: please"]);
}

#[test]
fn a_long_pause_is_a_new_turn() {
    let talk = [words(0.0, "hold on"), words(2.3, "back")].concat();
    assert_eq!(lines(&turns_of(&[Side { words: talk, ..side("agent", 0) }])), ["agent: hold on", "agent: back"]);
}

#[test]
fn who_speaks_over_another_keeps_a_turn_and_cuts_none() {
    let agent = Side { words: words(0.0, "let me explain the whole plan"), ..side("agent", 0) };
    let customer = Side { words: words(0.85, "but wait"), ..side("customer", 1) };
    assert_eq!(lines(&turns_of(&[agent, customer])), ["agent: let me explain the whole plan", "customer: but wait"]);
}

#[test]
fn words_are_written_as_their_stretch_writes_them() {
    let agent = Side {
        segments: vec![segment(0.0, 1.5, "Hello, I'm Ann."), segment(3.2, 5.0, "You owe $20 — right?")],
        words: [words(0.0, "hello i'm ann"), words(3.2, "you owe twenty dollars right")].concat(),
        ..side("agent", 0)
    };
    let turns = turns_of(&[agent]);
    assert_eq!(lines(&turns), ["agent: Hello, I'm Ann.", "agent: You owe $20 — right?"]);
    assert_eq!(turns[1].words.len(), 5, "the words stay as they were heard");
}

#[test]
fn a_stretch_that_spans_two_turns_is_cut_between_words() {
    let agent = Side {
        segments: vec![segment(0.0, 5.0, "Please hold. Thanks for waiting.")],
        words: [words(0.0, "please hold"), words(3.0, "thanks for waiting")].concat(),
        ..side("agent", 0)
    };
    assert_eq!(lines(&turns_of(&[agent])), ["agent: Please hold.", "agent: Thanks for waiting."]);
}

#[test]
fn a_stretch_without_words_keeps_its_text_beside_stretches_with_words() {
    let one = Side {
        segments: vec![segment(0.0, 1.0, "Good morning."), segment(1.2, 2.0, "How are you?")],
        words: words(0.0, "good morning"),
        ..side("agent", 0)
    };
    assert_eq!(lines(&turns_of(&[one])), ["agent: Good morning. How are you?"]);
}

#[test]
fn a_spelling_of_its_own_is_not_said_twice() {
    let one = Side { segments: vec![segment(0.0, 0.3, "4.")], words: words(0.0, "four"), ..side("agent", 0) };
    let turns = turns_of(&[one]);
    assert_eq!((lines(&turns), turns[0].words.len()), (vec!["agent: 4.".to_owned()], 1));
}

#[test]
fn voices_on_one_channel_are_told_apart_by_the_words_or_by_the_stretches() {
    let mut told = [words(0.0, "hello there"), words(0.8, "hi")].concat();
    told[2].speaker = Some("B".to_owned());
    told.iter_mut().take(2).for_each(|word| word.speaker = Some("A".to_owned()));
    assert_eq!(lines(&turns_of(&[Side { words: told, ..Side::default() }])), ["A: hello there", "B: hi"]);
    let mut stretches = vec![segment(0.0, 0.7, "Hello there."), segment(0.8, 1.1, "Hi.")];
    stretches[0].speaker = Some("A".to_owned());
    let turns = turns_of(&[Side { segments: stretches, ..Side::default() }]);
    assert_eq!(lines(&turns), ["A: Hello there.", "?: Hi."]);
}

#[test]
fn scripts_without_spaces_stay_without_spaces() {
    let one = Side {
        segments: vec![segment(0.0, 2.0, "你好,世界。 OK")],
        words: vec![word("你好", 0.0, 0.5), word("世界", 0.5, 1.0), word("OK", 1.2, 1.5)],
        ..Side::default()
    };
    assert_eq!(lines(&turns_of(&[one])), ["?: 你好,世界。 OK"]);
}

#[test]
fn confidence_is_the_mean_of_words_or_what_the_stretches_say() {
    let mut sure = words(0.0, "yes no");
    sure[0].confidence = Some(0.9);
    sure[1].confidence = Some(0.6);
    assert_eq!(turns_of(&[Side { words: sure, ..Side::default() }])[0].confidence, Some(0.75));
    let heard = Heard { avg_logprob: Some(0.0), ..segment(0.0, 1.0, "Yes.") };
    assert_eq!(turns_of(&[Side { segments: vec![heard], ..Side::default() }])[0].confidence, Some(1.0));
    assert_eq!(turns_of(&[Side { words: words(0.0, "yes"), ..Side::default() }])[0].confidence, None);
}

#[test]
fn times_have_three_digits() {
    let turn = &turns_of(&[Side { words: vec![word("x", 0.239_999_994_632_5, 0.5)], ..Side::default() }])[0];
    assert_eq!((turn.start, turn.words[0].start), (Some(0.24), 0.24));
}

/// What a side may hear: words here and there, and stretches that may or may not be theirs.
fn heard() -> impl Strategy<Value = Side> {
    let text = prop::sample::select(vec!["yes", "No,", "twenty", "20", "—", "don't", "你好", "hello", "refund."]);
    let time = (0_u32..400).prop_map(|tenths| f64::from(tenths) / 10.0);
    let spoken = (text.clone(), time.clone(), prop::option::of(prop::sample::select(vec!["A", "B"])));
    let words = prop::collection::vec(spoken, 0..25).prop_map(|all| {
        all.into_iter().map(|(text, at, speaker)| Word { speaker: speaker.map(str::to_owned), ..word(text, at, at + 0.3) }).collect()
    });
    let stretches = prop::collection::vec((prop::collection::vec(text, 1..8), time), 0..6)
        .prop_map(|all| all.into_iter().map(|(texts, at)| segment(at, at + 4.0, &texts.join(" "))).collect());
    (words, stretches).prop_map(|(words, segments)| Side { words, segments, ..Side::default() })
}

proptest! {
    #[test]
    fn no_word_is_lost_or_doubled(sides in prop::collection::vec(heard(), 1..3)) {
        let turns = turns_of(&sides);
        let key = |word: &Word| format!("{} {} {}", word.text, thousandths(word.start), thousandths(word.end));
        let mut went_in: Vec<_> = sides.iter().flat_map(|side| &side.words).map(key).collect();
        let mut came_out: Vec<_> = turns.iter().flat_map(|turn| &turn.words).map(key).collect();
        went_in.sort();
        came_out.sort();
        prop_assert_eq!(went_in, came_out);
        prop_assert!(turns.is_sorted_by_key(|turn| turn.start.unwrap()));
        for turn in &turns {
            prop_assert!(turn.start <= turn.end && turn.words.is_sorted_by(|one, other| one.start <= other.start));
        }
    }

    #[test]
    fn what_stretches_write_is_written_once(texts in prop::collection::vec(prop::sample::select(vec!["Yes,", "no.", "Refund?", "I'm", "24/7"]), 1..40), cut in 1_usize..9) {
        let all: Vec<Word> = words(0.0, &texts.join(" ").to_lowercase());
        let segments = all.chunks(cut).zip(texts.chunks(cut)).map(|(said, text)| segment(said[0].start, said[said.len() - 1].end, &text.join(" "))).collect();
        let turns = turns_of(&[Side { words: all, segments, ..Side::default() }]);
        prop_assert_eq!(&turns[0].text, &texts.join(" "));
    }
}
