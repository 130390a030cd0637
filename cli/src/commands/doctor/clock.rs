//! Clocks: ours against everyone's whose answers say what time it is.

use std::time::SystemTime;

use callscribe::clock::{Clock, SystemClock};
use chrono::{DateTime, TimeDelta, Utc};

use super::finding::Finding;
use crate::times::span;

/// `Date` has whole seconds, and an answer takes a moment: less than this is no skew.
const NO_SKEW: TimeDelta = TimeDelta::seconds(5);
/// From here on tokens seem to live when they have ended, and signatures are refused.
const TOO_MUCH: TimeDelta = TimeDelta::seconds(60);

/// Our clock against the one of `who`, whose answer came just now.
pub(super) fn against(check: &'static str, who: &str, theirs: DateTime<Utc>) -> Finding {
    judge(check, who, theirs, SystemClock.now())
}

/// The same for the `Date` of an answer, where there was one.
pub(super) fn against_date(check: &'static str, who: &str, date: Option<SystemTime>) -> Option<Finding> {
    date.map(|date| against(check, who, date.into()))
}

fn judge(check: &'static str, who: &str, theirs: DateTime<Utc>, ours: DateTime<Utc>) -> Finding {
    let apart = (ours - theirs).abs();
    if apart <= NO_SKEW {
        return Finding::ok(check, format!("our clock agrees with that of {who}"));
    }
    let direction = if ours > theirs { "ahead of" } else { "behind" };
    let found = format!("our clock is {} {direction} that of {who}", span(apart.to_std().unwrap_or_default()));
    const FIX: &str = "have both set by NTP: tokens, signatures and waits are judged by the clock";
    if apart <= TOO_MUCH { Finding::warn(check, found, FIX) } else { Finding::fail(check, found, FIX) }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Level, *};

    #[test]
    fn a_clock_a_little_off_is_told_and_one_far_off_fails() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T12:00:00Z").unwrap().to_utc();
        let level = |seconds| judge("clock", "PostgreSQL", now + TimeDelta::seconds(seconds), now).level;
        assert_eq!([0, 4, -4].map(level), [Level::Ok; 3]);
        assert_eq!([6, -59].map(level), [Level::Warn; 2]);
        assert_eq!([61, -3600].map(level), [Level::Fail; 2]);
        let finding = judge("clock", "PostgreSQL", now + TimeDelta::hours(1), now);
        assert_eq!(finding.found, "our clock is 1h behind that of PostgreSQL");
    }
}
