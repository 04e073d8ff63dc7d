//! Who is told what, and when.

use super::*;
use crate::net::PeerStream;
use crate::thread::lock;
use crate::wire::extension::UT_PEX;
use crate::wire::{BlockRequest, Handshake, Message};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TORRENT: InfoHash = InfoHash([7; 20]);
const PEER: PeerId = PeerId(*b"-XX1234-abcdefghijkl");

/// Keeps what it is told, as words.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<String>>>);

impl Ear {
    fn at(&self, tap: &Tap) -> Listening {
        let heard = Arc::clone(&self.0);
        tap.listen(move |seen| lock(&heard).push(words(&seen))).unwrap()
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.0))
    }
}

fn words(seen: &Seen) -> String {
    match seen {
        Seen::Stream(_, StreamEvent::Message(direction, message)) => {
            let kind = match (message.is_handshake, Message::of_start(&message.start)) {
                (true, _) => "handshake".to_owned(),
                (_, Some(Message::Piece { index, .. })) => format!("piece {index}"),
                (_, message) => format!("{:?}", message.unwrap()),
            };
            format!("{direction:?} {kind} {}", message.length)
        }
        Seen::Stream(_, StreamEvent::Joined(known)) => format!("joined {:?}", known.theirs.pex),
        Seen::Stream(_, event) => format!("{event:?}"),
        Seen::Torrent(..) => "torrent".to_owned(),
        other => format!("{other:?}"),
    }
}

fn bytes(messages: &[Message<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| message.write_to(&mut bytes));
    bytes
}

/// A connection that has exchanged its handshakes, and its other end.
fn conversation(tap: &Tap) -> (PeerStream, PeerStream) {
    let (stream, peer) = PeerStream::in_memory();
    stream.watched_by(tap, ([127, 0, 0, 1], 1).into(), false);
    let handshake = Handshake::ours(TORRENT, PEER, false).to_wire();
    stream.write_all(&handshake).unwrap();
    peer.write_all(&handshake).unwrap();
    stream.wait_at_most(Duration::from_secs(20)).unwrap();
    stream.read(&mut [0; 68]).unwrap();
    stream.is_about(TORRENT, PEER);
    stream.speaks(&ExtensionHandshake { pex: Some(9), metadata: Some(8), ..ExtensionHandshake::default() });
    // What a later handshake does not mention stays as it was.
    stream.speaks(&ExtensionHandshake { metadata: Some(0), ..ExtensionHandshake::default() });
    (stream, peer)
}

/// Reads these bytes of the peer behind what is held, as `peer/read_buffer.rs` does.
fn hear(stream: &PeerStream, peer: &PeerStream, held: &mut Vec<u8>, bytes: &[u8]) {
    peer.write_all(bytes).unwrap();
    let (before, wanted) = (held.len(), bytes.len());
    held.resize(before + wanted, 0);
    assert_eq!(stream.read_behind(before, held).unwrap(), wanted);
}

#[test]
fn a_closed_door_makes_nothing_and_no_door_cannot_be_opened() {
    for tap in [Tap::default(), Tap::switch()] {
        tap.tell(|| panic!("nobody listens"));
        assert!(!tap.is_open());
    }
    assert!(Tap::default().listen(|_| ()).is_none());
    assert!(Tap::default().connection(([127, 0, 0, 1], 1).into(), [false; 2], || None).is_none());
}

#[test]
fn a_door_is_open_as_long_as_somebody_listens_and_each_hears_all() {
    let (tap, [one, other]) = (Tap::switch(), <[Ear; 2]>::default());
    let tell =
        || tap.tell(|| Seen::Packet(Protocol::Dht, Direction::In, [([127, 0, 0, 1], 1).into(); 2], vec![1]));
    let first = one.at(&tap);
    tell();
    let second = other.at(&tap);
    tell();
    drop(first);
    tell();
    assert!(tap.is_open());
    drop(second);
    tell();
    assert!(!tap.is_open());
    assert_eq!([one.heard().len(), other.heard().len()], [2, 2]);
}

