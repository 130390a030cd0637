//! What is taken out, what is not, and that nothing of it is left.

use proptest::prelude::*;

use super::*;

/// A turn of one word every half second, the text as it is written.
fn turn(speaker: &str, from: f64, text: &str) -> Turn {
    let times = std::iter::successors(Some(from), |at| Some(at + 0.5));
    let words = text.split_whitespace().zip(times).map(|(word, at)| Word {
        text: word.trim_matches(|one: char| ",.?!".contains(one)).to_owned(),
        start: at,
        end: at + 0.4,
        confidence: None,
        speaker: None,
    });
    let words: Vec<Word> = words.collect();
    let end = words.last().map_or(from, |word| word.end);
    Turn {
        speaker: Some(speaker.to_owned()),
        channel: Some(1),
        start: Some(from),
        end: Some(end),
        text: text.to_owned(),
        words,
        ..Turn::default()
    }
}

fn document(turns: Vec<Turn>) -> Document {
    Document { turns, ..Document::new("whisper", "whisper-1", 60.0) }
}

/// The text of one turn after everything was taken out of it.
fn left_of(text: &str) -> String {
    let mut document = document(vec![turn("customer", 0.0, text)]);
    redact(&mut document, &Policy::default());
    let words: Vec<_> = document.turns[0].words.iter().map(|word| word.text.as_str()).collect();
    let marks = |text: &str| text.matches('[').count();
    assert_eq!(marks(&words.join(" ")), marks(&document.turns[0].text), "text and words differ: {words:?}");
    document.turns.remove(0).text
}

#[test]
fn a_card_goes_from_text_words_and_times_at_once() {
    let mut document = document(vec![turn("customer", 10.0, "It is 4111 1111 1111 1111, Visa.")]);
    let redactions = redact(&mut document, &Policy::default());
    assert_eq!(document.turns[0].text, "It is [card], Visa.");
    let words: Vec<_> = document.turns[0].words.iter().map(|word| (word.text.as_str(), word.start, word.end)).collect();
    assert_eq!(words, [("It", 10.0, 10.4), ("is", 10.5, 10.9), ("[card]", 11.0, 12.9), ("Visa", 13.0, 13.4)]);
    let told = Redaction { kind: RedactionKind::Card, turn: 0, channel: Some(1), start: Some(11.0), end: Some(12.9) };
    assert_eq!((redactions, document.redactions), (vec![told.clone()], vec![told]));
}

#[test]
fn digits_that_are_said_are_digits() {
    for said in [
        "four one one one one one one one one one one one one one one one",
        "it's four triple one, double one double one, uh, one one one one, and one one one one thanks",
        "forty one eleven eleven eleven eleven eleven eleven eleven",
        "three seven eight two eight two two four six three one oh oh oh five",
    ] {
        assert!(left_of(said).contains("[card]") && !left_of(said).contains("one one"), "{said}: {}", left_of(said));
    }
}

