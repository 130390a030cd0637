//! Two lists of words side by side with the fewest changes (Levenshtein): what is the same, replaced, missing, added.
//!
//! Lists that are much alike, which is the usual case, take time in proportion to their length and the square of the changes (the
//! furthest-reaching diagonals of Ukkonen 1985); lists that are not take time in proportion to the product of their lengths, and memory
//! in proportion to one of them (Hirschberg 1975).

/// One step through both lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The same on both sides.
    Same,
    /// Another one instead.
    Replaced,
    /// Only in the first list.
    Missing,
    /// Only in the second list.
    Added,
}

/// Changes up to which the diagonals are kept: their square times four bytes is the memory.
const MOST_CHANGES_ON_DIAGONALS: usize = 1_500;

/// Product of lengths down to which a whole table is small enough to be kept.
const SMALL_TABLE: usize = 2_048;

/// A diagonal that cannot be reached.
const NOWHERE: u32 = u32::MAX;

/// The steps that lead through both lists with the fewest changes.
pub(crate) fn align<T: PartialEq>(first: &[T], second: &[T]) -> Vec<Step> {
    let same_start = first.iter().zip(second).take_while(|(one, other)| one == other).count();
    let (first, second) = (first.get(same_start..).unwrap_or_default(), second.get(same_start..).unwrap_or_default());
    let same_end = first.iter().rev().zip(second.iter().rev()).take_while(|(one, other)| one == other).count();
    let first = first.get(..first.len().saturating_sub(same_end)).unwrap_or_default();
    let second = second.get(..second.len().saturating_sub(same_end)).unwrap_or_default();
    let mut steps = vec![Step::Same; same_start];
    match by_diagonals(first, second) {
        Some(middle) => steps.extend(middle),
        None => by_halves(first, second, &mut steps),
    }
    steps.resize(steps.len() + same_end, Step::Same);
    steps
}

/// How far into the first list each diagonal gets with so many changes; entry `at` of level `level` is diagonal `at - level`.
struct Levels<'l, T> {
    first: &'l [T],
    second: &'l [T],
    levels: Vec<Vec<u32>>,
}

impl<T: PartialEq> Levels<'_, T> {
    /// Position in the second list, if both positions exist.
    fn second_position(&self, level: usize, at: usize, position: usize) -> Option<usize> {
        let second = (position + at).checked_sub(level)?;
        (position <= self.first.len() && second <= self.second.len()).then_some(second)
    }

    /// Where a diagonal of a level begins and by which step it was come to; the best of the three there are.
    fn beginning(&self, level: usize, at: usize) -> Option<(usize, Step)> {
        let Some(before) = level.checked_sub(1).and_then(|before| self.levels.get(before)) else { return Some((0, Step::Same)) };
        let reached = |at: Option<usize>, more: usize| {
            let position = *before.get(at?)?;
            (position != NOWHERE).then(|| usize::try_from(position).ok()).flatten().map(|position| position + more)
        };
        let ways = [
            (reached(at.checked_sub(1), 1), Step::Replaced),
            (reached(Some(at), 1), Step::Missing),
            (reached(at.checked_sub(2), 0), Step::Added),
        ];
        let ways = ways.into_iter().filter_map(|(position, step)| Some((position?, step)));
        let ways = ways.filter(|(position, _)| self.second_position(level, at, *position).is_some());
        // the first of equals: a replaced word reads better than one missing and one added
        ways.reduce(|best, next| if next.0 > best.0 { next } else { best })
    }

    /// How far the diagonal runs on over what is the same.
    fn run(&self, level: usize, at: usize, from: usize) -> Option<usize> {
        let second = self.second_position(level, at, from)?;
        let same = self.first.iter().skip(from).zip(self.second.iter().skip(second)).take_while(|(one, other)| one == other).count();
        Some(from + same)
    }

    /// The steps back from the end, turned round.
    fn steps(&self, mut level: usize, mut at: usize) -> Option<Vec<Step>> {
        let mut end = self.first.len();
        let mut steps = Vec::new();
        loop {
            let (from, step) = self.beginning(level, at)?;
            steps.resize(steps.len() + end.checked_sub(from)?, Step::Same);
            if level == 0 {
                break;
            }
            steps.push(step);
            (at, end) = match step {
                Step::Missing => (at, from.checked_sub(1)?),
                Step::Added => (at.checked_sub(2)?, from),
                Step::Same | Step::Replaced => (at.checked_sub(1)?, from.checked_sub(1)?),
            };
            level -= 1;
        }
        steps.reverse();
        Some(steps)
    }
}

