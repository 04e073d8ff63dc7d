//! The demo as a partner of programs that students write: naive ones, over raw sockets, each with one of the mistakes
//! that everybody makes first, and the sentence that it earns.
#![cfg(test)]

#[path = "support/folder.rs"]
mod folder;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use folder::TestFolder;
use rustix::process::{Pid, Signal, kill_process};

const LIMIT: Duration = Duration::from_secs(60);
const PAYLOAD: &[u8] = include_bytes!("../sample-torrents/payload/factors.txt");
const TORRENT: &[u8] = include_bytes!("../sample-torrents/factors.torrent");
const PIECE: usize = 65_536;
const BLOCK: usize = 16_384;

/// The demo while it runs.
struct Demo {
    child: Child,
    lines: Receiver<String>,
    folder: TestFolder,
    /// All that it has printed, with one space where there are more.
    printed: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Demo {
        let folder = TestFolder::new();
        let mut child = Command::new(env!("CARGO_BIN_EXE_femtotorrent"))
            .arg("demo")
            .args(arguments)
            .args(["-o".as_ref(), folder.path().as_os_str()])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Demo { child, lines, folder, printed: String::new() }
    }

    /// Waits until it has printed this, and forgets all that was printed so far.
    fn says(&mut self, sentence: &str) {
        while !self.printed.contains(sentence) {
            let line = self.lines.recv_timeout(LIMIT);
            let line = line.unwrap_or_else(|_| panic!("{sentence:?} was not said, but:\n{}", self.end()));
            self.printed.push_str(&line.split_whitespace().collect::<Vec<_>>().join(" "));
            self.printed.push(' ');
        }
    }

    /// What it has printed last.
    fn end(&self) -> String {
        let letters: Vec<char> = self.printed.chars().collect();
        letters[letters.len().saturating_sub(2000)..].iter().collect()
    }

    /// The first word behind this one at the beginning of a line.
    fn word(&mut self, what: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(LIMIT).expect("the demo says where it is");
            if let Some(rest) = line.strip_prefix(what) {
                return rest.split_whitespace().next().unwrap().trim_end_matches(',').to_owned();
            }
        }
    }

    fn exit_code(&mut self) -> Option<i32> {
        // Its output ends when it does.
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            self.printed.push_str(&line);
        }
        self.child.wait().unwrap().code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A demo that serves: it, the tracker's address, and the seeder's.
fn serving(arguments: &[&str]) -> (Demo, String, String) {
    let mut demo = Demo::start(&[&["--serve"], arguments].concat());
    let tracker = demo.word("tracker");
    let seeder = demo.word("seeder");
    (demo, tracker, seeder)
}

/// The info-hash, found as a student would: where the value of `info` begins and ends is seen by eye.
fn info_hash() -> Vec<u8> {
    let at = TORRENT.windows(7).position(|bytes| bytes == b"4:infod").unwrap() + 6;
    sha1(&TORRENT[at..TORRENT.len() - 1])
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    use sha1::{Digest, Sha1};
    Sha1::digest(bytes).to_vec()
}

fn handshake(reserved: usize, hash: &[u8], peer_id: &[u8]) -> Vec<u8> {
    [b"\x13BitTorrent protocol", &vec![0; reserved][..], hash, peer_id].concat()
}

fn right_handshake() -> Vec<u8> {
    handshake(8, &info_hash(), b"-ST0001-abcdefghijkl")
}

fn message(id: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[id], payload].concat()
}

fn request(numbers: [u32; 3]) -> Vec<u8> {
    message(6, &numbers.map(u32::to_be_bytes).concat())
}

/// Says this to a serving demo, and keeps the connection open until the sentence has come.
fn earns(demo: &mut Demo, seeder: &str, bytes: &[u8], sentence: &str) {
    demo.printed.clear();
    let mut stream = TcpStream::connect(seeder).unwrap();
    stream.write_all(bytes).unwrap();
    demo.says(sentence);
    drop(stream);
    demo.says("blocks were sent;");
}

