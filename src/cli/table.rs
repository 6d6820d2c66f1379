//! Tables that fit the width for which everything is laid out.

use anstyle::Style;

use super::terminal::{COLUMNS, cut, width};

/// Columns between columns.
const GAP: usize = 2;

/// In which order columns give way, and to how many columns. A text that is cut hard tells little; a name
/// that is too long costs its row another line.
const NARROWING: [(Fit, usize); 6] =
    [(Fit::Cut, 20), (Fit::Whole, 24), (Fit::Cut, 12), (Fit::Whole, 16), (Fit::Cut, 8), (Fit::Whole, 8)];

/// What becomes of the texts of a column where the table is too wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It stays as wide as it is: its texts are short.
    Fixed,
    /// As fixed, with the texts at its right: numbers.
    Right,
    /// Its texts are cut.
    Cut,
    /// Its texts are names that somebody wants to copy: where one is too long, the row goes on in the
    /// next line.
    Whole,
}

/// A text in a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    /// Harmless text without colors.
    pub(super) text: String,
    pub(super) style: Style,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, style: Style::new() }
    }
}

/// A line of a table, if it has cells, and what stands below it over the whole width.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// Lines below it, laid out already.
    pub(super) notes: Vec<String>,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Fit)>,
    rows: Vec<Row>,
    /// Columns that a line may take.
    room: usize,
}

impl Table {
    pub(super) fn new(columns: Vec<(&'static str, Fit)>) -> Self {
        Self { columns, rows: Vec::new(), room: COLUMNS }
    }

    /// The same, as wide as it takes.
    pub(super) fn unlimited(self) -> Self {
        Self { room: usize::MAX, ..self }
    }

    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The table as text with colors, its lines ended.
    pub(super) fn render(&self) -> String {
        let widths = self.widths();
        let bold = Style::new().bold();
        let head = self.columns.iter().map(|(title, _)| Cell { text: (*title).to_owned(), style: bold });
        let mut out = self.line(&head.collect::<Vec<_>>(), &widths);
        for row in &self.rows {
            if !row.cells.is_empty() {
                out.push_str(&self.line(&row.cells, &widths));
            }
            for note in &row.notes {
                out.push_str(note);
                out.push('\n');
            }
        }
        out
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|(title, _)| width(title)).collect();
        for row in &self.rows {
            for (column, cell) in widths.iter_mut().zip(&row.cells) {
                *column = (*column).max(width(&cell.text));
            }
        }
        let room = self.room.saturating_sub(GAP * widths.len().saturating_sub(1));
        for (fit, narrowest) in NARROWING {
            while widths.iter().sum::<usize>() > room {
                let narrowable = widths.iter_mut().zip(&self.columns).filter(|(_, column)| column.1 == fit);
                let widest = narrowable.map(|(width, _)| width).max();
                // The widest gives first.
                match widest.filter(|width| **width > narrowest) {
                    Some(width) => *width -= 1,
                    None => break,
                }
            }
        }
        widths
    }

    fn line(&self, cells: &[Cell], widths: &[usize]) -> String {
        let mut out = String::new();
        // Where the next column begins, and how far the line is written.
        let (mut begin, mut at) = (0, 0);
        for ((cell, (_, fit)), column) in cells.iter().zip(&self.columns).zip(widths) {
            let text = if *fit == Fit::Cut { cut(&cell.text, *column) } else { cell.text.clone() };
            let taken = width(&text);
            if !text.is_empty() {
                let start = if *fit == Fit::Right { begin + column.saturating_sub(taken) } else { begin };
                // A name before it was too long, or it is one itself.
                if at > start || (at > 0 && start + taken > self.room) {
                    out.push('\n');
                    at = 0;
                }
                let start = start.min(self.room.saturating_sub(taken));
                let style = cell.style;
                out.push_str(&format!("{}{style}{text}{style:#}", " ".repeat(start - at)));
                at = start + taken;
            }
            begin += column + GAP;
        }
        out.push('\n');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(rows: &[[&str; 3]]) -> String {
        let mut table = Table::new(vec![("NAME", Fit::Whole), ("WHY", Fit::Cut), ("AGE", Fit::Right)]);
        for row in rows {
            let cells = row.iter().map(|text| Cell::from((*text).to_owned())).collect();
            table.push(Row { cells, notes: Vec::new() });
        }
        anstream::adapter::strip_str(&table.render()).to_string()
    }

    #[test]
    fn columns_stand_below_each_other() {
        assert_eq!(
            rendered(&[["a", "", "1s"], ["bb", "订单", "10s"]]),
            "NAME  WHY   AGE\na            1s\nbb    订单  10s\n"
        );
    }

    #[test]
    fn a_long_name_behind_another_has_a_line_of_its_own() {
        let mut table =
            Table::new(vec![("NAMESPACE", Fit::Whole), ("NAME", Fit::Whole), ("AGE", Fit::Right)]);
        let (namespace, name) = ("s".repeat(30), "n".repeat(63));
        let cells = [&*namespace, &name, "1s"].map(|text| Cell::from(text.to_owned())).to_vec();
        table.push(Row { cells, notes: Vec::new() });
        let text = anstream::adapter::strip_str(&table.render()).to_string();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert_eq!(lines[1..], [&*namespace, &name, "1s"]);
        assert!(text.lines().all(|line| width(line) <= COLUMNS), "{text}");
    }

    #[test]
    fn a_table_fits_and_names_stay_whole() {
        let long = "n".repeat(100);
        let text = rendered(&[["a", &"w".repeat(90), "1s"], [&long, "why", "10s"]]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.iter().all(|line| width(line) <= COLUMNS || line.trim() == long), "{text}");
        assert_eq!(lines[2], long);
        assert_eq!(width(lines[3]), COLUMNS);
        assert!(lines[1].contains("w…  ") && lines[3].trim_start().starts_with("why"), "{text}");
    }
}
