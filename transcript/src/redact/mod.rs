//! Takes out of a transcript what must not be kept: card numbers, national ids, telephone numbers, e-mail addresses and what one's own
//! patterns say.
//!
//! It works on the words, so that text, words and times are taken out together, and follows one voice through several turns: people
//! say a long number in groups while the other says `mhm`. What was taken out is nowhere in the document; muting the audio in the times
//! told is the caller's.

mod email;
mod found;
mod spoken;

use regex::Regex;

use crate::{
    document::{Document, Redaction, RedactionKind, Turn, Word},
    turns::written_words,
};

/// What to take out.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Numbers of payment cards.
    pub cards: bool,
    /// Numbers that states give to persons.
    pub national_ids: bool,
    /// Telephone numbers.
    pub phones: bool,
    /// E-mail addresses.
    pub emails: bool,
    /// Patterns of one's own: the name that stands in place of what matches, and the pattern.
    pub custom: Vec<(String, Regex)>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { cards: true, national_ids: true, phones: true, emails: true, custom: Vec::new() }
    }
}

impl Policy {
    /// Takes out nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { cards: false, national_ids: false, phones: false, emails: false, custom: Vec::new() }
    }
}

/// Seconds between two turns of one voice over which a number may go on.
const GOES_ON_SECONDS: f64 = 15.0;
/// Turns from one turn of a voice to the next over which a number may go on: the other's `mhm` is between.
const GOES_ON_TURNS: usize = 3;

/// The smallest thing that is taken out: a word with what is written for it, or what is written alone.
#[derive(Debug, Clone)]
struct Item {
    turn: usize,
    start: Option<f64>,
    end: Option<f64>,
    written: String,
    joined: bool,
    word: Option<Word>,
    taken: Option<RedactionKind>,
}

/// Which items are to go, from the first to the last, and what they are.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    kind: RedactionKind,
    first: usize,
    last: usize,
}

/// An item's place and one of its two texts.
type Said<'s> = (usize, &'s str);

/// Takes out what the policy names. Returns what was taken out, which is also added to the document's `redactions`.
pub fn redact(document: &mut Document, policy: &Policy) -> Vec<Redaction> {
    let mut items: Vec<Item> = document.turns.iter().enumerate().flat_map(|(at, turn)| items_of(at, turn)).collect();
    for voice in voices(&document.turns) {
        let places: Vec<usize> = items.iter().enumerate().filter(|(_, item)| voice.contains(&item.turn)).map(|(at, _)| at).collect();
        take(&mut items, &places, &document.turns, policy);
    }
    let redactions = put_back(document, &items);
    document.redactions.extend(redactions.iter().cloned());
    redactions
}

/// The items of a turn.
fn items_of(turn: usize, of: &Turn) -> Vec<Item> {
    let alone = |text: &str| Item { turn, start: of.start, end: of.end, written: text.to_owned(), joined: false, word: None, taken: None };
    let timed = |word: Word, written: String, joined: bool| Item {
        turn,
        start: Some(word.start),
        end: Some(word.end),
        written,
        joined,
        word: Some(word),
        taken: None,
    };
    let written = written_words(of);
    if written.iter().all(|one| one.word.is_some()) {
        return written.into_iter().filter_map(|one| Some(timed(one.word?, one.text, one.joined))).collect();
    }
    // the text is not of these words: each is looked through by itself
    let words = of.words.iter().map(|word| timed(word.clone(), String::new(), false));
    of.text.split_whitespace().map(alone).chain(words).collect()
}

/// The turns of each voice, in stretches over which a number may go on.
fn voices(turns: &[Turn]) -> Vec<Vec<usize>> {
    let mut voices: Vec<Vec<usize>> = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        let goes_on = |stretch: &&mut Vec<usize>| {
            let Some(last) = stretch.last().copied() else { return false };
            let Some(before) = turns.get(last) else { return false };
            let gap = turn.start.zip(before.end).map_or(0.0, |(start, end)| start - end);
            at - last <= GOES_ON_TURNS && gap <= GOES_ON_SECONDS && (&before.speaker, before.channel) == (&turn.speaker, turn.channel)
        };
        match voices.iter_mut().rfind(goes_on) {
            Some(stretch) => stretch.push(at),
            None => voices.push(vec![at]),
        }
    }
    voices
}

