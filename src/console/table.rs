//! Tables whose columns are as wide as their content. Columns that do not fit the terminal are left out from the end,
//! and lines are truncated to its width; long texts are wrapped. Until then, control characters stand for colours.

use unicode_width::UnicodeWidthChar;

use super::format::{display_width, sanitize};

const GAP: &str = "  ";
/// This many columns stay, however narrow the terminal is.
const COLUMNS_MIN: usize = 3;
/// A last column of texts is shown if this much of it fits.
const TEXT_WIDTH_MIN: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Green,
    Yellow,
    Red,
}

/// Characters that stand for colour codes. No cell contains them, because its text is sanitized.
const MARKS: [(char, &str); 4] =
    [('\u{1}', "\x1b[32m"), ('\u{2}', "\x1b[33m"), ('\u{3}', "\x1b[31m"), ('\u{4}', "\x1b[0m")];
const COLOUR_END: char = '\u{4}';

impl Colour {
    /// The text in this colour, for [`apply_colours`]. The text must be sanitized.
    pub fn paint(self, text: &str) -> String {
        format!("{}{text}{COLOUR_END}", self.mark())
    }

    fn mark(self) -> char {
        match self {
            Self::Green => '\u{1}',
            Self::Yellow => '\u{2}',
            Self::Red => '\u{3}',
        }
    }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    right: bool,
    colour: Option<Colour>,
}

impl Cell {
    /// A cell with its text at the left.
    pub fn left(text: impl AsRef<str>) -> Self {
        // Other nodes may have chosen the text.
        Self { text: sanitize(text.as_ref()), right: false, colour: None }
    }

    /// A cell with its text at the right, for figures.
    pub fn right(text: impl AsRef<str>) -> Self {
        Self { right: true, ..Self::left(text) }
    }

    pub fn with_colour(self, colour: Colour) -> Self {
        Self { colour: Some(colour), ..self }
    }

    fn width(&self) -> usize {
        display_width(&self.text)
    }

    fn write(&self, width: usize, out: &mut String) {
        let padding = " ".repeat(width.saturating_sub(self.width()));
        if self.right {
            out.push_str(&padding);
        }
        match self.colour {
            Some(colour) => out.push_str(&colour.paint(&self.text)),
            None => out.push_str(&self.text),
        }
        if !self.right {
            out.push_str(&padding);
        }
    }
}