#[test]
fn a_wrong_handshake_is_told_with_what_is_wrong_in_it() {
    let (mut demo, _, seeder) = serving(&[]);
    let hash = info_hash();
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = b"-ST0001-abcdefghijkl";
    let later = message(2, &[]);
    for (bytes, sentence) in [
        (
            [&[0, 0, 0, 68][..], &right_handshake()].concat(),
            "no handshake: it begins with a length prefix. The handshake has none",
        ),
        (b"19BitTorrent protocol".to_vec(), "it begins with \"19\" as text. One byte is meant"),
        (b"BitTorrent protocol".to_vec(), "Before that comes one byte with its length, 19."),
        (b"\x13Bittorrent protocol".to_vec(), "byte 4 is 't', where 'T' is expected."),
        (b"GET /announce HTTP/1.1\r\n".to_vec(), "it begins like HTTP. This is the port of a peer"),
        (b"\x14BitTorrent protocol!".to_vec(), "its first byte is 20, where 19 is expected"),
        (handshake(8, digits.as_bytes(), id), "wrong info-hash: it is sent as hexadecimal digits."),
        (
            [handshake(0, &hash, id), later.clone(), later].concat(),
            "it begins at byte 20, and belongs at byte 28.",
        ),
        (
            handshake(8, &[1; 20], id),
            "it asks for 0101010101010101010101010101010101010101, and this torrent is",
        ),
        (right_handshake()[..67].to_vec(), "hint 67 bytes of a handshake have come, and it has 68"),
        (Vec::new(), "hint Whoever connects speaks first, and says its handshake."),
    ] {
        earns(&mut demo, &seeder, &bytes, sentence);
        assert!(sentence.starts_with("hint") || demo.printed.contains("(BEP 3, \""), "{}", demo.printed);
    }
    // The torrent that was written, with the tracker of this run in it.
    let file = sha1(&fs::read(demo.folder.path().join("factors.torrent")).unwrap());
    earns(&mut demo, &seeder, &handshake(8, &file, id), "you have hashed the whole .torrent file.");
}

#[test]
fn what_ends_in_the_middle_is_told_and_who_asked_for_little_is_not_told_that_all_is_well() {
    let (mut demo, _, seeder) = serving(&[]);
    for (bytes, sentence) in [
        (right_handshake()[..66].to_vec(), "Yours is right up to its peer ID, of which there are 18."),
        (
            [&right_handshake()[..], &[0, 0, 0, 13, 6]].concat(),
            "result 0 of 17 blocks were sent; unfinished message",
        ),
        (right_handshake(), "result 0 of 17 blocks were sent; no rule was broken, and not all was asked for"),
    ] {
        demo.printed.clear();
        TcpStream::connect(&seeder).unwrap().write_all(&bytes).unwrap();
        demo.says(sentence);
    }
}

