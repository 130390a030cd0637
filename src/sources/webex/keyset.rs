//! Paging through a list that has no cursor: ask from the newest moment seen, and drop what was seen.
//!
//! The API answers with the oldest calls "created after `from`", at most a page. Whether "after" includes `from` is not told, so
//! every step works for both: one millisecond back until an answer proves that `from` itself is included.
//!
//! Nothing is lost while no millisecond holds more calls than a page. Beyond that the API cannot tell them: every request that
//! reaches such a millisecond is answered with the same first page of it, whatever `from` and `to` are, and no filter splits
//! telephony. The page is then asked for again, in case ties come in another order, and at last stepped over, loudly.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

/// A full page that brings nothing new is asked for again this often, in case ties are answered in another order.
const ASK_AGAIN: u8 = 2;
/// A page whose length is a multiple of this may have been cut by a limit nobody told us about; it costs one request to know.
const ROUND: usize = 100;

/// What a page tells about one element; either may be missing in an element that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) created: Option<i64>,
}

/// Where the next request begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Epoch milliseconds.
    pub(super) from: i64,
    /// Calls that the next answer may repeat, with their times.
    #[serde(default)]
    pub(super) seen: Vec<(i64, String)>,
    /// An answer proved that `from` includes its own millisecond.
    #[serde(default)]
    inclusive: bool,
    /// How often this very request brought nothing new.
    #[serde(default)]
    asked_again: u8,
}

/// What to do after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// For every element: whether it is new. An element without an id always is.
    pub(super) fresh: Vec<bool>,
    /// Where to go on; `None` when the window is complete.
    pub(super) next: Option<Position>,
    /// The millisecond of which the API may not have told everything.
    pub(super) possible_gap: Option<i64>,
}

impl Position {
    /// The first request of a window that begins at `from`, which may or may not be included in what is "after" it.
    pub(super) fn first(from: i64) -> Self {
        Self { from: from - 1, seen: Vec::new(), inclusive: false, asked_again: 0 }
    }

    /// Goes on from an answer to this request, of at most `page_size` elements.
    pub(super) fn advance(&self, keys: &[Key], page_size: usize) -> Step {
        let fresh = self.fresh(keys);
        let whole = Step { fresh, next: None, possible_gap: None };
        let may_be_cut = keys.len() >= page_size || (!keys.is_empty() && keys.len().is_multiple_of(ROUND));
        let Some(last) = keys.iter().filter_map(|key| key.created).max().filter(|_| may_be_cut) else { return whole };

        let inclusive = self.inclusive || self.proves_inclusion(keys, &whole.fresh);
        // what lies before the request's beginning is a repetition the vendor should not have made, and no progress
        let something_new = keys.iter().zip(&whole.fresh).any(|(key, fresh)| *fresh && key.id.is_some() && key.created >= Some(self.from));
        let base = if inclusive { last } else { last - 1 };
        let (from, asked_again, possible_gap) = if base > self.from {
            (base, 0, None)
        } else if something_new {
            (self.from, 0, None)
        } else if self.asked_again < ASK_AGAIN {
            (self.from, self.asked_again + 1, None)
        } else {
            (self.from + 1, 0, Some(last).filter(|_| keys.len() >= page_size))
        };
        let seen = self.seen_from(from, keys);
        Step { next: Some(Self { from, seen, inclusive, asked_again }), possible_gap, ..whole }
    }

    /// Whether the answer holds the calls of `from` itself: one that was not seen before, or all of several that were. A single one
    /// that comes again may be a repetition the vendor should not have made.
    fn proves_inclusion(&self, keys: &[Key], fresh: &[bool]) -> bool {
        let at_from: HashSet<&str> = keys.iter().filter(|key| key.created == Some(self.from)).filter_map(|key| key.id.as_deref()).collect();
        let new = keys.iter().zip(fresh).any(|(key, fresh)| *fresh && key.id.is_some() && key.created == Some(self.from));
        let seen: Vec<&str> = self.seen.iter().filter(|(created, _)| *created == self.from).map(|(_, id)| id.as_str()).collect();
        new || (seen.len() > 1 && seen.iter().all(|id| at_from.contains(id)))
    }

    fn fresh(&self, keys: &[Key]) -> Vec<bool> {
        let mut known: HashSet<&str> = self.seen.iter().map(|(_, id)| id.as_str()).collect();
        keys.iter().map(|key| key.id.as_deref().is_none_or(|id| known.insert(id))).collect()
    }

