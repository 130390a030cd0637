//! Which spans of time a run asks for: what ended since the last run, and, by its beginning, what should be over by now. A conversation
//! that is over without an end is told by its beginning only, and one that was told late, or that went on after it was read, is met again.

use std::{collections::VecDeque, time::Duration};

use callscribe::{
    domain::Window,
    sources::{DetailsBy, PageCursor, Piece},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// What ended less than this ago is left for the next run: the search tells it late.
const SETTLE: TimeDelta = TimeDelta::minutes(1);
/// The vendor's search reaches back 36 months; less than that, as the months are not all alike.
pub(crate) const LONGEST_LOOK_BACK: TimeDelta = TimeDelta::days(1_090);
/// So long after its beginning a conversation is looked at again: a chat is over after a day, one in a messenger or by e-mail after a week.
const LONG_OVER: [TimeDelta; 2] = [TimeDelta::days(1), TimeDelta::days(7)];

/// A job's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) left: VecDeque<Piece>,
    /// Where the next page of the first piece begins; `None` at its beginning.
    pub(crate) cursor: Option<PageCursor>,
    /// Up to which end everything is read once nothing is left.
    pub(crate) until: DateTime<Utc>,
}

/// Up to which end a run asks.
pub(crate) fn until(now: DateTime<Utc>) -> DateTime<Utc> {
    now - SETTLE
}

/// From which end on a run asks: where the last one ended, less the overlap.
pub(crate) fn from(read_until: Option<DateTime<Utc>>, first_look_back: Duration, overlap: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
    let span = |duration| TimeDelta::from_std(duration).unwrap_or(LONGEST_LOOK_BACK);
    let to = until(now);
    // a run of the future (a clock gone wrong) must not end in asking for nothing, for ever
    let from = read_until.map_or(to - span(first_look_back), |read_until| read_until.min(to) - span(overlap));
    from.max(now - LONGEST_LOOK_BACK)
}

impl Place {
    /// The plan of a run that asks for ends after `from`. No conversation that began before `since` is asked for by its beginning.
    pub(crate) fn begin(from: DateTime<Utc>, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<Self> {
        let to = until(now);
        let by_end = Window::new(from, to).ok()?;
        let begun = LONG_OVER.map(|wait| Window::new((from - wait).max(since).max(now - LONGEST_LOOK_BACK), to - wait).ok());
        let by_start = Window::joined(begun.into_iter().flatten().collect());
        let mut left = VecDeque::from([Piece { by: DetailsBy::End, window: by_end }]);
        left.extend(by_start.into_iter().map(|window| Piece { by: DetailsBy::Start, window }));
        Some(Self { left, cursor: None, until: to })
    }

    /// Notes that a page of the first piece was read.
    pub(crate) fn advance(&mut self, next: Option<PageCursor>) {
        if next.is_none() {
            self.left.pop_front();
        }
        self.cursor = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn noon() -> DateTime<Utc> {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_first_run_asks_for_nothing_before_its_look_back() {
        let first = from(None, MINUTE * 15, MINUTE * 5, noon());
        let window = Window { from: noon() - SETTLE - TimeDelta::minutes(15), to: noon() - SETTLE };
        assert_eq!(Place::begin(first, first, noon()).unwrap().left, [Piece { by: DetailsBy::End, window }]);
    }

    #[test]
    fn every_beginning_is_asked_for_a_day_and_a_week_later_whenever_runs_come() {
        let start = noon();
        let moment = start + TimeDelta::hours(3);
        let (mut read_until, mut asked) = (None, Vec::new());
        // no run came for two days in between
        for hours in (0..20).chain(68..400) {
            let now = start + TimeDelta::hours(hours);
            let place = Place::begin(from(read_until, MINUTE * 15, MINUTE * 5, now), start, now);
            let holds = |piece: &Piece| piece.by == DetailsBy::Start && (piece.window.from..piece.window.to).contains(&moment);
            let Some(place) = place else { continue };
            asked.extend(place.left.iter().any(holds).then_some(now - moment));
            read_until = Some(place.until);
        }
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(asked.iter().zip(LONG_OVER).all(|(after, wait)| *after >= wait), "{asked:?}");
    }

    #[test]
    fn a_long_time_without_a_run_is_asked_for_once() {
        let place = Place::begin(noon() - TimeDelta::days(30), noon() - TimeDelta::days(90), noon()).unwrap();
        let by_start: Vec<_> = place.left.iter().filter(|piece| piece.by == DetailsBy::Start).collect();
        assert_eq!(by_start.len(), 1, "the spans meet");
    }

    #[test]
    fn a_run_of_the_future_is_not_believed() {
        let late = from(Some(noon() + TimeDelta::days(9)), MINUTE * 15, MINUTE * 5, noon());
        assert!(Place::begin(late, late, noon()).is_some());
    }
}
