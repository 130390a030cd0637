//! What may be shown of a value that must not be shown.

use std::fmt;

/// A dialled number in a log line: its last two digits, enough to tell two apart in one call's history and no more.
#[derive(Clone, Copy)]
pub struct Number<'n>(pub &'n str);

/// Digits left readable at the end.
const SHOWN: usize = 2;

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: Vec<char> = self.0.chars().filter(char::is_ascii_digit).collect();
        let hidden = digits.len().saturating_sub(SHOWN);
        // a number of four digits or fewer is an extension: nothing of it is shown
        if hidden <= SHOWN {
            return f.write_str("[number]");
        }
        f.write_str("…")?;
        digits.iter().skip(hidden).try_for_each(|digit| write!(f, "{digit}"))
    }
}

impl fmt::Debug for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The host of a link: all of it that may be logged, since path and query can carry tokens.
#[must_use]
pub fn host_of(link: &str) -> String {
    let host = url::Url::parse(link).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "[no host]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_shows_its_last_two_digits_and_an_extension_nothing() {
        assert_eq!(Number("+1 (555) 010-0199").to_string(), "…99");
        assert_eq!(Number("4711").to_string(), "[number]");
        assert_eq!(format!("{:?}", Number("sip:+15550100199@example.com")), "…99");
        assert_eq!(Number("").to_string(), "[number]");
    }

    #[test]
    fn a_link_shows_its_host_and_never_its_query() {
        assert_eq!(host_of("https://bucket.s3.amazonaws.com/key?X-Amz-Signature=abc"), "bucket.s3.amazonaws.com");
        assert_eq!(host_of("https://user:secret@example.com/"), "example.com");
        assert_eq!(host_of("not a link"), "[no host]");
    }
}
