//! Tables for people, as wide as their terminal. Every cell is made safe here.

use comfy_table::{ContentArrangement, Row, Table as Grid, presets};
use terminal_size::{Width, terminal_size};

use super::safe::safe;

/// The narrowest table that is still drawn; a narrower terminal breaks its lines itself.
const WIDTH_MIN: u16 = 40;

/// A table with a heading.
pub(crate) struct Table {
    grid: Grid,
    empty: &'static str,
}

impl Table {
    /// A table with these columns; `empty` stands in its place when it has no rows.
    pub(crate) fn new(columns: &[&str], empty: &'static str) -> Self {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING).set_header(columns.to_vec());
        grid.set_content_arrangement(ContentArrangement::Dynamic);
        for column in grid.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if let Some((Width(width), _)) = terminal_size() {
            grid.set_width(width.max(WIDTH_MIN));
        } else {
            // Nobody watches: no line is broken, so that each row is one line.
            grid.set_content_arrangement(ContentArrangement::Disabled);
        }
        Self { grid, empty }
    }

    /// Adds a row.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter().map(|cell| safe(cell.as_ref()).into_owned());
        self.grid.add_row(Row::from(cells.collect::<Vec<_>>()));
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.grid.is_empty()
    }

    /// The table as text, without spaces at the ends of lines.
    pub(crate) fn text(&self) -> String {
        if self.is_empty() {
            return self.empty.to_owned();
        }
        let text = self.grid.to_string();
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}
