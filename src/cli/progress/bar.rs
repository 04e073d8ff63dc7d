//! One line of the screen that fits any width: a name, how much is done, a bar and figures.
//!
//! Where the width does not suffice, parts are left out, one rank after the other, and the percentage, the rate and the
//! time that is left are left out last. Pure.

use super::figures::percent;
use crate::cli::columns::{cut, filled, width};

/// The columns of a bar, its brackets included, are at least this many, or there is none.
const LEAST_BAR: usize = 10;
/// A bar changes its length by so many columns at once, so that figures that grow by a letter do not move it.
const STEP: usize = 4;

/// How soon a part of a line is left out: the first ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// What others are.
    Seeds,
    /// What we give.
    Up,
    Bar,
    /// Bytes, as the percentage says it already.
    Size,
    Peers,
    Name,
    /// Never, but it may be said shorter.
    Kept,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub rank: Rank,
    pub text: String,
    /// What is said where nothing else helps.
    pub short: String,
}

impl Part {
    /// A part that is left out at its rank.
    pub fn new(rank: Rank, text: String) -> Part {
        Part { rank, text, short: String::new() }
    }

    /// A part that stays, in short letters at last.
    pub fn kept(text: String, short: String) -> Part {
        Part { rank: Rank::Kept, text, short }
    }
}

/// What a line shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    /// How much is done, of how much, where that is known.
    pub done: Option<(u64, u64)>,
    /// What stands behind the bar.
    pub parts: Vec<Part>,
}

/// The columns for the names of several lines, so that their bars stand below each other.
pub fn name_columns<'a>(names: impl Iterator<Item = &'a str>, columns: usize) -> usize {
    names.map(width).max().unwrap_or(0).min(20).min(columns / 4)
}

impl Line {
    /// The line in at most so many columns, of which the name takes so many.
    pub fn fit(&self, name_columns: usize, columns: usize) -> String {
        const RANKS: [Rank; 7] =
            [Rank::Seeds, Rank::Up, Rank::Bar, Rank::Size, Rank::Peers, Rank::Name, Rank::Kept];
        let lines = RANKS.iter().map(|least| self.without(*least, name_columns, columns));
        let fitting = lines.into_iter().find(|line| width(line) <= columns);
        fitting.unwrap_or_else(|| cut(&self.shortest(columns), columns))
    }

    /// The name, how much is done, and in place of the bar and the figures this sentence, as much of it as there is
    /// room for.
    pub fn saying(self, sentence: &str, name_columns: usize, columns: usize) -> String {
        let head = Line { parts: Vec::new(), ..self }.without(Rank::Name, name_columns, columns);
        cut(&format!("{head}  {sentence}"), columns)
    }

    /// The line without what is of a lower rank than `least`.
    fn without(&self, least: Rank, name_columns: usize, columns: usize) -> String {
        let name = if least <= Rank::Name { filled(&self.name, name_columns) } else { String::new() };
        let indent = if name.is_empty() { 0 } else { 3 };
        let percent = self.done.map(|(done, total)| format!("{:>indent$}%", percent(done, total)));
        let mut behind = String::new();
        for part in self.parts.iter().filter(|part| part.rank >= least) {
            // What seeds there are stands behind the peers.
            behind.push_str(if part.rank == Rank::Seeds { " " } else { "  " });
            behind.push_str(&part.text);
        }
        let mut line = name;
        if let Some(percent) = percent {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&percent);
        }
        if let Some((done, total)) = self.done.filter(|_| least <= Rank::Bar) {
            let room = columns.saturating_sub(width(&line) + 1 + width(&behind));
            let bar = if room < LEAST_BAR { LEAST_BAR } else { room - (room - LEAST_BAR) % STEP };
            line.push(' ');
            line.push_str(&drawn(done, total, bar));
            // One blank is enough behind a bracket.
            behind = behind.strip_prefix(' ').map(str::to_owned).unwrap_or(behind);
        }
        line.push_str(if line.is_empty() { behind.trim_start() } else { &behind });
        line
    }

    /// The percentage and as many of the parts that stay as there is room for, in short letters.
    fn shortest(&self, columns: usize) -> String {
        let mut line =
            self.done.map(|(done, total)| format!("{}%", percent(done, total))).unwrap_or_default();
        for part in self.parts.iter().filter(|part| part.rank == Rank::Kept && !part.short.is_empty()) {
            let gap = usize::from(!line.is_empty());
            if width(&line) + gap + width(&part.short) <= columns || line.is_empty() {
                line.push_str(if gap == 1 { " " } else { "" });
                line.push_str(&part.short);
            }
        }
        line
    }
}

