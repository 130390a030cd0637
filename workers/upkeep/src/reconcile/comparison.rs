//! How far a comparison has come: the job's checkpoint.

use std::collections::{BTreeSet, VecDeque};

use callscribe::{
    domain::{SessionId, Window},
    ledger::Claimed,
    schedule::Progress,
    sources::PageCursor,
    store::completeness::{ListCount, Listed},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tracing::warn;
use uuid::Uuid;

use crate::answer::UpkeepError;

/// The longest span asked for at once.
const LONGEST: TimeDelta = TimeDelta::days(1);

/// What is left to compare, and what was found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Comparison {
    /// Days left, the one being compared first.
    days: VecDeque<Window>,
    /// How far the first of them is read; `None` before its first page.
    reading: Option<Reading>,
    pub(super) found: Found,
}

/// A day being read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reading {
    pub(super) progress: Progress,
    pub(super) comparison: Uuid,
    listed: u64,
    open: u64,
    /// The beginning of the youngest calls counted: pages come oldest first, so what began before it was told twice.
    #[serde(default)]
    youngest: Option<DateTime<Utc>>,
    /// The calls that began at that very moment: one of them may be told twice, and another not yet.
    #[serde(default)]
    of_youngest: BTreeSet<SessionId>,
}

impl Reading {
    fn count(&mut self, call: &Listed) {
        if self.youngest.is_some_and(|youngest| call.start_time < youngest) {
            return;
        }
        if self.youngest.is_none_or(|youngest| call.start_time > youngest) {
            self.youngest = Some(call.start_time);
            self.of_youngest.clear();
        }
        if self.of_youngest.insert(call.session_id.clone()) {
            self.listed += 1;
            self.open += u64::from(!call.long_over);
        }
    }
}

/// What the days compared so far come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) days: i64,
    pub(super) calls: i64,
    pub(super) recordings: i64,
    pub(super) transcripts: i64,
    /// Gaps that no work was enqueued for.
    pub(super) unrepaired: i64,
}

impl Found {
    pub(super) fn add(&mut self, day: &Self) {
        self.days += day.days;
        self.calls += day.calls;
        self.recordings += day.recordings;
        self.transcripts += day.transcripts;
        self.unrepaired += day.unrepaired;
    }

    pub(super) fn gaps(&self) -> i64 {
        self.calls + self.recordings + self.transcripts
    }
}

impl Comparison {
    pub(super) fn of(days: Vec<Window>) -> Self {
        Self { days: days.into(), reading: None, found: Found::default() }
    }

    /// What an earlier run left. A checkpoint of another version that we cannot read costs comparing again.
    pub(super) fn resume(job: &Claimed) -> Option<Self> {
        let checkpoint = job.checkpoint.clone()?;
        serde_json::from_value(checkpoint)
            .inspect_err(|error| warn!(job.id = %job.id, error = %error, "cannot read the checkpoint, starting over"))
            .ok()
    }

    pub(super) fn to_json(&self) -> Result<serde_json::Value, UpkeepError> {
        serde_json::to_value(self).map_err(UpkeepError::Checkpoint)
    }

    /// The day to compare now.
    pub(super) fn day(&self) -> Option<Window> {
        self.days.front().copied()
    }

    /// How far it is read.
    pub(super) fn reading(&mut self, day: Window) -> &mut Reading {
        self.reading.get_or_insert_with(|| Reading {
            progress: Progress::begin(day, LONGEST, false),
            comparison: Uuid::new_v4(),
            listed: 0,
            open: 0,
            youngest: None,
            of_youngest: BTreeSet::new(),
        })
    }

    /// Counts the calls of a page that no earlier page told.
    pub(super) fn count(&mut self, listed: &[Listed]) {
        let Some(reading) = &mut self.reading else { return };
        let mut calls: Vec<_> = listed.iter().collect();
        calls.sort_unstable_by_key(|call| call.start_time);
        for call in calls {
            reading.count(call);
        }
    }

    /// Notes that a page was compared.
    pub(super) fn advance(&mut self, next: Option<PageCursor>) {
        if let Some(reading) = &mut self.reading {
            reading.progress.advance(next, LONGEST);
        }
    }

    /// Takes the day off the list and returns what was counted of it.
    pub(super) fn end_day(&mut self) -> ListCount {
        self.days.pop_front();
        self.reading.take().map_or_else(ListCount::default, |reading| ListCount { listed: reading.listed, open: reading.open })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_two_pages_tell_is_counted_once() {
        let midnight: DateTime<Utc> = "2026-03-02T00:00:00Z".parse().unwrap();
        let day = Window::new(midnight, midnight + TimeDelta::days(1)).unwrap();
        let at = |minute: i64| Listed {
            session_id: SessionId::parse(format!("call-{minute}")).unwrap(),
            start_time: midnight + TimeDelta::minutes(minute),
            long_over: minute != 2,
        };
        let mut comparison = Comparison::of(vec![day]);
        comparison.reading(day);
        comparison.count(&[at(1), at(2)]);
        comparison.count(&[at(1), at(3), at(4)]);
        let counted = comparison.end_day();
        assert_eq!((counted.listed, counted.open), (4, 1));
    }

    #[test]
    fn the_last_call_of_a_page_told_again_is_counted_once_and_others_of_its_millisecond_too() {
        let midnight: DateTime<Utc> = "2026-03-02T00:00:00Z".parse().unwrap();
        let day = Window::new(midnight, midnight + TimeDelta::days(1)).unwrap();
        let at = |name: &str, minute: i64| Listed {
            session_id: SessionId::parse(name).unwrap(),
            start_time: midnight + TimeDelta::minutes(minute),
            long_over: true,
        };
        let mut comparison = Comparison::of(vec![day]);
        comparison.reading(day);
        // a page's calls come in the order of their names
        comparison.count(&[at("a", 2), at("b", 1), at("c", 2)]);
        let mut comparison: Comparison = serde_json::from_value(comparison.to_json().unwrap()).unwrap();
        comparison.count(&[at("a", 2), at("d", 2), at("e", 3)]);
        comparison.count(&[at("d", 2), at("e", 3), at("f", 3)]);
        assert_eq!(comparison.end_day().listed, 6);
    }
}
