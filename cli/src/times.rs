//! Times as people give and read them.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SubsecRound, TimeDelta, Utc};

/// What `--since`, `--until`, `--from` and `--to` take; each help text says it with these words.
pub(crate) const MOMENT_HELP: &str = "2026-11-21, 2026-11-21T10:00, 2026-11-21T10:00:00Z (UTC), or a span such as 2h or 3d: so long ago";

/// Reads a moment: a date, a time in UTC, a time with its zone, `now`, or a span before `now`.
pub(crate) fn moment(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return Ok(time.and_utc());
        }
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    let ago = humantime::parse_duration(text).ok().and_then(|span| TimeDelta::from_std(span).ok());
    ago.and_then(|span| now.checked_sub_signed(span)).ok_or_else(|| format!("`{text}` is not a time: give {MOMENT_HELP}"))
}

/// A moment, to the second, in UTC.
pub(crate) fn stamp(time: DateTime<Utc>) -> String {
    time.trunc_subsecs(0).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment, to the minute, in UTC.
pub(crate) fn minute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

/// A span in its two largest units: `3d 4h`, `2m 5s`, `12s`, `0.4s`.
pub(crate) fn span(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let seconds = span.as_secs();
    let Some(first) = UNITS.iter().position(|(unit, _)| seconds >= *unit) else {
        return format!("{:.1}s", span.as_secs_f64());
    };
    let mut rest = seconds;
    let mut words = Vec::new();
    for (unit, name) in UNITS.iter().skip(first).take(2) {
        if rest / unit > 0 {
            words.push(format!("{}{name}", rest / unit));
        }
        rest %= unit;
    }
    words.join(" ")
}

/// How long ago, or in how long.
pub(crate) fn relative(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (now - time).to_std() {
        Ok(ago) => format!("{} ago", span(ago)),
        Err(_) => format!("in {}", span((time - now).to_std().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T12:00:00Z").unwrap().to_utc();
        let read = |text| moment(text, now).map(|time| time.to_rfc3339());
        assert_eq!(read("2h").unwrap(), "2026-11-21T10:00:00+00:00");
        assert_eq!(read("2026-11-20").unwrap(), "2026-11-20T00:00:00+00:00");
        assert_eq!(read("2026-11-20 08:30").unwrap(), "2026-11-20T08:30:00+00:00");
        assert_eq!(read("2026-11-20T08:30:00+02:00").unwrap(), "2026-11-20T06:30:00+00:00");
        assert_eq!(read("now").unwrap(), now.to_rfc3339());
        assert!(read("yesterday").unwrap_err().contains("`yesterday` is not a time"));
    }

    #[test]
    fn spans_show_their_two_largest_units() {
        assert_eq!(span(Duration::from_millis(400)), "0.4s");
        assert_eq!(span(Duration::from_secs(125)), "2m 5s");
        assert_eq!(span(Duration::from_hours(76)), "3d 4h");
        assert_eq!(span(Duration::from_hours(24)), "1d");
    }
}
