//! Reading a window whose pages shift while they are read.
//!
//! The search has pages and a cursor, and its cursor counts pages of a list that changes: a task that appears moves every later row
//! to another page, so that rows come twice, and what appears before the cursor is not seen. So no window is paged that could be
//! made narrower: an answer that has a next page is dropped and a part of its window asked for, until the whole answer is one page,
//! which cannot shift. How wide a window may be follows from how full the last pages were.
//!
//! Only a single millisecond with more tasks than a page is read with the cursor, again and again until a whole pass brings nothing
//! new. This also keeps the reading far below the number of rows at which the search stops paging.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The longest window asked for at once: 31 days, well below what the vendor takes.
const LONGEST: i64 = 31 * 86_400_000;
/// The window after a crowded millisecond.
const AFTER_A_CROWD: i64 = 60_000;
/// Rows on the vendor's page, until it shows another number.
const USUAL_PAGE: usize = 250;
/// A window with a next page becomes so many times shorter, one with few rows at most so many times longer.
const NARROWER: i64 = 4;
const WIDER: i64 = 8;
/// Passes over a crowded millisecond before it is said that it does not come to rest.
const MOST_PASSES: u8 = 6;
/// Rows that the vendor's paging reaches.
const CAP: usize = 100_000;

/// What a row tells about itself; either may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: Option<String>,
    /// Its moment, in epoch milliseconds.
    pub(super) at: Option<i64>,
}

/// What to ask for: everything after `from` and before `to`, whether or not the vendor counts them in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) cursor: Option<String>,
}

/// How far a window is read; the cursor of `Search::page`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Everything before this millisecond is told.
    at: i64,
    /// How many milliseconds to ask for at once.
    span: i64,
    /// Rows on the vendor's page, as far as it was seen.
    page: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crowd: Option<Crowd>,
}

/// How far a single millisecond is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Crowd {
    cursor: Option<String>,
    told: BTreeSet<String>,
    pass: u8,
    /// This pass brought something new.
    news: bool,
    /// Rows of this pass, and of the one before.
    rows: usize,
    rows_before: usize,
}

/// What came of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// For every row: whether to tell it now.
    pub(super) fresh: Vec<bool>,
    pub(super) next: Option<Place>,
    pub(super) possible_gap: Option<i64>,
}

impl Place {
    /// The beginning of a window.
    pub(super) fn first(from: i64, end: i64) -> Self {
        Self { at: from, span: (end - from).clamp(1, LONGEST), page: USUAL_PAGE, crowd: None }
    }

    /// The next request of a window that ends before `end`; `None` when nothing is left.
    pub(super) fn request(&self, end: i64) -> Option<Request> {
        let cursor = self.crowd.as_ref().and_then(|crowd| crowd.cursor.clone());
        (self.at < end).then(|| Request { from: self.at - 1, to: self.to(end), cursor })
    }

    fn to(&self, end: i64) -> i64 {
        self.at.saturating_add(self.span.max(1)).min(end)
    }

    /// The same beginning with less at once; `None` when it cannot be less.
    pub(super) fn narrowed(&self, end: i64) -> Option<Self> {
        let span = self.to(end) - self.at;
        (span > 1).then(|| Self { span: (span / NARROWER).max(1), crowd: None, ..self.clone() })
    }

    /// Goes on from an answer to this place's request. `next` is where the vendor goes on, if it does.
    pub(super) fn advance(&self, end: i64, rows: &[Row], next: Option<&str>) -> Result<Step, &'static str> {
        if self.crowd.is_some() {
            return self.advance_crowd(end, rows, next);
        }
        let to = self.to(end);
        if next.is_none() {
            return Ok(Step { fresh: self.fresh(to, rows, &BTreeSet::new()), next: self.after(to, end, rows.len()), possible_gap: None });
        }
        match self.narrowed(end) {
            Some(narrower) => {
                let narrower = Self { page: rows.len().max(1), ..narrower };
                Ok(Step { fresh: vec![false; rows.len()], next: Some(narrower), possible_gap: None })
            }
            None => Self { crowd: Some(Crowd::default()), ..self.clone() }.advance_crowd(end, rows, next),
        }
    }

    fn advance_crowd(&self, end: i64, rows: &[Row], next: Option<&str>) -> Result<Step, &'static str> {
        let mut crowd = self.crowd.clone().unwrap_or_default();
        let fresh = self.fresh(self.to(end), rows, &crowd.told);
        let new = rows.iter().zip(&fresh).filter(|(_, fresh)| **fresh).filter_map(|(row, _)| row.id.clone());
        let before = crowd.told.len();
        crowd.told.extend(new);
        crowd.news |= crowd.told.len() > before;
        crowd.rows += rows.len();
        let capped = crowd.rows >= CAP;
        let goes_on = next.filter(|_| !capped);
        if goes_on.is_some_and(|next| next.is_empty() || crowd.cursor.as_deref() == Some(next)) {
            return Err("`pageInfo`: there is a next page, and the cursor does not lead to it");
        }
        let stay = |crowd| Some(Self { crowd: Some(crowd), ..self.clone() });
        if let Some(next) = goes_on {
            crowd.cursor = Some(next.to_owned());
            return Ok(Step { fresh, next: stay(crowd), possible_gap: None });
        }
        // a pass that misses a row because others left has fewer rows than the one before
        let settled = crowd.pass > 0 && !crowd.news && crowd.rows == crowd.rows_before;
        let unrest = capped || crowd.pass + 1 >= MOST_PASSES;
        if settled || unrest {
            let past = Self { span: AFTER_A_CROWD, crowd: None, at: self.at + 1, ..self.clone() };
            return Ok(Step { fresh, next: (past.at < end).then_some(past), possible_gap: (!settled || capped).then_some(self.at) });
        }
        let again = Crowd { told: crowd.told, pass: crowd.pass + 1, rows_before: crowd.rows, ..Crowd::default() };
        Ok(Step { fresh, next: stay(again), possible_gap: None })
    }

    /// Rows of this very window that were not told. What lies before or after belongs to another request; a row without a time
    /// belongs nowhere else.
    fn fresh(&self, to: i64, rows: &[Row], told: &BTreeSet<String>) -> Vec<bool> {
        let mut seen = BTreeSet::new();
        let here = |row: &Row| row.at.is_none_or(|at| (self.at..to).contains(&at));
        rows.iter().map(|row| here(row) && row.id.as_ref().is_none_or(|id| !told.contains(id) && seen.insert(id.clone()))).collect()
    }

    /// What follows a window that was told whole: as much time as fills two thirds of a page at this pace.
    fn after(&self, to: i64, end: i64, rows: usize) -> Option<Self> {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX / LONGEST);
        let aimed = self.span.saturating_mul(whole(self.page * 2 / 3).max(1)) / whole(rows).max(1);
        let span = aimed.clamp(self.span / 2, self.span.saturating_mul(WIDER)).clamp(1, LONGEST);
        (to < end).then(|| Self { at: to, span, ..self.clone() })
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
