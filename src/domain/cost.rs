//! What transcription costs: amounts in millionths of a currency, so that sums are exact.

use super::status::vocabulary;

vocabulary! {
    /// By what costs are summed.
    CostsBy ("grouping of costs") {
        /// The day, in UTC.
        Day = "day",
        /// The calendar month, in UTC.
        Month = "month",
        /// The call's queue.
        Queue = "queue",
        /// Provider and model.
        Model = "model",
        /// The call.
        Call = "call",
    }
}

/// Millionths of a currency as people write an amount: `1.25`, `0.0043`.
#[must_use]
pub fn amount(micros: i64) -> String {
    let (whole, rest) = (micros / 1_000_000, (micros % 1_000_000).unsigned_abs());
    let digits = format!("{rest:06}");
    let shown = digits.trim_end_matches('0');
    let sign = if micros < 0 && whole == 0 { "-" } else { "" };
    format!("{sign}{whole}.{shown:0<2}")
}

/// An amount as people write it, in millionths; `None` when it is none, is negative, or has more than six decimals.
#[must_use]
pub fn micros(text: &str) -> Option<i64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || rest.len() > 6 || !is_digits(whole) || !is_digits(rest) {
        return None;
    }
    let millionths: i64 = format!("{rest:0<6}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(millionths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_it_is_written() {
        for (text, micros_of) in [("0.006", 6_000), ("500", 500_000_000), ("1.25", 1_250_000), ("0.0043", 4_300), ("0", 0)] {
            assert_eq!(micros(text), Some(micros_of));
            assert_eq!(micros(&amount(micros_of)), Some(micros_of));
        }
        assert_eq!([amount(6_000), amount(1_250_000), amount(500_000_000)], ["0.006", "1.25", "500.00"]);
        for bad in ["", ".5", "-1", "1,5", "1.2345678", "1e3", "99999999999999"] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }
}
