//! The documents say what the code does: the examples of `docs/WIRE.md` are real messages and packets.
#![cfg(test)]

use femtotorrent::address::IpFamily;
use femtotorrent::discovery::dht::packet::Packet;
use femtotorrent::discovery::lan::SearchPacket;
use femtotorrent::metainfo::{File, InfoHash, Metainfo};
use femtotorrent::net::Outlet;
use femtotorrent::net::http::{Site, WebClient};
use femtotorrent::net::proxy::{Negotiation, Proxy, Target};
use femtotorrent::piece::merkle::{self, Subtree};
use femtotorrent::strategy::OnWordOf;
use femtotorrent::strategy::utp::{Conversation, State};
use femtotorrent::tracker::{Announce, AnnounceEvent, Answer, Counts, Identity, UdpRequest, UdpResponse};
use femtotorrent::web_seed::{self, judge};
use femtotorrent::wire::mse::{self, Chance, Method, Methods};
use femtotorrent::wire::utp;
use femtotorrent::wire::{Frame, FrameLimits, HANDSHAKE_LENGTH, Handshake, HashRequest, Message, PeerId};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WIRE: &str = include_str!("../docs/WIRE.md");
/// Of the torrent in the examples.
const PIECES: u32 = 17;
/// The wait for what is sure to come, long enough for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(40);

/// Each example with one of these info strings, in order: the info string and the text.
fn examples_of(kinds: &[&'static str]) -> Vec<(&'static str, &'static str)> {
    fenced().filter_map(|(info, text)| Some((*kinds.iter().find(|kind| **kind == info)?, text))).collect()
}

/// Everything between fences: the info string and the text.
fn fenced() -> impl Iterator<Item = (&'static str, &'static str)> {
    let blocks = WIRE.split("\n```").skip(1).step_by(2);
    blocks.map(|block| block.split_once('\n').expect("a line with the info string"))
}

/// The bytes of each example of this kind.
fn examples(kind: &'static str) -> Vec<Vec<u8>> {
    examples_of(&[kind]).into_iter().map(|(_, figure)| bytes(figure)).collect()
}

/// The bytes of a figure: those of its lines that begin with bytes.
fn bytes(figure: &str) -> Vec<u8> {
    figure.lines().flat_map(|line| tokens(line).into_iter().flat_map(|(_, bytes)| bytes)).collect()
}

/// What a line has of bytes before anything else: in which column, and which. Two digits are a byte, and text
/// in quotes is itself, but for the digits between angle brackets in it.
fn tokens(line: &str) -> Vec<(usize, Vec<u8>)> {
    let digits = |text: &str| (text.len() == 2).then(|| u8::from_str_radix(text, 16).ok()).flatten();
    let (mut found, mut rest) = (Vec::new(), line.trim_start());
    while !rest.is_empty() {
        let column = line.len() - rest.len();
        let bytes;
        (bytes, rest) = if let Some(quoted) = rest.strip_prefix('"') {
            let (text, rest) = quoted.split_once('"').expect("a closing quote");
            let mut bytes = Vec::new();
            for part in text.split_inclusive('>') {
                let (text, hex) =
                    part.strip_suffix('>').map_or((part, ""), |part| part.split_once('<').unwrap());
                bytes.extend(text.bytes());
                bytes.extend(hex.split(' ').filter_map(digits));
            }
            (bytes, rest)
        } else {
            let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let Some(byte) = digits(word) else { break };
            (vec![byte], rest)
        };
        found.push((column, bytes));
        rest = rest.trim_start();
    }
    found
}

#[test]
fn every_example_is_of_a_kind_that_is_tested() {
    let tested = [
        "frame",
        "handshake",
        "exchange",
        "torrent",
        "us",
        "peer",
        "announce",
        "answer",
        "udp",
        "krpc",
        "search",
        "utp",
        "range",
        "range-answer",
    ];
    for (info, text) in fenced().filter(|(info, _)| *info != "text") {
        assert!(tested.contains(&info), "{info}:\n{text}");
    }
}

#[test]
fn every_name_of_a_field_stands_above_its_first_byte() {
    for (_, figure) in examples_of(&["frame", "us", "peer", "udp", "utp"]) {
        for (names, below) in figure.lines().zip(figure.lines().skip(1)) {
            if tokens(names).is_empty() {
                let columns: Vec<usize> = tokens(below).iter().map(|(column, _)| *column).collect();
                let starts = names.split("  ").filter(|name| !name.is_empty());
                let starts = starts.map(|name| name.trim_start().as_ptr() as usize - names.as_ptr() as usize);
                for start in starts {
                    assert!(columns.contains(&start), "column {start} of:\n{names}\n{below}");
                }
            }
        }
    }
}

#[test]
fn every_example_is_a_message_that_comes_back_as_it_went() {
    let limits = FrameLimits::for_pieces(PIECES);
    let frames = examples("frame");
    for example in &frames {
        let Ok(Frame::Whole(message, length)) = Frame::parse(example, &limits) else {
            panic!("{example:x?}")
        };
        let mut again = Vec::new();
        message.write_to(&mut again);
        assert_eq!((length, &again), (example.len(), example));
    }
    // The first one shows how to read a figure.
    assert_eq!(frames.len(), 1 + 25, "one of each kind");
    let [handshake] = examples("handshake").try_into().unwrap();
    let handshake: [u8; HANDSHAKE_LENGTH] = handshake.try_into().unwrap();
    assert_eq!(Handshake::from_wire(&handshake).unwrap().to_wire(), handshake);
}

#[test]
fn the_hashes_of_the_example_lead_to_their_root() {
    let limits = FrameLimits::for_pieces(PIECES);
    let frames = examples("frame");
    let answer = frames.iter().find_map(|example| match Frame::parse(example, &limits) {
        Ok(Frame::Whole(Message::Hashes(request, hashes), _)) => Some((request, hashes)),
        _ => None,
    });
    let (HashRequest { pieces_root, range }, hashes) = answer.unwrap();
    let (own, uncles) = hashes.as_chunks().0.split_at(range.length as usize);
    assert_eq!(uncles.len(), range.uncles() as usize);
    let mut subtree = Subtree::default();
    own.iter().for_each(|hash| subtree.push(*hash));
    let node = subtree.root(range.height(), [0; 32]);
    assert_eq!(merkle::root_above(node, range.top(), uncles), pieces_root);
}

/// One side of the key exchange: what it hears, and what it has said.
struct Side<'a>(&'a [u8], Vec<u8>);