#[test]
fn a_wrong_message_is_told_with_what_is_wrong_in_it() {
    let (mut demo, _, seeder) = serving(&[]);
    let interested = message(2, &[]);
    let peer_id = [&right_handshake()[..], b"mno"].concat();
    for (said, sentence) in [
        (request([0, 0, 16_384]), "request before unchoke: every connection begins choked"),
        // It cannot have heard the unchoke.
        ([interested.clone(), request([0, 0, 16_384])].concat(), "First wait for our unchoke (id 1)."),
        (b"0001\x02".to_vec(), "These are the digits of a number, and a number is sent as four bytes"),
        (
            vec![13, 0, 0, 0, 6],
            "little-endian length: the length prefix 0d 00 00 00 is 218103808; read from its other end it is 13.",
        ),
        (
            vec![0, 0, 0, 5, 2],
            "the length prefix of 'interested' (id 2) says 5, and it is always 1. The length prefix does not count its own four bytes.",
        ),
        (
            vec![0, 0, 0, 12, 6],
            "the length prefix of 'request' (id 6) says 12, and it is always 13. The length counts the id as well.",
        ),
        (
            b"HELLO".to_vec(),
            "no length prefix: where the length prefix of a message belongs stands 48 45 4c 4c",
        ),
        (message(5, &[0, 0]), "bitfield of wrong length: 2 bytes of bits were announced."),
        (message(5, &[0xff]), "bitfield with spare bits: bits behind the last piece are set."),
        (
            [interested.clone(), message(5, &[0])].concat(),
            "late bitfield: a bitfield may only be the first message",
        ),
        (message(99, b"?"), "unknown message id: the id is 99."),
        (message(20, &[0, b'd', b'e']), "unasked extension: the id 20 belongs to BEP 10"),
        (message(14, &[]), "unasked extension: it is a message of BEP 6 (Fast)"),
        (message(4, &9_u32.to_be_bytes()), "no such piece: it has piece 9, and there are only 5."),
        (
            message(4, &1_u32.to_le_bytes()),
            "little-endian number: the piece is 16777216; read from its other end it is 1.",
        ),
        (message(7, &[0; 9]), "a block that nobody asked for: it sends us a block."),
        (Vec::new(), "hint We choke you, as every connection begins. Say 'interested' (id 2)"),
        (interested.clone(), "hint You are unchoked: request the first block"),
        (vec![0, 0, 0, 9, 2], "wrong length: the length prefix of 'interested'"),
        (
            vec![0, 0, 0, 13, 6, 0],
            "hint The length prefix 00 00 00 0d announces 13 bytes, and 2 have come after it.",
        ),
    ] {
        earns(&mut demo, &seeder, &[right_handshake(), said].concat(), sentence);
        assert!(sentence.starts_with("hint") || demo.printed.contains("(BEP 3, \""), "{}", demo.printed);
    }
    earns(
        &mut demo,
        &seeder,
        &[peer_id, interested].concat(),
        "it has exactly 68 bytes, and its peer ID exactly 20.",
    );
}

#[test]
fn a_request_of_what_is_not_there_is_told_with_what_is() {
    let (mut demo, _, seeder) = serving(&[]);
    for (numbers, sentence) in [
        (
            [0, 0, 65_536],
            "no block has this length: it asks for 65536 bytes at once. A block has at most 16 KiB",
        ),
        ([0, 0, 0], "no block has this length: it asks for 0 bytes"),
        (
            [5, 0, 16_384],
            "no such piece: it asks for piece 5. There are 5, and they are numbered from 0 to 4.",
        ),
        ([0, 65_536, 16_384], "it asks for 16384 bytes from 65536 on, and piece 0 has 65536 bytes."),
        (
            [4, 0, 16_384],
            "piece 4 has 4107 bytes, for it is the last one, and shorter. The last block is what is left.",
        ),
        (
            [0, 1, 16_384],
            "begin is no offset: begin is 1. It counts bytes, not blocks: block 1 of a piece begins at 16384.",
        ),
        (
            [3_u32.swap_bytes(), 0, 16_384],
            "little-endian number: the piece is 50331648; read from its other end it is 3.",
        ),
        (
            [0, 32_768_u32.swap_bytes(), 16_384],
            "little-endian number: begin is 8388608; read from its other end it is 32768.",
        ),
        (
            [0, 0, 16_384_u32.swap_bytes()],
            "little-endian number: the length is 4194304; read from its other end it is 16384.",
        ),
        ([u32::MAX; 3], "no such piece: it asks for piece 4294967295."),
    ] {
        let bytes = [right_handshake(), message(2, &[]), request(numbers)].concat();
        earns(&mut demo, &seeder, &bytes, sentence);
    }
}

