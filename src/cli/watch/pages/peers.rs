//! The connected peers and web seeds, a line each. Where the screen is narrow, columns are left out.

use super::super::body::Body;
use super::super::scene::{PeerSight, Scene};
use super::super::ui_state::UiState;
use super::super::words::{compact, rate};
use crate::cli::columns::{filled, width};
use crate::cli::progress::figures::{percent, short_time};
use crate::cli::progress::peer_table::{encryption, source_name};
use crate::cli::terminal::full::{Look, StyledLine};
use crate::message::{PeerFlags, Transport};

/// From so many rows on there is room for what the flags mean, and from so many for a note on the chosen peer.
const ROWS: (usize, usize) = (14, 6);

/// With fewer columns, words are saved.
pub const NARROW: usize = 60;

/// A column of the table.
struct Column {
    head: &'static str,
    cell: fn(&PeerSight) -> String,
    /// Its columns on the screen. Numbers stand at the right.
    width: usize,
    is_number: bool,
    /// Those with the lowest numbers are left out first.
    rank: u8,
}

const COLUMNS: [Column; 12] = [
    Column { head: "address", cell: |peer| peer.state.name.clone(), width: 21, is_number: false, rank: 9 },
    Column { head: "client", cell: |peer| peer.state.client.clone(), width: 16, is_number: false, rank: 5 },
    Column { head: "found", cell: found, width: 8, is_number: false, rank: 3 },
    Column { head: "carried by", cell: carrier, width: 10, is_number: false, rank: 2 },
    Column { head: "flag", cell: |peer| flags(peer.state.flags), width: 4, is_number: false, rank: 9 },
    Column { head: "has", cell: has, width: 4, is_number: true, rank: 8 },
    Column { head: "down/s", cell: |peer| rate(peer.state.down_rate), width: 6, is_number: true, rank: 9 },
    Column { head: "up/s", cell: |peer| rate(peer.state.up_rate), width: 6, is_number: true, rank: 7 },
    Column { head: "in/depth", cell: in_flight, width: 8, is_number: true, rank: 6 },
    Column { head: "wasted", cell: wasted, width: 6, is_number: true, rank: 4 },
    Column { head: "time", cell: time, width: 6, is_number: true, rank: 1 },
    Column { head: "why nothing comes", cell: why, width: 24, is_number: false, rank: 0 },
];

/// The page.
pub fn body<'a>(scene: &'a Scene, ui: &UiState, columns: usize, rows: usize) -> Body<'a> {
    let peers = ui.peers(scene);
    let cursor = ui.line_of_chosen(&peers);
    let table = table(&peers, columns);
    let mut head = Vec::new();
    if rows >= ROWS.0 {
        let legend = match columns {
            0..NARROW => " I we want  C chokes us  i wants  c choked",
            _ => " flags: I we want, C it chokes us, i it wants, c we choke it",
        };
        head.push(StyledLine::of(Look::Plain, legend));
    }
    head.push(StyledLine::of(Look::Strong, line(&table, |column| column.head.to_owned())));
    let note = peers.get(cursor).filter(|_| rows >= ROWS.1).map(|peer| note(peer, columns));
    let empty = if scene.peers.is_empty() { "no peer is connected" } else { "no peer has these words" };
    Body {
        head,
        count: peers.len(),
        line: Box::new(move |number| peers.get(number).map(|peer| row(&table, peer)).unwrap_or_default()),
        cursor: Some(cursor),
        note: note.unwrap_or_default(),
        empty,
    }
}

/// The columns that fit, with their widths: the last one takes what is left, and addresses of IPv6 what they need.
fn table(peers: &[&PeerSight], columns: usize) -> Vec<(&'static Column, usize)> {
    let longest = peers.iter().map(|peer| width(&peer.state.name)).max().unwrap_or(0).min(47);
    let widened = |column: &'static Column| match column.rank {
        9 if column.head == "address" && columns >= 100 => (column, column.width.max(longest)),
        _ => (column, column.width),
    };
    let mut table: Vec<(&Column, usize)> = COLUMNS.iter().map(widened).collect();
    let taken = |table: &[(&Column, usize)]| table.iter().map(|(_, width)| width + 1).sum::<usize>();
    while taken(&table) > columns && table.len() > 1 {
        let least = table.iter().map(|(column, _)| column.rank).min();
        table.retain(|(column, _)| Some(column.rank) != least);
    }
    let left = columns.saturating_sub(taken(&table));
    if let Some((column, width)) = table.last_mut().filter(|(column, _)| column.rank == 0) {
        *width = column.width.saturating_add(left);
    }
    table
}

fn line(table: &[(&Column, usize)], text: impl Fn(&Column) -> String) -> String {
    let mut line = String::new();
    for (column, columns) in table {
        let text = text(column);
        let blanks = if column.is_number { columns.saturating_sub(width(&text)) } else { 0 };
        line.push(' ');
        line.extend(std::iter::repeat_n(' ', blanks));
        line.push_str(&filled(&text, columns.saturating_sub(blanks)));
    }
    line.truncate(line.trim_end().len());
    line
}

/// What sends is green, and what owes us something and is silent is yellow: the words say it too.
fn row(table: &[(&Column, usize)], peer: &PeerSight) -> StyledLine {
    let look = match peer.state.snubs {
        0 if peer.state.down_rate >= 1.0 || peer.state.up_rate >= 1.0 => Look::Good,
        0 => Look::Plain,
        _ => Look::Warning,
    };
    StyledLine::of(look, line(table, |column| (column.cell)(peer)))
}

/// Why something comes, or nothing. The line above has the name, where there is no room for it twice.
fn note(peer: &PeerSight, columns: usize) -> String {
    let up = peer.state.why.up.map(|up| format!("; {up}")).unwrap_or_default();
    let down = peer.state.why.down.as_ref().map_or("it sends".to_owned(), ToString::to_string);
    if columns < NARROW { format!("{down}{up}") } else { format!("{}: {down}{up}", peer.state.name) }
}

fn found(peer: &PeerSight) -> String {
    source_name(peer.state.source).to_owned()
}

/// What carries the connection, and how it is encrypted.
pub fn carrier(peer: &PeerSight) -> String {
    match peer.state.transport {
        Transport::Tcp => format!("TCP {}", encryption(peer.state.encryption)),
        Transport::Utp => format!("uTP {}", encryption(peer.state.encryption)),
        Transport::Http => "HTTP".to_owned(),
    }
}

/// The four flags, in letters: what we want and it does are large.
pub fn flags(flags: PeerFlags) -> String {
    let letters = [
        (flags.am_interested, 'I'),
        (flags.peer_choking, 'C'),
        (flags.peer_interested, 'i'),
        (flags.am_choking, 'c'),
    ];
    letters.into_iter().map(|(is_set, letter)| if is_set { letter } else { '-' }).collect()
}

fn has(peer: &PeerSight) -> String {
    format!("{}%", percent(peer.state.pieces.into(), peer.state.of.into()))
}

fn in_flight(peer: &PeerSight) -> String {
    format!("{}/{}", peer.state.in_flight, peer.state.depth)
}

fn wasted(peer: &PeerSight) -> String {
    match peer.state.record.wasted {
        0 => "-".to_owned(),
        bytes => compact(bytes),
    }
}

fn time(peer: &PeerSight) -> String {
    short_time(peer.state.record.age.as_secs())
}

fn why(peer: &PeerSight) -> String {
    peer.state.why.down.as_ref().map(ToString::to_string).unwrap_or_default()
}
