//! Two transcripts of one call side by side: how many words differ, and which.
//!
//! Words are compared by letters and digits in lower case; punctuation, speakers and times are not compared. Within a call the words
//! stand in the order in which they were said, so that turns that are cut otherwise make no difference.

use serde::Serialize;

use crate::{
    align::{Step, align},
    document::Document,
    turns::{letters, written_words},
};

/// How two transcripts differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Words of the first.
    pub words: usize,
    /// Words that are the same in both.
    pub same: usize,
    /// Words that are another in the second.
    pub substitutions: usize,
    /// Words of the first that the second lacks.
    pub deletions: usize,
    /// Words that only the second has.
    pub insertions: usize,
    /// Word error rate of the second, were the first the truth: substitutions, deletions and insertions per word of the first. Absent
    /// when the first has no words.
    pub word_error_rate: Option<f64>,
    /// The words in order, what is the same and what differs.
    pub passages: Vec<Passage>,
}

/// How many transcripts differ, and by how much, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Comparisons that are summed.
    pub compared: usize,
    /// Words of the first ones.
    pub words: usize,
    /// Words that are others in the second ones.
    pub substitutions: usize,
    /// Words that the second ones lack.
    pub deletions: usize,
    /// Words that only the second ones have.
    pub insertions: usize,
}

impl Differences {
    /// Adds a comparison.
    pub fn add(&mut self, comparison: &Comparison) {
        self.compared += 1;
        self.words += comparison.words;
        self.substitutions += comparison.substitutions;
        self.deletions += comparison.deletions;
        self.insertions += comparison.insertions;
    }

    /// Words that are not the same.
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// Word error rate over all: all errors per word of all the first ones, so that a long call weighs more than a short one. Absent when
    /// they have no words.
    #[must_use]
    pub fn word_error_rate(&self) -> Option<f64> {
        (self.words > 0).then(|| rate(self.errors(), self.words))
    }
}

/// Errors per word, to four places.
fn rate(errors: usize, words: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    (number(errors) / number(words) * 10_000.0).round() / 10_000.0
}

/// Words in a row that are the same in both, or differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Passage {
    /// Where it is said: seconds from the start of the audio, in the first or else the second; absent without times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Whether both say the same.
    pub same: bool,
    /// As the first writes it; empty when only the second says it.
    pub first: String,
    /// As the second writes it.
    pub second: String,
}

/// A word to compare: its letters, how it is written, when it is said.
struct Said {
    letters: String,
    written: String,
    start: Option<f64>,
}

/// Compares two transcripts; the first is taken for the truth.
#[must_use]
pub fn compare(first: &Document, second: &Document) -> Comparison {
    let (first, second) = (said(first), said(second));
    let of = |all: &[Said]| all.iter().map(|one| one.letters.clone()).collect::<Vec<_>>();
    let steps = align(&of(&first), &of(&second));
    let count = |wanted: Step| steps.iter().filter(|step| **step == wanted).count();
    let (substitutions, deletions, insertions) = (count(Step::Replaced), count(Step::Missing), count(Step::Added));
    Comparison {
        words: first.len(),
        same: count(Step::Same),
        substitutions,
        deletions,
        insertions,
        word_error_rate: (!first.is_empty()).then(|| rate(substitutions + deletions + insertions, first.len())),
        passages: passages(&steps, first, second),
    }
}

/// The words of a transcript in the order in which they are said, those without letters left out.
fn said(document: &Document) -> Vec<Said> {
    let timed = document.turns.iter().all(|turn| turn.start.is_some());
    let words = document.turns.iter().flat_map(|turn| {
        written_words(turn).into_iter().flat_map(move |word| {
            let start = turn.start.map(|_| word.start);
            let spoken = word.word.map(|word| word.text);
            // what is written of several words stands with the first: the others are compared as they were heard
            let text = if word.text.is_empty() { spoken.unwrap_or_default() } else { word.text };
            let parts: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            parts.into_iter().map(move |written| Said { letters: letters(&written), written, start })
        })
    });
    let mut words: Vec<Said> = words.filter(|word| !word.letters.is_empty()).collect();
    if timed {
        words.sort_by(|one, other| one.start.unwrap_or(0.0).total_cmp(&other.start.unwrap_or(0.0)));
    }
    words
}

/// Steps of one kind in a row, with their words.
fn passages(steps: &[Step], first: Vec<Said>, second: Vec<Said>) -> Vec<Passage> {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let groups = steps.chunk_by(|one, other| (*one == Step::Same) == (*other == Step::Same));
    let passage = |group: &[Step]| {
        let own: Vec<Said> = first.by_ref().take(group.iter().filter(|step| **step != Step::Added).count()).collect();
        let theirs: Vec<Said> = second.by_ref().take(group.iter().filter(|step| **step != Step::Missing).count()).collect();
        let text = |words: &[Said]| words.iter().map(|word| word.written.as_str()).collect::<Vec<_>>().join(" ");
        Passage {
            start: own.first().or(theirs.first()).and_then(|word| word.start),
            same: group.first() == Some(&Step::Same),
            first: text(&own),
            second: text(&theirs),
        }
    };
    groups.map(passage).collect()
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
