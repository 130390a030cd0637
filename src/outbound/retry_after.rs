//! `Retry-After`: seconds or a date, believed up to an hour.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, header::RETRY_AFTER};

use crate::clock::Clock;

/// A vendor that asks for more is asked again after this: a wrong header must not stop us for a day.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// How long the vendor asks us to wait; `None` if it does not say, or says something that is neither seconds nor a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap, clock: &dyn Clock) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => {
            let at: DateTime<Utc> = httpdate::parse_http_date(text).ok()?.into();
            (at - clock.now()).to_std().unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::clock::ManualClock;

    fn parse(value: &str) -> Option<Duration> {
        let clock = ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(1));
        let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
        retry_after(&headers, &clock)
    }

    #[test]
    fn seconds_and_dates_are_read_and_nonsense_is_not() {
        assert_eq!(parse("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(parse("Fri, 02 Jan 1970 00:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["soon", "-3", "NaN", ""] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_day_is_cut_to_an_hour() {
        assert_eq!(parse("86400"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(parse("inf"), None);
    }
}
