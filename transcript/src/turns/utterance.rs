//! One list out of a side's words and stretches: each word as it is written in its stretch, and each stretch that has no words whole.

use super::{
    Heard, Side,
    punctuation::{Token, append, letters, tokens, written},
    thousandths,
};
use crate::{
    align::{Step, align},
    document::Word,
};

/// The smallest thing that a turn is made of: a word, or a stretch whose words nobody told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Utterance {
    pub(super) start: f64,
    pub(super) end: f64,
    /// As it is written in the turn, with punctuation.
    pub(super) text: String,
    /// Written without a space before it.
    pub(super) joined: bool,
    pub(super) speaker: Option<String>,
    pub(super) confidence: Option<f64>,
    /// What its confidence weighs.
    pub(super) weight: f64,
    pub(super) word: Option<Word>,
}

impl Utterance {
    /// When it ends and who says it.
    pub(super) fn clone_place(&self) -> (f64, Option<String>) {
        (self.end, self.speaker.clone())
    }

    fn of_word(word: &Word, text: String, joined: bool, of_segment: Option<&Heard>) -> Self {
        let speaker = word.speaker.clone().or_else(|| of_segment.and_then(|segment| segment.speaker.clone()));
        let (start, end) = (thousandths(word.start), thousandths(word.end.max(word.start)));
        Self {
            start,
            end,
            text,
            joined,
            speaker,
            confidence: word.confidence.or_else(|| of_segment.and_then(likelihood)),
            weight: 1.0,
            word: Some(Word { text: word.text.clone(), start, end, confidence: word.confidence, speaker: None }),
        }
    }

    fn of_segment(segment: &Heard) -> Self {
        Self {
            start: thousandths(segment.start),
            end: thousandths(segment.end.max(segment.start)),
            text: segment.text.trim().to_owned(),
            joined: false,
            speaker: segment.speaker.clone(),
            confidence: likelihood(segment),
            weight: (segment.end - segment.start).max(0.01),
            word: None,
        }
    }
}

/// A mean log probability as a number from 0 to 1.
fn likelihood(segment: &Heard) -> Option<f64> {
    segment.avg_logprob.map(|logprob| logprob.exp().clamp(0.0, 1.0))
}

/// All that a side says, in order.
pub(super) fn utterances(side: &Side) -> Vec<Utterance> {
    let mut segments: Vec<&Heard> = side.segments.iter().filter(|segment| !segment.text.trim().is_empty()).collect();
    segments.sort_by(|one, other| one.start.total_cmp(&other.start));
    let mut words: Vec<&Word> = side.words.iter().collect();
    words.sort_by(|one, other| one.start.total_cmp(&other.start));
    let mut tokens: Vec<(usize, Token)> =
        segments.iter().enumerate().flat_map(|(at, segment)| tokens(&segment.text).into_iter().map(move |token| (at, token))).collect();
    let has_words = has_words(&words, &tokens, &segments);
    tokens.retain(|(at, _)| has_words.get(*at).copied().unwrap_or(false));
    let mut all = of_words(&words, &tokens, &segments);
    let wordless = segments.iter().zip(&has_words).filter(|(_, has_words)| !**has_words);
    all.extend(wordless.map(|(segment, _)| Utterance::of_segment(segment)));
    all.sort_by(|one, other| one.start.total_cmp(&other.start));
    all
}

/// Which stretches have words with times: one that is written in them, or one that stands nowhere else and is said meanwhile.
fn has_words(words: &[&Word], tokens: &[(usize, Token)], segments: &[&Heard]) -> Vec<bool> {
    let mut has_words = vec![false; segments.len()];
    let mut note = |at: usize| {
        if let Some(seen) = has_words.get_mut(at) {
            *seen = true;
        }
    };
    for region in regions(words, tokens) {
        match (region.words, region.tokens) {
            ([_], [(at, token)]) if region.words.iter().all(|word| letters(&word.text) == token.letters) => note(*at),
            _ => region.words.iter().filter_map(|word| place_of(word, segments)).for_each(&mut note),
        }
    }
    has_words
}

/// The words as their stretches write them.
fn of_words(words: &[&Word], tokens: &[(usize, Token)], segments: &[&Heard]) -> Vec<Utterance> {
    let mut all: Vec<Utterance> = Vec::with_capacity(words.len());
    let mut ahead: Vec<&Token> = Vec::new();
    for region in regions(words, tokens) {
        let own = region.tokens.iter().map(|(_, token)| token);
        match (region.words.first(), all.last_mut()) {
            // written, but no word has it: it stays beside its neighbour
            (None, Some(last)) => own.for_each(|token| append(&mut last.text, token)),
            (None, None) => ahead.extend(own),
            (Some(first), _) => {
                let segment = region.tokens.first().map(|(at, _)| *at).or_else(|| place_of(first, segments));
                let heard = segment.and_then(|at| segments.get(at)).copied();
                let tokens: Vec<&Token> = ahead.drain(..).chain(own).collect();
                for (word, (text, joined)) in region.words.iter().zip(written(region.words, &tokens)) {
                    // a dash that is called a word is already written where it stands
                    let text = if segments.is_empty() || !letters(&word.text).is_empty() { text } else { String::new() };
                    all.push(Utterance::of_word(word, text, joined, heard));
                }
            }
        }
    }
    all
}

/// The stretch that a word is said in, by time.
fn place_of(word: &Word, segments: &[&Heard]) -> Option<usize> {
    let middle = word.start.midpoint(word.end);
    let place = segments.partition_point(|segment| segment.start <= middle).checked_sub(1)?;
    segments.get(place).filter(|segment| middle <= segment.end).map(|_| place)
}

/// Words and the tokens that they are written as; either may be empty, not both.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Region<'r> {
    words: &'r [&'r Word],
    tokens: &'r [(usize, Token)],
}

/// Words and tokens side by side: one of each where they are the same, else as few of both as lie between.
fn regions<'r>(words: &'r [&'r Word], tokens: &'r [(usize, Token)]) -> Vec<Region<'r>> {
    let word_letters: Vec<String> = words.iter().map(|word| letters(&word.text)).collect();
    let token_letters: Vec<String> = tokens.iter().map(|(_, token)| token.letters.clone()).collect();
    let mut regions = Vec::new();
    let (mut word_from, mut token_from) = (0, 0);
    let (mut word_at, mut token_at) = (0, 0);
    let mut cut = |words_to: usize, tokens_to: usize, words_now: &mut usize, tokens_now: &mut usize| {
        let region = Region {
            words: words.get(*words_now..words_to).unwrap_or_default(),
            tokens: tokens.get(*tokens_now..tokens_to).unwrap_or_default(),
        };
        if !region.words.is_empty() || !region.tokens.is_empty() {
            regions.push(region);
        }
        (*words_now, *tokens_now) = (words_to, tokens_to);
    };
    for step in align(&word_letters, &token_letters) {
        if step == Step::Same {
            cut(word_at, token_at, &mut word_from, &mut token_from);
        }
        word_at += usize::from(step != Step::Added);
        token_at += usize::from(step != Step::Missing);
        if step == Step::Same {
            cut(word_at, token_at, &mut word_from, &mut token_from);
        }
    }
    cut(word_at, token_at, &mut word_from, &mut token_from);
    regions
}
