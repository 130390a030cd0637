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

/// Says on standard error why the command failed; there is nobody left to tell if that fails too.
pub(crate) fn tell_error(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
