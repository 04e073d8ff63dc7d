//! The table of a torrent's peers, for whoever asks for it (SIGUSR1). Pure.

use super::columns::filled;
use super::figures::{percent, rate};
use crate::message::PeerState;
use crate::strategy::{Security, Source};

/// The columns of the address and of the client's name: the longest there are, but no more than these.
const LONGEST_NAME: usize = 47;

/// The lines of the table, its head included. None without peers.
pub fn lines(peers: &[PeerState]) -> Vec<String> {
    if peers.is_empty() {
        return Vec::new();
    }
    let longest = |name: fn(&PeerState) -> &str, least: usize| {
        let widths = peers.iter().map(|peer| name(peer).chars().count());
        widths.max().unwrap_or(0).clamp(least, LONGEST_NAME)
    };
    let (name, client) = (longest(|peer| &peer.name, 7), longest(|peer| &peer.client, 6));
    let head = format!(
        "  {:<name$}  {:<client$}  {:>4}  {:>12}  {:>12}  {:<22}  {:<22}  {:<8}  {:<8}  in flight",
        "address", "client", "has", "down", "up", "we", "it", "found by", "sent"
    );
    let row = |peer: &PeerState| {
        let flags = &peer.flags;
        format!(
            "  {}  {}  {:>3}%  {:>12}  {:>12}  {:<22}  {:<22}  {:<8}  {:<8}  {}/{}{}",
            filled(&peer.name, name),
            filled(&peer.client, client),
            percent(peer.pieces.into(), peer.of.into()),
            rate(peer.down_rate),
            rate(peer.up_rate),
            state(flags.am_interested, flags.am_choking),
            state(flags.peer_interested, flags.peer_choking),
            source(peer.source),
            encryption(peer.encryption),
            peer.in_flight,
            peer.depth,
            if peer.snubs > 0 { "  silent" } else { "" },
        )
    };
    [head].into_iter().chain(peers.iter().map(row)).collect()
}

/// What one side wants and gives.
fn state(interested: bool, choking: bool) -> &'static str {
    match (interested, choking) {
        (true, true) => "interested, choking",
        (true, false) => "interested, unchoking",
        (false, true) => "choking",
        (false, false) => "unchoking",
    }
}

fn source(source: Option<Source>) -> &'static str {
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

fn encryption(security: Security) -> &'static str {
    match security {
        Security::Plain => "plain",
        Security::Handshake => "hidden",
        Security::Rc4 => "RC4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::PeerFlags;

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
        };
        let other = PeerState {
            name: "[2001:db8::7]:6881".to_owned(),
            client: "x".to_owned(),
            snubs: 0,
            ..peer.clone()
        };
        let lines: Vec<String> = lines(&[peer, other])
            .iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "address client has down up we it found by sent in flight",
                "10.77.0.10:7000 libtorrent 2.1.1 75% 4.9 KiB/s 0 bytes/s interested, choking unchoking tracker RC4 12/64 \
             silent",
                "[2001:db8::7]:6881 x 75% 4.9 KiB/s 0 bytes/s interested, choking unchoking tracker RC4 12/64",
            ]
        );
        assert_eq!(super::lines(&[]), [""; 0]);
    }
}
