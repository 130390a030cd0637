//! How words are written: the text of a stretch taken apart into what stands for a word each, and given back to the words.

use crate::document::Word;

/// A piece of written text that stands for a word.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// As it is written, with the punctuation around it.
    pub(super) text: String,
    /// What of it is spoken.
    pub(super) letters: String,
    /// Written without a space before it.
    pub(super) joined: bool,
}

/// Letters and digits in lower case: what two spellings of a word have in common.
pub(crate) fn letters(text: &str) -> String {
    // signs that are said
    match text.trim() {
        "&" => return "and".to_owned(),
        "+" => return "plus".to_owned(),
        "%" => return "percent".to_owned(),
        _ => {}
    }
    text.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a character is a word by itself in a script without spaces: kana, Han, Thai, Lao, Khmer and Burmese.
fn stands_alone(character: char) -> bool {
    matches!(u32::from(character), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// A text as tokens; punctuation that stands alone goes with what is before it, at the beginning with what follows.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut opening = String::new();
    for (piece, joined) in text.split_whitespace().flat_map(pieces) {
        let letters = letters(&piece);
        let space = if joined { "" } else { " " };
        match tokens.last_mut() {
            Some(last) if letters.is_empty() => last.text.extend([space, &piece]),
            None if letters.is_empty() => opening.extend([&piece, " "]),
            _ => tokens.push(Token { text: std::mem::take(&mut opening) + &piece, letters, joined }),
        }
    }
    tokens
}

/// What stands between two spaces, taken apart where a script has no spaces; whether no space stands before each.
fn pieces(between_spaces: &str) -> Vec<(String, bool)> {
    let mut pieces: Vec<(String, bool)> = Vec::new();
    let mut alone = false;
    for character in between_spaces.chars() {
        let begins = pieces.is_empty() || (character.is_alphanumeric() && (alone || stands_alone(character)));
        match pieces.last_mut() {
            Some((last, _)) if !begins => last.push(character),
            _ => pieces.push((character.to_string(), !pieces.is_empty())),
        }
        alone = if character.is_alphanumeric() { stands_alone(character) } else { alone };
    }
    pieces
}

/// How each of some words is written, given the tokens that stand for them all, and whether without a space before it.
pub(super) fn written(words: &[&Word], tokens: &[&Token]) -> Vec<(String, bool)> {
    let spoken: Vec<String> = words.iter().map(|word| letters(&word.text)).collect();
    if !tokens.is_empty() && spoken.concat() == tokens.iter().map(|token| token.letters.as_str()).collect::<String>() {
        return cut_by_letters(&spoken, tokens);
    }
    // `twenty dollars` is written `$20`: the words that are left over are in the number
    let holds_number = tokens.iter().any(|token| token.letters.contains(|character: char| character.is_ascii_digit()));
    let last = words.len().saturating_sub(1);
    let mut left = tokens.iter();
    let each = words.iter().enumerate().map(|(at, word)| {
        let Some(token) = left.next() else { return (if holds_number { String::new() } else { word.text.trim().to_owned() }, false) };
        let mut text = token.text.clone();
        if at == last {
            for further in left.by_ref() {
                append(&mut text, further);
            }
        }
        (text, token.joined)
    });
    each.collect()
}

/// Adds a token behind a text.
pub(super) fn append(text: &mut String, token: &Token) {
    if !token.joined && !text.is_empty() {
        text.push(' ');
    }
    text.push_str(&token.text);
}

/// The tokens' text cut so that each word has its own letters and what follows them.
fn cut_by_letters(spoken: &[String], tokens: &[&Token]) -> Vec<(String, bool)> {
    let mut whole = String::new();
    for token in tokens {
        append(&mut whole, token);
    }
    let first_joined = tokens.first().is_some_and(|token| token.joined);
    let mut rest = whole.as_str();
    let mut joined = first_joined;
    let mut written = Vec::with_capacity(spoken.len());
    for (at, word) in spoken.iter().enumerate() {
        let end = if at + 1 == spoken.len() { rest.len() } else { end_of_letters(rest, word.chars().count()) };
        let (own, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        written.push((own.trim().to_owned(), joined));
        joined = !own.ends_with(char::is_whitespace);
        rest = after;
    }
    written
}

/// Where a text's first so many letters end, with the punctuation and the space that follow them.
fn end_of_letters(text: &str, count: usize) -> usize {
    let mut seen = 0;
    for (at, character) in text.char_indices() {
        if character.is_alphanumeric() {
            if seen >= count {
                return at;
            }
            seen += character.to_lowercase().count();
        }
    }
    text.len()
}
