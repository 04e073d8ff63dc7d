//! Captures of whole conversations, read back, and what becomes of them where they cannot be written.

mod reader;

use super::*;
use crate::metainfo::InfoHash;
use crate::net::HangUp;
use crate::net::tap::{Connection, Direction, Framed, Protocol, Seen, StreamEnd, StreamEvent};
use crate::strategy::Security;
use crate::thread::lock;
use crate::wire::{BlockRequest, Handshake, Message, PeerId};
use crossbeam_channel::{Receiver, bounded};
use reader::{Read, read};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

const SYN: u8 = 2;
const SYN_ACK: u8 = 18;
const ACK: u8 = 16;
const PSH_ACK: u8 = 24;
const FIN_ACK: u8 = 17;

/// Keeps what is written, and fails where it is to.
#[derive(Clone, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: Option<usize>,
    may_write: Option<Receiver<()>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // It ends when the sender is dropped.
        self.may_write.as_ref().inspect(|gate| _ = gate.recv());
        let mut written = lock(&self.bytes);
        if self.room.is_some_and(|room| written.len() + bytes.len() > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        written.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk {
    fn sink(&self) -> PcapSink {
        PcapSink { name: "disk".to_owned(), out: Box::new(self.clone()) }
    }

    fn bytes(&self) -> Vec<u8> {
        lock(&self.bytes).clone()
    }
}

/// A connection, told event by event, as the door does.
struct Told<'a> {
    tap: &'a Tap,
    connection: Connection,
    offsets: [u64; 2],
}

impl Told<'_> {
    fn of<'a>(tap: &'a Tap, number: u64, local: &str, address: &str, incoming: bool) -> Told<'a> {
        let [local, address] = [local, address].map(|text| text.parse().unwrap());
        let told = Told {
            tap,
            connection: Connection { number, address, local: Some(local), incoming, is_utp: false },
            offsets: [0; 2],
        };
        told.tell(StreamEvent::Open);
        told
    }

    fn tell(&self, event: StreamEvent) {
        self.tap.tell(|| Seen::Stream(self.connection, event));
    }

    fn say(&mut self, direction: Direction, bytes: &[u8]) {
        let offset = &mut self.offsets[usize::from(direction == Direction::Out)];
        let framed = Framed {
            start: bytes.to_vec(),
            length: bytes.len() as u64,
            is_handshake: *offset == 0,
            offset: *offset,
        };
        *offset += bytes.len() as u64;
        self.tell(StreamEvent::Message(direction, framed));
    }

    fn why(&self, message: &'static str, count: usize, why: &str) {
        self.tell(StreamEvent::Why { message, count, why: why.to_owned() });
    }
}

fn bytes(message: Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.write_to(&mut bytes);
    bytes
}

fn handshake() -> Vec<u8> {
    Handshake::ours(InfoHash([7; 20]), PeerId([1; 20]), false).to_wire().to_vec()
}

/// What is written of this.
fn captured(speak: impl FnOnce(&Tap)) -> Vec<u8> {
    let (disk, tap) = (Disk::default(), Tap::switch());
    let pcap = Pcap::of(&tap, disk.sink(), BindAddress::any()).unwrap();
    speak(&tap);
    pcap.end();
    disk.bytes()
}

fn request(begin: u32) -> Vec<u8> {
    bytes(Message::Request(BlockRequest { index: 1, begin, length: 16_384 }))
}

/// What one end has said, put together by the sequence numbers; and that the other has acknowledged nothing else.
fn stream(packets: &[Read], from: SocketAddr) -> Vec<u8> {
    let (mut said, mut next) = (Vec::new(), None);
    for packet in packets {
        let (flags, seq, ack) = packet.tcp.unwrap();
        if packet.from == from {
            assert!(next.is_none_or(|next| next == seq), "{packet:?}");
            let counts = u32::from(flags == SYN || flags == SYN_ACK || flags == FIN_ACK);
            next = Some(seq.wrapping_add(counts).wrapping_add(packet.payload.len() as u32));
            said.extend(&packet.payload);
        } else if flags != SYN {
            assert_eq!(Some(ack), next, "{packet:?}");
        }
    }
    said
}

