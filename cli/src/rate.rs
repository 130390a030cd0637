//! Rates as people give them: `10/s`, `30/min`, `500/h`.

use std::time::Duration;

/// Reads a rate and returns the time from one to the next.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a rate: give a number per second, minute or hour, such as 10/s, 30/min or 500/h");
    let (number, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let unit = match unit.trim() {
        "s" | "sec" | "second" => Duration::from_secs(1),
        "m" | "min" | "minute" => Duration::from_mins(1),
        "h" | "hour" => Duration::from_hours(1),
        _ => return Err(wrong()),
    };
    if !number.is_finite() || number <= 0.0 {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(unit.as_secs_f64() / number).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_the_time_between_two() {
        assert_eq!(interval("10/s"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("30/min"), Ok(Duration::from_secs(2)));
        assert_eq!(interval("0.5/s"), Ok(Duration::from_secs(2)));
        assert_eq!(interval("360 / h"), Ok(Duration::from_secs(10)));
    }

    #[test]
    fn what_is_no_rate_is_refused_with_an_example() {
        for text in ["", "10", "0/s", "-1/s", "NaN/s", "inf/s", "10/fortnight", "x/s"] {
            assert!(interval(text).unwrap_err().contains("such as 10/s"), "{text}");
        }
    }
}
