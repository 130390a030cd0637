//! Errors that say the same with other numbers, ids and names: one pattern for all of them.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// The longest pattern; what differs after that does not make another one.
const LONGEST_PATTERN: usize = 200;

/// What is taken for the same, whatever it is: each kind has a group of its own, tried in this order.
static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?P<url>\b[a-z][a-z0-9+.-]*://[^\s'"`<>)\]]+)
        | (?P<quoted>"[^"]*"|`[^`]*`|\B'[^'\s][^']*'\B)
        | (?P<time>\b\d{4}-\d\d-\d\d[T\x20]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)
        | (?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)
        | (?P<address>\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b|\[[0-9a-fA-F:]*:[0-9a-fA-F:]*\](:\d+)?)
        | (?P<host>\b([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.)+[a-zA-Z]{2,}(:\d+)?\b)
        | (?P<status>\bHTTP\ \d{3}\b)
        | (?P<id>\b([0-9a-fA-F]{12,}|[A-Za-z_-]*\d[A-Za-z0-9_-]{9,}|[A-Za-z][A-Za-z0-9_-]{9,}\d[A-Za-z0-9_-]*)\b)
        | (?P<number>\d+([.,]\d+)*)"#,
    )
    .ok()
});

/// The error with everything that differs from one occurrence to the next replaced: quoted text, addresses, hosts, times, ids and
/// numbers. The status of an HTTP answer stays: it tells one error from another. Twice is the same as once.
#[must_use]
pub fn error_pattern(error: &str) -> String {
    let Some(variable) = VARIABLE.as_ref() else { return error.to_owned() };
    let replaced = variable.replace_all(error, |found: &Captures<'_>| {
        let kinds = [
            ("url", "<url>"),
            ("quoted", "<text>"),
            ("time", "<time>"),
            ("uuid", "<id>"),
            ("address", "<host>"),
            ("host", "<host>"),
            ("id", "<id>"),
            ("number", "<n>"),
        ];
        let kind = kinds.into_iter().find(|(name, _)| found.name(name).is_some());
        kind.map_or_else(|| found.get(0).map_or_else(String::new, |whole| whole.as_str().to_owned()), |(_, put)| put.to_owned())
    });
    replaced.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_PATTERN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_one_to_the_next_is_replaced() {
        let cases = [
            ("the download of 48120 bytes ended at 1024", "the download of <n> bytes ended at <n>"),
            ("no file for `6a1f0f1e-7c57`", "no file for <text>"),
            ("task 6a1f0f1e-7c57-4a8b-9b7e-3f6d0a2c9e11 is gone", "task <id> is gone"),
            ("cannot reach https://api.wxcc-us1.cisco.com/v1/tasks?from=1: refused", "cannot reach <url> refused"),
            ("error sending to 10.2.3.4:8443", "error sending to <host>"),
            ("error sending to [fd00::1]:8443", "error sending to <host>"),
            ("no route to s3.eu-central-1.amazonaws.com", "no route to <host>"),
            ("since 2026-11-21T10:00:00.123Z", "since <time>"),
            ("model \"large-v3\" does not exist", "model <text> does not exist"),
            ("request ROUTER_5f2c8d91aa7b failed", "request <id> failed"),
            ("waited 2.5 s,   then\n gave up", "waited <n> s, then gave up"),
        ];
        for (error, pattern) in cases {
            assert_eq!(error_pattern(error), pattern);
        }
    }

    #[test]
    fn the_status_of_an_answer_tells_errors_apart() {
        assert_eq!(error_pattern("the transcriber is not available: HTTP 503"), "the transcriber is not available: HTTP 503");
        assert_ne!(error_pattern("it says HTTP 503"), error_pattern("it says HTTP 404"));
    }

    #[test]
    fn words_stay_as_they_are_and_twice_is_the_same_as_once() {
        for error in ["the vendor's own transcript isn't there", "connection reset by peer", "", "it's gone, isn't it", "<n> of <n>"] {
            assert_eq!(error_pattern(error), error);
        }
        let once = error_pattern("job 12 on host-7 at 10.0.0.1 said \"no\" 3 times");
        assert_eq!(error_pattern(&once), once);
    }

    #[test]
    fn a_pattern_has_an_end() {
        assert_eq!(error_pattern(&"long ".repeat(1_000)).chars().count(), LONGEST_PATTERN);
    }
}