#[test]
fn a_number_goes_on_over_what_the_other_says() {
    let mut document = document(vec![
        turn("customer", 0.0, "My card is 4111 1111"),
        turn("agent", 3.0, "Mhm, go on."),
        turn("customer", 5.0, "1111 1111 and it ends in May"),
    ]);
    let redactions = redact(&mut document, &Policy::default());
    let texts: Vec<_> = document.turns.iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!(texts, ["My card is [card]", "Mhm, go on.", "[card] and it ends in May"]);
    assert_eq!(redactions.iter().map(|one| one.turn).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn what_is_written_as_a_number_goes_with_the_words_it_was_said_in() {
    let said = "my card is four one one one one one one one one one one one one one one one okay";
    let one = Turn { text: "My card is 4111111111111111, okay?".to_owned(), ..turn("customer", 0.0, said) };
    let mut document = document(vec![one]);
    redact(&mut document, &Policy::default());
    let words: Vec<_> = document.turns[0].words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!((document.turns[0].text.as_str(), words), ("My card is [card], okay?", vec!["my", "card", "is", "[card]", "okay"]));
}

#[test]
fn a_turn_without_word_times_is_muted_whole() {
    let one = Turn { words: Vec::new(), ..turn("customer", 3.0, "Card 4111-1111-1111-1111 please") };
    let mut document = document(vec![one]);
    let redactions = redact(&mut document, &Policy::default());
    assert_eq!(document.turns[0].text, "Card [card] please");
    assert_eq!((redactions[0].start, redactions[0].end), (Some(3.0), document.turns[0].end));
}

#[test]
fn only_what_the_policy_names_goes_and_patterns_of_ones_own_as_well() {
    let text = "Member AC-4711, phone 555 234 5678, ann@example.com";
    let mut one = document(vec![turn("customer", 0.0, text)]);
    assert_eq!(redact(&mut one, &Policy::nothing()), []);
    assert_eq!(one.turns[0].text, text);
    let custom = vec![("member_number".to_owned(), Regex::new(r"AC-\d{4}").unwrap())];
    redact(&mut one, &Policy { custom, ..Policy::nothing() });
    assert_eq!(one.turns[0].text, "Member [member_number], phone 555 234 5678, ann@example.com");
    redact(&mut one, &Policy::default());
    assert_eq!(one.turns[0].text, "Member [member_number], phone [phone], [email]");
    assert_eq!(one.redactions.len(), 3);
}

#[test]
fn asked_numbers_are_known_by_the_question() {
    let mut one = document(vec![
        turn("agent", 0.0, "What is your social security number?"),
        turn("customer", 4.0, "Two one nine oh nine nine nine nine nine."),
    ]);
    redact(&mut one, &Policy::default());
    assert_eq!(one.turns[1].text, "[national_id].");
}

/// Sentence, and what is to be left of it, of our own set.
fn labelled() -> Vec<(&'static str, &'static str)> {
    include_str!("../../data/redaction-labelled.tsv").lines().map(|line| line.split_once('\t').unwrap()).collect()
}

#[test]
fn our_own_set_is_redacted_as_well_as_the_docs_say() {
    let all = labelled();
    let (secret, open): (Vec<_>, Vec<_>) = all.iter().partition(|(sentence, left)| sentence != left);
    let missed: Vec<_> = secret.iter().filter(|(sentence, left)| left_of(sentence) != *left).collect();
    let wrongly: Vec<_> = open.iter().filter(|(sentence, _)| left_of(sentence) != *sentence).collect();
    missed.iter().for_each(|(sentence, left)| println!("missed: {sentence}\n   got: {}\n  want: {left}", left_of(sentence)));
    wrongly.iter().for_each(|(sentence, _)| println!("wrongly: {sentence}\n    got: {}", left_of(sentence)));
    let told = format!("{} of {} sentences", secret.len() - missed.len(), secret.len());
    let wrong = format!("{} of {} without", wrongly.len(), open.len());
    println!("{told}; wrongly redacted {wrong}");
    let docs = include_str!("../../../docs/TRANSCRIPT_JSON.md");
    assert!(docs.contains(&told) && docs.contains(&wrong), "docs/TRANSCRIPT_JSON.md does not say `{told}` and `{wrong}`");
}

/// A number of so many digits that passes the check.
fn card() -> impl Strategy<Value = String> {
    prop::collection::vec(0_u32..10, 12..19).prop_map(|digits| {
        let mut digits = digits;
        digits[0] = digits[0].max(1);
        let with = |check: u32| [digits.clone(), vec![check]].concat();
        let whole = (0..10).map(with).find(|all| {
            let doubled =
                all.iter().rev().enumerate().map(|(at, digit)| if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit });
            doubled.sum::<u32>() % 10 == 0
        });
        whole.unwrap().into_iter().map(|digit| char::from_digit(digit, 10).unwrap()).collect()
    })
}

const NAMES: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// The number as somebody might write or say it.
fn somehow() -> impl Strategy<Value = (String, String)> {
    (card(), prop::collection::vec(0_usize..6, 20)).prop_map(|(card, ways)| {
        let mut said = String::new();
        for (digit, way) in card.chars().zip(ways) {
            let name = NAMES[usize::try_from(digit.to_digit(10).unwrap()).unwrap()];
            match way {
                0 => said.push_str(&format!("{digit}-")),
                1 => said.push_str(&format!(" {digit}")),
                2 => said.push_str(&format!(" {name} ")),
                3 => said.push_str(&format!(", {digit}")),
                _ => said.push(digit),
            }
        }
        (card, said)
    })
}

/// Whether somewhere in the string 13 or more digits in a row, signs and spaces between them left out, pass the check.
fn holds_card(text: &str) -> bool {
    let runs = text.split(|one: char| one.is_alphabetic() || "[]".contains(one));
    runs.map(|run| run.chars().filter_map(|one| one.to_digit(10)).collect::<Vec<_>>()).any(|digits| {
        (0..digits.len()).any(|from| {
            (from + 13..=digits.len().min(from + 19)).any(|to| {
                let all = &digits[from..to];
                let doubled =
                    all.iter().rev().enumerate().map(|(at, digit)| if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit });
                all.iter().any(|digit| *digit != 0) && doubled.sum::<u32>() % 10 == 0
            })
        })
    })
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(all) => all.iter().flat_map(strings).collect(),
        serde_json::Value::Object(all) => all.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

proptest! {
    #[test]
    fn no_card_survives_in_any_field((card, said) in somehow(), before in "[a-z ]{0,12}", cut in 0_usize..12, timed in any::<bool>(), spelt in any::<bool>()) {
        let text = format!("{before} {said} thanks");
        let words: Vec<&str> = text.split_whitespace().collect();
        let (one, two) = words.split_at(cut.min(words.len()));
        let mut turns = vec![turn("customer", 0.0, &one.join(" ")), turn("agent", 8.0, "okay"), turn("customer", 10.0, &two.join(" "))];
        if !timed {
            turns.iter_mut().for_each(|turn| turn.words.clear());
        }
        if spelt {
            // the provider writes the number in one piece whatever was said
            turns.push(Turn { text: format!("Card {card}."), ..turn("customer", 40.0, "card whatever it heard") });
        }
        let mut document = document(turns);
        redact(&mut document, &Policy::default());
        let json = serde_json::to_value(&document).unwrap();
        for text in strings(&json) {
            prop_assert!(!holds_card(&text), "{text}");
        }
        for turn in &document.turns {
            let words: Vec<_> = turn.words.iter().map(|word| word.text.as_str()).collect();
            prop_assert!(!holds_card(&words.join(" ")), "{words:?}");
        }
        let whole: String = document.turns.iter().filter(|turn| turn.speaker.as_deref() == Some("customer")).map(|turn| turn.text.clone() + " ").collect();
        prop_assert!(!holds_card(&whole), "{whole}");
        prop_assert!(document.redactions.iter().any(|one| one.kind == RedactionKind::Card));
    }

    #[test]
    fn what_holds_nothing_stays_word_for_word(text in "[a-z]{3,9}( [a-z]{3,9}){0,20}[.?]") {
        prop_assert_eq!(left_of(&text), text);
    }
}