impl Read for Side<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Side<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_key_exchange_is_what_both_sides_of_ours_say() {
    let [key, their_key, rest, their_rest] = examples("exchange").try_into().unwrap();
    let [handshake] = examples("handshake").try_into().unwrap();
    let handshake = Handshake::from_wire(&handshake.try_into().unwrap()).unwrap();
    let chance = |byte: u8, key: &[u8]| Chance {
        exponent: [byte; 20],
        pad: key[mse::KEY_LENGTH..].to_vec(),
        hidden_pad: 0,
    };
    let (heard, said) = ([&their_key[..], &their_rest].concat(), [&key[..], &rest].concat());
    let mut initiator = Side(&heard, Vec::new());
    let ours = mse::initiate(&mut initiator, &handshake, Methods::BOTH, &chance(0xa7, &key)).unwrap();
    assert!(initiator.1 == said && ours.keystreams.is_some());

    let mut responder = Side(&said[mse::KEY_LENGTH..], Vec::new());
    let find = |mark| (mark == mse::torrent_mark(handshake.info_hash)).then_some(handshake.info_hash);
    let choose = |_| Some(Method::Rc4);
    let key = key.first_chunk().unwrap();
    let theirs = mse::respond(&mut responder, key, find, choose, &chance(0x5b, &their_key)).unwrap().1;
    assert!(responder.1 == heard);
    assert_eq!(theirs.early, handshake.to_wire());
}

