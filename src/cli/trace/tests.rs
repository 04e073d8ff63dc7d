//! The trace of whole conversations, and what becomes of it where it cannot be written.

mod paper;

use super::queue::MOST_WAITING;
use super::*;
use crate::discovery::lan::SearchPacket;
use crate::metainfo::InfoHash;
use crate::net::PeerStream;
use crate::net::tap::{Protocol, Seen};
use crate::piece::Geometry;
use crate::wire::extension::ExtensionHandshake;
use crate::wire::{BlockRequest, Handshake, Message, PeerId};
use crossbeam_channel::bounded;
use paper::Paper;
use std::sync::atomic::Ordering;
use std::time::Duration;

const TORRENT: InfoHash = InfoHash([0x25; 20]);

/// What the trace writes, for people and as JSON, of a connection on which this is said.
fn traced(speak: impl FnOnce(&PeerStream, &PeerStream, &Tap)) -> (String, Vec<serde_json::Value>) {
    let (text, json) = (Paper::default(), Paper::default());
    let trace = Trace::to(vec![text.sink(Form::Text), json.sink(Form::Json)]).unwrap();
    let (stream, peer) = PeerStream::in_memory();
    let tap = trace.tap();
    tap.torrent(TORRENT, Geometry::new(17 * 65_536, 65_536).unwrap());
    stream.watched_by(&tap, ([10, 0, 0, 1], 6881).into(), false);
    speak(&stream, &peer, &tap);
    trace.end();
    let json = json.text();
    (text.text(), json.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn read(stream: &PeerStream) {
    stream.wait_at_most(Duration::from_secs(20)).unwrap();
    stream.read(&mut [0; 100_000]).unwrap();
}

fn bytes(messages: &[Message<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| message.write_to(&mut bytes));
    bytes
}

/// Waits until so many lines are written.
fn wait_for_lines(paper: &Paper, count: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    while paper.text().lines().count() < count {
        assert!(Instant::now() < until, "{}", paper.text());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The lines without their times and with one space where there are more.
fn plain(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    text.lines().map(words).collect()
}

#[test]
fn a_conversation_is_told_in_words_with_the_reasons_of_what_we_sent() {
    let block = BlockRequest { index: 15, begin: 16_384, length: 16_384 };
    let (text, json) = traced(|stream, peer, _| {
        stream
            .write_all(&Handshake::ours(TORRENT, PeerId(*b"-FM0100-abcdefghijkl"), true).to_wire())
            .unwrap();
        peer.write_all(&Handshake::ours(TORRENT, PeerId(*b"-XX\x1b[2J-abcdefghijkl"), false).to_wire())
            .unwrap();
        peer.write_all(&bytes(&[Message::Bitfield(&[0xb6, 0xdb, 0]), Message::Unchoke])).unwrap();
        read(stream);
        let tap = stream.tap().unwrap();
        tap.why("request", 1, "rarest of 12; pipeline 1 of 4".to_owned());
        tap.why("interested", 1, "it has 11 pieces that we lack".to_owned());
        stream
            .write_all(&bytes(&[Message::Interested, Message::Request(block), Message::Request(block)]))
            .unwrap();
        peer.write_all(&bytes(&[Message::Piece { index: 15, begin: 16_384, data: &[7; 16_384] }])).unwrap();
        read(stream);
        stream.hang_up(crate::net::HangUp::Idle);
    });
    let handshake = "13 426974546f7272656e742070726f746f636f6c..";
    assert_eq!(
        plain(&text),
        [
            "with 10.0.0.1:6881 connected we have connected to it".to_owned(),
            format!(
                "us -> 10.0.0.1:6881 handshake {handshake} torrent {TORRENT}; peer ID -FM0100-; speaks Fast (BEP 6), \
                 extensions (BEP 10), DHT (BEP 5)"
            ),
            format!(
                "10.0.0.1:6881 -> us handshake {handshake} torrent {TORRENT}; peer ID -XX.[2J-; speaks Fast (BEP 6), \
                 extensions (BEP 10)"
            ),
            "10.0.0.1:6881 -> us bitfield 00000004 05 b6db00 has 11 of 17 pieces".to_owned(),
            "10.0.0.1:6881 -> us unchoke 00000001 01 requests are answered from now on".to_owned(),
            "us -> 10.0.0.1:6881 interested 00000001 02 you have what I lack; it has 11 pieces that we lack".to_owned(),
            "us -> 10.0.0.1:6881 request 0000000d 06 0000000f0000400000004000 piece 15, block 1 of 4, 16384 bytes; \
             rarest of 12; pipeline 1 of 4"
                .to_owned(),
            "us -> 10.0.0.1:6881 request 0000000d 06 0000000f0000400000004000 piece 15, block 1 of 4, 16384 bytes"
                .to_owned(),
            "10.0.0.1:6881 -> us piece 00004009 07 0000000f00004000.. piece 15, block 1 of 4, 16384 bytes".to_owned(),
            "with 10.0.0.1:6881 end we hang up: idle in both directions, and other peers are waiting".to_owned(),
        ]
    );
    assert_eq!(json.len(), 10);
    assert_eq!(json[6]["why"], "rarest of 12; pipeline 1 of 4");
    assert_eq!(
        (&json[6]["direction"], &json[6]["message"], &json[6]["bytes"], &json[6]["length"]),
        (&"out".into(), &"request".into(), &"0000000d060000000f0000400000004000".into(), &17.into())
    );
    assert_eq!((&json[8]["direction"], &json[8]["length"]), (&"in".into(), &16_397.into()));
    assert!(json[0].get("direction").is_none() && json[7].get("why").is_none());
}

#[test]
fn extensions_are_named_by_the_numbers_that_their_receiver_chose() {
    let theirs = ExtensionHandshake {
        client: Some("evil\u{202e}\x1b[2J".to_owned()),
        metadata: Some(77),
        request_queue: Some(250),
        ..ExtensionHandshake::default()
    };
    let asks = crate::wire::metadata::MetadataMessage::Request(3).to_wire();
    let pex =
        crate::wire::pex::PeerExchange { added: vec![(([1, 2, 3, 4], 5).into(), 0)], dropped: Vec::new() };
    let (text, json) = traced(|stream, peer, _| {
        for (from, to) in [(stream, peer), (peer, stream)] {
            from.write_all(&Handshake::ours(TORRENT, PeerId([1; 20]), false).to_wire()).unwrap();
            read(to);
        }
        peer.write_all(&bytes(&[Message::Extended(0, &theirs.to_wire())])).unwrap();
        read(stream);
        stream.write_all(&bytes(&[Message::Extended(77, &asks), Message::Extended(1, &asks)])).unwrap();
        peer.write_all(&bytes(&[
            Message::Extended(1, &asks),
            Message::Extended(2, &pex.to_wire()),
            Message::Extended(2, b"nonsense"),
            Message::Extended(9, b"x"),
        ]))
        .unwrap();
        read(stream);
    });
    let meanings: Vec<&str> = json.iter().skip(3).map(|line| line["meaning"].as_str().unwrap()).collect();
    let asked = "send me piece 3 of the metadata";
    assert_eq!(
        meanings,
        [
            "evil\u{fffd}\u{fffd}[2J; speaks ut_metadata; takes so many requests: 250",
            asked,
            "of an extension by the number 1",
            asked,
            "1 peers have come and 0 have gone: 1.2.3.4:5",
            "it cannot be read",
            "of an extension by the number 9",
        ]
    );
    assert!(text.lines().all(|line| crate::text::printable(line) == line), "{text}");
}

#[test]
fn packets_and_announces_are_told_and_a_stranger_cannot_make_a_line_long() {
    let node = ([10, 0, 0, 2], 7).into();
    let query =
        b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa9:info_hash20:bbbbbbbbbbbbbbbbbbbbe1:q9:get_peers1:t1:x1:y1:qe";
    let (text, _) = traced(|_, _, tap| {
        tap.tell(|| Seen::Packet(Protocol::Dht, crate::net::tap::Direction::Out, [node; 2], query.to_vec()));
        tap.tell(|| {
            Seen::Packet(Protocol::Dht, crate::net::tap::Direction::In, [node; 2], b"\x1b[2J".to_vec())
        });
        tap.tell(|| Seen::Server {
            site: "http://t.example".to_owned(),
            direction: crate::net::tap::Direction::In,
            message: "no answer",
            meaning: "x\n".repeat(10_000),
        });
    });
    let lines = plain(&text);
    assert_eq!(lines[1], format!("us -> 10.0.0.2:7 dht get_peers .. the peers of {}", "62".repeat(20)));
    assert_eq!(lines[2], "10.0.0.2:7 -> us dht ? .. 4 bytes that are no packet of the DHT");
    assert!(lines[3].starts_with("http://t.example -> us no answer x x") && lines[3].len() < 600);
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_conversation_that_began_before_is_understood_all_the_same() {
    let paper = Paper::default();
    let trace = Trace::to(vec![paper.sink(Form::Text)]).unwrap();
    let (stream, peer) = PeerStream::in_memory();
    let (later, tap) = (trace.tap(), Tap::switch());
    stream.watched_by(&tap, ([10, 0, 0, 1], 6881).into(), true);
    tap.torrent(TORRENT, Geometry::new(17 * 65_536, 65_536).unwrap());
    for (from, to) in [(&stream, &peer), (&peer, &stream)] {
        from.write_all(&Handshake::ours(TORRENT, PeerId([1; 20]), false).to_wire()).unwrap();
        read(to);
    }
    stream.is_about(TORRENT, PeerId(*b"-XX1234-\x1b[2Jbcdefghi"));
    stream.speaks(&ExtensionHandshake {
        metadata: Some(77),
        client: Some("evil\u{202e}".to_owned()),
        ..ExtensionHandshake::default()
    });
    let _listening = tap.listen(move |seen| later.tell(|| seen)).unwrap();
    let asks = crate::wire::metadata::MetadataMessage::Request(3).to_wire();
    stream.write_all(&bytes(&[Message::Extended(77, &asks), Message::Bitfield(&[0xb6, 0xdb, 0])])).unwrap();
    let _other = tap.listen(|_| ()).unwrap();
    stream.write_all(&bytes(&[Message::Choke])).unwrap();
    trace.end();
    let lines: Vec<String> = plain(&paper.text());
    assert_eq!(
        lines[0],
        format!(
            "with 10.0.0.1:6881 joined it connected to us before this trace began; torrent {TORRENT}; peer ID \
             -XX1234-; evil\u{fffd}"
        )
    );
    assert!(lines[1].contains(" ut_metadata ") && lines[1].ends_with(" send me piece 3 of the metadata"));
    assert!(lines[2].ends_with("has 11 of 17 pieces") && lines[3].contains(" choke ") && lines.len() == 4);
}

#[cfg(feature = "watch")]
#[test]
fn lines_are_told_while_somebody_wants_them_beside_the_trace_of_a_file() {
    let paper = Paper::default();
    let trace = Trace::to(vec![paper.sink(Form::Text)]).unwrap();
    let tap = trace.tap();
    let (stream, peer) = PeerStream::in_memory();
    stream.watched_by(&tap, ([10, 0, 0, 1], 6881).into(), false);
    let (tell, told) = bounded(100);
    let hear = move |_, line: &Line| {
        let said = format!("{:?} {} {} {}", line.direction, line.peer, line.message, line.sentence());
        assert!(line.text().ends_with(&line.sentence()));
        tell.try_send(said).unwrap();
    };
    let lines = Lines::of(&tap, hear).unwrap();
    stream.write_all(&Handshake::ours(TORRENT, PeerId([1; 20]), true).to_wire()).unwrap();
    stream.tap().unwrap().why("interested", 1, "of \x1b[2J".to_owned());
    stream.write_all(&bytes(&[Message::Interested])).unwrap();
    let patience = Duration::from_secs(20);
    assert!(told.recv_timeout(patience).unwrap().contains(" joined "));
    assert!(told.recv_timeout(patience).unwrap().contains(" handshake torrent 2525"));
    let said = told.recv_timeout(patience).unwrap();
    assert_eq!(said, "Some(Out) 10.0.0.1:6881 interested you have what I lack; of \u{fffd}[2J");
    drop(lines);
    // The thread lets go of the sender when it ends.
    assert!(told.recv_timeout(patience) == Err(crossbeam_channel::RecvTimeoutError::Disconnected));
    stream.write_all(&bytes(&[Message::NotInterested])).unwrap();
    trace.end();
    assert_eq!(paper.text().lines().count(), 4);
    drop(peer);
}

#[test]
fn packets_of_trackers_and_of_the_local_network_and_attempts_are_told_in_words() {
    use crate::net::tap::Direction::{In, Out};
    let (four, six) = (([10, 0, 0, 2], 7).into(), ([1_u16, 2, 3, 4, 5, 6, 7, 8], 7).into());
    let packet = |numbers: &[u32], rest: &[u8]| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).chain(rest.iter().copied()).collect()
    };
    let hash = "62".repeat(20);
    // The connection, the action, the transaction; the torrent, our ID; what came, is left and went; the event, our
    // address, the key, the peers; the port.
    let announce = [
        packet(&[1, 2, 1, 0xabc], &[0x62; 20]),
        vec![b'x'; 20],
        packet(&[0, 1, 0, 9, 0, 3, 2, 0, 0xbeef, 80], &[0x1a, 0xe1, 2, 7]),
        b"/secret".to_vec(),
    ];
    let search =
        SearchPacket::to_wire(([239, 192, 152, 143], 6771).into(), 6881, &[InfoHash([0x62; 20])], "c");
    let cases = [
        (Protocol::Tracker, Out, four, packet(&[0x417, 0x2710_1980, 0, 0xabc], &[])),
        (Protocol::Tracker, In, four, packet(&[0, 0xabc, 1, 2], b"more")),
        (Protocol::Tracker, Out, four, announce.concat()),
        (Protocol::Tracker, In, four, packet(&[1, 0xabc, 1800, 3, 4], &[0; 13])),
        (Protocol::Tracker, In, six, packet(&[1, 0xabc, 1800, 3, 4], &[0; 36])),
        (Protocol::Tracker, Out, four, packet(&[1, 2, 2, 0xabc], &[0x62; 20])),
        (Protocol::Tracker, In, four, packet(&[2, 0xabc, 1, 2, 3], &[])),
        (Protocol::Tracker, In, four, packet(&[3, 0xabc], b"go \x1b[2J\xe2\x80\xae away")),
        (Protocol::Tracker, In, four, packet(&[9, 0xabc], &[])),
        (Protocol::Tracker, In, four, vec![0; 7]),
        (Protocol::Lan, In, four, search),
        (Protocol::Lan, In, four, b"\x1b[2J".to_vec()),
    ];
    let (text, json) = traced(|_, _, tap| {
        cases.into_iter().for_each(|(protocol, way, address, packet)| {
            tap.tell(|| Seen::Packet(protocol, way, [address; 2], packet));
        });
        tap.tell(|| Seen::Connecting(four, "a tracker named it".to_owned()));
        tap.tell(|| Seen::NotConnected(four, "no answer\x1b[2J".to_owned()));
    });
    let told: Vec<String> = json
        .iter()
        .skip(1)
        .map(|line| format!("{}: {}", line["message"].as_str().unwrap(), line["meaning"].as_str().unwrap()))
        .collect();
    let under = "transaction 00000abc, connection 0000000100000002";
    let answers = "answers transaction 00000abc";
    assert_eq!(
        told,
        [
            "udp connect: which connection ID may I use? transaction 00000abc".to_owned(),
            format!("udp connect: use connection 0000000100000002 for a minute; {answers}"),
            format!("udp announce: started; {hash}; 9 bytes left; port 6881; 80 peers wanted; {under}"),
            format!(
                "udp announce: 2 peers; ask again in 1800 s; it knows 4 seeds and 3 other peers; {answers}"
            ),
            format!(
                "udp announce: 2 peers; ask again in 1800 s; it knows 4 seeds and 3 other peers; {answers}"
            ),
            format!("udp scrape: how many have {hash}? {under}"),
            format!("udp scrape: 1 seeds, 3 other peers, 2 downloads that were completed; {answers}"),
            format!("udp error: \"go \u{fffd}[2J\u{fffd} away\"; {answers}"),
            "udp ?: action 9, which BEP 15 does not have".to_owned(),
            "udp ?: it is shorter than a packet of its kind".to_owned(),
            format!("lan search: at port 6881 is a peer of {hash}"),
            "lan search: it cannot be read".to_owned(),
            "connecting: we try to connect to it".to_owned(),
            "not connected: no answer\u{fffd}[2J".to_owned(),
        ]
    );
    assert_eq!(json[13]["why"], "a tracker named it");
    // Numbers of four bytes stand apart.
    assert!(text.contains(" 00000417 27101980 00000000 00000abc "), "{text}");
    assert!(!text.contains("secret") && text.lines().all(|line| crate::text::printable(line) == line));
}

#[test]
fn where_a_trace_is_written_slowly_lines_are_left_out_and_counted() {
    let (gate, may_write) = bounded(0);
    let paper = Paper { may_write: Some(may_write), ..Paper::default() };
    let queue = Arc::<TraceQueue>::default();
    let tap = Trace(Some(Arc::clone(&queue))).tap();
    let tell = || {
        let (direction, node) = (crate::net::tap::Direction::In, ([10, 0, 0, 2], 7).into());
        tap.tell(|| Seen::Packet(Protocol::Dht, direction, [node; 2], vec![0; 10]));
    };
    (0..MOST_WAITING + 100).for_each(|_| tell());
    assert_eq!(queue.waiting(), MOST_WAITING);
    let writing = Arc::clone(&queue);
    let sinks = vec![paper.sink(Form::Text)];
    let thread = std::thread::spawn(move || {
        Writer::new(sinks).run(&writing);
        writing.has_ended();
    });
    drop(gate);
    assert!(queue.finish());
    thread.join().unwrap();
    let text = paper.text();
    assert_eq!(text.lines().count(), MOST_WAITING + 1);
    assert!(text.lines().last().unwrap().contains("100 lines are left out here"), "{text}");
}

#[test]
fn a_full_disk_ends_one_trace_and_not_the_other_nor_those_that_speak() {
    let (full, good) = (Paper { fails: true, ..Paper::default() }, Paper::default());
    let trace = Trace::to(vec![full.sink(Form::Text), good.sink(Form::Text)]).unwrap();
    let tap = trace.tap();
    let (direction, node) = (crate::net::tap::Direction::In, ([10, 0, 0, 2], 7).into());
    tap.tell(|| Seen::Packet(Protocol::Dht, direction, [node; 2], vec![0; 10]));
    wait_for_lines(&good, 1);
    tap.tell(|| Seen::Packet(Protocol::Dht, direction, [node; 2], vec![0; 10]));
    trace.end();
    assert_eq!(good.text().lines().count(), 2);
    // It was given up.
    assert_eq!(full.tries.load(Ordering::Relaxed), 1);
    let trace = Trace::to(vec![full.sink(Form::Text)]).unwrap();
    let tap = trace.tap();
    (0..100_000).for_each(|_| tap.tell(|| Seen::Packet(Protocol::Dht, direction, [node; 2], vec![0; 10])));
    trace.end();
    // Nobody writes any more, and nobody minds.
    tap.tell(|| Seen::Packet(Protocol::Dht, direction, [node; 2], vec![0; 10]));
}
