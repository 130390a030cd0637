//! E-mail addresses, written and said: `ann@example.com`, `ann dot other at example dot com`.

use super::{Found, Said};
use crate::document::RedactionKind;

/// Ends of addresses that are said as words.
const ENDS: &[&str] = &[
    "com", "org", "net", "edu", "gov", "info", "biz", "io", "co", "uk", "de", "fr", "es", "it", "nl", "eu", "us", "ca", "au", "at", "ch",
    "se", "no", "dk", "pl", "pt", "ie", "in", "br", "mx", "me",
];
/// Signs that are said as words within an address.
const SIGNS: &[&str] = &["dot", "point", "underscore", "dash", "hyphen", "minus", "plus"];
/// Words before `at` after which a site is named, not an address.
const SITE: &[&str] = &[
    "look",
    "looking",
    "us",
    "find",
    "online",
    "available",
    "website",
    "visit",
    "shop",
    "is",
    "it",
    "was",
    "page",
    "form",
    "works",
    "work",
    "back",
    "order",
];
/// Words between `at` and the first `dot`.
const LONGEST_NAME: usize = 3;
/// Words before `at` that may be of the address.
const LONGEST_LOCAL_PART: usize = 24;

/// A word in lower case without what stands around it.
fn bare(text: &str) -> String {
    text.trim_matches(|character: char| !character.is_alphanumeric()).to_lowercase()
}

/// Whether a word is `name.end`.
fn is_domain(word: &str) -> bool {
    word.rsplit_once('.').is_some_and(|(name, end)| !name.is_empty() && ENDS.contains(&end))
}

/// The addresses in what one voice says.
pub(super) fn find(said: &[Said<'_>]) -> Vec<Found> {
    let words: Vec<String> = said.iter().map(|(_, text)| bare(text)).collect();
    let place = |at: usize| said.get(at).map(|(item, _)| *item);
    let found = |first: usize, last: usize| Some(Found { kind: RedactionKind::Email, first: place(first)?, last: place(last)? });
    let written = words.iter().enumerate().filter(|(_, word)| is_address(word)).filter_map(|(at, _)| found(at, at));
    let spoken = words.iter().enumerate().filter(|(_, word)| matches!(word.as_str(), "at" | "@")).filter_map(|(at, _)| {
        let last = end_of_domain(&words, at)?;
        let first = begin_of_local_part(&words, at)?;
        found(first, last)
    });
    written.chain(spoken).collect()
}

fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.ends_with('.'))
}

/// The last word of the domain that begins after `at`.
fn end_of_domain(words: &[String], at: usize) -> Option<usize> {
    if words.get(at + 1).is_some_and(|word| is_domain(word)) {
        return Some(at + 1);
    }
    let is_dot = |at: usize| words.get(at).is_some_and(|word| word == "dot" || word == "point");
    let is_end = |at: usize| words.get(at).is_some_and(|word| ENDS.contains(&word.as_str()));
    let mut dot = (at + 2..=at + 1 + LONGEST_NAME).find(|dot| is_dot(*dot))?;
    // `mail dot example dot co dot uk`
    while is_dot(dot + 2) {
        dot += 2;
    }
    is_end(dot + 1).then_some(dot + 1)
}

/// The first word of what stands before `at`: one word, more where they are letters, digits or joined by signs.
fn begin_of_local_part(words: &[String], at: usize) -> Option<usize> {
    let mut first = at.checked_sub(1)?;
    let word = |at: usize| words.get(at).map(String::as_str);
    if SITE.contains(&word(first)?) {
        return None;
    }
    let is_small = |word: &str| word.chars().count() <= 1 || word.chars().all(|one| one.is_ascii_digit()) || is_digit_word(word);
    while let Some(before) = first.checked_sub(1).filter(|before| at - before <= LONGEST_LOCAL_PART) {
        let (Some(own), Some(ahead)) = (word(first), word(before)) else { break };
        if ["a", "i"].contains(&ahead) && !is_small(own) {
            break;
        }
        if SIGNS.contains(&own) || SIGNS.contains(&ahead) || (is_small(own) && (is_small(ahead) || !is_common(ahead))) || is_small(ahead) {
            first = before;
        } else {
            break;
        }
    }
    Some(first)
}

fn is_digit_word(word: &str) -> bool {
    ["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple"].contains(&word)
}

/// Words that stand before an address and are not of it.
fn is_common(word: &str) -> bool {
    [
        "is", "it's", "its", "address", "email", "e-mail", "mail", "to", "at", "the", "my", "and", "so", "yes", "that's", "under", "with",
        "as", "or",
    ]
    .contains(&word)
}
