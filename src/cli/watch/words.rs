//! Figures and texts in few columns. Pure.

use crate::cli::columns::width;

/// Bytes in five letters: `812`, `5.4M`, `812K`. Rounded down.
pub fn compact(bytes: u64) -> String {
    let mut unit = (1_u64, "");
    for (size, name) in [(1 << 10, "K"), (1 << 20, "M"), (1 << 30, "G"), (1 << 40, "T"), (1 << 50, "P")] {
        if bytes >= size {
            unit = (size, name);
        }
    }
    let whole = bytes / unit.0;
    match unit.1 {
        "" => bytes.to_string(),
        name if whole < 10 => format!("{whole}.{}{name}", bytes % unit.0 / unit.0.div_ceil(10)),
        name => format!("{whole}{name}"),
    }
}

/// Bytes a second: nothing is a dash.
pub fn rate(bytes_a_second: f64) -> String {
    if bytes_a_second < 1.0 { "-".to_owned() } else { compact(bytes_a_second as u64) }
}

/// A bar of so many columns.
pub fn bar(done: u64, of: u64, columns: usize) -> String {
    let filled = u128::from(done) * columns as u128;
    let filled = filled.checked_div(u128::from(of)).map_or(columns, |filled| (filled as usize).min(columns));
    let mut bar = "#".repeat(filled);
    bar.extend(std::iter::repeat_n('.', columns - filled));
    bar
}

/// The text without so many columns at its start.
pub fn without_start(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let start = text.char_indices().find(|(_, character)| {
        used += width(character.encode_utf8(&mut [0; 4]));
        used > columns
    });
    start.and_then(|(start, _)| text.get(start..)).unwrap_or_default()
}

/// The end of the text, which of a path tells most; where it is cut, it begins with `…`.
pub fn end_of(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let cut = text.char_indices().rev().take_while(|(_, character)| {
        used += width(character.encode_utf8(&mut [0; 4]));
        used <= columns
    });
    let start = cut.last().map_or(text.len(), |(start, _)| start);
    let end = text.get(start..).unwrap_or_default();
    if columns == 0 { String::new() } else { format!("…{end}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_few_columns() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (5_662_310, "5.3M"),
            (10 << 20, "10M"),
            ((10 << 20) - 1, "9.9M"),
            (1023 << 30, "1023G"),
            (u64::MAX, "16383P"),
        ] {
            assert_eq!(compact(bytes), text, "{bytes}");
        }
        assert_eq!((rate(0.4), rate(2048.0)), ("-".to_owned(), "2.0K".to_owned()));
    }

    #[test]
    fn a_bar_has_its_width_whatever_it_shows() {
        for (done, of, bar_of_four) in
            [(0, 8, "...."), (4, 8, "##.."), (8, 8, "####"), (9, 8, "####"), (0, 0, "####")]
        {
            assert_eq!(bar(done, of, 4), bar_of_four);
        }
        assert_eq!(bar(u64::MAX, u64::MAX, 3), "###");
    }

    #[test]
    fn the_end_of_a_path_stays() {
        for text in ["folder/file.bin", "別の世界別の世界", "e\u{301}te\u{301}x"] {
            for columns in 0..20 {
                assert!(width(&end_of(text, columns)) <= columns, "{text} in {columns}");
            }
        }
        assert_eq!(end_of("folder/file.bin", 9), "…file.bin");
        for (columns, rest) in [(0, "a世b"), (1, "世b"), (2, "世b"), (3, "b"), (4, "")] {
            assert_eq!(without_start("a世b", columns), rest);
        }
    }
}
