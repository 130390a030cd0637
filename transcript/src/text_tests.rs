//! The readable text.

use super::*;

fn document(turns: &[(Option<&str>, &str)]) -> Document {
    let turns =
        turns.iter().map(|(speaker, text)| Turn { speaker: speaker.map(str::to_owned), text: (*text).to_owned(), ..Turn::default() });
    Document { turns: turns.collect(), ..Document::new("whisper", "whisper-1", 10.0) }
}

#[test]
fn each_turn_is_a_line_with_who_speaks() {
    let document = document(&[(Some("agent"), "Hello."), (Some("customer"), "Hi,\nthere."), (None, "Mhm."), (Some("1"), "Yes.")]);
    assert_eq!(text(&document), "Agent: Hello.\nCustomer: Hi, there.\nSpeaker: Mhm.\nSpeaker 1: Yes.");
}

#[test]
fn where_nobody_is_known_no_names_stand() {
    assert_eq!(text(&document(&[(None, "Hello."), (None, " "), (None, "Bye.")])), "Hello.\nBye.");
}

#[test]
fn a_document_without_turns_has_no_text() {
    assert_eq!(text(&document(&[])), "");
}