#[test]
fn a_wrong_announce_is_answered_with_what_is_wrong_in_it() {
    let (mut demo, tracker, _) = serving(&[]);
    let address = tracker.trim_start_matches("http://").trim_end_matches("/announce").to_owned();
    let digits: String = info_hash().iter().map(|byte| format!("{byte:02x}")).collect();
    let raw: String = info_hash().iter().map(|byte| format!("%{byte:02x}")).collect();
    let rest = "port=1&uploaded=0&downloaded=0&left=1";
    for (query, sentence) in [
        (
            format!("info_hash={digits}&peer_id=-ST0001-abcdefghijkl&{rest}"),
            "the info_hash is sent as hexadecimal digits",
        ),
        (format!("info_hash={raw}&{rest}"), "'peer_id' is missing"),
        (format!("info_hash={raw}&peer_id=short&{rest}"), "the peer ID has 5 bytes, and 20 are needed."),
        (
            format!("info_hash=abc&peer_id=-ST0001-abcdefghijkl&{rest}"),
            "the info_hash has 3 bytes once its % are undone",
        ),
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(format!("GET /announce?{query} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("14:failure reason"), "{answer}");
        demo.says(sentence);
    }
    // What many clients ask besides is no announce, and no mistake.
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(format!("GET /scrape?info_hash={raw} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("this tracker answers no scrape"), "{answer}");
    demo.says("was asked for a scrape");
    let mut stream = TcpStream::connect(&address).unwrap();
    let query = format!("info_hash={raw}&peer_id=-ST0001-abcdefghijkl&{rest}");
    stream.write_all(format!("GET /announce?{query} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.windows(9).any(|bytes| bytes == b"5:peers6:"));
}

/// A client that makes no mistake: it asks for one block after the other, again after a choke, and again for a piece
/// whose SHA-1 is wrong, if it looks.
fn download(seeder: &str, verifies: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(seeder).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(&right_handshake()).unwrap();
    stream.read_exact(&mut [0; 68]).unwrap();
    stream.write_all(&message(2, &[])).unwrap();
    let mut receive = {
        let mut stream = stream.try_clone().unwrap();
        move || {
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut frame).unwrap();
            frame
        }
    };
    while receive()[0] != 1 {}
    let mut payload = vec![0; PAYLOAD.len()];
    let mut offset = 0;
    while offset < PAYLOAD.len() {
        let (index, begin) = (offset / PIECE, offset % PIECE);
        let length = BLOCK.min(PAYLOAD.len() - offset);
        let numbers = [index, begin, length].map(|number| u32::try_from(number).unwrap());
        stream.write_all(&request(numbers)).unwrap();
        let mut frame = receive();
        while frame[0] != 7 {
            if frame[0] == 1 {
                stream.write_all(&request(numbers)).unwrap();
            }
            frame = receive();
        }
        payload[offset..offset + length].copy_from_slice(&frame[9..]);
        offset += length;
        let start = index * PIECE;
        if offset % PIECE == 0 || offset == PAYLOAD.len() {
            if verifies && payload[start..offset] != PAYLOAD[start..offset] {
                offset = start;
                continue;
            }
            stream.write_all(&message(4, &numbers[0].to_be_bytes())).unwrap();
        }
    }
    payload
}

#[test]
fn a_client_that_makes_no_mistake_is_told_so_and_ends_the_demo() {
    let (mut demo, _, seeder) = serving(&["--once"]);
    assert!(download(&seeder, true) == PAYLOAD);
    demo.says("result 17 of 17 blocks were sent; nothing was wrong");
    assert_eq!(demo.exit_code(), Some(0));
}

#[test]
fn a_client_that_survives_a_choke_and_a_wrong_byte_is_told_so_and_one_that_does_not_verify_too() {
    let (mut demo, _, seeder) = serving(&["--once", "--liar", "--choke"]);
    assert!(download(&seeder, true) == PAYLOAD);
    demo.says("choke: all your requests are void");
    demo.says("nothing was wrong");
    assert_eq!(demo.exit_code(), Some(0));

    let (mut demo, _, seeder) = serving(&["--liar"]);
    assert!(download(&seeder, false) != PAYLOAD);
    demo.says("a piece is not verified: it says that it has piece 0. We have sent a wrong byte in it");
}

#[test]
fn a_client_whose_mistakes_were_harmless_ends_the_demo_with_code_32() {
    let (mut demo, _, seeder) = serving(&["--once"]);
    earns(&mut demo, &seeder, &[right_handshake(), message(99, b"?")].concat(), "unknown message id");
    assert!(download(&seeder, true) == PAYLOAD);
    assert_eq!(demo.exit_code(), Some(32));
}

/// A seeder that says these bytes at once, a frame of a block for each request, and nothing more. Its address.
fn seeder(greeting: Vec<u8>, block: impl Fn([u32; 3]) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 68]).ok()?;
        stream.write_all(&greeting).ok()?;
        let mut length = [0; 4];
        while stream.read_exact(&mut length).is_ok() {
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut frame).ok()?;
            if frame[0] == 6 {
                let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
                let bytes = block([number(1), number(5), number(9)]);
                if bytes.is_empty() {
                    return None;
                }
                stream.write_all(&bytes).ok()?;
            }
        }
        Some(())
    });
    address
}

