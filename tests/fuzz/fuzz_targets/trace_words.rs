//! The words of a trace for anything that may be seen: whatever a peer, a node, a tracker or the local network sends.
//!
//! A line is fit to print and short, whatever is in it, and as JSON it is one object in one line.

#![no_main]

use femtotorrent::cli::trace::Conversations;
use femtotorrent::metainfo::InfoHash;
use femtotorrent::net::PeerStream;
use femtotorrent::net::tap::{Direction, Known, Protocol, Seen, StreamEvent, Tap};
use femtotorrent::piece::Geometry;
use femtotorrent::wire::extension::ExtensionHandshake;
use femtotorrent_fuzz::{only_shows, spelled_out};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The most characters of a line: a meaning, a reason, and what stands before them.
const LONGEST: usize = 1_000;
const TORRENT: InfoHash = InfoHash([7; 20]);

/// The most bytes that are written at once: a stream in memory has room for more.
const AT_ONCE: usize = 20_000;

fn check(conversations: &mut Conversations, seen: &Seen) {
    let Some(line) = conversations.line(seen) else { return };
    let text = line.text();
    assert!(only_shows(&text) && text.chars().count() <= LONGEST, "{text:?}");
    let mut json = String::new();
    line.write_json(Duration::from_millis(1_500), &mut json);
    let json = json.strip_suffix('\n').expect("a line");
    assert!(json.starts_with("{\"time\":1.500,") && json.ends_with('}') && only_shows(json), "{json:?}");
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let bytes = bytes.get(..AT_ONCE).unwrap_or(bytes);
    let mut conversations = Conversations::default();
    conversations.line(&Seen::Torrent(TORRENT, Geometry::new(17 * 65_536, 65_536).unwrap()));
    let mut body = if choice & 1 == 0 { bytes.to_vec() } else { spelled_out(bytes) };
    body.truncate(AT_ONCE);
    let direction = if choice & 2 == 0 { Direction::In } else { Direction::Out };
    let address = if choice & 4 == 0 { ([10, 0, 0, 1], 1).into() } else { ([1_u16; 8], 1).into() };
    for protocol in [Protocol::Dht, Protocol::Tracker, Protocol::Lan, Protocol::Gateway, Protocol::Ssdp] {
        check(&mut conversations, &Seen::Packet(protocol, direction, [address; 2], body.clone()));
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    check(&mut conversations, &Seen::Connecting(address, text.clone()));
    let said =
        Seen::Server { site: "http://a".to_owned(), direction, message: "answer", meaning: text.clone() };
    check(&mut conversations, &said);

    let all = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&all);
    let tap = Tap::to(move |seen| sees.lock().unwrap().push(seen));
    let (stream, peer) = PeerStream::in_memory();
    stream.watched_by(&tap, address, choice & 8 == 0);
    let mut handshake = b"\x13BitTorrent protocol".to_vec();
    handshake.extend(bytes.iter().copied().chain(std::iter::repeat(7)).take(48));
    // Its numbers are understood only where the handshakes name a torrent that is known.
    if choice & 16 == 0 {
        handshake[28..48].fill(7);
    }
    let extended = |id: u8| {
        let mut frame = (body.len() as u32 + 2).to_be_bytes().to_vec();
        frame.extend([20, id]);
        frame.extend(&body);
        frame
    };
    let parts = [&handshake[..], bytes, &extended(0), &extended(1), &extended(2)];
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        peer.write_all(part).unwrap();
        stream.read(&mut vec![0; part.len()]).unwrap();
        if let Some(tap) = stream.tap() {
            tap.why("have", 1, text.clone());
        }
        stream.write_all(part).unwrap();
        peer.read(&mut vec![0; part.len()]).unwrap();
    }
    let all = all.lock().unwrap();
    all.iter().for_each(|seen| check(&mut conversations, seen));
    // One that began before anybody listened.
    if let Some(Seen::Stream(connection, _)) = all.first() {
        let theirs = ExtensionHandshake::from_wire(&body).unwrap_or_default();
        let known = Known { info_hash: Some(TORRENT), peer_id: None, theirs };
        check(
            &mut Conversations::default(),
            &Seen::Stream(*connection, StreamEvent::Joined(Box::new(known))),
        );
    }
});
