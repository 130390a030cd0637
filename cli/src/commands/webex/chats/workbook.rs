//! The workbook: a sheet of messages and a sheet of conversations, in constant memory. Rows go to nameless temporary files beside
//! the workbook; under its own name it appears only whole.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use callscribe::domain::{Chat, ChatMessage, Reason};
use chrono::{DateTime, SecondsFormat, Utc};
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

/// Rows that a sheet of Excel can hold, its heading included.
const MOST_ROWS: u32 = 1_048_576;
/// UTF-16 units that a cell of Excel can hold.
const LONGEST_CELL: usize = 32_767;

/// The brief's, to the letter.
const MESSAGE_COLUMNS: [&str; 8] =
    ["task_id", "timestamp", "direction", "message", "participant_name", "participant_role", "participant_userId", "participant_aliasId"];
const CONVERSATION_COLUMNS: [&str; 10] = ["task_id", "start", "end", "channel", "queue", "agent", "messages", "status", "reason", "error"];

/// What became of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its messages are in the workbook; this many parts of its file were no messages.
    Complete { unreadable: usize },
    /// It goes on.
    Open,
    /// The vendor offers no file of it: nothing was written in it, or not yet, or it was deleted.
    WithoutTranscript,
    /// It could not be read.
    Failed { reason: Reason, error: String },
}

impl Ending {
    /// The word in the sheet.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Complete { .. } => "complete",
            Self::Open => "open",
            Self::WithoutTranscript => "no transcript",
            Self::Failed { .. } => "error",
        }
    }
}

/// A conversation with what was written in it.
#[derive(Debug)]
pub(super) struct Told {
    /// Its id; empty for what belongs to no conversation.
    pub(super) task_id: String,
    /// What is known of it.
    pub(super) chat: Option<Chat>,
    pub(super) messages: Vec<ChatMessage>,
    pub(super) ending: Ending,
}

/// What is in the workbook.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Written {
    pub(super) conversations: u64,
    pub(super) messages: u64,
    /// Sheets that the messages fill.
    pub(super) message_sheets: u32,
    /// Cells whose text Excel cannot hold whole.
    pub(super) cells_cut: u64,
}

/// The workbook could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkbookError {
    #[error("cannot write to the folder `{0}`")]
    Folder(PathBuf, #[source] io::Error),
    #[error("cannot write the workbook")]
    Xlsx(#[from] XlsxError),
    #[error("cannot put the workbook in its place")]
    Place(#[source] io::Error),
}

/// Rows of one kind, on as many sheets as they need.
#[derive(Debug)]
struct Rows {
    name: &'static str,
    columns: &'static [(&'static str, f64)],
    sheets: u32,
    /// The sheet that is written to, by its place in the workbook.
    place: usize,
    next: u32,
}

/// A workbook that is being written.
pub(super) struct ChatWorkbook {
    workbook: Workbook,
    folder: PathBuf,
    out: PathBuf,
    places: usize,
    most_rows: u32,
    messages: Rows,
    conversations: Rows,
    written: Written,
}

/// One value of a row.
enum Cell<'c> {
    Text(&'c str),
    Number(u32),
}

impl ChatWorkbook {
    /// Begins a workbook that will be `out`; what has that name stays until then.
    pub(super) fn create(out: &Path) -> Result<Self, WorkbookError> {
        Self::with_rows(out, MOST_ROWS)
    }

    fn with_rows(out: &Path, most_rows: u32) -> Result<Self, WorkbookError> {
        let folder = match out.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        // found out now, and not after an hour of reading
        drop(temporary(&folder)?);
        let mut workbook = Workbook::new();
        workbook.set_tempdir(&folder)?;
        let (messages, conversations) = (Rows::new("Messages", &MESSAGE_WIDTHS), Rows::new("Conversations", &CONVERSATION_WIDTHS));
        let (out, written) = (out.to_owned(), Written::default());
        let mut book = Self { workbook, folder, out, places: 0, most_rows, messages, conversations, written };
        book.messages.begin(&mut book.workbook, &mut book.places)?;
        book.conversations.begin(&mut book.workbook, &mut book.places)?;
        Ok(book)
    }

    /// Adds a conversation and everything that was written in it.
    pub(super) fn add(&mut self, told: &Told) -> Result<(), WorkbookError> {
        for message in &told.messages {
            let time = message.sent_at.map(stamp).or_else(|| message.odd_time.clone()).unwrap_or_default();
            let who = &message.participant;
            let parts = [&message.direction, &message.text, &who.name, &who.role, &who.user_id, &who.alias_id];
            let [direction, text, name, role, user, alias] = parts.map(|part| Cell::Text(part.as_deref().unwrap_or_default()));
            let row = [Cell::Text(&told.task_id), Cell::Text(&time), direction, text, name, role, user, alias];
            self.messages.add(&mut self.workbook, &mut self.places, self.most_rows, &row, &mut self.written.cells_cut)?;
            self.written.messages += 1;
        }
        self.add_conversation(told)
    }

