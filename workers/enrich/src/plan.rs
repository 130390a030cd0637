//! Which spans of time a run asks for: what ended since the last run, and, for every entry of the late schedule, what ended that long
//! before. So every call is asked for once after its end and once more after each of the waits, however long no run came.

use std::{collections::VecDeque, time::Duration};

use callscribe::{
    domain::Window,
    sources::{DetailsBy, PageCursor, Piece},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Details of what ended less than this ago are left for the next run: the vendor's search runs behind, and so may our clock.
const SETTLE: TimeDelta = TimeDelta::seconds(90);
/// Webex tells details of the last 36 months; some days less, because of leap years and clocks that differ.
const HISTORY: TimeDelta = TimeDelta::days(1_090);

/// How far the details of a source are told; kept in `app_settings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Where the first run began: nothing before it is asked for, unless by a backfill.
    pub(crate) from: DateTime<Utc>,
    /// Everything that ended before this was asked for at least once.
    pub(crate) to: DateTime<Utc>,
}

/// A job's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) left: VecDeque<Piece>,
    /// Where the next page of the first piece begins; `None` at its beginning.
    pub(crate) cursor: Option<PageCursor>,
    /// What is true once nothing is left; `None` for a window of the past.
    pub(crate) told: Option<Told>,
}

impl Progress {
    /// The plan of a live run.
    pub(crate) fn live(told: Option<Told>, first_look_back: Duration, overlap: Duration, late: &[Duration], now: DateTime<Utc>) -> Self {
        let to = now - SETTLE;
        let from = to - span(first_look_back);
        let before = told.unwrap_or(Told { from, to: from });
        // a run of the future (a clock gone wrong) must not end in asking for nothing, for ever
        let since = before.to.min(to);
        let mut spans = vec![(since - span(overlap), to)];
        spans.extend(late.iter().map(|wait| (since - span(*wait), to - span(*wait))));
        let within = |(from, to): (DateTime<Utc>, DateTime<Utc>)| Window::new(from.max(before.from).max(now - HISTORY), to).ok();
        // the youngest first, because somebody waits for it
        let by_end = Window::joined(spans.into_iter().filter_map(within).collect());
        let mut left: VecDeque<Piece> = by_end.into_iter().map(|window| Piece { by: DetailsBy::End, window }).collect();
        // what is over without an end, or never ends, is found by its beginning, when it is long over
        let last = late.iter().max().and_then(|wait| within((since - span(*wait), to - span(*wait))));
        left.extend(last.map(|window| Piece { by: DetailsBy::Start, window }));
        Self { left, cursor: None, told: Some(Told { from: before.from, to: to.max(before.to) }) }
    }

    /// The plan for a window of the past: its calls by their beginning, as its sync has them.
    pub(crate) fn past(window: Window, now: DateTime<Utc>) -> Self {
        let window = Window::new(window.from.max(now - HISTORY), window.to.min(now - SETTLE)).ok();
        Self { left: window.map(|window| Piece { by: DetailsBy::Start, window }).into_iter().collect(), cursor: None, told: None }
    }

    /// Notes that a page was read.
    pub(crate) fn advance(&mut self, next: Option<PageCursor>) {
        if next.is_none() {
            self.left.pop_front();
        }
        self.cursor = next;
    }
}

/// A setting's span as a difference of times.
fn span(of: Duration) -> TimeDelta {
    TimeDelta::from_std(of).unwrap_or(HISTORY).min(HISTORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn noon() -> DateTime<Utc> {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }

    fn minutes(count: i64) -> TimeDelta {
        TimeDelta::minutes(count)
    }

    fn late() -> Vec<Duration> {
        vec![MINUTE * 15, MINUTE * 60, MINUTE * 360]
    }

    fn plan(told: Option<Told>, now: DateTime<Utc>) -> Progress {
        Progress::live(told, MINUTE * 15, MINUTE * 5, &late(), now)
    }

    #[test]
    fn the_first_run_asks_for_nothing_before_its_look_back() {
        let plan = plan(None, noon());
        let from = noon() - SETTLE - minutes(15);
        assert_eq!(plan.left, [Piece { by: DetailsBy::End, window: Window { from, to: noon() - SETTLE } }]);
        assert_eq!(plan.told, Some(Told { from, to: noon() - SETTLE }));
    }

    #[test]
    fn every_moment_is_asked_for_at_once_and_after_every_wait_whenever_runs_come() {
        let (start, moment) = (noon(), noon() + minutes(33));
        let mut told = Some(Told { from: start, to: start });
        let mut asked: Vec<DateTime<Utc>> = Vec::new();
        // no run came for two hours and a half in between
        for at in [10, 20, 30, 40, 50, 60, 210, 220, 230, 290, 395, 400, 410, 420, 430] {
            let now = start + minutes(at);
            let plan = plan(told, now);
            assert!(plan.left.iter().all(|piece| piece.window.from >= start));
            let holds = |piece: &Piece| piece.by == DetailsBy::End && piece.window.from <= moment && moment < piece.window.to;
            asked.extend(plan.left.iter().any(holds).then_some(now));
            told = plan.told;
        }
        assert_eq!(asked.first(), Some(&(start + minutes(40))));
        for wait in late() {
            let after = moment + span(wait);
            assert!(asked.iter().any(|at| *at >= after), "never asked {wait:?} after");
        }
        assert!(asked.iter().any(|at| *at >= start + minutes(395)), "the last wait is kept: {asked:?}");
    }

    #[test]
    fn spans_that_touch_are_asked_for_once() {
        let told = Told { from: noon() - minutes(10_000), to: noon() - minutes(600) };
        let plan = plan(Some(told), noon());
        let by_end: Vec<_> = plan.left.iter().filter(|piece| piece.by == DetailsBy::End).collect();
        assert_eq!(by_end.len(), 1, "after a long time without a run all spans meet");
        assert_eq!(by_end.first().unwrap().window.from, told.to - minutes(360));
    }

    #[test]
    fn a_run_of_the_future_is_not_believed() {
        let told = Told { from: noon() - minutes(600), to: noon() + minutes(10_000) };
        let plan = plan(Some(told), noon());
        assert!(plan.left.iter().any(|piece| piece.window.to == noon() - SETTLE));
    }

    #[test]
    fn a_window_of_the_past_is_asked_for_by_its_beginnings() {
        let window = Window::new(noon() - minutes(60), noon() + minutes(60)).unwrap();
        let plan = Progress::past(window, noon());
        assert_eq!(plan.left, [Piece { by: DetailsBy::Start, window: Window { from: window.from, to: noon() - SETTLE } }]);
        assert_eq!(plan.told, None);
    }
}