#[test]
fn a_conversation_has_its_beginning_its_end_and_every_byte_at_its_number() {
    for (local, address) in
        [("10.0.0.2:5000", "192.0.2.1:6881"), ("[2001:db8::2]:5000", "[2001:db8::1]:6881")]
    {
        let block = [9; 16_384];
        let piece = bytes(Message::Piece { index: 1, begin: 0, data: &block });
        let file = captured(|tap| {
            let mut told = Told::of(tap, 300, local, address, false);
            told.tell(StreamEvent::KeysExchanged { received: 96, sent: 97, security: Security::Rc4 });
            told.say(Direction::Out, &handshake());
            told.say(Direction::In, &handshake());
            told.why("request", 1, "rarest of 12; pipeline 1 of 4");
            told.say(Direction::Out, &request(0));
            told.say(Direction::Out, &request(16_384));
            told.say(Direction::In, &piece);
            told.tell(StreamEvent::Ended(StreamEnd::HungUp(HangUp::Idle)));
        });
        let (packets, lost) = read(&file);
        let [ours, theirs] = [local, address].map(|text| text.parse().unwrap());
        let flags: Vec<(bool, u8)> =
            packets.iter().map(|packet| (packet.inbound, packet.tcp.unwrap().0)).collect();
        assert_eq!(
            flags,
            [
                (false, SYN),
                (true, SYN_ACK),
                (false, ACK),
                (false, PSH_ACK),
                (true, PSH_ACK),
                (false, PSH_ACK),
                (false, PSH_ACK),
                (true, PSH_ACK),
                (false, FIN_ACK),
                (true, FIN_ACK),
                (false, ACK),
            ]
        );
        assert!(packets.iter().all(|packet| packet.inbound == (packet.from == theirs)));
        // Each message begins a segment, the handshake among them.
        assert_eq!((&packets[3].payload, &packets[4].payload), (&handshake(), &handshake()));
        assert!(stream(&packets, ours) == [handshake(), request(0), request(16_384)].concat());
        assert!(stream(&packets, theirs) == [handshake(), piece].concat());
        let comments: Vec<&[String]> = packets.iter().map(|packet| packet.comments.as_slice()).collect();
        assert_eq!(comments[5], ["rarest of 12; pipeline 1 of 4"]);
        assert!(comments[3][0].starts_with("a key exchange (MSE) is left out, 97 bytes that went and 96"));
        assert_eq!(comments[8], [format!("we hang up: {}", HangUp::Idle)]);
        assert_eq!(comments.iter().filter(|comments| !comments.is_empty()).count(), 3);
        assert!(packets.is_sorted_by_key(|packet| packet.time));
        let age = packets[0].time.abs_diff(UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
        assert!(Duration::from_nanos(age) < Duration::from_secs(600), "{age}");
        assert_eq!(lost, Some(0));
    }
}

#[test]
fn each_kind_of_message_has_its_reason_however_many_went_before() {
    let file = captured(|tap| {
        let mut told = Told::of(tap, 1, "10.0.0.2:5000", "192.0.2.1:6881", false);
        told.why("handshake", 1, "we speak first");
        told.say(Direction::Out, &handshake());
        told.say(Direction::In, &handshake());
        let mut numbers = Vec::new();
        Message::Extended(0, b"d1:md6:ut_pexi77eee").write_to(&mut numbers);
        told.say(Direction::In, &numbers);
        for piece in 0..600 {
            told.why("have", 1, &format!("piece {piece} is stored"));
            told.say(Direction::Out, &bytes(Message::Have(piece)));
        }
        told.why("ut_pex", 1, "who came and went");
        told.say(Direction::Out, &bytes(Message::Extended(77, b"de")));
        told.why("request", 1, "rarest of 12");
        told.say(Direction::Out, &request(0));
    });
    let comments: Vec<String> = read(&file).0.into_iter().flat_map(|packet| packet.comments).collect();
    assert_eq!(comments.len(), 603, "{comments:?}");
    let ends = [0, 600, 601, 602].map(|at| comments[at].as_str());
    assert_eq!(ends, ["we speak first", "piece 599 is stored", "who came and went", "rarest of 12"]);
}

#[test]
fn who_has_connected_begins_and_who_hangs_up_ends() {
    let file = captured(|tap| {
        Told::of(tap, 1, "127.0.0.1:6881", "127.0.0.1:5000", true)
            .tell(StreamEvent::Ended(StreamEnd::Closed));
    });
    let said: Vec<(bool, u8)> =
        read(&file).0.iter().map(|packet| (packet.inbound, packet.tcp.unwrap().0)).collect();
    let expected =
        [(true, SYN), (false, SYN_ACK), (true, ACK), (true, FIN_ACK), (false, FIN_ACK), (true, ACK)];
    assert_eq!(said, expected);
}

#[test]
fn a_message_longer_than_a_packet_is_cut_and_one_that_is_not_all_there_says_so() {
    let bits = vec![0xa5; 200_000];
    let file = captured(|tap| {
        let mut told = Told::of(tap, 1, "[::1]:5000", "[::1]:6881", false);
        told.say(Direction::In, &handshake());
        told.say(Direction::In, &bytes(Message::Bitfield(&bits)));
        let offset = told.offsets[0];
        let unfinished = Framed { start: vec![5; 7], length: 7, is_handshake: false, offset };
        told.tell(StreamEvent::Unfinished(Direction::In, unfinished));
        told.tell(StreamEvent::Ended(StreamEnd::Closed));
    });
    let (packets, _) = read(&file);
    let theirs = "[::1]:6881".parse().unwrap();
    assert!(stream(&packets, theirs) == [handshake(), bytes(Message::Bitfield(&bits)), vec![5; 7]].concat());
    let lengths: Vec<usize> = packets[4..8].iter().map(|packet| packet.payload.len()).collect();
    assert_eq!(lengths, [65_000, 65_000, 65_000, 5_005]);
    assert_eq!(packets[8].comments, ["it ends before this message does, or is none"]);
}

#[test]
fn what_was_left_out_is_a_gap_in_the_numbers_and_no_reason_slips_to_another_message() {
    let (gate, may_write) = bounded(0);
    let disk = Disk { may_write: Some(may_write), ..Disk::default() };
    let tap = Tap::switch();
    let queue = Arc::new(TraceQueue::with_room(40_000));
    let told_to = Arc::clone(&queue);
    let listening = tap.listen_to_blocks(move |seen| told_to.tell(seen));
    let mut told = Told::of(&tap, 1, "10.0.0.2:5000", "192.0.2.1:6881", false);
    told.say(Direction::In, &handshake());
    told.why("request", 2, "a reason");
    let piece = bytes(Message::Piece { index: 1, begin: 0, data: &[9; 16_384] });
    for _ in 0..5 {
        told.say(Direction::In, &piece);
    }
    let mut writer = Writer::new(disk.sink(), BindAddress::any(), tap.spares());
    // Takes what there was room for, and has not written it.
    let waiting = queue.take().unwrap();
    assert_eq!(waiting.lost, 2);
    for (at, seen) in waiting.seen {
        let time = writer.time(at);
        writer.conversations.add(time, seen, &mut writer.bytes);
    }
    writer.lost += waiting.lost;
    writer.conversations.lost_some(waiting.lost);
    told.say(Direction::Out, &request(0));
    told.say(Direction::In, &piece);
    drop((gate, listening));
    queue.close();
    writer.run(&queue);
    let (packets, lost) = read(&disk.bytes());
    assert_eq!(lost, Some(2));
    let sent = packets.iter().find(|packet| packet.payload == request(0)).unwrap();
    assert_eq!((sent.lost, sent.comments.len()), (2, 0));
    let numbers: Vec<u32> =
        packets.iter().filter(|one| one.payload == piece).map(|packet| packet.tcp.unwrap().1).collect();
    let first = packets[0].tcp.unwrap().1 + 1 + 68;
    let length = piece.len() as u32;
    assert_eq!(numbers, [first, first + length, first + 2 * length, first + 5 * length]);
    assert_eq!(packets.iter().map(|packet| packet.lost).sum::<u64>(), 2);
}

#[test]
fn a_file_that_ends_at_any_byte_is_read_up_to_there() {
    let file = captured(|tap| {
        let mut told = Told::of(tap, 1, "10.0.0.2:5000", "192.0.2.1:6881", false);
        told.why("interested", 1, "it has 3 pieces that we lack");
        told.say(Direction::Out, &bytes(Message::Interested));
        told.say(Direction::In, &bytes(Message::Have(3)));
        told.tell(StreamEvent::Ended(StreamEnd::Closed));
    });
    let (whole, _) = read(&file);
    assert_eq!(whole.len(), 8);
    let mut counts = Vec::new();
    for end in 0..=file.len() {
        let (packets, lost) = read(&file[..end]);
        assert_eq!(packets, whole[..packets.len()]);
        assert_eq!(lost.is_some(), end == file.len());
        counts.push(packets.len());
    }
    counts.dedup();
    assert_eq!(counts, (0..=8).collect::<Vec<_>>());
}

#[test]
fn datagrams_have_both_addresses_also_where_the_port_is_bound_to_none() {
    let file = captured(|tap| {
        for (ours, theirs) in [
            ("0.0.0.0:7000", "127.0.0.1:9"),
            ("10.0.0.2:7000", "192.0.2.1:9"),
            ("[2001:db8::2]:7000", "[2001:db8::1]:9"),
        ] {
            let ends = [ours, theirs].map(|text| text.parse().unwrap());
            tap.tell(|| Seen::Packet(Protocol::Dht, Direction::Out, ends, b"d1:q".to_vec()));
            tap.tell(|| Seen::Packet(Protocol::Tracker, Direction::In, ends, b"odd".to_vec()));
        }
    });
    let (packets, _) = read(&file);
    let ends: Vec<[String; 2]> =
        packets.iter().map(|packet| [packet.from.to_string(), packet.to.to_string()]).collect();
    assert_eq!(ends[0], ["127.0.0.1:7000", "127.0.0.1:9"]);
    assert_eq!(ends[3], ["192.0.2.1:9", "10.0.0.2:7000"]);
    assert_eq!(ends[4], ["[2001:db8::2]:7000", "[2001:db8::1]:9"]);
    assert_eq!((packets[1].payload.as_slice(), packets[5].payload.as_slice()), (&b"odd"[..], &b"odd"[..]));
}

#[test]
fn a_full_disk_ends_the_capture_and_nobody_else_hears_less() {
    let disk = Disk { room: Some(2_000), ..Disk::default() };
    let tap = Tap::switch();
    let heard = Arc::new(Mutex::new(0));
    let count = Arc::clone(&heard);
    let _other = tap.listen(move |_| *lock(&count) += 1);
    let pcap = Pcap::of(&tap, disk.sink(), BindAddress::any()).unwrap();
    let mut told = Told::of(&tap, 1, "10.0.0.2:5000", "192.0.2.1:6881", false);
    (0..20_000).for_each(|_| told.say(Direction::Out, &request(0)));
    pcap.end();
    // Nobody writes any more, and nobody minds.
    told.say(Direction::Out, &request(0));
    assert_eq!(*lock(&heard), 20_002);
    let (_, lost) = read(&disk.bytes());
    assert_eq!(lost, None);
}

#[test]
fn conversations_whose_ends_were_lost_are_forgotten_in_the_end() {
    let mut conversations = Conversations::new(BindAddress::any());
    let connection = |number| Connection {
        number,
        address: ([192, 0, 2, 1], 6881).into(),
        local: None,
        incoming: false,
        is_utp: false,
    };
    let mut out = Batch::default();
    for number in 0..20_000 {
        out = Batch::default();
        conversations.add(0, Seen::Stream(connection(number), StreamEvent::Open), &mut out);
    }
    assert_eq!(conversations.known(), 12_000);
    // The last one still goes on where it was.
    let event = StreamEvent::Ended(StreamEnd::Closed);
    conversations.add(0, Seen::Stream(connection(19_999), event), &mut out);
    assert_eq!(conversations.known(), 11_999);
}