    /// What an answer to a request from `from` may repeat.
    fn seen_from(&self, from: i64, keys: &[Key]) -> Vec<(i64, String)> {
        let of_page = keys.iter().filter_map(|key| Some((key.created?, key.id.clone()?)));
        let mut seen: Vec<_> = self.seen.iter().cloned().chain(of_page).filter(|(created, _)| *created >= from).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The API: the oldest calls after `from`, at most a page.
    struct Vendor {
        calls: Vec<(i64, String)>,
        inclusive: bool,
        /// The most it answers, whatever it is asked for.
        cap: usize,
        /// Ties come in another order every time.
        shuffles: bool,
    }

    impl Vendor {
        fn new(bursts: &[(i64, usize)], inclusive: bool, cap: usize) -> Self {
            let calls = bursts.iter().flat_map(|(at, count)| (0..*count).map(move |n| (*at, format!("{at}-{n}")))).collect();
            Self { calls, inclusive, cap, shuffles: false }
        }

        fn page(&self, from: i64, page_size: usize, request: usize) -> Vec<Key> {
            let mut calls: Vec<_> =
                self.calls.iter().filter(|(at, _)| if self.inclusive { *at >= from } else { *at > from }).cloned().collect();
            if self.shuffles {
                let length = calls.len().max(1);
                calls.rotate_left(request * 7 % length);
            }
            calls.sort_by_key(|(at, _)| *at);
            calls.truncate(page_size.min(self.cap));
            calls.into_iter().map(|(at, id)| Key { id: Some(id), created: Some(at) }).collect()
        }

        /// Everything that paging finds, each once, with the gaps it told and the requests it made.
        fn read(&self, page_size: usize) -> (Vec<String>, Vec<i64>, usize) {
            let mut position = Position::first(0);
            let (mut found, mut gaps) = (Vec::new(), Vec::new());
            for request in 1..10_000 {
                let keys = self.page(position.from, page_size, request);
                let step = position.advance(&keys, page_size);
                found.extend(keys.into_iter().zip(&step.fresh).filter(|(_, fresh)| **fresh).filter_map(|(key, _)| key.id));
                gaps.extend(step.possible_gap);
                match step.next {
                    Some(next) => position = next,
                    None => return (found, gaps, request),
                }
            }
            panic!("paging does not end");
        }

        fn all(&self) -> BTreeSet<String> {
            self.calls.iter().map(|(_, id)| id.clone()).collect()
        }
    }

    #[test]
    fn a_burst_of_a_full_page_in_one_millisecond_loses_nothing() {
        for inclusive in [false, true] {
            for burst in [100, 999, 1000] {
                let vendor = Vendor::new(&[(10, 700), (11, burst), (12, 3), (40, 700)], inclusive, 1000);
                let (found, _, _) = vendor.read(1000);
                assert_eq!(found.len(), vendor.calls.len(), "burst of {burst}, inclusive {inclusive}: each once");
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), vendor.all(), "burst of {burst}, inclusive {inclusive}");
            }
        }
    }

    #[test]
    fn more_than_a_page_in_one_millisecond_is_told_and_the_rest_is_found() {
        for inclusive in [false, true] {
            let vendor = Vendor::new(&[(10, 5), (11, 25), (12, 5), (13, 1)], inclusive, 10);
            let (found, gaps, _) = vendor.read(10);
            assert!(gaps.iter().all(|at| *at == 11) && !gaps.is_empty(), "{gaps:?}");
            let lost: Vec<_> = vendor.all().into_iter().filter(|id| !found.contains(id)).collect();
            assert!(lost.iter().all(|id| id.starts_with("11-")) && lost.len() <= 15, "{lost:?}");
        }
    }

    #[test]
    fn ties_in_another_order_bring_out_more_than_a_page_of_one_millisecond() {
        let mut vendor = Vendor::new(&[(10, 5), (11, 15), (12, 5)], false, 10);
        vendor.shuffles = true;
        let (found, _, _) = vendor.read(10);
        assert!(found.iter().filter(|id| id.starts_with("11-")).count() > 10);
    }

    #[test]
    fn a_vendor_that_gives_a_hundred_whatever_is_asked_loses_nothing() {
        let vendor = Vendor::new(&[(10, 60), (11, 60), (12, 60), (13, 60)], false, 100);
        assert_eq!(vendor.read(1000).0.len(), 240);
    }

    #[test]
    fn a_short_page_ends_the_window_without_another_request() {
        assert_eq!(Vendor::new(&[(10, 7)], false, 1000).read(1000).2, 1);
        assert_eq!(Vendor::new(&[], false, 1000).read(1000).2, 1);
    }

    #[test]
    fn an_unreadable_element_neither_stops_nor_repeats_the_paging() {
        let unreadable = Key { id: None, created: None };
        let page: Vec<_> = (0..2).map(|n| Key { id: Some(n.to_string()), created: Some(50) }).chain([unreadable.clone()]).collect();
        let step = Position::first(0).advance(&page, 3);
        assert_eq!(step.fresh, [true, true, true]);
        assert_eq!(step.next.unwrap().from, 49);
        let step = Position::first(0).advance(&vec![unreadable; 3], 3);
        assert_eq!(step.next, None);
    }

    #[test]
    fn a_call_from_before_the_page_is_no_progress() {
        let vendor = Vendor::new(&[(10, 5), (11, 9), (12, 5)], false, 10);
        let (mut position, mut found) = (Position::first(0), BTreeSet::new());
        for request in 0..100 {
            // the last call before the page is on the page again, and takes a place of it
            let before = vendor.calls.iter().rev().find(|(at, _)| *at <= position.from);
            let mut keys: Vec<Key> = before.map(|(at, id)| Key { id: Some(id.clone()), created: Some(*at) }).into_iter().collect();
            keys.extend(vendor.page(position.from, 10 - keys.len(), request));
            let step = position.advance(&keys, 10);
            found.extend(keys.into_iter().filter_map(|key| key.id));
            match step.next {
                Some(next) => position = next,
                None => return assert_eq!(found, vendor.all()),
            }
        }
        panic!("paging does not end");
    }

    #[test]
    fn a_position_survives_the_checkpoint() {
        let step = Position::first(0).advance(&Vendor::new(&[(5, 3)], true, 3).page(0, 3, 1), 3);
        let position = step.next.unwrap();
        let json = serde_json::to_value(&position).unwrap();
        assert_eq!(serde_json::from_value::<Position>(json).unwrap(), position);
    }

    proptest! {
        #[test]
        fn every_call_is_found_once_whatever_the_boundary_means(
            bursts in proptest::collection::btree_map(0i64..60, 1usize..=8, 0..40), inclusive: bool, shuffles: bool, page_size in 8usize..20,
        ) {
            let bursts: Vec<_> = bursts.into_iter().collect();
            let mut vendor = Vendor::new(&bursts, inclusive, page_size);
            vendor.shuffles = shuffles;
            let (found, _, _) = vendor.read(page_size);
            prop_assert_eq!(found.len(), vendor.calls.len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), vendor.all());
        }
    }
}
