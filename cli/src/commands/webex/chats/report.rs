//! What the command tells: how far it is, and in the end what is in the workbook and what is not.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use callscribe::domain::Reason;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::workbook::{Ending, Told, Written};
use crate::{
    output::{Output, tell_error},
    table::Table,
    times::minute,
};

/// Failures that are listed; the workbook has all.
const MOST_LISTED: usize = 100;
const REDRAW_PER_SECOND: u8 = 8;
/// How often a line is written where no terminal shows the moving one.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// A conversation that could not be read.
#[derive(Debug, Serialize)]
struct Failed {
    task_id: String,
    reason: Reason,
    error: String,
}

/// Counts what was read, and shows it.
pub(super) struct Tally {
    bar: ProgressBar,
    said: Instant,
    conversations: u64,
    messages: u64,
    complete: u64,
    open: u64,
    without_transcript: u64,
    parts_left_out: u64,
    failed: u64,
    listed: Vec<Failed>,
}

#[derive(Serialize)]
struct Summary<'s> {
    out: &'s Path,
    #[serde(flatten)]
    written: &'s Written,
    complete: u64,
    open: u64,
    without_transcript: u64,
    parts_left_out: u64,
    failed: u64,
    failures: &'s [Failed],
    stopped_by: Option<&'s str>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(REDRAW_PER_SECOND));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(125));
        let listed = Vec::new();
        let said = Instant::now();
        Self { bar, said, conversations: 0, messages: 0, complete: 0, open: 0, without_transcript: 0, parts_left_out: 0, failed: 0, listed }
    }

    /// Counts a conversation.
    pub(super) fn count(&mut self, told: &Told) {
        self.conversations += 1;
        self.messages += u64::try_from(told.messages.len()).unwrap_or(u64::MAX);
        match &told.ending {
            Ending::Complete { unreadable } => {
                self.complete += 1;
                self.parts_left_out += u64::try_from(*unreadable).unwrap_or(u64::MAX);
            }
            Ending::Open => self.open += 1,
            Ending::WithoutTranscript => self.without_transcript += 1,
            Ending::Failed { reason, error } => {
                self.failed += 1;
                if self.listed.len() < MOST_LISTED {
                    self.listed.push(Failed { task_id: told.task_id.clone(), reason: *reason, error: error.clone() });
                }
            }
        }
        let at = told.chat.as_ref().map(|chat| format!(" · at {}", minute(chat.started_at))).unwrap_or_default();
        self.show(&format!("{} conversations · {} messages · {} failed{at}", self.conversations, self.messages, self.failed));
    }

    fn show(&mut self, line: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_message(line.to_owned());
        } else if self.said.elapsed() >= PLAIN_EVERY {
            self.said = Instant::now();
            tell_error(line);
        }
    }

    /// Takes the moving line away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Whether nothing was told at all.
    pub(super) const fn is_empty(&self) -> bool {
        self.conversations == 0
    }

    /// Whether everything that was asked for is in the workbook, as far as there is anything.
    pub(super) const fn is_whole(&self) -> bool {
        self.failed == 0
    }

    /// The summary, for programs.
    pub(super) fn json(&self, output: &mut Output, out: &Path, written: &Written, stopped_by: Option<&str>) -> io::Result<()> {
        output.json(&Summary {
            out,
            written,
            complete: self.complete,
            open: self.open,
            without_transcript: self.without_transcript,
            parts_left_out: self.parts_left_out,
            failed: self.failed,
            failures: &self.listed,
            stopped_by,
        })
    }

    /// The summary, for people.
    pub(super) fn tell(&self, output: &mut Output, out: &Path, written: &Written) -> io::Result<()> {
        let sheets = if written.message_sheets > 1 { format!(" on {} sheets", written.message_sheets) } else { String::new() };
        output.line(format_args!("{}: {} messages{sheets} of {} conversations", out.display(), written.messages, written.conversations))?;
        let notes = [
            (self.open, "are still open: their messages are told when they have ended"),
            (self.without_transcript, "have no transcript: nothing was written in them, or Webex offers it later, or it was deleted"),
        ];
        for (count, note) in notes.into_iter().filter(|(count, _)| *count > 0) {
            output.line(format_args!("{count} conversations {note}"))?;
        }
        if self.parts_left_out > 0 {
            output.line(format_args!("{} parts of files are no messages and were left out", self.parts_left_out))?;
        }
        if written.cells_cut > 0 {
            output.line(format_args!("{} texts are longer than a cell of Excel holds and were cut; each says so", written.cells_cut))?;
        }
        self.tell_failures(output)
    }

    fn tell_failures(&self, output: &mut Output) -> io::Result<()> {
        if self.failed == 0 {
            return Ok(());
        }
        output.line(format_args!("{} failed; the sheet `Conversations` has them, too:", self.failed))?;
        let mut table = Table::new(output, &["task_id", "reason", "error"]);
        for failed in &self.listed {
            table.row([if failed.task_id.is_empty() { "-" } else { &failed.task_id }, failed.reason.as_str(), &failed.error]);
        }
        output.line(&table)?;
        let rest = self.failed.saturating_sub(u64::try_from(self.listed.len()).unwrap_or(u64::MAX));
        if rest > 0 {
            output.line(format_args!("and {rest} more"))?;
        }
        Ok(())
    }
}