fn block([index, begin, length]: [u32; 3]) -> Vec<u8> {
    let start = index as usize * PIECE + begin as usize;
    let data = &PAYLOAD[start..start + length as usize];
    message(7, &[&index.to_be_bytes()[..], &begin.to_be_bytes(), data].concat())
}

fn greeting() -> Vec<u8> {
    [right_handshake(), message(5, &[0xf8]), message(1, &[])].concat()
}

fn with(address: &str) -> (Demo, Option<i32>) {
    let mut demo = Demo::start(&["--with", address]);
    demo.says("pieces are here and verified;");
    let code = demo.exit_code();
    (demo, code)
}

#[test]
fn a_seeder_that_makes_no_mistake_is_told_so() {
    let (demo, code) = with(&seeder(greeting(), block));
    assert!(
        demo.printed.contains("result 5 of 5 pieces are here and verified; nothing was wrong"),
        "{}",
        demo.printed
    );
    assert_eq!(code, Some(0));
    let saved = |name: &str| fs::read(demo.folder.path().join(name)).unwrap();
    assert!(saved("factors.txt") == PAYLOAD);
    assert!(saved("factors.torrent").windows(7).any(|bytes| bytes == b"4:infod"));
}

#[test]
fn what_is_wrong_with_a_seeder_is_told() {
    let data = |[index, begin, _]: [u32; 3], data: &[u8]| {
        message(7, &[&index.to_be_bytes()[..], &begin.to_be_bytes(), data].concat())
    };
    type Block = Box<dyn Fn([u32; 3]) -> Vec<u8> + Send>;
    let cases: [(Vec<u8>, Block, &str); 9] = [
        (
            handshake(8, &[1; 20], b"-ST0001-abcdefghijkl"),
            Box::new(block),
            "wrong info-hash: it asks for 0101",
        ),
        (
            [right_handshake(), message(5, &[0xf8, 0])].concat(),
            Box::new(block),
            "bitfield of wrong length: 2 bytes",
        ),
        ([greeting(), message(42, &[])].concat(), Box::new(block), "unknown message id: the id is 42."),
        (
            greeting(),
            Box::new(move |numbers| data(numbers, &[0; BLOCK])),
            "wrong bytes: piece 0 is whole, and its SHA-1 is not the torrent's.",
        ),
        (
            greeting(),
            Box::new(move |numbers| data(numbers, &[0; 100])),
            "block of wrong length: it has 100 bytes, and 16384 were requested.",
        ),
        (
            greeting(),
            Box::new(|[index, begin, length]| {
                [&(length + 9).to_le_bytes()[..], &block([index, begin, length])[4..]].concat()
            }),
            "little-endian length: the length prefix 09 40 00 00",
        ),
        (
            greeting(),
            Box::new(|[index, begin, length]| {
                let mut frame = block([index, begin, length]);
                frame[9..13].copy_from_slice(&begin.to_le_bytes());
                frame
            }),
            "little-endian number: a number in it is 4194304; read from its other end it is 16384.",
        ),
        (
            greeting(),
            Box::new(|[_, begin, length]| {
                let mut frame = block([0, begin, length]);
                frame[5..9].copy_from_slice(&4_u32.to_be_bytes());
                frame
            }),
            "a block that nobody asked for: it sends piece 4, 16384 bytes from 0 on. Requested was piece 0, 16384 bytes from 0 on",
        ),
        (
            greeting(),
            Box::new(|_| Vec::new()),
            "closed too early: it has closed the connection before we had all. It owes us 4 blocks",
        ),
    ];
    for (greeting, block, sentence) in cases {
        let (demo, code) = with(&seeder(greeting, block));
        let printed: String = demo.printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(printed.contains(sentence), "{sentence}\n{printed}");
        assert!(printed.contains("(BEP 3, \""), "{printed}");
        assert_eq!(code, Some(32));
    }
}

