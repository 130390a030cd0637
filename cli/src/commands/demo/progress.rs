//! What the demo shows while it runs: one moving line on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::judge::Verdicts;
use crate::{output::tell_error, times::span};

/// The line and what was last said.
pub(super) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    plain: bool,
    last: String,
    first_transcript: bool,
}

const REDRAW_PER_SECOND: u8 = 12;

impl Progress {
    /// Nothing shown yet.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(REDRAW_PER_SECOND));
        let plain = bar.is_hidden();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, begun: Instant::now(), plain, last: String::new(), first_transcript: false }
    }

    /// Says something that stays.
    pub(super) fn say(&self, line: &str) {
        if self.plain {
            tell_error(line);
        } else {
            self.bar.println(line);
        }
    }

    /// Shows how far all calls are.
    pub(super) fn show(&mut self, verdicts: &Verdicts) {
        let with_status = |status: &str| {
            verdicts.0.iter().filter(|verdict| verdict.story.as_ref().is_some_and(|story| story.call.transcript_status == status)).count()
        };
        let known = verdicts.0.iter().filter(|verdict| verdict.story.is_some()).count();
        let recordings = verdicts.0.iter().filter_map(|verdict| verdict.story.as_ref());
        let recordings = recordings.filter(|story| story.recordings.iter().any(|recording| recording.status == "stored")).count();
        let (complete, failed) = (with_status("complete"), with_status("error"));
        let line = format!("{known}/{} calls · {recordings} recordings · {complete} transcripts · {failed} without", verdicts.0.len());
        if complete > 0 && !self.first_transcript {
            self.first_transcript = true;
            self.say(&format!("first transcript after {}", span(self.begun.elapsed())));
        }
        if line == self.last {
            return;
        }
        if self.plain {
            tell_error(&format!("{:>6}  {line}", span(self.begun.elapsed())));
        } else {
            self.bar.set_message(line.clone());
        }
        self.last = line;
    }

    /// Takes the moving line away.
    pub(super) fn clear(&mut self) {
        self.bar.finish_and_clear();
    }

    /// Since the demo began.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}
