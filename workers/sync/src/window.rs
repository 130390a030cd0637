//! Which span of time a job asks for, and around which moments calls that are still open are asked for again.

use callscribe::{
    config::SyncSettings,
    domain::{EmptyWindow, Window},
    sources::HISTORY,
};
use chrono::{DateTime, TimeDelta, Utc};

/// Every window ends this long before now: clocks differ, and a vendor may refuse times of its future. A source whose vendor needs
/// more leaves out more by itself.
const SETTLE: TimeDelta = TimeDelta::seconds(5);
/// Open calls that began within this span of each other are read with one request.
const NEAR: TimeDelta = TimeDelta::minutes(1);
/// Requests one run spends on open calls at most; with more of them, neighbours share a window.
const MOST_REREADS: usize = 50;
/// The vendor's bounds may be exclusive: a millisecond on either side includes the call.
const MARGIN: TimeDelta = TimeDelta::milliseconds(1);

/// A window and whether its beginning had to be cut off because the vendor no longer tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) window: Window,
    pub(crate) cut: bool,
}

/// The window of a live run: from the watermark less the overlap, or the first look back, to just before now.
pub(crate) fn live(settings: &SyncSettings, watermark: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<Reach, EmptyWindow> {
    let to = now - SETTLE;
    // a watermark of the future (a vendor's clock gone wrong) must not end in asking for nothing, for ever
    let from = watermark.map_or(now - span(settings.first_look_back), |seen| seen.min(to) - span(settings.overlap));
    reach(from, to, now)
}

/// The window of a backfill: as asked for, as far as the vendor reaches.
pub(crate) fn backfill(asked: Window, now: DateTime<Utc>) -> Result<Reach, EmptyWindow> {
    reach(asked.from, asked.to.min(now - SETTLE), now)
}

fn reach(from: DateTime<Utc>, to: DateTime<Utc>, now: DateTime<Utc>) -> Result<Reach, EmptyWindow> {
    let oldest = now - HISTORY;
    Ok(Reach { window: Window::new(from.max(oldest), to)?, cut: from < oldest })
}

/// A setting's span as a difference of times. Settings are bounded where they are read; what is longer counts as the history.
pub(crate) fn span(of: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(of).unwrap_or(HISTORY).min(HISTORY)
}

/// Few and small windows that hold every one of `starts`, which come oldest first: neighbours share one, and the widest gaps
/// between them are where windows end.
pub(crate) fn around(starts: &[DateTime<Utc>]) -> Vec<Window> {
    let gap_after = |place: usize| Some(*starts.get(place + 1)? - *starts.get(place)?);
    let mut breaks: Vec<usize> = (0..starts.len()).filter(|place| gap_after(*place).is_some_and(|gap| gap > NEAR)).collect();
    breaks.sort_by_key(|place| std::cmp::Reverse(gap_after(*place)));
    breaks.truncate(MOST_REREADS - 1);
    breaks.sort_unstable();
    let mut windows = Vec::with_capacity(breaks.len() + 1);
    let mut rest = starts;
    let mut taken = 0;
    for place in breaks {
        let (group, later) = rest.split_at(place + 1 - taken);
        windows.extend(enclosing(group));
        rest = later;
        taken = place + 1;
    }
    windows.extend(enclosing(rest));
    windows
}

fn enclosing(group: &[DateTime<Utc>]) -> Option<Window> {
    Some(Window { from: *group.first()? - MARGIN, to: *group.last()? + MARGIN })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_first_run_looks_back_as_far_as_the_setting_says() {
        let settings = SyncSettings::default();
        let reach = live(&settings, None, noon()).unwrap();
        assert_eq!(reach.window.from, noon() - TimeDelta::minutes(15));
        assert_eq!(reach.window.to, noon() - TimeDelta::seconds(5));
    }

    #[test]
    fn a_run_goes_on_an_overlap_before_the_watermark() {
        let reach = live(&SyncSettings::default(), Some(noon() - TimeDelta::hours(3)), noon()).unwrap();
        assert_eq!(
            reach,
            Reach { window: Window { from: noon() - TimeDelta::minutes(195), to: noon() - TimeDelta::seconds(5) }, cut: false }
        );
    }

    #[test]
    fn a_watermark_of_the_future_still_asks_for_the_overlap() {
        let reach = live(&SyncSettings::default(), Some(noon() + TimeDelta::days(400)), noon()).unwrap();
        assert_eq!(reach.window.to - reach.window.from, TimeDelta::minutes(15));
    }

    #[test]
    fn what_the_vendor_no_longer_tells_is_cut_off_and_said() {
        let reach = live(&SyncSettings::default(), Some(noon() - TimeDelta::days(500)), noon()).unwrap();
        assert!(reach.cut);
        assert_eq!(reach.window.from, noon() - HISTORY);
        let too_old = Window { from: noon() - TimeDelta::days(800), to: noon() - TimeDelta::days(700) };
        assert!(backfill(too_old, noon()).is_err());
    }

    #[test]
    fn neighbours_share_a_window_and_strangers_do_not() {
        let starts = [0, 10, 20, 4_000, 9_000].map(|seconds| noon() + TimeDelta::seconds(seconds));
        let windows = around(&starts);
        assert_eq!(windows.len(), 3);
        assert_eq!(windows[0], Window { from: starts[0] - MARGIN, to: starts[2] + MARGIN });
        assert_eq!(windows[2], Window { from: starts[4] - MARGIN, to: starts[4] + MARGIN });
        assert!(around(&[]).is_empty());
    }

    #[test]
    fn however_many_calls_are_open_the_requests_are_bounded() {
        let mut starts: Vec<_> = (0..500).map(|number| noon() + TimeDelta::minutes(number * 2 + number % 7)).collect();
        starts.sort_unstable();
        let windows = around(&starts);
        assert_eq!(windows.len(), MOST_REREADS);
        assert!(starts.iter().all(|start| windows.iter().any(|window| window.from < *start && *start < window.to)));
    }
}
