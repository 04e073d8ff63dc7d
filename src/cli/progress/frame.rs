//! The lines of all torrents together: each has one while there is room, and below it why nothing moves. Where there is
//! no room below it, the reason takes the place of the figures, for they say nothing then. Where there is no room for all
//! torrents, the busiest are shown, and a sum. Pure.

use super::bar::{Line, Part, Rank, name_columns};
use super::figures::{rate, short_rate};
use super::view::View;
use crate::cli::columns::wrapped;

/// The lines for these torrents, whose names are fit to print, on a terminal of these columns and rows.
pub fn lines(all: &[(&str, &View)], columns: usize, rows: usize) -> Vec<String> {
    let alive = all.iter().enumerate().filter(|(_, (_, view))| !matches!(view, View::Over));
    let mut alive: Vec<(usize, &(&str, &View))> = alive.collect();
    // The cursor has a row of its own.
    let rows = rows.saturating_sub(1).max(1);
    let crowded = alive.len() > rows;
    if crowded {
        alive.sort_unstable_by(|(first, one), (second, other)| {
            activity(other.1).total_cmp(&activity(one.1)).then(first.cmp(second))
        });
        alive.truncate(rows.saturating_sub(1));
        // So that a line stays where it is.
        alive.sort_unstable_by_key(|(number, _)| *number);
    }
    let names = name_columns(alive.iter().map(|(_, (name, _))| *name), columns);
    let mut room = rows.saturating_sub(alive.len()).saturating_sub(usize::from(crowded));
    let mut lines = Vec::new();
    for (_, (name, view)) in alive {
        let line = view.line(name);
        let trouble = view.trouble().unwrap_or_default();
        let below = wrapped(&trouble, "  ", columns);
        if below.len() > room {
            lines.push(line.saying(&trouble, names, columns));
            continue;
        }
        room -= below.len();
        lines.push(line.fit(names, columns));
        lines.extend(below);
    }
    if crowded {
        let sum = sum(all);
        lines.push(sum.fit(name_columns([sum.name.as_str()].into_iter(), columns), columns));
    }
    lines
}

/// Those that move come first, then those that do something.
fn activity(view: &View) -> f64 {
    let (down, up) = view.rates();
    match view {
        View::Waiting(_) | View::Over => 0.0,
        _ => 1.0 + down + up,
    }
}

/// All torrents in one line.
fn sum(all: &[(&str, &View)]) -> Line {
    let count = |is: fn(&View) -> bool| all.iter().filter(|(_, view)| is(view)).count();
    let over = count(|view| matches!(view, View::Over));
    let waiting = count(|view| matches!(view, View::Waiting(_)));
    let running = all.len() - over - waiting;
    let (down, up) = all
        .iter()
        .map(|(_, view)| view.rates())
        .fold((0.0, 0.0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
    let (done, total) = all
        .iter()
        .map(|(_, view)| view.done())
        .fold((0_u64, 0_u64), |sum, more| (sum.0.saturating_add(more.0), sum.1.saturating_add(more.1)));
    let up = if up < 1.0 { "up 0".to_owned() } else { format!("up {}", rate(up)) };
    Line {
        name: format!("{} torrents", all.len()),
        done: (total > 0).then_some((done, total)),
        parts: vec![
            Part::kept(rate(down), short_rate(down)),
            Part::new(Rank::Up, up),
            Part::new(Rank::Peers, format!("{running} running, {waiting} waiting, {over} over")),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::columns::width;
    use crate::message::{Snapshot, Stall};

    fn running(rate: f64, stall: Option<Stall>) -> View {
        View::Running(Box::new(Snapshot {
            done: 1 << 20,
            total: 4 << 20,
            rate,
            stall,
            ..Snapshot::default()
        }))
    }

    #[test]
    fn the_reason_stands_below_its_torrent_wrapped() {
        let why = "http://127.0.0.1:7101: answered with HTTP status 404".to_owned();
        let (stalled, moves) = (running(0.0, Some(Stall::NoPeers(Some(why)))), running(2048.0, None));
        let all = [("disk.iso", &stalled), ("Album", &moves)];
        for columns in [10, 20, 40, 60, 80, 200] {
            let lines = lines(&all, columns, 100);
            assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:#?}");
            let text: String = lines.concat().chars().filter(|letter| *letter != ' ').collect();
            assert!(text.contains("answeredwithHTTPstatus404"), "{columns}: {lines:#?}");
        }
        let shown = lines(&all, 60, 24);
        assert_eq!(shown.len(), 4, "{shown:#?}");
        assert_eq!(shown[1], "  no peers: http://127.0.0.1:7101: answered with HTTP status");
        let tight = lines(&all, 60, 3);
        assert_eq!(tight.len(), 2, "a reason that has no room takes no torrent's place");
        assert_eq!(tight[0], "disk.iso  25%  no peers: http://127.0.0.1:7101: answered wi…");
    }

    #[test]
    fn each_of_many_stalled_torrents_says_why_and_none_takes_more_than_its_row() {
        let views: Vec<View> = (0..40)
            .map(|number| {
                running(0.0, Some(Stall::NoPeers(Some(format!("http://t{number}.example: is gone")))))
            })
            .collect();
        let names: Vec<String> = (0..40).map(|number| format!("torrent-{number:02}")).collect();
        let all: Vec<(&str, &View)> = names.iter().map(String::as_str).zip(&views).collect();
        for rows in [1, 2, 10, 24, 50, 100] {
            for columns in [1, 10, 40, 80, 200] {
                let shown = lines(&all, columns, rows);
                assert!(shown.len() < rows.max(2), "{rows} {columns}: {shown:#?}");
                assert!(shown.iter().all(|line| width(line) <= columns), "{rows} {columns}: {shown:#?}");
            }
        }
        let of = |shown: &[String]| (0..40).filter(|n| shown.concat().contains(&format!("t{n}.exa"))).count();
        assert_eq!(of(&lines(&all, 80, 24)), 22);
        assert_eq!(of(&lines(&all, 80, 50)), 40);
        assert_eq!(of(&lines(&all, 80, 100)), 40);
    }

    #[test]
    fn where_there_is_no_room_for_all_the_busiest_are_shown_and_a_sum() {
        let views: Vec<View> = (0..40)
            .map(|number| match number {
                0..3 => View::Over,
                3..20 => View::Waiting("waiting for its turn"),
                _ => running(f64::from(number) * 1024.0, None),
            })
            .collect();
        let names: Vec<String> = (0..40).map(|number| format!("torrent-{number}")).collect();
        let all: Vec<(&str, &View)> = names.iter().map(String::as_str).zip(&views).collect();
        let shown = lines(&all, 80, 24);
        assert_eq!(shown.len(), 23);
        assert!(shown[2].starts_with("torrent-20") && shown[21].starts_with("torrent-39"), "{shown:#?}");
        let sum = &shown[22];
        assert!(sum.starts_with("40 torrents"), "{sum}");
        assert!(sum.ends_with("590 KiB/s  up 0  20 running, 17 waiting, 3 over"), "{sum}");
        assert!(lines(&all, 10, 1).len() == 1 && lines(&all, 10, 2).len() == 1);
        assert_eq!(lines(&all, 80, 60).len(), 37);
    }
}
