//! A span of time whose calls are asked for.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// `from` ≤ created < `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First moment.
    pub from: DateTime<Utc>,
    /// First moment after.
    pub to: DateTime<Utc>,
}

/// A window that ends before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the window from {from} to {to} is empty: `from` must lie before `to`")]
pub struct EmptyWindow {
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// Its end.
    pub to: DateTime<Utc>,
}

impl Window {
    /// A window that holds at least a millisecond.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Self, EmptyWindow> {
        if from >= to { Err(EmptyWindow { from, to }) } else { Ok(Self { from, to }) }
    }

    /// The window cut at every midnight (UTC), oldest first: the days of two windows that overlap are the same.
    pub fn days(self) -> impl Iterator<Item = Self> {
        let mut from = self.from;
        std::iter::from_fn(move || {
            let midnight = from.date_naive().succ_opt()?.and_time(chrono::NaiveTime::MIN).and_utc();
            let day = Self { from, to: midnight.min(self.to) };
            from = day.to;
            (day.from < day.to).then_some(day)
        })
    }

    /// The same moments in as few windows as they need, the youngest first: windows that touch become one.
    #[must_use]
    pub fn joined(mut windows: Vec<Self>) -> Vec<Self> {
        windows.sort_by_key(|window| std::cmp::Reverse(window.to));
        let mut joined: Vec<Self> = Vec::with_capacity(windows.len());
        for window in windows {
            match joined.last_mut() {
                Some(later) if window.to >= later.from => later.from = later.from.min(window.from),
                _ => joined.push(window),
            }
        }
        joined
    }

    /// The window cut into consecutive pieces no longer than `longest`, oldest first.
    pub fn split(self, longest: TimeDelta) -> impl Iterator<Item = Self> {
        let mut from = self.from;
        std::iter::from_fn(move || {
            if from >= self.to || longest <= TimeDelta::zero() {
                return None;
            }
            let to = from.checked_add_signed(longest).map_or(self.to, |end| end.min(self.to));
            let piece = Self { from, to };
            from = to;
            Some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_meet_end_to_end_and_cover_the_window() {
        let from = DateTime::UNIX_EPOCH;
        let window = Window::new(from, from + TimeDelta::hours(25)).unwrap();
        let pieces: Vec<_> = window.split(TimeDelta::hours(10)).collect();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.first().unwrap().from, window.from);
        assert_eq!(pieces.last().unwrap().to, window.to);
        assert!(pieces.windows(2).all(|pair| pair[0].to == pair[1].from));
    }

    #[test]
    fn days_begin_and_end_at_midnight_but_for_the_first_and_the_last() {
        let at = |hours| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
        let days: Vec<_> = Window::new(at(30), at(80)).unwrap().days().collect();
        let expected = [(30, 48), (48, 72), (72, 80)].map(|(from, to)| Window { from: at(from), to: at(to) });
        assert_eq!(days, expected);
        assert_eq!(Window::new(at(24), at(48)).unwrap().days().count(), 1);
    }

    #[test]
    fn an_empty_window_is_refused_by_name() {
        let now = DateTime::UNIX_EPOCH;
        assert!(Window::new(now, now).is_err());
    }
}
