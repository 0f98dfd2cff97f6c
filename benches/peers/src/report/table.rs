//! A table of GitHub's Markdown, padded, so that it reads well in a terminal, too.

use std::fmt;

/// Rows under a head.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const COLUMNS: usize>(head: [&str; COLUMNS]) -> Self {
        Table { rows: vec![head.map(str::to_owned).into()] }
    }

    pub fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        debug_assert_eq!(COLUMNS, self.rows[0].len());
        self.rows.push(cells.into());
    }

    /// Whether there are no rows under the head.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Whether a column is aligned to the right. The first one names its row, even by a figure.
    fn is_figures(&self, column: usize) -> bool {
        let is_figure = |row: &Vec<String>| {
            row[column].starts_with(|c: char| c.is_ascii_digit() || matches!(c, '–' | '≥'))
        };
        column > 0 && !self.is_empty() && self.rows[1..].iter().all(is_figure)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Characters, not bytes: `÷` and `–` take one place.
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let columns: Vec<(usize, bool)> = (0..self.rows[0].len())
            .map(|column| (width(column).unwrap_or(0).max(4), self.is_figures(column)))
            .collect();
        for (index, row) in self.rows.iter().enumerate() {
            for (cell, &(width, is_figures)) in row.iter().zip(&columns) {
                match is_figures {
                    true => write!(out, "| {cell:>width$} ")?,
                    false => write!(out, "| {cell:<width$} ")?,
                }
            }
            writeln!(out, "|")?;
            if index == 0 {
                for &(width, is_figures) in &columns {
                    let last = if is_figures { ":" } else { "-" };
                    write!(out, "| {}{last} ", "-".repeat(width - 1))?;
                }
                writeln!(out, "|")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_figures_are_aligned_to_the_right() {
        let mut table = Table::new(["load", "peer", "CPU ÷"]);
        table.row(["4 KiB", "a", "1"].map(str::to_owned));
        table.row(["64 KiB", "longer", "0.97"].map(str::to_owned));
        let expected = [
            "| load   | peer   | CPU ÷ |",
            "| ------ | ------ | ----: |",
            "| 4 KiB  | a      |     1 |",
            "| 64 KiB | longer |  0.97 |",
            "",
        ];
        assert_eq!(table.to_string(), expected.join("\n"));
    }
}
