//! How many columns of a terminal a text takes, and fitting text into them.
//!
//! Most characters take one column, those of East Asia and most pictures two, marks that stand above or below another
//! character none. Terminals do not agree about all of them. Where they differ the larger number is taken here: a line
//! that is too short does no harm, and one that is too long would be broken.

/// The ranges of characters that take two columns (Unicode Standard Annex 11), with their neighbours that may.
const WIDE: &[(u32, u32)] = &[
    (0x1100, 0x115f),
    (0x231a, 0x231b),
    (0x2329, 0x232a),
    (0x23e9, 0x23f3),
    (0x25fd, 0x25fe),
    (0x2600, 0x27bf),
    (0x2b1b, 0x2b55),
    (0x2e80, 0xa4cf),
    (0xa960, 0xa97f),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe10, 0xfe19),
    (0xfe30, 0xfe6f),
    (0xff00, 0xff60),
    (0xffe0, 0xffe6),
    (0x1_6fe0, 0x1_b2ff),
    (0x1_f000, 0x1_faff),
    (0x2_0000, 0x3_fffd),
];

/// Marks that every terminal puts onto the character before them, and joiners.
const WITHOUT_WIDTH: &[(u32, u32)] =
    &[(0x300, 0x36f), (0x483, 0x489), (0x200c, 0x200d), (0x20d0, 0x20ff), (0x3099, 0x309a), (0xfe00, 0xfe0f)];

fn is_in(ranges: &[(u32, u32)], character: char) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(character)))
}

fn width_of(character: char) -> usize {
    match character {
        ' '..='\u{2ff}' => 1,
        _ if is_in(WITHOUT_WIDTH, character) => 0,
        _ if is_in(WIDE, character) => 2,
        _ => 1,
    }
}

/// The columns that the text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// The beginning of the text that fits into these columns; where it is cut, it ends with `…`.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = head(text, columns.saturating_sub(1)).to_owned();
    if columns > 0 {
        short.push('…');
    }
    short
}

/// The same, followed by blanks up to that width.
pub fn filled(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    let blanks = columns.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', blanks));
    text
}

/// The text in lines of these columns at most, broken between words; a word that is longer is broken too. Each line
/// begins with `margin`, which is left out where there is hardly any room.
pub fn wrapped(text: &str, margin: &str, columns: usize) -> Vec<String> {
    let margin = if columns < 4 * margin.len() { "" } else { margin };
    let room = columns.saturating_sub(margin.len()).max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && width(&line) + 1 + width(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        while width(&line) > room {
            let taken = head(&line, room).len().max(line.chars().next().map_or(1, char::len_utf8));
            let rest = line.split_off(taken);
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines.into_iter().map(|line| format!("{margin}{line}")).collect()
}

/// The longest beginning that fits.
fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, character)| {
        used += width_of(*character);
        used > columns
    });
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_twice_and_marks_not_at_all() {
        for (text, columns) in
            [("Album", 5), ("別の世界", 8), ("e\u{301}te\u{301}", 3), ("👍x", 3), ("Žluť", 4), ("", 0)]
        {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn what_is_cut_never_takes_more_columns_and_says_that_it_is_cut() {
        for text in ["Album", "別の世界別の世界", "e\u{301}te\u{301}x", "a👍b👍c"] {
            for columns in 0..20 {
                let short = cut(text, columns);
                assert!(width(&short) <= columns, "{short:?} in {columns}");
                assert_eq!(
                    short.contains('…'),
                    columns > 0 && width(text) > columns,
                    "{short:?} in {columns}"
                );
                assert_eq!(width(&filled(text, columns)), columns);
            }
        }
        assert_eq!(cut("別の世界", 6), "別の…");
    }

    #[test]
    fn a_sentence_is_broken_between_words_and_a_word_only_where_it_is_longer_than_a_line() {
        let text = "no peers: http://127.0.0.1:7101: answered with HTTP status 404";
        assert_eq!(wrapped(text, "  ", 200), [format!("  {text}")]);
        let lines = wrapped(text, "  ", 40);
        assert_eq!(lines, ["  no peers: http://127.0.0.1:7101:", "  answered with HTTP status 404"]);
        for columns in 1..70 {
            let lines = wrapped(text, "  ", columns);
            assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:?}");
            let letters = |text: &str| text.chars().filter(|one| *one != ' ').collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text), "{columns}");
        }
        assert_eq!(wrapped("別の世界別", "", 1).len(), 5, "a character is never broken");
        assert_eq!(wrapped("", "  ", 40), [""; 0]);
    }
}
