//! A limit of requests within a window, and the headers that tell how much of it is left.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Desk;
use super::fault::Fault;

/// The window that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    began: Instant,
    taken: u32,
}

/// What a request finds of the limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// Requests in a window.
    pub(super) limit: u32,
    /// Requests that are left after this one; `None`: this one is beyond.
    pub(super) left: Option<u32>,
    /// Until the next window.
    pub(super) reset: Duration,
}

impl Allowance {
    /// Without a limit: what the real service says to an account of some size.
    const AMPLE: Self = Self { limit: 10_000, left: Some(9_999), reset: Duration::from_millis(6) };

    /// Counts a request against the limit, if there is one.
    pub(super) fn take(desk: &Desk) -> Self {
        let limited = |fault: &Fault| if let Fault::RateLimit { requests, window } = fault { Some((*requests, *window)) } else { None };
        let Some((limit, window)) = desk.faults.strike(&[], limited) else { return Self::AMPLE };
        let now = Instant::now();
        let mut held = desk.window.lock().unwrap_or_else(PoisonError::into_inner);
        let current = held.filter(|current| now.duration_since(current.began) < window).unwrap_or(Window { began: now, taken: 0 });
        let left = limit.checked_sub(current.taken + 1);
        *held = Some(Window { taken: current.taken + u32::from(left.is_some()), ..current });
        Self { limit, left, reset: window.saturating_sub(now.duration_since(current.began)) }
    }

    /// The headers, as every answer has them.
    pub(super) fn headers(self) -> [(&'static str, String); 3] {
        [
            ("x-ratelimit-limit-requests", self.limit.to_string()),
            ("x-ratelimit-remaining-requests", self.left.unwrap_or(0).to_string()),
            ("x-ratelimit-reset-requests", go_duration(self.reset)),
        ]
    }
}

/// As Go writes durations: `6ms`, `1.5s`, `2m0s`.
fn go_duration(span: Duration) -> String {
    let (minutes, seconds) = (span.as_secs() / 60, span.as_secs_f64() % 60.0);
    match span {
        _ if span < Duration::from_secs(1) => format!("{}ms", span.as_millis()),
        _ if minutes > 0 => format!("{minutes}m{seconds:.3}s"),
        _ => format!("{seconds:.3}s"),
    }
}
