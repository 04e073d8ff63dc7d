//! Breaks the lines that are printed on a terminal between words, which the terminal itself would break anywhere. Pure.
//!
//! Nothing is added but line ends, and nothing lost but the blanks before them. A word that is longer than a line, such as a
//! path or a link, is left to the terminal: whoever copies it from there gets it whole.

use super::super::columns::width;

/// What belongs to the number before it.
const UNITS: &[&str] =
    &["%", "B", "KiB", "MiB", "GiB", "TiB", "bytes", "KiB/s", "MiB/s", "GiB/s", "bytes/s", "s", "min", "h"];

/// These lines, broken for a terminal of so many columns. They may have colours.
pub fn folded(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.len() <= columns || columns_of(line) <= columns {
            true => out.push_str(line),
            false => fold(line, columns, &mut out),
        }
    }
    out
}

fn fold(line: &str, columns: usize, out: &mut String) {
    let mut used = 0_usize;
    let mut rest = line;
    while !rest.is_empty() {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        let word = length_of_word(rest.get(blanks..).unwrap_or_default());
        let (part, after) = rest.split_at(blanks.saturating_add(word));
        let needed = columns_of(part);
        rest = after;
        let in_a_line = needed.saturating_sub(blanks) <= columns;
        if blanks > 0 && used > 0 && in_a_line && used.saturating_add(needed) > columns {
            let part = part.get(blanks..).unwrap_or_default();
            out.push('\n');
            out.push_str(part);
            used = columns_of(part);
        } else {
            out.push_str(part);
            used = used.saturating_add(needed);
            // The terminal breaks what is longer.
            used = if in_a_line { used } else { used.checked_rem(columns).unwrap_or(0) };
        }
    }
}

/// The bytes of the word with which the text begins, and of the unit behind it if it is a number.
fn length_of_word(text: &str) -> usize {
    let end = text.find(' ').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let next = rest.strip_prefix(' ').and_then(|next| next.split(' ').next()).unwrap_or_default();
    let is_number = word.ends_with(|last: char| last.is_ascii_digit());
    let unit = next.trim_end_matches(|last: char| last.is_ascii_punctuation() && last != '%' || last == '\n');
    match is_number && UNITS.contains(&unit) {
        true => end.saturating_add(1).saturating_add(next.len()),
        false => end,
    }
}

/// The columns that a text takes, without its colours and its line end.
fn columns_of(text: &str) -> usize {
    let text = text.trim_end_matches('\n');
    let Some((before, coloured)) = text.split_once("\x1b[") else { return width(text) };
    let after = coloured.split_once('m').map_or("", |(_, after)| after);
    width(before).saturating_add(columns_of(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPPED: &str = "Album: stopped at 31 % (28.6 of 92 MiB). Run the same command to resume.\n";

    #[test]
    fn lines_are_broken_between_words_and_a_number_keeps_its_unit() {
        assert_eq!(folded(STOPPED, 80), STOPPED);
        assert_eq!(
            folded(STOPPED, 40),
            "Album: stopped at 31 % (28.6 of 92 MiB).\nRun the same command to resume.\n"
        );
        assert_eq!(
            folded(STOPPED, 39),
            "Album: stopped at 31 % (28.6 of\n92 MiB). Run the same command to\nresume.\n"
        );
        assert!(folded(STOPPED, 20).starts_with("Album: stopped at\n31 % (28.6 of\n92 MiB). Run the\n"));
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_unless_it_is_one_word_and_nothing_is_lost() {
        let long = format!(
            "{STOPPED}no peers: http://tracker.example:6969/announce: is gone\n  別の世界 別の世界\n"
        );
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for columns in 1..100 {
            let shown = folded(&long, columns);
            assert_eq!(words(&shown), words(&long), "{columns}");
            assert!(shown.ends_with('\n') && !shown.contains("\n\n"), "{columns}: {shown:?}");
            for line in shown.lines().filter(|line| width(line) > columns) {
                let longest = line.split(' ').map(width).max().unwrap();
                assert!(longest > columns || columns < 10, "{columns}: {line:?}");
            }
        }
    }

    #[test]
    fn colours_take_no_room_and_blanks_within_a_line_stay() {
        let coloured = "Album: \x1b[1;32mdone\x1b[0m, 57 MiB in 10 s\n";
        assert_eq!(folded(coloured, 27), coloured);
        assert_eq!(folded(coloured, 26), "Album: \x1b[1;32mdone\x1b[0m, 57 MiB in\n10 s\n");
        assert_eq!(folded("  a   table  of b\nc\n", 13), "  a   table\nof b\nc\n");
        assert_eq!(folded("\nx", 1), "\nx");
    }

    #[test]
    fn a_word_that_is_longer_than_a_line_stays_where_it_is_and_what_follows_it_fits() {
        let link = format!("magnet:?xt=urn:btih:{}", "0".repeat(40));
        assert_eq!(folded(&format!("magnet: {link} is it\n"), 40), format!("magnet: {link} is it\n"));
        let line = format!("magnet: {link} is what others need\n");
        assert_eq!(folded(&line, 40), format!("magnet: {link} is what\nothers need\n"));
    }
}