#[test]
fn whoever_listens_later_is_told_of_the_torrents_once() {
    let (tap, ear) = (Tap::switch(), Ear::default());
    let geometry = Geometry::new(100, 50).unwrap();
    tap.torrent(TORRENT, geometry);
    tap.torrent(TORRENT, geometry);
    let _listening = ear.at(&tap);
    assert_eq!(ear.heard(), ["torrent"]);
    tap.torrent(InfoHash([8; 20]), geometry);
    assert_eq!(ear.heard(), ["torrent"]);
}

#[test]
fn a_connection_joins_in_the_middle_of_a_message_that_comes_and_at_the_next_one_that_goes() {
    let (tap, ear) = (Tap::switch(), Ear::default());
    let (stream, peer) = conversation(&tap);
    let piece = bytes(&[Message::Piece { index: 3, begin: 0, data: &[0x13; 16_384] }]);
    let (held, mut buffer) = (&piece[..10_000], Vec::new());
    hear(&stream, &peer, &mut buffer, held);
    let mut head = Vec::new();
    Message::piece_head(5, 0, 16_384, &mut head);
    stream.write_more(&head).unwrap();
    stream.write_zeros(10_000).unwrap();

    let listening = ear.at(&tap);
    // The rest of a block, which looks like a message, is none.
    stream.write_on(&bytes(&[Message::Choke]).repeat(10)).unwrap();
    stream.write_zeros(6_334).unwrap();
    assert_eq!(ear.heard(), [""; 0]);
    stream.write_all(&bytes(&[Message::Have(4)])).unwrap();
    assert_eq!(ear.heard(), ["joined Some(9)", "Out Have(4) 9"]);
    hear(&stream, &peer, &mut buffer, &piece[10_000..]);
    assert_eq!(ear.heard(), ["In piece 3 16397"]);

    // Once more, in the middle of a length.
    drop(listening);
    buffer.clear();
    hear(&stream, &peer, &mut buffer, &[0, 0, 0]);
    stream.write_more(&head).unwrap();
    let _listening = ear.at(&tap);
    hear(&stream, &peer, &mut buffer, &[5, 4, 0, 0, 0, 9]);
    stream.write_zeros(16_384).unwrap();
    stream.write_all(&bytes(&[Message::Have(6)])).unwrap();
    assert_eq!(ear.heard(), ["joined Some(9)", "In Have(9) 9", "Out Have(6) 9"]);
}

#[test]
fn a_second_listener_costs_the_first_one_nothing() {
    let (tap, [one, other]) = (Tap::switch(), <[Ear; 2]>::default());
    let _first = one.at(&tap);
    let (stream, peer) = conversation(&tap);
    let mut buffer = Vec::new();
    hear(&stream, &peer, &mut buffer, &[0, 0]);
    stream.write_all(&[0, 0, 0, 5, 4]).unwrap();
    let second = other.at(&tap);
    // Neither has to wait for the next message.
    hear(&stream, &peer, &mut buffer, &[0, 1, 1]);
    stream.write_on(&[0, 0, 0, 7]).unwrap();
    drop(second);
    stream.write_all(&bytes(&[Message::Interested])).unwrap();
    stream.hang_up(HangUp::Idle);
    let began = ["Open", "Out handshake 68", "In handshake 68"];
    let both = ["joined Some(9)", "In Unchoke 5", "Out Have(7) 9"];
    let rest = ["Out Interested 5", "Ended(HungUp(Idle))"];
    assert_eq!(one.heard(), [&began[..], &both, &rest].concat());
    assert_eq!(other.heard(), both);
}