#[test]
fn the_conversation_is_what_the_program_says_to_a_peer_that_says_its_part() {
    let [torrent] = examples("torrent").try_into().unwrap();
    let info_hash = Metainfo::parse(torrent.clone()).unwrap().info_hash;
    let lines = examples_of(&["us", "peer"]);
    assert_eq!(lines.len(), 9);

    let folder = std::env::temp_dir().join(format!("femtotorrent-documents-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let torrent_file = folder.join("hello.torrent");
    std::fs::write(&torrent_file, &torrent).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_femtotorrent"))
        .args([
            "get",
            "--no-config",
            "--no-listen",
            "--no-dht",
            "--no-lan",
            "--no-trackers",
            "--quiet",
            "--peer",
        ])
        .arg(listener.local_addr().unwrap().to_string())
        .arg("--output-dir")
        .args([&folder, &torrent_file])
        .spawn()
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    for (number, (speaker, figure)) in lines.into_iter().enumerate() {
        let expected = bytes(figure);
        if speaker == "peer" {
            stream.write_all(&expected).unwrap();
            continue;
        }
        let mut said = vec![0; expected.len()];
        stream.read_exact(&mut said).unwrap();
        // But for the chance in our peer ID.
        let certain = if number == 0 { HANDSHAKE_LENGTH - 12 } else { said.len() };
        assert_eq!(said[..certain], expected[..certain], "{figure}");
        assert!(number != 0 || said[28..48] == info_hash.0);
    }
    program.kill().unwrap();
    program.wait().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn every_example_of_a_packet_is_what_we_ask_and_understand() {
    let [connect, connected, announce, announced] = examples("udp").try_into().unwrap();
    let transaction = u32::from_be_bytes(*b"tran");
    assert_eq!(UdpRequest::Connect.to_wire(0, transaction), connect);
    let Some(Ok(UdpResponse::Connected(id))) =
        UdpRequest::Connect.response(&connected, transaction, IpFamily::V4)
    else {
        panic!()
    };
    let ours = started(InfoHash(announce[16..36].try_into().unwrap()));
    let question = UdpRequest::Announce { announce: &ours, path: "/announce" };
    assert_eq!(question.to_wire(id, transaction), announce);
    let Some(Ok(UdpResponse::Announced(answer))) = question.response(&announced, transaction, IpFamily::V4)
    else {
        panic!()
    };
    assert_eq!((answer.incomplete, answer.complete), (Some(3), Some(4)));
    assert_eq!(answer.peers, ["127.0.0.1:6881".parse().unwrap()]);
}

/// The announce of the examples.
fn started(info_hash: InfoHash) -> Announce {
    let peer_id = PeerId(*b"-FM0100-abcdefghijkl");
    let encryption = femtotorrent::strategy::Encryption::Allow;
    let identity = Identity { info_hash, peer_id, port: 6881, key: 0xbeef, numwant: 100, encryption };
    let counts = Counts { left: 1 << 20, ..Counts::default() };
    Announce { identity, counts, event: Some(AnnounceEvent::Started), tracker_id: None }
}

#[test]
fn the_example_of_http_is_what_we_ask_and_understand() {
    let [(_, address)] = examples_of(&["announce"]).try_into().unwrap();
    let handshake = examples("handshake").remove(0);
    let announce = started(InfoHash(handshake[28..48].try_into().unwrap()));
    let ours = format!("http://tracker.example/announce?{}", announce.query());
    assert_eq!(ours, address.lines().collect::<String>());
    let [answer] = examples("answer").try_into().unwrap();
    let answer = Answer::parse(&answer).unwrap();
    assert_eq!((answer.incomplete, answer.complete), (Some(3), Some(4)));
    assert_eq!(answer.interval, Duration::from_secs(1800));
    assert_eq!(answer.peers, ["127.0.0.1:6881".parse().unwrap()]);
}

#[test]
fn the_example_of_a_web_seed_is_what_we_ask_and_understand() {
    let [(_, request)] = examples_of(&["range"]).try_into().unwrap();
    let [(_, answer)] = examples_of(&["range-answer"]).try_into().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let seed = format!("http://{}/pub", listener.local_addr().unwrap());
    let file = File { path: "Notes #1/part 1.txt".into(), offset: 0, length: 10 << 20, padding: false };
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let (mut heard, mut byte) = (Vec::new(), [0]);
        while !heard.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            heard.push(byte[0]);
        }
        let head = format!("{answer}\n\n").replace('\n', "\r\n");
        stream.write_all(&[head.as_bytes(), &[7; 524_288]].concat()).unwrap();
        String::from_utf8(heard).unwrap()
    });
    let address = web_seed::address::of_file(&seed, &file, true).unwrap();
    let client = WebClient::for_ranges(Outlet::default(), "a test", DEADLINE, DEADLINE);
    let answer = client.get_range(&Site::new(&address, OnWordOf::User), &(0..524_288), Vec::new()).unwrap();
    let heard = server.join().unwrap();
    assert!(request.lines().all(|line| heard.lines().any(|heard| heard == line)), "{heard}");
    assert_eq!(judge(&answer.head, &(0..524_288), 0, file.length, 0), Ok(0..524_288));
}

#[test]
fn every_example_of_the_hash_table_is_a_packet_that_comes_back_as_it_went() {
    let examples = examples("krpc");
    assert_eq!(examples.len(), 6);
    for example in examples {
        assert_eq!(Packet::from_wire(&example).unwrap().to_wire(), example);
    }
}

#[test]
fn the_examples_of_utp_are_packets_and_a_call_that_is_answered() {
    let examples = examples("utp");
    for example in &examples {
        let mut again = Vec::new();
        utp::Packet::read(example).unwrap().write(&mut again);
        assert_eq!(again, *example);
    }
    let [packet, call, answer] = [0, 1, 2].map(|example| utp::Packet::read(&examples[example]).unwrap());
    assert_eq!((packet.payload, packet.selective), (&b"hello"[..], Some(&[1, 0, 0, 0][..])));
    let now = Instant::now();
    let mut caller = Conversation::connect(0x2a00, 100, now);
    let mut bytes = Vec::new();
    assert!(caller.next_packet(now, &mut bytes));
    // The call tells no more than it can know.
    let theirs = utp::Packet::read(&bytes).unwrap();
    let header = utp::Header { acknowledgement: 0, ..theirs.header };
    assert_eq!(header, call.header);
    let later = now + Duration::from_millis(10);
    let mut called = Conversation::accept(&theirs, 500, now).unwrap();
    assert!(called.next_packet(now, &mut bytes));
    assert_eq!(utp::Packet::read(&bytes).unwrap().header.sequence, answer.header.sequence);
    caller.take(&answer, later);
    assert_eq!((caller.state(), caller.ids()), (State::Open, (0x2a00, 0x2a01)));
    caller.write(b"hello");
    assert!(caller.next_packet(later, &mut bytes));
    let first = utp::Packet::read(&bytes).unwrap().header;
    assert_eq!((first.connection_id, first.sequence, first.acknowledgement), (0x2a01, 101, 499));
}

