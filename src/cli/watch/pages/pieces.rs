//! The pieces: a map of all of them, and those that are being filled.

use super::super::body::Body;
use super::super::scene::Scene;
use super::super::ui_state::UiState;
use crate::cli::columns::width;
use crate::cli::terminal::full::{Look, StyledLine};
use crate::message::{BlockCounts, Bucket, OpenPieceSight};
use crate::text::{grouped, size};

/// From so many rows on there is room for what the letters mean.
const ROWS: usize = 12;
/// The most columns of the bar of a piece.
const BAR: usize = 32;

/// The page.
pub fn body<'a>(scene: &'a Scene, ui: &UiState, columns: usize, rows: usize) -> Body<'a> {
    let pieces = &scene.pieces;
    // The list of open pieces has the other half.
    let (map, in_a_cell) = map(&pieces.buckets, columns, (rows / 2).saturating_sub(1).max(1));
    let mut head = vec![summary(scene, columns)];
    if rows >= ROWS {
        head.push(legend(in_a_cell, columns));
    }
    head.extend(map);
    // A magnet whose metadata has not come has none.
    head.retain(|_| pieces.count > 0);
    let open: Vec<&OpenPieceSight> = pieces
        .open
        .iter()
        .filter(|open| ui.shows(&[&open.index.to_string(), &open.from.join(" ")]))
        .collect();
    let bar = (columns / 4).clamp(8, BAR);
    let title = format!(
        " {:>7}  {:bar$}  {:>9} {:>5} {:>5}  from",
        "piece",
        "blocks",
        "came",
        "asked",
        "peers",
        bar = bar + 2
    );
    head.push(StyledLine::of(Look::Strong, title.trim_end()));
    Body {
        head,
        count: open.len(),
        line: Box::new(move |number| open.get(number).map(|open| row(open, bar)).unwrap_or_default()),
        cursor: None,
        note: String::new(),
        empty: if pieces.count == 0 { "the pieces are not known yet" } else { "no piece is being filled" },
    }
}

fn summary(scene: &Scene, columns: usize) -> StyledLine {
    let pieces = &scene.pieces;
    let sum = |what: fn(&Bucket) -> u32| -> u64 {
        pieces.buckets.iter().map(|bucket| u64::from(what(bucket))).sum()
    };
    let (count, stored) = (grouped(pieces.count.into()), grouped(sum(|bucket| bucket.stored)));
    let copies = format!("{}.{}", pieces.copies / 1000, pieces.copies % 1000 / 100);
    let length = size(pieces.length.into());
    let open = sum(|bucket| bucket.open);
    let text =
        format!(" {stored} of {count} pieces of {length}, {open} open; {copies} copies among the peers");
    let short = format!(" {stored} of {count}, {open} open, {copies} copies");
    StyledLine::of(Look::Plain, if width(&text) <= columns { text } else { short })
}

fn legend(in_a_cell: usize, columns: usize) -> StyledLine {
    let many = if in_a_cell > 1 { format!("; {in_a_cell} a letter") } else { String::new() };
    let text = format!(" # there  o open  0-9+ missing, so many have it  . skipped{many}");
    let short = format!(" # there o open 0+ missing . skipped{many}");
    StyledLine::of(Look::Plain, if width(&text) <= columns { text } else { short })
}

/// The map in at most so many lines, and how many pieces are in one place.
fn map(buckets: &[Bucket], columns: usize, rows: usize) -> (Vec<StyledLine>, usize) {
    let columns = columns.saturating_sub(2).max(1);
    let in_a_place = buckets.len().div_ceil(columns * rows).max(1);
    let places: Vec<Bucket> = buckets.chunks(in_a_place).map(together).collect();
    let lines = places.chunks(columns).map(|places| {
        let mut line = StyledLine::of(Look::Plain, " ");
        // Neighbours that look the same are one part.
        let same = |one: &Bucket, other: &Bucket| cell(one).1 == cell(other).1;
        for run in places.chunk_by(same) {
            let letters: String = run.iter().map(|place| cell(place).0).collect();
            line = line.with(run.first().map_or(Look::Plain, |place| cell(place).1), letters);
        }
        line
    });
    let lines = lines.collect();
    let in_a_bucket = buckets.first().map_or(1, |bucket| bucket.pieces as usize);
    (lines, in_a_place.saturating_mul(in_a_bucket))
}