/// Marks what is to be taken out of a voice's items, looked for in what is written and in what was heard, until nothing is found.
fn take(items: &mut [Item], places: &[usize], turns: &[Turn], policy: &Policy) {
    loop {
        let left = |item: &&Item| item.taken.is_none();
        let here = |text: fn(&Item) -> Option<&str>| -> Vec<Said<'_>> {
            let all = places.iter().filter_map(|at| Some((*at, items.get(*at).filter(left)?)));
            all.filter_map(|(at, item)| Some((at, text(item)?)).filter(|(_, text)| !text.is_empty())).collect()
        };
        let written = here(|item| Some(item.written.as_str()));
        let spoken = here(|item| item.word.as_ref().map(|word| word.text.as_str()));
        let mut found = Vec::new();
        for said in [&written, &spoken] {
            let before =
                |first: usize| items.get(first).and_then(|item| turns.get(item.turn.checked_sub(1)?)).map(|turn| turn.text.as_str());
            found.extend(found::find(said, &before, policy));
            found.extend(if policy.emails { email::find(said) } else { Vec::new() });
            found.extend(custom(said, policy));
        }
        if found.is_empty() {
            return;
        }
        for Found { kind, first, last } in found {
            let whole = last + places.iter().skip_while(|at| **at <= last).take_while(|at| goes_with(items, last, **at)).count();
            for at in places.iter().filter(|at| (first..=whole).contains(*at)) {
                if let Some(item) = items.get_mut(*at).filter(|item| item.taken.is_none()) {
                    item.taken = Some(kind.clone());
                }
            }
        }
    }
}

/// Whether an item is written together with one before it, and so goes with it.
fn goes_with(items: &[Item], before: usize, at: usize) -> bool {
    let both = items.get(before).zip(items.get(at));
    both.is_some_and(|(before, item)| before.word.is_some() && item.word.is_some() && item.written.is_empty() && item.turn == before.turn)
}

/// What one's own patterns match.
fn custom(said: &[Said<'_>], policy: &Policy) -> Vec<Found> {
    let mut whole = String::new();
    let mut ends = Vec::with_capacity(said.len());
    for (at, text) in said {
        if !whole.is_empty() {
            whole.push(' ');
        }
        whole.push_str(text);
        ends.push((whole.len(), *at));
    }
    let item_at = |byte: usize| ends.get(ends.partition_point(|(end, _)| *end <= byte)).map(|(_, at)| *at);
    let all = policy.custom.iter().flat_map(|(name, pattern)| pattern.find_iter(&whole).map(move |one| (name, one)));
    all.filter(|(_, one)| !one.is_empty())
        .filter_map(|(name, one)| {
            Some(Found { kind: RedactionKind::Custom(name.clone()), first: item_at(one.start())?, last: item_at(one.end() - 1)? })
        })
        .collect()
}

/// Writes what is left back into the turns.
fn put_back(document: &mut Document, items: &[Item]) -> Vec<Redaction> {
    let mut redactions = Vec::new();
    for (at, turn) in document.turns.iter_mut().enumerate() {
        let own: Vec<&Item> = items.iter().filter(|item| item.turn == at).collect();
        if own.iter().all(|item| item.taken.is_none()) {
            continue;
        }
        let (mut text, mut words) = (String::new(), Vec::new());
        for group in own.chunk_by(|one, other| one.taken.is_some() && one.taken == other.taken) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let Some(kind) = &first.taken else {
                append(&mut text, &first.written, first.joined);
                words.extend(first.word.clone());
                continue;
            };
            let mark = format!("[{}]", kind.as_str());
            // a mark for what is written and one for the words, also where both are looked through by themselves
            if let Some(written) = group.iter().rfind(|item| !item.written.is_empty()) {
                append(&mut text, &(mark.clone() + punctuation_behind(&written.written)), first.joined);
            }
            if let (true, Some(start), Some(end)) = (group.iter().any(|item| item.word.is_some()), first.start, last.end) {
                words.push(Word { text: mark, start, end: end.max(start), confidence: None, speaker: None });
            }
            redactions.push(Redaction { kind: kind.clone(), turn: at, channel: turn.channel, start: first.start, end: last.end });
        }
        (turn.text, turn.words) = (text, words);
    }
    redactions
}

fn append(text: &mut String, written: &str, joined: bool) {
    if !joined && !text.is_empty() && !written.is_empty() {
        text.push(' ');
    }
    text.push_str(written);
}

/// The full stop, comma or question mark that ends a sentence or a clause.
fn punctuation_behind(written: &str) -> &str {
    let end = written.trim_end_matches(['.', ',', '?', '!', ';', ':']).len();
    written.get(end..).unwrap_or_default()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