#[test]
fn a_seeder_that_is_silent_is_told_what_it_has_left_out() {
    let cases = [
        (Vec::new(), "silence: To answer our handshake is the first thing that a seeder does."),
        (right_handshake(), "It does not say which pieces it has: send a bitfield (id 5)"),
        (
            [right_handshake(), message(5, &[0xf8])].concat(),
            "It never unchokes us, although we said 'interested'",
        ),
    ];
    let runs = cases.map(|(greeting, sentence)| {
        thread::spawn(move || {
            let (demo, code) = with(&seeder(greeting, |_| Vec::new()));
            assert!(demo.printed.contains(sentence), "{sentence}\n{}", demo.printed);
            assert_eq!(code, Some(32));
        })
    });
    runs.into_iter().for_each(|run| run.join().unwrap());
}

#[test]
fn a_silent_seeder_is_given_up_though_we_are_stopped_again_and_again() {
    let mut demo = Demo::start(&["--with", &seeder(Vec::new(), |_| Vec::new())]);
    let (process, end) = (Pid::from_child(&demo.child), Instant::now() + LIMIT);
    // Linux interrupts the read that goes on each time.
    while demo.child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "it waits for ever");
        kill_process(process, Signal::STOP).unwrap();
        thread::sleep(Duration::from_millis(20));
        kill_process(process, Signal::CONT).unwrap();
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(demo.exit_code(), Some(32), "{}", demo.printed);
}

#[test]
fn a_client_that_floods_is_told_enough_and_the_next_one_is_served() {
    let (mut demo, _, seeder) = serving(&["--once"]);
    let mut flood = TcpStream::connect(&seeder).unwrap();
    flood.write_all(&right_handshake()).unwrap();
    // Keep-alives, until nobody listens any more.
    while flood.write_all(&[0; 4096]).is_ok() {}
    demo.says("we hang up: that is enough for one connection");
    // Requests are not kept beyond a bound, and whoever reads nothing holds nobody else for long.
    let mut hoard = TcpStream::connect(&seeder).unwrap();
    hoard.write_all(&[right_handshake(), message(2, &[])].concat()).unwrap();
    demo.says("unchoke: now you may request");
    hoard.write_all(&request([4, 0, 4107]).repeat(2000)).unwrap();
    demo.says("request: piece 4, block 0 of 1");
    hoard.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let (mut come, mut chunk) = (0, vec![0; 65536]);
    while let Ok(read @ 1..) = hoard.read(&mut chunk) {
        come += read;
    }
    assert!(come < 2000 * 4107, "{come} bytes were sent");
    drop(hoard);
    assert!(download(&seeder, true) == PAYLOAD);
    assert_eq!(demo.exit_code(), Some(0));
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = TestFolder::new();
    let file: PathBuf = folder.path().join("factors.torrent");
    fs::write(&file, "mine").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    let output = command.args(["demo", "--serve", "-o"]).arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(13));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}