    fn add_conversation(&mut self, told: &Told) -> Result<(), WorkbookError> {
        let chat = told.chat.as_ref();
        let time = |time: Option<DateTime<Utc>>| time.map(stamp).unwrap_or_default();
        let (start, end) = (time(chat.map(|chat| chat.started_at)), time(chat.and_then(|chat| chat.ended_at)));
        let (reason, error) = match &told.ending {
            Ending::Failed { reason, error } => (reason.as_str(), error.clone()),
            Ending::Complete { unreadable: 0 } | Ending::Open | Ending::WithoutTranscript => ("", String::new()),
            Ending::Complete { unreadable } => ("", format!("{unreadable} parts of the file are no messages and were left out")),
        };
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        let (queue, agent) = (text(chat.and_then(|chat| chat.queue_name.as_ref())), text(chat.and_then(|chat| chat.agent_name.as_ref())));
        let row = [
            Cell::Text(&told.task_id),
            Cell::Text(&start),
            Cell::Text(&end),
            Cell::Text(chat.map_or("", |chat| chat.channel.as_str())),
            Cell::Text(&queue),
            Cell::Text(&agent),
            Cell::Number(u32::try_from(told.messages.len()).unwrap_or(u32::MAX)),
            Cell::Text(told.ending.word()),
            Cell::Text(reason),
            Cell::Text(&error),
        ];
        self.conversations.add(&mut self.workbook, &mut self.places, self.most_rows, &row, &mut self.written.cells_cut)?;
        self.written.conversations += 1;
        Ok(())
    }

    /// Puts the whole workbook in its place.
    pub(super) fn finish(mut self) -> Result<Written, WorkbookError> {
        let mut temporary = temporary(&self.folder)?;
        {
            let mut file = BufWriter::new(temporary.as_file_mut());
            self.workbook.save_to_writer(&mut file)?;
            file.flush().map_err(WorkbookError::Place)?;
        }
        temporary.as_file().sync_all().map_err(WorkbookError::Place)?;
        temporary.persist(&self.out).map_err(|error| WorkbookError::Place(error.error))?;
        // the name is as safe as the bytes only once its folder is, too
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(WorkbookError::Place)?;
        Ok(Written { message_sheets: self.messages.sheets, ..self.written })
    }
}

/// Every heading with the width of its column, in characters.
const MESSAGE_WIDTHS: [(&str, f64); 8] = with_widths(MESSAGE_COLUMNS, [38.0, 25.0, 11.0, 80.0, 24.0, 16.0, 38.0, 38.0]);
const CONVERSATION_WIDTHS: [(&str, f64); 10] =
    with_widths(CONVERSATION_COLUMNS, [38.0, 25.0, 25.0, 10.0, 24.0, 24.0, 10.0, 14.0, 24.0, 80.0]);

const fn with_widths<const N: usize>(names: [&'static str; N], widths: [f64; N]) -> [(&'static str, f64); N] {
    let mut columns = [("", 0.0); N];
    let mut place = 0;
    while place < N {
        #[expect(clippy::indexing_slicing, reason = "all three have N places; there are no iterators in constants")]
        {
            columns[place] = (names[place], widths[place]);
        }
        place += 1;
    }
    columns
}

impl Rows {
    const fn new(name: &'static str, columns: &'static [(&'static str, f64)]) -> Self {
        Self { name, columns, sheets: 0, place: 0, next: 0 }
    }

    /// Begins another sheet with its heading.
    fn begin(&mut self, workbook: &mut Workbook, places: &mut usize) -> Result<(), XlsxError> {
        self.sheets += 1;
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        match self.sheets {
            1 => sheet.set_name(self.name)?,
            number => sheet.set_name(format!("{} {number}", self.name))?,
        };
        let bold = Format::new().set_bold();
        for ((name, width), column) in self.columns.iter().zip(0_u16..) {
            sheet.set_column_width(column, *width)?;
            sheet.write_string_with_format(0, column, *name, &bold)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        (self.place, self.next) = (*places, 1);
        *places += 1;
        Ok(())
    }

    fn add(
        &mut self,
        workbook: &mut Workbook,
        places: &mut usize,
        most_rows: u32,
        row: &[Cell<'_>],
        cut: &mut u64,
    ) -> Result<(), XlsxError> {
        if self.next >= most_rows {
            self.begin(workbook, places)?;
        }
        let sheet: &mut Worksheet = workbook.worksheet_from_index(self.place)?;
        for (cell, column) in row.iter().zip(0_u16..) {
            match cell {
                Cell::Number(number) => sheet.write_number(self.next, column, *number)?,
                Cell::Text("") => continue,
                // a string stays a string, whatever it begins with: Excel works out nothing that a customer wrote
                Cell::Text(text) => match shortened(text) {
                    None => sheet.write_string(self.next, column, *text)?,
                    Some(shorter) => {
                        *cut += 1;
                        sheet.write_string(self.next, column, shorter)?
                    }
                },
            };
        }
        self.next += 1;
        Ok(())
    }
}

/// The text as far as a cell can hold it, with a word about the rest; `None` when it can hold all of it.
fn shortened(text: &str) -> Option<String> {
    // no text has more UTF-16 units than bytes
    if text.len() <= LONGEST_CELL || text.encode_utf16().count() <= LONGEST_CELL {
        return None;
    }
    let word = format!(" … [cut: {} characters, a cell holds {LONGEST_CELL}]", text.chars().count());
    let mut room = LONGEST_CELL - word.encode_utf16().count();
    let kept = text.chars().take_while(|letter| {
        let fits = letter.len_utf16() <= room;
        room = room.saturating_sub(letter.len_utf16());
        fits
    });
    Some(kept.chain(word.chars()).collect())
}

/// A file that goes away unless it is given a name.
fn temporary(folder: &Path) -> Result<tempfile::NamedTempFile, WorkbookError> {
    let made = tempfile::Builder::new().prefix(".callscribe-").suffix(".xlsx.part").tempfile_in(folder);
    made.map_err(|error| WorkbookError::Folder(folder.to_owned(), error))
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
#[path = "workbook_tests.rs"]
mod tests;
