//! The lines at the bottom of a terminal that are drawn again and again, and what is printed above them.
//!
//! The cursor always stands at the beginning of the line below them. So whatever ends the process, by a signal or a
//! panic, leaves whole lines behind, and what others print begins a line of its own. Pure: it makes the bytes, and
//! `cli/terminal.rs` writes each frame at once, so that nothing flickers.

use super::super::columns::width;

/// What is on the screen.
#[derive(Debug, Default)]
pub struct Block {
    /// The lines as they are to be.
    lines: Vec<String>,
    /// The columns of those that are on the screen.
    drawn: Vec<usize>,
    /// The columns that the terminal had then.
    columns: usize,
}

impl Block {
    pub const fn new() -> Block {
        Block { lines: Vec::new(), drawn: Vec::new(), columns: 0 }
    }

    /// The bytes that put these lines in the place of those before; none if nothing has changed.
    pub fn draw(&mut self, lines: Vec<String>, columns: usize) -> String {
        if lines == self.lines && self.drawn.len() == lines.len() && columns == self.columns {
            return String::new();
        }
        self.lines = lines;
        self.print("", columns)
    }

    /// The bytes that print this text, of whole lines, above the lines.
    pub fn print(&mut self, text: &str, columns: usize) -> String {
        let mut out = self.back(columns);
        if !text.is_empty() && !self.drawn.is_empty() {
            // The text may be shorter than what it is written over.
            out.push_str("\x1b[J");
        }
        out.push_str(text);
        for line in &self.lines {
            out.push_str("\x1b[2K");
            out.push_str(line);
            out.push('\n');
        }
        if !self.drawn.is_empty() {
            out.push_str("\x1b[J");
        }
        (self.drawn, self.columns) = (self.lines.iter().map(|line| width(line)).collect(), columns);
        out
    }

    /// The bytes that take the lines away.
    pub fn clear(&mut self, columns: usize) -> String {
        self.lines.clear();
        if self.drawn.is_empty() { String::new() } else { self.print("", columns) }
    }

    /// What is on the screen is no longer ours to change: something else was printed below it.
    pub fn forget(&mut self) {
        self.drawn.clear();
        self.lines.clear();
    }

    /// The bytes that bring the cursor to the first line. If the terminal became narrower, it has broken the lines.
    fn back(&self, columns: usize) -> String {
        let narrower = columns > 0 && columns < self.columns;
        let rows = |drawn: &usize| if narrower { drawn.div_ceil(columns).max(1) } else { 1 };
        match self.drawn.iter().map(rows).sum::<usize>() {
            0 => String::new(),
            up if narrower => format!("\r\x1b[{up}A\x1b[J"),
            up => format!("\r\x1b[{up}A"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal of these columns that understands what is written here, and breaks lines anew where it is made
    /// narrower, as most do.
    #[derive(Debug)]
    struct Terminal {
        columns: usize,
        /// The rows, and whether one goes on in the next.
        rows: Vec<(String, bool)>,
        row: usize,
    }

    impl Terminal {
        fn new(columns: usize) -> Terminal {
            Terminal { columns, rows: vec![(String::new(), false)], row: 0 }
        }

        fn write(&mut self, bytes: &str) {
            let mut rest = bytes;
            while let Some(first) = rest.chars().next() {
                if let Some(command) = rest.strip_prefix("\x1b[") {
                    let end = command.find(|letter: char| letter.is_ascii_alphabetic()).unwrap();
                    let number = command[..end].parse::<usize>().unwrap_or(0);
                    match &command[end..=end] {
                        "A" => self.row = self.row.saturating_sub(number),
                        "K" => self.rows[self.row] = (String::new(), false),
                        "J" => {
                            self.rows.truncate(self.row + 1);
                            self.rows[self.row] = (String::new(), false);
                        }
                        other => panic!("what is {other}?"),
                    }
                    rest = &command[end + 1..];
                    continue;
                }
                match first {
                    '\r' => {}
                    '\n' => self.down(false),
                    letter => {
                        if self.rows[self.row].0.chars().count() == self.columns {
                            self.down(true);
                        }
                        self.rows[self.row].0.push(letter);
                    }
                }
                rest = &rest[first.len_utf8()..];
            }
        }

        fn down(&mut self, goes_on: bool) {
            self.rows[self.row].1 = goes_on;
            self.row += 1;
            if self.row == self.rows.len() {
                self.rows.push((String::new(), false));
            }
        }

        fn resize(&mut self, columns: usize) {
            let rows = std::mem::take(&mut self.rows);
            let mut whole = vec![String::new()];
            for (text, goes_on) in rows {
                whole.last_mut().unwrap().push_str(&text);
                if !goes_on {
                    whole.push(String::new());
                }
            }
            whole.pop();
            *self = Terminal::new(columns);
            let last = whole.pop().unwrap();
            whole.iter().for_each(|line| self.write(&format!("{line}\n")));
            self.write(&last);
        }

        fn text(&self) -> Vec<&str> {
            self.rows.iter().map(|(text, _)| text.as_str()).collect()
        }
    }

    fn lines(all: &[&str]) -> Vec<String> {
        all.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn what_is_printed_stands_above_the_lines_and_the_cursor_below() {
        let (mut block, mut terminal) = (Block::new(), Terminal::new(20));
        terminal.write(&block.print("before\n", 20));
        terminal.write(&block.draw(lines(&["one", "two"]), 20));
        assert_eq!(terminal.text(), ["before", "one", "two", ""]);
        terminal.write(&block.print("news\nof two lines\n", 20));
        assert_eq!(terminal.text(), ["before", "news", "of two lines", "one", "two", ""]);
        terminal.write(&block.draw(lines(&["1"]), 20));
        assert_eq!(terminal.text(), ["before", "news", "of two lines", "1", ""]);
        assert_eq!(block.draw(lines(&["1"]), 20), "", "nothing has changed");
        terminal.write(&block.clear(20));
        assert_eq!(terminal.text(), ["before", "news", "of two lines", ""]);
        assert_eq!(terminal.row, 3);
        assert_eq!(block.clear(20), "");
    }

    #[test]
    fn a_terminal_that_is_resized_keeps_no_litter() {
        for (before, after) in [(40, 12), (40, 39), (12, 40), (40, 1)] {
            let (mut block, mut terminal) = (Block::new(), Terminal::new(before));
            terminal.write(&block.print("x\n", before));
            let long = "a".repeat(before);
            terminal.write(&block.draw(lines(&[&long, "short", &long]), before));
            terminal.resize(after);
            let short = "b".repeat(after);
            terminal.write(&block.draw(lines(&[&short, &short]), after));
            assert_eq!(terminal.text(), ["x", &short, &short, ""], "{before} to {after}");
        }
    }

    #[test]
    fn what_is_forgotten_is_left_alone() {
        let (mut block, mut terminal) = (Block::new(), Terminal::new(20));
        terminal.write(&block.draw(lines(&["one"]), 20));
        block.forget();
        terminal.write("$ fg\n");
        terminal.write(&block.draw(lines(&["one"]), 20));
        assert_eq!(terminal.text(), ["one", "$ fg", "one", ""]);
    }
}
