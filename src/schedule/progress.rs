//! How far a job that reads a vendor's list has come: its checkpoint.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{domain::Window, sources::PageCursor};

/// A piece longer than this that fails before its first page may have failed for its length.
const WIDE: TimeDelta = TimeDelta::hours(1);
/// A window that even at this length is too wide is no matter of width.
const NARROWEST: TimeDelta = TimeDelta::seconds(1);

/// Why a span of time is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Its calls may be new; the watermark follows them if the run is a live one.
    News,
    /// Calls in it were open when last seen.
    OpenCalls,
}

/// A span of time that is still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The span.
    pub window: Window,
    /// Why it is read.
    pub purpose: Purpose,
}

/// A job's checkpoint: what is left to read. Kept in `jobs.checkpoint`, in the transaction of the page before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is left, next first. Long windows are cut when their turn comes, so this stays short.
    left: VecDeque<Piece>,
    /// Where the next page of the first piece begins; `None` at its beginning.
    cursor: Option<PageCursor>,
    /// The longest piece asked for at once, in milliseconds: halved when the vendor finds it too wide, doubled when it does not.
    longest_milliseconds: i64,
    /// Calls read so far, for people.
    #[serde(default)]
    pub calls: u64,
    /// Calls that began before this are read again only if they were open.
    pub from: DateTime<Utc>,
    /// The open calls were added to what is left, or need not be.
    pub open_calls_added: bool,
}

/// The narrowest window is still too wide for the vendor.
#[derive(Debug, thiserror::Error)]
#[error("even one second at {at} is more than the vendor gives at once")]
pub struct TooNarrow {
    at: DateTime<Utc>,
}

impl Progress {
    /// The plan of reading `window` in pieces no longer than `longest`, and then, if asked, the calls that were open before it.
    #[must_use]
    pub fn begin(window: Window, longest: TimeDelta, with_open_calls: bool) -> Self {
        Self {
            left: VecDeque::from([Piece { window, purpose: Purpose::News }]),
            cursor: None,
            longest_milliseconds: longest.num_milliseconds().max(1),
            calls: 0,
            from: window.from,
            open_calls_added: !with_open_calls,
        }
    }

    /// What to read now and where to go on in it; `None` when nothing is left.
    #[expect(clippy::should_implement_trait, reason = "it is told again and again until `advance`: no iterator")]
    pub fn next(&mut self) -> Option<(Piece, Option<PageCursor>)> {
        let piece = *self.left.front()?;
        if self.cursor.is_some() {
            return Some((piece, self.cursor.clone()));
        }
        let mut parts = piece.window.split(TimeDelta::milliseconds(self.longest_milliseconds));
        let head = Piece { window: parts.next()?, ..piece };
        if head.window.to < piece.window.to {
            self.left.pop_front();
            self.left.push_front(Piece { window: Window { from: head.window.to, ..piece.window }, ..piece });
            self.left.push_front(head);
        }
        Some((head, None))
    }

    /// Notes that a page was read. `most` is the longest piece the settings allow.
    pub fn advance(&mut self, next: Option<PageCursor>, most: TimeDelta) {
        if next.is_none() {
            self.left.pop_front();
            self.longest_milliseconds = self.longest_milliseconds.saturating_mul(2).min(most.num_milliseconds().max(1));
        }
        self.cursor = next;
    }

    /// Begins the current piece again with half of its length. Pages of it that were read are read once more, which harms nothing.
    ///
    /// # Errors
    /// When the piece is down to a second: its width is not what is wrong.
    pub fn halve(&mut self) -> Result<(), TooNarrow> {
        let Some(piece) = self.left.front() else { return Ok(()) };
        let half = (piece.window.to - piece.window.from) / 2;
        if half < NARROWEST {
            return Err(TooNarrow { at: piece.window.from });
        }
        self.longest_milliseconds = half.num_milliseconds();
        self.cursor = None;
        Ok(())
    }

