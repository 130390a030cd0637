//! Everything that can go wrong at a transcriber, by the names of the contract (`servicenow-slack-asr.md`, 3.3 and 3.11).

use std::time::Duration;

/// How a 429 says when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// `retry-after: 2`.
    Seconds(u64),
    /// `retry-after-ms: 250`.
    Milliseconds(u64),
    /// Not at all.
    Absent,
}

/// The errors of the real service, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A1: 413 as JSON.
    TooLarge,
    /// A1: the variant of 2025, with `413: ` before the message and a `usage`.
    TooLargePrefixed,
    /// A1: 413 as a gateway's page.
    TooLargeHtml,
    /// A2: 400 `audio_too_short`.
    TooShort,
    /// A3: 400 `invalid_value`.
    TooLong,
    /// A4: 400 `unsupported_value`.
    FormatNotSupported,
    /// A5: 400.
    ChunkingRequired,
    /// A6: 400.
    InvalidFileFormat,
    /// A7: 400.
    Undecodable,
    /// A8: 401 `invalid_api_key`.
    InvalidKey,
    /// A9: 403.
    Forbidden,
    /// A10: 404 `model_not_found`.
    ModelNotFound,
    /// A11: 429 `rate_limit_exceeded`.
    RateLimited(Wait),
    /// A12: 429 `insufficient_quota`, without `Retry-After`.
    QuotaExhausted,
    /// A13: 429 `slow_down`.
    SlowDown429,
    /// A13: 503 `slow_down`.
    SlowDown503,
    /// A14: 503 `server_is_overloaded`.
    Overloaded,
    /// A14: 500 as a page.
    ServerErrorHtml,
    /// T15: 503 `model_loading` with `Retry-After: 1`.
    ModelLoading,
}

/// One way in which a transcriber misbehaves. With `When::For` it strikes the calls in which one of the words is heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A1–A14, T5, T15: an error of the real service, byte for byte.
    Error(Known),
    /// T5: so many requests within the window, told in the headers `x-ratelimit-…-requests` of every answer; what comes beyond gets a 429
    /// that says no more than they do. Only `When::Always` makes sense.
    RateLimit {
        /// Requests in a window.
        requests: u32,
        /// Real time, from the first request on.
        window: Duration,
    },
    /// A15: the connection is cut this long after the upload, with no answer.
    ConnectionCut {
        /// Real time.
        after: Duration,
    },
    /// T6: the answer takes the audio's length times this.
    Slow {
        /// 1.0 is as long as the audio.
        factor: f64,
    },
    /// T6: 200, and the connection ends in the middle of the answer.
    DisconnectAt {
        /// Bytes of the answer that are sent.
        byte: usize,
    },
    /// T7: the last third of the words is missing, with a 200.
    TailLost,
    /// T7: the middle third of the words is missing, with a 200.
    MiddleLost,
    /// T8: "Thank you for watching." thirty times, with the scores to match. Without `When::For` it strikes silence only.
    Hallucination,
    /// T9: an empty text.
    EmptyText,
    /// T10: words in reverse order.
    WordsUnsorted,
    /// T10: words that end before they start.
    WordsBackward,
    /// T10: words that lie beyond the end of the audio.
    WordsBeyondEnd,
    /// T10: times that are `null`.
    WordsWithoutTimes,
    /// T11: words at the borders of 30 s are told twice.
    DoubledAtBorders,
    /// T12: the language as a code where the profile says names, and the other way round.
    LanguageOtherForm,
    /// T12: the wrong language.
    WrongLanguage,
    /// T13: one request at a time, the others wait.
    SingleFlight,
    /// T14: takes the request and never answers; `/health` goes on saying that all is well.
    Deadlock,
    /// T16: a stream that ends without `done`.
    StreamWithoutDone,
}
