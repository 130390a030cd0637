//! Reading against a search whose list changes with every request.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A search: rows by their moment, pages counted over the list as it stands when it is asked.
struct Vendor {
    /// Moment, id, and the requests that see it.
    rows: Vec<(i64, String, std::ops::RangeInclusive<usize>)>,
    page: usize,
    inclusive: bool,
}

#[derive(Default)]
struct Told {
    ids: BTreeMap<String, usize>,
    gaps: Vec<i64>,
    requests: usize,
}

impl Vendor {
    fn of(rows: impl IntoIterator<Item = i64>, page: usize) -> Self {
        let rows = rows.into_iter().enumerate().map(|(number, at)| (at, format!("{at}-{number}"), 0..=usize::MAX)).collect();
        Self { rows, page, inclusive: false }
    }

    fn answer(&self, request: &Request, number: usize) -> (Vec<Row>, Option<String>) {
        let within = |at: i64| if self.inclusive { at >= request.from && at <= request.to } else { at > request.from && at < request.to };
        let mut rows: Vec<_> = self.rows.iter().filter(|(at, _, seen)| within(*at) && seen.contains(&number)).collect();
        rows.sort_by(|one, other| (other.0, &other.1).cmp(&(one.0, &one.1)));
        let first = request.cursor.as_ref().map_or(0, |cursor| cursor.parse::<usize>().unwrap());
        let here: Vec<_> = rows.iter().skip(first * self.page).take(self.page).collect();
        let next = (first * self.page + here.len() < rows.len()).then(|| (first + 1).to_string());
        (here.iter().map(|(at, id, _)| Row { id: Some(id.clone()), at: Some(*at) }).collect(), next)
    }

    fn read(&self, from: i64, end: i64) -> Told {
        let (mut place, mut told) = (Some(Place::first(from, end)), Told::default());
        while let Some(here) = place {
            let Some(request) = here.request(end) else { break };
            told.requests += 1;
            assert!(told.requests < 20_000, "reading does not end");
            let (rows, next) = self.answer(&request, told.requests);
            let step = here.advance(end, &rows, next.as_deref()).unwrap();
            for (row, _) in rows.into_iter().zip(&step.fresh).filter(|(_, fresh)| **fresh) {
                *told.ids.entry(row.id.unwrap()).or_default() += 1;
            }
            told.gaps.extend(step.possible_gap);
            // as through a checkpoint
            place = step.next.map(|next| serde_json::from_value(serde_json::to_value(next).unwrap()).unwrap());
        }
        told
    }
}

#[test]
fn a_window_of_one_page_is_one_request() {
    let told = Vendor::of(0..200, 250).read(0, 86_400_000);
    assert_eq!((told.requests, told.ids.len()), (1, 200));
    assert_eq!(Vendor::of([], 250).read(0, 1_000).requests, 1);
}

#[test]
fn an_even_day_costs_few_more_requests_than_it_has_pages() {
    let vendor = Vendor::of((0..10_000).map(|number| number * 8_640), 250);
    let told = vendor.read(0, 86_400_000);
    assert_eq!(told.ids.len(), 10_000);
    assert!(told.requests < 80, "{} requests for 40 pages", told.requests);
}

#[test]
fn a_crowded_millisecond_that_shifts_while_it_is_read_is_told_whole_and_once() {
    let mut vendor = Vendor::of(std::iter::repeat_n(500, 1_100).chain([1, 999]), 250);
    // rows come and go at the top of the list while its pages are read
    for (place, row) in vendor.rows.iter_mut().enumerate() {
        match place {
            3..23 => row.2 = 12..=usize::MAX,
            30..40 => row.2 = 0..=11,
            _ => {}
        }
    }
    let told = vendor.read(0, 1_000);
    let missing: Vec<_> = vendor.rows.iter().filter(|(_, id, seen)| *seen.end() == usize::MAX && !told.ids.contains_key(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(told.ids.values().all(|times| *times == 1) && told.gaps.is_empty());
}

#[test]
fn a_millisecond_that_never_rests_is_told_as_a_possible_gap_and_left() {
    let mut vendor = Vendor::of(std::iter::repeat_n(500, 400), 10);
    for (place, row) in vendor.rows.iter_mut().enumerate() {
        row.2 = place.saturating_sub(30)..=usize::MAX;
    }
    let told = vendor.read(0, 1_000);
    assert_eq!(told.gaps, [500]);
}

#[test]
fn a_cursor_that_leads_nowhere_is_an_error() {
    let rows = vec![Row { id: Some("a".to_owned()), at: Some(5) }];
    let place = Place::first(5, 6);
    assert!(place.advance(6, &rows, Some("")).is_err());
    let step = place.advance(6, &rows, Some("1")).unwrap();
    assert!(step.next.unwrap().advance(6, &rows, Some("1")).is_err());
}

#[test]
fn a_row_without_a_time_is_told_where_it_is_met() {
    let rows = [Row { id: Some("a".to_owned()), at: None }, Row { id: None, at: None }, Row { id: Some("b".to_owned()), at: Some(9) }];
    let step = Place::first(10, 20).advance(20, &rows, None).unwrap();
    assert_eq!(step.fresh, [true, true, false]);
}

proptest! {
    #[test]
    fn every_row_is_told_once_whatever_the_boundaries_mean(
        bursts in proptest::collection::btree_map(0_i64..2_000, 1_usize..40, 0..60), inclusive: bool, page in 3_usize..30,
    ) {
        let rows = bursts.iter().flat_map(|(at, count)| std::iter::repeat_n(*at, *count));
        let vendor = Vendor { inclusive, ..Vendor::of(rows, page) };
        let told = vendor.read(0, 2_000);
        prop_assert_eq!(told.ids.len(), vendor.rows.len());
        prop_assert!(told.ids.values().all(|times| *times == 1));
        prop_assert!(told.gaps.is_empty());
    }

    #[test]
    fn what_is_there_all_the_time_is_told_however_much_comes_and_goes(
        rows in proptest::collection::vec((0_i64..300, 0_usize..40, 0_usize..40, any::<bool>()), 1..200), page in 5_usize..30,
    ) {
        let mut vendor = Vendor::of([], page);
        for (number, (at, first, more, stays)) in rows.into_iter().enumerate() {
            let seen = if stays { 0..=usize::MAX } else { first..=first + more };
            vendor.rows.push((at, format!("{at}-{number}"), seen));
        }
        let told = vendor.read(0, 300);
        for (at, id, seen) in &vendor.rows {
            let always = *seen.end() == usize::MAX;
            prop_assert!(!always || told.ids.contains_key(id) || told.gaps.contains(at), "{} is lost", id);
        }
        prop_assert!(told.ids.values().all(|times| *times == 1));
    }
}
