//! One table, two ways to print it.

/// Rows of text under a head.
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

    /// Columns aligned by spaces: words to the left, figures to the right.
    pub fn text(&self) -> String {
        let columns = 0..self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| count(&row[column])).max();
        let widths: Vec<usize> = columns.filter_map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                line += &match self.is_figures(column) {
                    true => format!(" {cell:>width$} "),
                    false => format!(" {cell:<width$} "),
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    /// A table of GitHub's Markdown.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = |column| match self.is_figures(column) {
            true => "---:",
            false => "---",
        };
        let rules: Vec<String> =
            (0..self.rows[0].len()).map(|column| rule(column).to_owned()).collect();
        let mut text = line(&self.rows[0]) + &line(&rules);
        for row in &self.rows[1..] {
            text += &line(row);
        }
        text
    }

    /// Whether a column is to be aligned to the right. The first names its row, even by a figure.
    fn is_figures(&self, column: usize) -> bool {
        let starts_with_digit =
            |row: &Vec<String>| row[column].starts_with(|c: char| c.is_ascii_digit() || c == '–');
        column > 0 && self.rows.len() > 1 && self.rows[1..].iter().all(starts_with_digit)
    }
}

/// Characters, not bytes: `÷` and `–` take one place.
fn count(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["load", "peer", "CPU ÷"]);
        table.row(["4 KiB", "a", "1"].map(str::to_owned));
        table.row(["64 KiB", "longer", "0.97"].map(str::to_owned));
        table
    }

    #[test]
    fn text_columns_line_up() {
        let expected =
            ["  load    peer    CPU ÷", "  4 KiB   a           1", "  64 KiB  longer   0.97", ""];
        assert_eq!(table().text(), expected.join("\n"));
    }

    #[test]
    fn markdown_aligns_figures_to_the_right() {
        let expected = [
            "| load | peer | CPU ÷ |",
            "| --- | --- | ---: |",
            "| 4 KiB | a | 1 |",
            "| 64 KiB | longer | 0.97 |",
            "",
        ];
        assert_eq!(table().markdown(), expected.join("\n"));
    }
}