#[test]
fn the_example_of_the_local_network_is_what_we_say_and_understand() {
    let [(_, example)] = examples_of(&["search"]).try_into().unwrap();
    let example = format!("{example}\n").replace('\n', "\r\n");
    let group = "239.192.152.143:6771".parse().unwrap();
    let handshake = examples("handshake").remove(0);
    let info_hash = InfoHash(handshake[28..48].try_into().unwrap());
    assert_eq!(SearchPacket::to_wire(group, 6881, &[info_hash], "1f"), example.as_bytes());
    let read = SearchPacket { port: 6881, info_hashes: vec![info_hash], cookie: b"1f" };
    assert_eq!(SearchPacket::from_wire(example.as_bytes()), Some(read));
}

#[test]
fn the_conversation_with_a_proxy_is_ours() {
    let proxy = Arc::new(Proxy::typed("socks5h://me:pw@proxy.example:1080").unwrap());
    let mut talk = Negotiation::new(proxy, Target::Address("192.0.2.7:6881".parse().unwrap()));
    for line in WIRE.lines() {
        let Some((who, said)) = line.split_once(" | `") else { continue };
        let said = bytes(said.split('`').next().unwrap());
        match who {
            "| we" => {
                assert_eq!(talk.unsent(), said, "{line}");
                talk.sent(said.len());
            }
            "| proxy" => assert_eq!(talk.receive(&said), Ok(said.len()), "{line}"),
            _ => {}
        }
    }
    assert!(talk.is_done());
}

#[test]
fn every_number_of_ours_is_that_of_its_constant() {
    let table = WIRE.split("## Our numbers").nth(1).unwrap();
    let mut constants = 0;
    for row in table.lines().filter(|line| line.contains(".rs:")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for constant in cells[3].split('`').skip(1).step_by(2) {
            let (file, name) = constant.split_once(':').unwrap();
            let source =
                std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file));
            let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
            let value = source.split(&format!("const {name}: ")).nth(1);
            let value = value.unwrap_or_else(|| panic!("{file} has no constant {name}"));
            let value = value.split(" = ").nth(1).unwrap().split(';').next().unwrap();
            // One that is made of other constants is not worked out here.
            if let Some(ways) = ways_to_say(value) {
                let says = |way: &String| {
                    let mut around = cells[2].split(way.as_str());
                    let digit_before =
                        around.next().is_some_and(|text| text.ends_with(|c: char| c.is_ascii_digit()));
                    let digit_after =
                        around.next().map(|text| text.starts_with(|c: char| c.is_ascii_digit()));
                    !digit_before && digit_after == Some(false)
                };
                assert!(ways.iter().any(says), "{constant} is {value}, and the document says {}", cells[2]);
                constants += 1;
            }
        }
    }
    assert!(constants > 30, "only {constants} constants were found");
}

/// How a document may say a number that stands in the source: `32 * 1024` is 32 KiB.
fn ways_to_say(value: &str) -> Option<Vec<String>> {
    let (number, is_time) = match value.strip_prefix("Duration::from_secs(") {
        Some(seconds) => (seconds.strip_suffix(')')?, true),
        None => (value, false),
    };
    let factor = |text: &str| {
        let digits = text.trim().trim_end_matches(".0").replace('_', "");
        let (number, bits) = digits.split_once(" << ").unwrap_or((&digits, "0"));
        Some(number.parse::<u64>().ok()? << bits.parse::<u32>().ok()?)
    };
    let number: u64 = number.split('*').map(factor).product::<Option<u64>>()?;
    let units: &[(u64, &str)] = match is_time {
        true => &[(1, " s"), (60, " minute"), (60 * 60, " hour"), (24 * 60 * 60, " day")],
        false => &[(1, ""), (1 << 10, " KiB"), (1 << 20, " MiB")],
    };
    let whole = units.iter().filter(|(unit, _)| number.is_multiple_of(*unit));
    Some(whole.map(|(unit, name)| format!("{}{name}", thousands(number / unit))).collect())
}

/// With a comma before every three digits.
fn thousands(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}