/// A bar of these columns, brackets included.
fn drawn(done: u64, total: u64, columns: usize) -> String {
    let inside = columns.saturating_sub(2);
    let share = u128::from(done).saturating_mul(inside as u128).checked_div(u128::from(total));
    let full = share.map_or(inside, |full| (full as usize).min(inside));
    let head = usize::from(full < inside && done > 0);
    format!("[{}{}{}]", "=".repeat(full), ">".repeat(head), " ".repeat(inside - full - head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn album() -> Line {
        Line {
            name: "Album".to_owned(),
            done: Some((30_094_131, 96_468_992)),
            parts: vec![
                Part::new(Rank::Size, "28.7/92.0 MiB".to_owned()),
                Part::kept("5.4 MiB/s".to_owned(), "5M".to_owned()),
                Part::new(Rank::Up, "up 0".to_owned()),
                Part::new(Rank::Peers, "5 peers".to_owned()),
                Part::new(Rank::Seeds, "(5 seeds)".to_owned()),
                Part::kept("11 s".to_owned(), "11s".to_owned()),
            ],
        }
    }

    #[test]
    fn a_line_fits_any_width_and_the_percentage_stays() {
        for name in [
            "Album",
            "別の世界別の世界別の世界",
            "e\u{301}\u{301}\u{301}",
            "",
            "a very long name of a torrent, indeed",
        ] {
            let line = Line { name: name.to_owned(), ..album() };
            for columns in 1..300 {
                let shown = line.fit(name_columns([name].into_iter(), columns), columns);
                assert!(width(&shown) <= columns, "{columns}: {shown:?}");
                assert!(columns < 3 || shown.contains("31%"), "{columns}: {shown:?}");
                assert!(
                    columns < 20 || (shown.contains("5.4 MiB/s") && shown.ends_with("11 s")),
                    "{shown:?}"
                );
                assert!(columns < 30 || name.is_empty() || !shown.starts_with(' '), "{columns}: {shown:?}");
            }
        }
    }

    #[test]
    fn parts_are_left_out_in_their_order() {
        let all = (20..200).map(|columns| album().fit(5, columns));
        let has = |line: &String| {
            ["(5 seeds)", "up 0", "[", "28.7", "5 peers", "Album"].map(|part| line.contains(part))
        };
        for line in all {
            let has = has(&line);
            assert!(has.is_sorted(), "{line:?}: {has:?}");
        }
    }

    #[test]
    fn the_lines_of_a_download_at_these_widths() {
        let shown = |columns| album().fit(name_columns(["Album"].into_iter(), columns), columns);
        assert_eq!(shown(10), "31% 5M 11s");
        assert_eq!(shown(20), "31%  5.4 MiB/s  11 s");
        assert_eq!(shown(40), "Album  31%  5.4 MiB/s  5 peers  11 s");
        assert_eq!(shown(60), "Album  31%  28.7/92.0 MiB  5.4 MiB/s  5 peers  11 s");
        assert_eq!(
            shown(80),
            "Album  31% [==>     ] 28.7/92.0 MiB  5.4 MiB/s  up 0  5 peers (5 seeds)  11 s"
        );
        let wide = shown(200);
        assert!(
            (197..=200).contains(&wide.len())
                && wide.ends_with("] 28.7/92.0 MiB  5.4 MiB/s  up 0  5 peers (5 seeds)  11 s")
        );
    }

    #[test]
    fn the_bar_is_full_only_where_all_is_there() {
        assert_eq!(drawn(0, 10, 12), "[          ]");
        assert_eq!(drawn(1, 1000, 12), "[>         ]");
        assert_eq!(drawn(999, 1000, 12), "[=========>]");
        assert_eq!(drawn(10, 10, 12), "[==========]");
        assert_eq!(drawn(0, 0, 12), "[==========]");
        assert_eq!(drawn(u64::MAX, u64::MAX, 10), "[========]");
    }
}
