//! Two columns of text: a term, and what it means, wrapped to a width.

use super::super::columns::wrapped;

/// Blanks in front of a term.
const INDENT: usize = 2;
/// The narrowest second column. Where there is less room, the meaning stands below the term.
const NARROWEST: usize = 24;
/// The least room that a meaning gets, even if the screen is narrower.
const LEAST: usize = 12;

/// Appends the rows, with all meanings in one column and no line wider than `width`, as far as words allow. A term that
/// is wider than `most` has its meaning in the next line.
pub fn push_rows(page: &mut String, rows: &[(String, String)], most: usize, width: usize) {
    let widths = rows.iter().map(|(term, _)| term.chars().count());
    let widest = widths.filter(|wide| *wide <= most).max().unwrap_or(0);
    let beside = INDENT + widest + 2;
    let column = if width >= beside + NARROWEST { beside } else { 5 * INDENT };
    for (term, meaning) in rows {
        let mut at = push_blanks(page, INDENT);
        page.push_str(term);
        at += term.chars().count();
        if at + 2 > column && !meaning.is_empty() {
            page.push('\n');
            at = 0;
        }
        if !meaning.is_empty() {
            push_blanks(page, column - at);
        }
        push_wrapped(page, meaning, column, width);
        page.push('\n');
    }
}

/// Appends the text, which begins in `column`, as does every further line of it.
pub fn push_wrapped(page: &mut String, text: &str, column: usize, width: usize) {
    for (index, line) in wrapped(text, "", width.saturating_sub(column).max(LEAST)).iter().enumerate() {
        if index > 0 {
            page.push('\n');
            push_blanks(page, column);
        }
        page.push_str(line);
    }
}

fn push_blanks(page: &mut String, count: usize) -> usize {
    page.extend(std::iter::repeat_n(' ', count));
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_stand_in_a_column_and_keep_within_the_width() {
        let rows = [("-a", "one two three four five six seven eight"), ("--long-option", ""), ("--b", "one")]
            .map(|(term, meaning)| (term.to_owned(), meaning.to_owned()));
        let mut page = String::new();
        push_rows(&mut page, &rows, 26, 45);
        assert_eq!(
            page,
            "  -a             one two three four five six\n                 seven eight\n  --long-option\n  \
             --b            one\n"
        );
    }

    #[test]
    fn a_wide_term_and_a_narrow_screen_have_the_meaning_below() {
        let rows =
            [("--an-option-with-a-long-name", "one two three")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        for width in [0, 10, 20, 80] {
            let mut page = String::new();
            push_rows(&mut page, &rows, 26, width);
            assert!(page.starts_with("  --an-option-with-a-long-name\n   "), "{page}");
            assert_eq!(page.split_whitespace().count(), 4);
        }
    }
}