/// Rows of cells below headings.
#[derive(Debug)]
pub struct Table<const COLUMNS: usize> {
    headings: [&'static str; COLUMNS],
    rows: Vec<[Cell; COLUMNS]>,
    /// The last column is shown although only a part of it fits.
    ends_with_text: bool,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub fn new(headings: &[&'static str; COLUMNS]) -> Self {
        Self { headings: *headings, rows: Vec::new(), ends_with_text: false }
    }

    /// The last column has texts, such as errors, whose beginning is worth showing.
    #[must_use]
    pub fn ending_with_text(self) -> Self {
        Self { ends_with_text: true, ..self }
    }

    pub fn add_row(&mut self, cells: [Cell; COLUMNS]) {
        self.rows.push(cells);
    }

    /// The headings and the rows, with as many columns as fit.
    pub fn lines(&self, columns_max: usize) -> Vec<String> {
        let right = |column: usize| {
            self.rows.first().and_then(|row| row.get(column)).is_some_and(|cell| cell.right)
        };
        let headings = self.headings.iter().enumerate();
        let headings: Vec<Cell> = headings
            .map(
                |(column, text)| if right(column) { Cell::right(*text) } else { Cell::left(*text) },
            )
            .collect();
        let widths: Vec<usize> = headings
            .iter()
            .enumerate()
            .map(|(column, heading)| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(Cell::width).chain([heading.width()]).max().unwrap_or_default()
            })
            .collect();
        let mut needed = widths.clone();
        if let (true, Some(last)) = (self.ends_with_text, needed.last_mut()) {
            *last = (*last).min(TEXT_WIDTH_MIN);
        }
        let shown = count_fitting(&needed, columns_max);
        let rows = self.rows.iter().map(|row| row.as_slice());
        std::iter::once(headings.as_slice())
            .chain(rows)
            .map(|row| {
                let mut line = String::new();
                for (cell, width) in row.iter().zip(&widths).take(shown) {
                    if !line.is_empty() {
                        line.push_str(GAP);
                    }
                    cell.write(*width, &mut line);
                }
                line.trim_end().to_owned()
            })
            .collect()
    }
}

fn count_fitting(widths: &[usize], columns_max: usize) -> usize {
    let mut used = 0;
    for (count, width) in widths.iter().enumerate() {
        used += width + if count == 0 { 0 } else { GAP.len() };
        if used > columns_max {
            return count.max(COLUMNS_MIN);
        }
    }
    widths.len()
}

fn is_mark(c: char) -> bool {
    MARKS.iter().any(|(mark, _)| *mark == c)
}

/// Truncates a line to this width.
pub fn truncate(line: &str, columns_max: usize) -> String {
    let width = |c: char| c.width().unwrap_or(0);
    let length: usize = line.chars().filter(|c| !is_mark(*c)).map(width).sum();
    if length <= columns_max {
        return line.to_owned();
    }
    let mut left = columns_max.saturating_sub(1);
    let mut out = String::new();
    for c in line.chars() {
        if is_mark(c) {
            out.push(c);
        } else {
            // A wide character that does not fit ends the line.
            let needed = if left == 0 { 1 } else { width(c) };
            match left.checked_sub(needed) {
                Some(rest) => {
                    left = rest;
                    out.push(c);
                }
                None => left = 0,
            }
        }
    }
    out.push('…');
    out
}

/// The middle of a long name is left out: the names of a network often differ only at their ends.
pub fn shorten_name(name: &str, columns_max: usize) -> String {
    let length = name.chars().count();
    if length <= columns_max || display_width(name) != length {
        return truncate(name, columns_max);
    }
    let kept = columns_max.saturating_sub(1);
    let (first, last) = (kept / 2, kept - kept / 2);
    let chars = |from: usize, count: usize| name.chars().skip(from).take(count);
    chars(0, first).chain(['…']).chain(chars(length - last, last)).collect()
}

/// Breaks a text into lines at its spaces. Lines after the first begin with `indent`.
pub fn wrap(text: &str, columns_max: usize, indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for (number, word) in text.split(' ').enumerate() {
        let has_words = !line.trim_start().is_empty();
        if has_words && display_width(&line) + 1 + display_width(word) > columns_max {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
        } else if has_words || (number > 0 && lines.is_empty()) {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Replaces the marks with colour codes, or removes them.
pub fn apply_colours(line: &str, colour: bool) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match MARKS.iter().find(|(mark, _)| *mark == c) {
            Some((_, code)) if colour => out.push_str(code),
            Some(_) => {}
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_do_not_fit_are_left_out() {
        let mut table = Table::new(&["NAME", "STATE", "N", "REST"]);
        table.add_row([
            Cell::left("a-long-name"),
            Cell::left("up").with_colour(Colour::Green),
            Cell::right("1"),
            Cell::left("rest"),
        ]);
        table.add_row([
            Cell::left("b"),
            Cell::left("down").with_colour(Colour::Red),
            Cell::right("1,000"),
            Cell::left("x"),
        ]);
        let check = |columns: usize, expected: &[&str]| {
            let lines: Vec<_> = table
                .lines(columns)
                .iter()
                .map(|line| apply_colours(&truncate(line, columns), false))
                .collect();
            assert_eq!(lines, expected, "{columns}");
        };
        let all = [
            "NAME         STATE      N  REST",
            "a-long-name  up         1  rest",
            "b            down   1,000  x",
        ];
        check(80, &all);
        check(31, &all);
        check(
            30,
            &[
                "NAME         STATE      N",
                "a-long-name  up         1",
                "b            down   1,000",
            ],
        );
        check(16, &["NAME         ST…", "a-long-name  up…", "b            do…"]);
    }

    #[test]
    fn the_beginning_of_a_last_text_is_shown() {
        let mut table = Table::new(&["A", "B", "C", "WHY"]).ending_with_text();
        table.add_row(["1", "2", "3", "connection refused by the host"].map(Cell::left));
        assert_eq!(table.lines(21)[1], "1  2  3  connection refused by the host");
        assert_eq!(table.lines(20)[1], "1  2  3");
    }

    #[test]
    fn long_names_and_texts() {
        assert_eq!(shorten_name("node-1", 6), "node-1");
        assert_eq!(shorten_name("a-long-name-17", 9), "a-lo…e-17");
        assert_eq!(shorten_name("日本日本", 5), "日本…");
        assert_eq!(wrap("one two three", 7, "  "), ["one two", "  three"]);
        assert_eq!(
            wrap("  one twenty-three four", 8, "    "),
            ["  one", "    twenty-three", "    four"]
        );
        assert_eq!(wrap("", 5, ""), [""]);
    }
}
