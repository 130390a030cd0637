//! A transcript as people read it: a line per turn.

use crate::document::{Document, Turn};

/// What stands before a turn whose speaker nobody knows while others are known.
const SOMEBODY: &str = "Speaker";

/// The transcript as text: a line per turn, `Agent: …`; without names when nobody is known. Turns without text have no line.
#[must_use]
pub fn text(document: &Document) -> String {
    let named = document.turns.iter().any(|turn| turn.speaker.is_some());
    let lines = document.turns.iter().filter(|turn| !turn.text.trim().is_empty());
    let lines = lines.map(|turn| if named { format!("{}: {}", label(turn), one_line(turn)) } else { one_line(turn) });
    lines.collect::<Vec<_>>().join("\n")
}

/// Who speaks, as people write it: `Agent`, `Customer`, the vendor's word with a capital, `Speaker` when nobody knows.
#[must_use]
pub fn label(turn: &Turn) -> String {
    let Some(speaker) = turn.speaker.as_deref().map(str::trim).filter(|speaker| !speaker.is_empty()) else { return SOMEBODY.to_owned() };
    // providers that tell voices apart number them, and a bare number reads as part of what is said
    if speaker.chars().all(|character| character.is_ascii_digit()) {
        return format!("{SOMEBODY} {speaker}");
    }
    let mut characters = speaker.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn one_line(turn: &Turn) -> String {
    turn.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