#[test]
fn whoever_listens_since_before_the_handshake_sees_it_and_one_who_came_in_the_key_exchange_sees_the_rest() {
    let (tap, ear) = (Tap::switch(), Ear::default());
    let (stream, peer) = PeerStream::in_memory();
    stream.watched_by(&tap, ([127, 0, 0, 1], 1).into(), false);
    let _listening = ear.at(&tap);
    let handshake = Handshake::ours(TORRENT, PEER, false).to_wire();
    stream.write_all(&handshake).unwrap();
    assert_eq!(ear.heard(), ["joined None", "Out handshake 68"]);
    // Of a connection that nobody has told about, what is read without a place is not guessed.
    peer.write_all(&handshake).unwrap();
    stream.read(&mut [0; 68]).unwrap();
    assert_eq!(ear.heard(), [""; 0]);

    let (tap, ear) = (Tap::switch(), Ear::default());
    let (stream, peer) = PeerStream::in_memory();
    stream.watched_by(&tap, ([127, 0, 0, 1], 1).into(), false);
    stream.write_on(&[5; 96]).unwrap();
    let _listening = ear.at(&tap);
    stream.write_on(&[6; 100]).unwrap();
    peer.write_all(&[7; 300]).unwrap();
    stream.read(&mut [0; 300]).unwrap();
    stream.secure(crate::wire::mse::Agreed { early: Vec::new(), keystreams: None });
    assert_eq!(ear.heard(), [""; 0]);
    let block = BlockRequest { index: 1, begin: 0, length: 16_384 };
    stream.write_all(&[handshake, bytes(&[Message::Request(block)])].concat()).unwrap();
    assert_eq!(ear.heard()[..2], ["joined None", "Out handshake 68"]);
}

#[test]
fn a_connection_that_ended_while_the_door_was_closed_is_not_told_of() {
    let (tap, ear) = (Tap::switch(), Ear::default());
    let (stream, _peer) = conversation(&tap);
    stream.hang_up(HangUp::Idle);
    let _listening = ear.at(&tap);
    let _ = stream.write_all(&bytes(&[Message::Extended(UT_PEX, b"de")]));
    assert_eq!(ear.heard(), ["joined Some(9)"]);
}

#[test]
fn the_bytes_of_blocks_are_told_to_whoever_wants_them_and_to_nobody_else() {
    let tap = Tap::switch();
    let lengths = |heard: &Arc<Mutex<Vec<(usize, u64)>>>| {
        let heard = Arc::clone(heard);
        move |seen| {
            if let Seen::Stream(_, StreamEvent::Message(_, message) | StreamEvent::Unfinished(_, message)) =
                seen
            {
                lock(&heard).push((message.start.len(), message.offset));
            }
        }
    };
    let [most, all, later] = <[Arc<Mutex<Vec<(usize, u64)>>>; 3]>::default();
    let _all = tap.listen_to_blocks(lengths(&all));
    let _most = tap.listen(lengths(&most));
    let (stream, peer) = conversation(&tap);
    let _later = tap.listen(lengths(&later));
    let path = std::env::temp_dir().join(format!("femtotorrent-{}-tapped", std::process::id()));
    std::fs::write(&path, [7; 50_000]).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut head = Vec::new();
    Message::piece_head(3, 0, 40_000, &mut head);
    stream.write_more(&head).unwrap();
    stream.send_file(&file, 1, 30_000).unwrap();
    stream.write_zeros(10_000).unwrap();
    peer.write_all(&bytes(&[Message::Piece { index: 1, begin: 0, data: &[9; 16_384] }])[..10_000]).unwrap();
    assert_eq!(stream.read(&mut [0; 20_000]).unwrap(), 10_000);
    stream.hang_up(HangUp::Idle);
    // The handshakes, the block that went, and as much of the other as came.
    assert_eq!(*lock(&all), [(68, 0), (68, 0), (40_013, 68), (10_000, 68)]);
    assert_eq!(*lock(&most), [(68, 0), (68, 0), (13, 68), (13, 68)]);
    assert_eq!(*lock(&later), [(13, 68), (13, 68)]);
}