/// The steps, found along diagonals; `None` when there are too many changes for that.
fn by_diagonals<T: PartialEq>(first: &[T], second: &[T]) -> Option<Vec<Step>> {
    let mut table = Levels { first, second, levels: Vec::new() };
    for level in 0..=MOST_CHANGES_ON_DIAGONALS.min(first.len().max(second.len())) {
        let mut reached = Vec::with_capacity(2 * level + 1);
        for at in 0..=2 * level {
            let end = table.beginning(level, at).and_then(|(from, _)| table.run(level, at, from));
            reached.push(end.and_then(|end| u32::try_from(end).ok()).unwrap_or(NOWHERE));
            if end == Some(first.len()) && table.second_position(level, at, first.len()) == Some(second.len()) {
                return table.steps(level, at);
            }
        }
        table.levels.push(reached);
    }
    None
}

/// The steps, found by cutting the first list in half and the second where that costs least, again and again.
fn by_halves<T: PartialEq>(first: &[T], second: &[T], steps: &mut Vec<Step>) {
    match (first, second) {
        ([], _) => return steps.resize(steps.len() + second.len(), Step::Added),
        (_, []) => return steps.resize(steps.len() + first.len(), Step::Missing),
        ([one], _) => return steps.extend(one_among(one, second, Step::Added)),
        (_, [one]) => return steps.extend(one_among(one, first, Step::Missing)),
        _ if first.len().saturating_mul(second.len()) <= SMALL_TABLE => {
            // never so many changes here that the diagonals give up
            return steps.extend(by_diagonals(first, second).unwrap_or_default());
        }
        _ => {}
    }
    let (head, tail) = first.split_at(first.len() / 2);
    let ahead = last_row(head.iter(), second.iter(), second.len());
    let back = last_row(tail.iter().rev(), second.iter().rev(), second.len());
    let whole = ahead.iter().zip(back.iter().rev()).map(|(one, other)| one + other).enumerate();
    let cut = whole.min_by_key(|(_, changes)| *changes).map_or(0, |(at, _)| at);
    let (second_head, second_tail) = second.split_at(cut);
    by_halves(head, second_head, steps);
    by_halves(tail, second_tail, steps);
}

/// The steps where one list has one word: it is one of the others, or stands for the first of them.
fn one_among<'t, T: PartialEq>(one: &'t T, others: &'t [T], alone: Step) -> impl Iterator<Item = Step> + 't {
    let place = others.iter().position(|other| other == one);
    (0..others.len()).map(move |at| match place {
        Some(place) if at == place => Step::Same,
        None if at == 0 => Step::Replaced,
        _ => alone,
    })
}

/// The fewest changes from all of the first list to each beginning of the second.
fn last_row<'t, T: PartialEq + 't>(
    first: impl Iterator<Item = &'t T>,
    second: impl Iterator<Item = &'t T> + Clone,
    length: usize,
) -> Vec<usize> {
    let mut row: Vec<usize> = (0..=length).collect();
    for (done, one) in first.enumerate() {
        let (mut diagonal, mut left) = (done, done + 1);
        let mut cells = row.iter_mut();
        if let Some(cell) = cells.next() {
            *cell = left;
        }
        for (cell, other) in cells.zip(second.clone()) {
            let changes = (diagonal + usize::from(one != other)).min(*cell + 1).min(left + 1);
            diagonal = *cell;
            *cell = changes;
            left = changes;
        }
    }
    row
}

#[cfg(test)]
#[path = "align_tests.rs"]
mod tests;
