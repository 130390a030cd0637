//! Standard output: tables for people, JSON for programs. A closed pipe ends the command quietly.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

/// Where results go.
pub(crate) struct Output {
    sink: Box<dyn Write + Send>,
    terminal: bool,
}

impl Output {
    /// The process's standard output.
    pub(crate) fn of_process() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self { sink: Box::new(stdout), terminal }
    }

    /// Whether a person looks on.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// One line.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> io::Result<()> {
        writeln!(self.sink, "{line}")
    }

    /// How many columns a person sees; `None` in a pipe.
    pub(crate) fn width(&self) -> Option<usize> {
        if !self.terminal {
            return None;
        }
        Some(comfy_table::Table::new().width().map_or(USUAL_WIDTH, usize::from))
    }

    /// Text that may be longer than a line: on a terminal it is broken between words, the further lines indented by `indent`
    /// and the first by as much as it brings.
    pub(crate) fn prose(&mut self, indent: usize, text: impl fmt::Display) -> io::Result<()> {
        let text = text.to_string();
        match self.width() {
            Some(width) => self.text(&wrapped(&text, width, indent)),
            None => self.line(text),
        }
    }

    /// A session id as a table shows it: on a narrow terminal the beginning of a long one, which every command takes for the whole.
    pub(crate) fn session<'s>(&self, session: &'s str) -> &'s str {
        /// Tables with whole ids fit from here on.
        const WIDE: usize = 110;
        /// The first group of a UUID.
        const BEGINNING: usize = 8;
        let is_uuid = session.len() == 36 && session.as_bytes().get(BEGINNING) == Some(&b'-');
        if is_uuid && self.width().is_some_and(|width| width < WIDE) { session.get(..BEGINNING).unwrap_or(session) } else { session }
    }

    /// The text, red on a terminal.
    pub(crate) fn red(&self, text: &str) -> String {
        if self.terminal { format!("\u{1b}[31m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Text that ends its own lines.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.sink.write_all(text.as_bytes())?;
        self.sink.flush()
    }

    /// One JSON document, indented on a terminal and on one line in a pipe.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        if self.terminal {
            serde_json::to_writer_pretty(&mut self.sink, value)?;
        } else {
            serde_json::to_writer(&mut self.sink, value)?;
        }
        writeln!(self.sink)
    }
}

/// How wide a terminal is that does not say.
const USUAL_WIDTH: usize = 80;

/// The text in lines of at most `width` characters, if its words allow; columns within a line stay where they are.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        let longer = line.chars().count() + word.trim_end().chars().count();
        if longer > width && !line.trim().is_empty() {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = " ".repeat(indent);
        }
        line.push_str(word);
    }
    lines + line.trim_end() + "\n"
}

/// Says on standard error why the command failed; there is nobody left to tell if that fails too.
pub(crate) fn tell_error(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_broken_between_words_and_indented() {
        assert_eq!(wrapped("  one two three four", 12, 4), "  one two\n    three\n    four\n");
        assert_eq!(wrapped("  name    value", 80, 2), "  name    value\n", "columns stay");
        assert_eq!(wrapped("averyveryverylongword next", 8, 0), "averyveryverylongword\nnext\n", "a word is never cut");
    }
}