/// Neighbours as one.
fn together(buckets: &[Bucket]) -> Bucket {
    let mut all = Bucket { rarest: u32::MAX, ..Bucket::default() };
    for bucket in buckets {
        all.pieces = all.pieces.saturating_add(bucket.pieces);
        all.stored = all.stored.saturating_add(bucket.stored);
        all.open = all.open.saturating_add(bucket.open);
        all.unwanted = all.unwanted.saturating_add(bucket.unwanted);
        if missing(bucket) > 0 {
            all.rarest = all.rarest.min(bucket.rarest);
        }
    }
    all
}

/// Pieces of a bucket that are wanted, and of which nothing is there.
fn missing(bucket: &Bucket) -> u32 {
    let others = bucket.stored.saturating_add(bucket.open).saturating_add(bucket.unwanted);
    bucket.pieces.saturating_sub(others)
}

fn cell(bucket: &Bucket) -> (char, Look) {
    match (missing(bucket), bucket.rarest) {
        _ if bucket.open > 0 => ('o', Look::Strong),
        (0, _) if bucket.stored > 0 => ('#', Look::Good),
        (0, _) => ('.', Look::Plain),
        (_, 0) => ('0', Look::Bad),
        (_, 1) => ('1', Look::Warning),
        (_, rarest) => (char::from_digit(rarest, 10).unwrap_or('+'), Look::Plain),
    }
}

fn row(open: &OpenPieceSight, bar: usize) -> StyledLine {
    let BlockCounts { came, on_their_way, all } = open.blocks;
    let part = |blocks: u32| (u64::from(blocks) * bar as u64).checked_div(all.into()).unwrap_or(0) as usize;
    let there = part(came).min(bar);
    let until = part(came.saturating_add(on_their_way)).clamp(there, bar);
    let blocks = format!("[{}{}{}]", "#".repeat(there), ">".repeat(until - there), ".".repeat(bar - until));
    StyledLine::of(
        Look::Plain,
        format!(
            " {:>7}  {blocks}  {:>9} {on_their_way:>5} {:>5}  {}",
            open.index,
            format!("{came}/{all}"),
            open.availability,
            open.from.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(stored: u32, open: u32, unwanted: u32, rarest: u32) -> Bucket {
        Bucket { pieces: 4, stored, open, unwanted, rarest }
    }

    #[test]
    fn a_place_shows_the_worst_of_its_pieces() {
        for (place, letter) in [
            (bucket(4, 0, 0, 0), '#'),
            (bucket(3, 0, 1, 0), '#'),
            (bucket(3, 1, 0, 0), 'o'),
            (bucket(0, 0, 4, 0), '.'),
            (bucket(3, 0, 0, 0), '0'),
            (bucket(3, 0, 0, 1), '1'),
            (bucket(0, 0, 0, 9), '9'),
            (bucket(0, 0, 0, 10), '+'),
        ] {
            assert_eq!(cell(&place).0, letter, "{place:?}");
        }
        let all = together(&[bucket(4, 0, 0, 0), bucket(3, 0, 0, 5), bucket(0, 0, 0, 7)]);
        assert_eq!(cell(&all).0, '5', "what is complete has no rarest one");
    }

    #[test]
    fn the_map_of_any_torrent_fits() {
        for count in [0, 1, 77, 78, 79, 4000, 100_000] {
            for (columns, rows) in [(80, 7), (40, 1), (1, 1), (200, 30)] {
                let (lines, in_a_place) = map(&vec![bucket(4, 0, 0, 0); count], columns, rows);
                assert!(lines.len() <= rows, "{count} {columns} {rows}: {}", lines.len());
                assert!(in_a_place >= 1);
            }
        }
    }
}
