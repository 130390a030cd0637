//! Tables without lines: on a terminal they fit it, in a pipe every value is whole and columns stay aligned.

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table as Inner, presets};

use crate::output::Output;

/// Rows under headings.
pub(crate) struct Table {
    inner: Inner,
    terminal: bool,
}

/// How wide text is when no terminal says.
const ENOUGH: u16 = 100;

impl Table {
    /// A table that fits `output`.
    pub(crate) fn new(output: &Output, headings: &[&str]) -> Self {
        let mut inner = Inner::new();
        inner.load_style(presets::NOTHING);
        if output.is_terminal() {
            inner.set_content_arrangement(ContentArrangement::Dynamic);
            inner.set_width(inner.width().unwrap_or(ENOUGH));
        } else {
            inner.set_content_arrangement(ContentArrangement::Disabled);
        }
        inner.set_header(headings);
        Self { inner, terminal: output.is_terminal() }
    }

    /// The columns, counted from 0, that hold numbers: they are set to the right.
    pub(crate) fn numbers(mut self, columns: &[usize]) -> Self {
        for column in columns {
            if let Some(column) = self.inner.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// One row.
    pub(crate) fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.inner.add_row(cells.into_iter().map(|cell| Cell::new(cell.to_string())).collect::<Vec<_>>());
    }

    /// One row that someone should look at: red on a terminal.
    pub(crate) fn red_row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cell = |cell: T| if self.terminal { Cell::new(cell.to_string()).fg(Color::Red) } else { Cell::new(cell.to_string()) };
        let cells: Vec<Cell> = cells.into_iter().map(cell).collect();
        self.inner.add_row(cells);
    }

    /// Whether nothing was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.inner.row_count() == 0
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines = self.inner.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        // the preset leaves a blank before every line, which only makes lines longer
        let indented = lines.iter().all(|line| line.is_empty() || line.starts_with(' '));
        let lines = lines.iter().map(|line| if indented { line.get(1..).unwrap_or_default() } else { line });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}
