//! What is left of a rate limit, in the headers that OpenAI's server and its copies send with every answer.
//!
//! `x-ratelimit-remaining-requests: 0` with `x-ratelimit-reset-requests: 6m0s` says that the next request would be refused for six minutes;
//! the same for `-tokens`. Copies leave them out or send -1.

use std::time::Duration;

use http::HeaderMap;

/// Nobody is held back for longer by what an answer says of the next: asked again after this, the server says 429 if it means it.
const LONGEST: Duration = Duration::from_mins(5);

/// How long nothing more is to be had, if the headers say that nothing is left.
#[must_use]
pub fn exhausted_for(headers: &HeaderMap) -> Option<Duration> {
    ["requests", "tokens"].into_iter().filter_map(|unit| exhausted(headers, unit)).max().map(|wait| wait.min(LONGEST))
}

fn exhausted(headers: &HeaderMap, unit: &str) -> Option<Duration> {
    let text = |what: &str| headers.get(format!("x-ratelimit-{what}-{unit}"))?.to_str().ok().map(str::trim);
    let left: i64 = text("remaining")?.parse().ok()?;
    if left != 0 {
        return None;
    }
    span(text("reset")?).filter(|wait| !wait.is_zero())
}

/// `20ms`, `1s`, `6m0s`, `1h2m3.5s`, as Go writes durations; copies write seconds without a unit.
fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut rest = text;
    let mut whole = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(letters)?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        whole = whole.checked_add(Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?)?;
        rest = next;
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect();
        exhausted_for(&headers)
    }

    #[test]
    fn nothing_left_is_a_wait_and_anything_left_is_none() {
        let requests = |left, reset| told(&[("x-ratelimit-remaining-requests", left), ("x-ratelimit-reset-requests", reset)]);
        assert_eq!(requests("0", "1s"), Some(Duration::from_secs(1)));
        assert_eq!(requests("0", "1m0.5s"), Some(Duration::from_millis(60_500)));
        assert_eq!(requests("0", "20ms"), Some(Duration::from_millis(20)));
        assert_eq!(requests("0", "7"), Some(Duration::from_secs(7)), "a copy's seconds");
        assert_eq!(requests("0", "8h0m0s"), Some(LONGEST));
        for (left, reset) in [("1", "1s"), ("-1", "1s"), ("0", "0s"), ("0", "soon"), ("", "1s"), ("0", "1x")] {
            assert_eq!(requests(left, reset), None, "{left} {reset}");
        }
        assert_eq!(told(&[("x-ratelimit-remaining-requests", "0")]), None, "it does not say until when");
    }

    #[test]
    fn the_longer_of_requests_and_tokens_counts() {
        let both = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "3s"),
        ];
        assert_eq!(told(&both), Some(Duration::from_secs(3)));
    }
}
