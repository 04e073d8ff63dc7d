//! The table of a torrent's peers, for whoever asks for it (SIGUSR1). Where it is too wide, columns are left out. Pure.

use super::figures::{percent, rate};
use crate::cli::columns::{filled, width};
use crate::message::{PeerState, Transport};
use crate::strategy::{Security, Source};

/// The most columns of the screen for one column of the table: an IPv6 address and its port fit.
const WIDEST: usize = 47;

/// A column of the table.
struct Column {
    head: &'static str,
    cell: fn(&PeerState) -> String,
    /// Numbers stand at the right.
    is_number: bool,
    /// Those with the lowest numbers are left out first.
    rank: u8,
}

const COLUMNS: [Column; 10] = [
    Column { head: "address", cell: |peer| peer.name.clone(), is_number: false, rank: 9 },
    Column { head: "client", cell: |peer| peer.client.clone(), is_number: false, rank: 5 },
    Column { head: "has", cell: has, is_number: true, rank: 8 },
    Column { head: "down", cell: |peer| shown_rate(peer.down_rate), is_number: true, rank: 8 },
    Column { head: "up", cell: |peer| shown_rate(peer.up_rate), is_number: true, rank: 4 },
    Column { head: "we", cell: we, is_number: false, rank: 7 },
    Column { head: "in flight", cell: in_flight, is_number: false, rank: 6 },
    Column { head: "it", cell: it, is_number: false, rank: 3 },
    Column { head: "found by", cell: |peer| source_name(peer.source).to_owned(), is_number: false, rank: 2 },
    Column { head: "sent", cell: sent, is_number: false, rank: 1 },
];

/// The lines of the table in at most so many columns, its head included. None without peers.
pub fn lines(peers: &[PeerState], columns: usize) -> Vec<String> {
    if peers.is_empty() {
        return Vec::new();
    }
    let cells = |column: &'static Column| {
        let cells = peers.iter().map(column.cell);
        let cells: Vec<String> = [column.head.to_owned()].into_iter().chain(cells).collect();
        let widest = cells.iter().map(|cell| width(cell)).max().unwrap_or(0).min(WIDEST);
        (column, widest, cells)
    };
    let mut table: Vec<(&Column, usize, Vec<String>)> = COLUMNS.iter().map(cells).collect();
    while table.iter().map(|(_, widest, _)| widest + 2).sum::<usize>() > columns && table.len() > 1 {
        let least = table.iter().map(|(column, ..)| column.rank).min();
        table.retain(|(column, ..)| Some(column.rank) != least);
    }
    let line = |row: usize| {
        let mut line = String::new();
        for (column, widest, cells) in &table {
            let cell = cells.get(row).map(String::as_str).unwrap_or_default();
            let blanks = if column.is_number { widest.saturating_sub(width(cell)) } else { 0 };
            line.push_str("  ");
            line.extend(std::iter::repeat_n(' ', blanks));
            line.push_str(&filled(cell, widest.saturating_sub(blanks)));
        }
        line.trim_end().to_owned()
    };
    (0..=peers.len()).map(line).collect()
}

fn has(peer: &PeerState) -> String {
    format!("{}%", percent(peer.pieces.into(), peer.of.into()))
}

fn shown_rate(bytes_a_second: f64) -> String {
    if bytes_a_second < 1.0 { "-".to_owned() } else { rate(bytes_a_second) }
}

fn we(peer: &PeerState) -> String {
    side(peer.flags.am_interested, peer.flags.peer_choking)
}

fn it(peer: &PeerState) -> String {
    side(peer.flags.peer_interested, peer.flags.am_choking)
}

/// What one side wants, and whether the other lets it.
fn side(interested: bool, choked: bool) -> String {
    let wants = if interested { "interested" } else { "-" };
    format!("{wants}/{}", if choked { "choked" } else { "unchoked" })
}

fn in_flight(peer: &PeerState) -> String {
    let silent = if peer.snubs > 0 { " silent" } else { "" };
    format!("{}/{}{silent}", peer.in_flight, peer.depth)
}

/// How a peer was found, in a word.
pub fn source_name(source: Option<Source>) -> &'static str {
    match source {
        Some(Source::User) => "--peer",
        Some(Source::Tracker) => "tracker",
        Some(Source::Magnet) => "magnet",
        Some(Source::Dht) => "DHT",
        Some(Source::Lan) => "LAN",
        Some(Source::Incoming) => "came in",
        Some(Source::Pex(_)) => "PEX",
        None => "-",
    }
}

/// How it is sent: what is encrypted, and over what if that is not TCP.
fn sent(peer: &PeerState) -> String {
    let over = if peer.transport == Transport::Utp { "uTP " } else { "" };
    format!("{over}{}", encryption(peer.encryption))
}

/// What of a connection is encrypted, in a word.
pub fn encryption(security: Security) -> &'static str {
    match security {
        Security::Plain => "plain",
        Security::Handshake => "hidden",
        Security::Rc4 => "RC4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{PeerFlags, PeerReasons, PeerRecord};

    #[test]
    fn each_peer_has_a_row() {
        let flags =
            PeerFlags { am_interested: true, am_choking: true, peer_interested: false, peer_choking: false };
        let peer = PeerState {
            name: "10.77.0.10:7000".to_owned(),
            client: "libtorrent 2.1.1".to_owned(),
            source: Some(Source::Tracker),
            encryption: Security::Rc4,
            pieces: 3,
            of: 4,
            down_rate: 5000.0,
            up_rate: 0.0,
            flags,
            in_flight: 12,
            depth: 64,
            snubs: 1,
            transport: Transport::default(),
            why: PeerReasons::default(),
            record: PeerRecord::default(),
        };
        let other = PeerState {
            name: "[2001:db8::7]:6881".to_owned(),
            client: "x".to_owned(),
            snubs: 0,
            ..peer.clone()
        };
        let words = |columns| -> Vec<String> {
            let lines = lines(&[peer.clone(), other.clone()], columns);
            assert!(lines.iter().all(|line| width(line) <= columns), "{lines:#?}");
            lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let all = [
            "address client has down up we in flight it found by sent",
            "10.77.0.10:7000 libtorrent 2.1.1 75% 4.9 KiB/s - interested/unchoked 12/64 silent -/choked tracker RC4",
            "[2001:db8::7]:6881 x 75% 4.9 KiB/s - interested/unchoked 12/64 -/choked tracker RC4",
        ];
        assert_eq!(words(200), all);
        assert_eq!(words(100)[0], "address client has down up we in flight");
        assert_eq!(words(80)[0], "address has down we in flight");
        assert_eq!(words(24)[0], "address");
        assert_eq!(lines(&[], 80), [""; 0]);
    }
}
