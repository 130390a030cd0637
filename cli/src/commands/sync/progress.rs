//! How far a backfill is: one moving line on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use callscribe::store::backfills::BackfillSeen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{output::tell_error, times::span};

/// The line and when one was last said.
pub(super) struct Progress {
    bar: ProgressBar,
    plain: bool,
    said: Option<(Instant, String)>,
}

const REDRAW_PER_SECOND: u8 = 4;
/// Where nobody looks on, a line this often is enough for a log.
const SAY_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// Nothing shown yet.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(REDRAW_PER_SECOND));
        let plain = bar.is_hidden();
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, plain, said: None }
    }

    /// Says something that stays.
    pub(super) fn say(&self, line: &str) {
        if self.plain { tell_error(line) } else { self.bar.println(line) }
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self, seen: &BackfillSeen) {
        let line = line(seen);
        if self.plain {
            let due = self.said.as_ref().is_none_or(|(at, said)| at.elapsed() >= SAY_EVERY && *said != line);
            if due {
                tell_error(&line);
                self.said = Some((Instant::now(), line));
            }
            return;
        }
        self.bar.set_length(u64::try_from(seen.days).unwrap_or(0));
        self.bar.set_position(u64::try_from(seen.done + seen.failed).unwrap_or(0));
        self.bar.set_message(line);
    }

    /// Takes the moving line away.
    pub(super) fn clear(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `12 of 325 days · 48210 calls · 8.2 days a minute · 38m 10s left`.
pub(crate) fn line(seen: &BackfillSeen) -> String {
    let mut parts = vec![format!("{} of {} days", seen.done, seen.days), format!("{} calls", seen.calls)];
    if seen.failed > 0 {
        parts.push(format!("{} failed", seen.failed));
    }
    if let (true, Some(rate)) = (seen.open() > 0, seen.days_per_minute()) {
        parts.push(format!("{rate:.1} days a minute"));
        parts.extend(seen.time_left().map(|left| format!("{} left", span(left))));
    }
    parts.join(" · ")
}