    /// After a failure that may be the width's: a wide piece of which nothing was read yet is asked for by half next time. Returns
    /// whether it is.
    pub fn ease(&mut self) -> bool {
        let wide = self.left.front().is_some_and(|piece| piece.window.to - piece.window.from > WIDE);
        self.cursor.is_none() && wide && self.halve().is_ok()
    }

    /// Adds windows in which calls were open.
    pub fn add_open_calls(&mut self, windows: Vec<Window>) {
        self.left.extend(windows.into_iter().map(|window| Piece { window, purpose: Purpose::OpenCalls }));
        self.open_calls_added = true;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOUR: TimeDelta = TimeDelta::hours(1);

    fn window(hours: i64) -> Window {
        Window::new(DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + HOUR * i32::try_from(hours).unwrap()).unwrap()
    }

    /// Reads everything, one page per piece, and returns the pieces.
    fn read_all(progress: &mut Progress, most: TimeDelta) -> Vec<Window> {
        let mut read = Vec::new();
        while let Some((piece, _)) = progress.next() {
            read.push(piece.window);
            progress.advance(None, most);
        }
        read
    }

    fn assert_covers(read: &[Window], whole: Window) {
        assert_eq!((read.first().unwrap().from, read.last().unwrap().to), (whole.from, whole.to));
        assert!(read.windows(2).all(|pair| pair[0].to == pair[1].from), "{read:?}");
    }

    #[test]
    fn a_long_window_is_read_in_pieces_that_meet() {
        let mut progress = Progress::begin(window(25), HOUR * 10, false);
        let read = read_all(&mut progress, HOUR * 10);
        assert_eq!(read.len(), 3);
        assert_covers(&read, window(25));
    }

    #[test]
    fn a_window_found_too_wide_is_halved_and_grows_back() {
        let mut progress = Progress::begin(window(64), HOUR * 32, false);
        for _ in 0..4 {
            progress.next();
            progress.halve().unwrap();
        }
        let read = read_all(&mut progress, HOUR * 32);
        let hours: Vec<_> = read.iter().map(|piece| (piece.to - piece.from).num_hours()).collect();
        // what was cut off on the way down is what is read on the way up
        assert_eq!(hours, [2, 2, 4, 8, 16, 32]);
        assert_covers(&read, window(64));
    }

    #[test]
    fn only_a_wide_piece_that_has_not_begun_is_eased() {
        let mut progress = Progress::begin(window(8), HOUR * 4, false);
        progress.next();
        assert!(progress.ease());
        assert_eq!(progress.next().unwrap().0.window, window(2));
        progress.advance(Some(PageCursor(json!(1))), HOUR * 4);
        progress.next();
        assert!(!progress.ease(), "pages of it were read");
        let mut progress = Progress::begin(window(1), HOUR, false);
        progress.next();
        assert!(!progress.ease(), "an hour is not wide");
    }

    #[test]
    fn halving_ends_at_a_second() {
        let mut progress = Progress::begin(window(1), HOUR, false);
        let halvings = std::iter::from_fn(|| {
            progress.next();
            progress.halve().ok()
        });
        assert_eq!(halvings.take(100).count(), 11, "3600 s / 2^11 is the last length over a second");
    }

    #[test]
    fn a_checkpoint_goes_on_in_the_middle_of_a_piece() {
        let mut progress = Progress::begin(window(25), HOUR * 10, true);
        progress.next();
        progress.advance(Some(PageCursor(json!({ "after": 7 }))), HOUR * 10);
        let mut resumed: Progress = serde_json::from_value(serde_json::to_value(&progress).unwrap()).unwrap();
        assert_eq!(resumed.next(), progress.next());
        assert_eq!(resumed.next().unwrap().1, Some(PageCursor(json!({ "after": 7 }))));
        assert!(!resumed.open_calls_added);
    }
}
