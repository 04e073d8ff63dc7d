use super::*;
use crate::metainfo::InfoHash;
use crate::net::tap::{Seen, StreamEvent};
use crate::net::utp;
use crate::wire::mse::{Agreed, Keystreams, Rc4};
use crate::wire::{Handshake, Message, PeerId};
use std::io::Write;
use std::net::TcpListener;

/// The wait for what is sure to come, long enough for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(20);

fn over_tcp() -> (PeerStream, PeerStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stream = PeerStream::accepted(TcpStream::connect(address).unwrap()).unwrap();
    (stream, PeerStream::accepted(listener.accept().unwrap().0).unwrap())
}

/// The ends have exchanged keys, and the second has heard this already.
fn secured((stream, peer): (PeerStream, PeerStream), rc4: bool, early: &[u8]) -> (PeerStream, PeerStream) {
    let keystream = |key: &[u8]| Rc4::new(key);
    let streams = |incoming: &[u8], outgoing: &[u8]| {
        rc4.then(|| Keystreams { incoming: keystream(incoming), outgoing: keystream(outgoing) })
    };
    stream.secure(Agreed { keystreams: streams(b"back", b"there"), early: Vec::new() });
    peer.secure(Agreed { keystreams: streams(b"there", b"back"), early: early.to_vec() });
    (stream, peer)
}

/// What holds over each transport, however it is encrypted.
fn over_each(check: impl Fn(PeerStream, PeerStream)) {
    let ((stream, peer, _ports), (early, late, _others)) = (utp::tests::pair(), utp::tests::pair());
    let pairs = [
        (stream, peer),
        secured((early, late), true, b""),
        over_tcp(),
        PeerStream::in_memory(),
        secured(over_tcp(), true, b""),
        secured(PeerStream::in_memory(), true, b""),
        secured(over_tcp(), false, b""),
        secured(PeerStream::in_memory(), false, b""),
    ];
    for (stream, peer) in pairs {
        for end in [&stream, &peer] {
            end.wait_at_most(DEADLINE).unwrap();
        }
        check(stream, peer);
    }
}

fn read_exact(stream: &PeerStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact_by(&mut bytes, Instant::now() + DEADLINE).unwrap();
    bytes
}

#[test]
fn a_pause_ends_when_it_is_due_and_when_we_hang_up() {
    let (stream, _peer) = PeerStream::in_memory();
    let due = Instant::now() + Duration::from_millis(30);
    stream.pause_until(due);
    assert!(Instant::now() >= due);
    stream.pause_until(due);

    let far = Instant::now() + Duration::from_secs(1 << 40);
    std::thread::scope(|scope| {
        scope.spawn(|| stream.pause_until(far));
        stream.hang_up(HangUp::Released);
    });
    stream.pause_until(far);
    assert_eq!(stream.hung_up(), Some(HangUp::Released));
}

#[test]
fn bytes_that_were_waited_for_are_still_there() {
    over_each(|stream, peer| {
        peer.write_all(b"12345").unwrap();
        let mut room = [0; 3];
        assert!((1..=3).contains(&stream.wait_for_bytes(&mut room).unwrap()));
        assert_eq!(read_exact(&stream, 5), b"12345");
        drop(peer);
        assert_eq!(stream.wait_for_bytes(&mut room).unwrap(), 0);
    });
}

#[test]
fn every_way_to_write_sends_its_bytes_in_order() {
    let path = std::env::temp_dir().join(format!("femtotorrent-peer-stream-{}", std::process::id()));
    let content: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    File::create(&path).unwrap().write_all(&content).unwrap();
    let file = File::open(&path).unwrap();
    over_each(|stream, peer| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                stream.write_more(b"head").unwrap();
                stream.send_file(&file, 7, 50_000).unwrap();
                stream.write_zeros(20_000).unwrap();
                stream.write_all(b"end").unwrap();
            });
            let expected = [b"head".as_slice(), &content[7..50_007], &[0; 20_000], b"end"].concat();
            assert!(read_exact(&peer, expected.len()) == expected);
        });
        let error = stream.send_file(&file, 99_999, 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    });
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn what_goes_through_rc4_cannot_be_read_without_it_and_what_came_before_comes_first() {
    for rc4 in [true, false] {
        let (stream, peer) = secured(PeerStream::in_memory(), rc4, b"early");
        let expected = if rc4 { Security::Rc4 } else { Security::Handshake };
        assert_eq!([stream.security(), peer.security()], [expected; 2]);
        stream.write_all(b"late").unwrap();
        let mut room = [0; 9];
        assert_eq!(peer.wait_for_bytes(&mut room[..3]).unwrap(), 3);
        assert_eq!(peer.wait_for_bytes(&mut room).unwrap(), 5);
        let given = peer.give_away().unwrap();
        assert_eq!(given.security(), expected);
        assert_eq!(read_exact(&given, 2), b"ea");
        assert_eq!(read_exact(&given, 7), b"rlylate");

        // What goes over the wire.
        let (stream, peer) = PeerStream::in_memory();
        let (stream, _) = secured((stream, PeerStream::in_memory().0), rc4, b"");
        stream.write_all(&[7; 100]).unwrap();
        let mut encrypted = [7; 100];
        Rc4::new(b"there").apply(&mut encrypted);
        assert_eq!(read_exact(&peer, 100), if rc4 { encrypted } else { [7; 100] });
    }
}

#[test]
fn whoever_watches_sees_whole_messages_however_they_are_written_and_encrypted() {
    let path = std::env::temp_dir().join(format!("femtotorrent-{}-watched", std::process::id()));
    std::fs::write(&path, [7; 20_000]).unwrap();
    let file = File::open(&path).unwrap();
    over_each(|stream, peer| {
        let (tell, told) = crossbeam_channel::unbounded();
        let tap = Tap::to(move |seen| _ = tell.send(seen));
        stream.watched_by(&tap, ([127, 0, 0, 1], 1).into(), false);
        let handshake = Handshake::ours(InfoHash([7; 20]), PeerId([1; 20]), false).to_wire();
        let mut head = Vec::new();
        Message::piece_head(3, 0, 16_384, &mut head);
        stream.write_all(&handshake).unwrap();
        stream.write_more(&head).unwrap();
        stream.send_file(&file, 0, 10_000).unwrap();
        stream.write_zeros(6_384).unwrap();
        peer.write_all(&handshake).unwrap();
        assert_eq!(read_exact(&stream, handshake.len()), handshake);
        assert_eq!(read_exact(&peer, 68 + 16_397).len(), 68 + 16_397);
        peer.hang_up(HangUp::Released);
        assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
        stream.hang_up(HangUp::Idle);
        let events = told.try_iter().map(|seen| match seen {
            Seen::Stream(_, StreamEvent::Message(direction, message)) => {
                format!("{direction:?} {} of {}", message.start.len(), message.length)
            }
            Seen::Stream(_, event) => format!("{event:?}"),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            events.collect::<Vec<_>>(),
            ["Open", "Out 68 of 68", "Out 13 of 16397", "In 68 of 68", "Ended(Closed)"]
        );
    });
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_long_write_through_rc4_goes_in_parts_of_a_bounded_size() {
    let (stream, peer) = secured(PeerStream::in_memory_with(1 << 20, DEADLINE), true, b"");
    let sent: Vec<u8> = (0..300_000_u32).map(|number| (number % 253) as u8).collect();
    for part in [&sent[..10], &sent[10..40_000], &sent[40_000..]] {
        stream.write_more(part).unwrap();
        assert!(stream.outgoing().unwrap().buffered() <= 32 * 1024);
    }
    stream.write_all(b"").unwrap();
    assert!(read_exact(&peer, sent.len()) == sent);
}

#[test]
fn hanging_up_wakes_the_reader_and_the_writer_of_both_ends() {
    over_each(|stream, peer| {
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| stream.read(&mut [0; 10]));
            let other_reader = scope.spawn(|| peer.read(&mut [0; 10]));
            stream.hang_up(HangUp::Snubbed);
            stream.hang_up(HangUp::Idle);
            assert_eq!(reader.join().unwrap().unwrap(), 0);
            assert_eq!(other_reader.join().unwrap().unwrap(), 0);
        });
        assert_eq!(stream.hung_up(), Some(HangUp::Snubbed));
        assert!(stream.write_all(b"too late").is_err());
    });
    // A writer waits for room that no reader makes.
    over_each(|stream, _peer| {
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| stream.write_zeros(1 << 30));
            while !writer.is_finished() {
                stream.hang_up(HangUp::Released);
                std::thread::yield_now();
            }
            assert!(writer.join().unwrap().is_err());
        });
    });
}

#[test]
fn a_read_and_a_write_wait_no_longer_than_they_may() {
    let (stream, peer) = PeerStream::in_memory_with(4, Duration::from_millis(1));
    assert_eq!(stream.write_all(b"12345").unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(read_exact(&peer, 4), b"1234");
    peer.wait_at_most(Duration::from_millis(1)).unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    let deadline = Instant::now() + Duration::from_millis(1);
    assert_eq!(peer.read_exact_by(&mut [0], deadline).unwrap_err().kind(), io::ErrorKind::TimedOut);
    over_each(|stream, peer| {
        stream.wait_at_most(Duration::from_millis(1)).unwrap();
        let kind = stream.read(&mut [0]).unwrap_err().kind();
        assert!(matches!(kind, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock));
        peer.write_all(b"x").unwrap();
        assert_eq!(read_exact(&stream, 1), b"x");
    });
}

#[test]
fn a_connection_that_was_given_away_is_not_ended_by_its_former_holder() {
    over_each(|stream, peer| {
        let given = stream.give_away().unwrap();
        assert_eq!(stream.hung_up(), Some(HangUp::HandedOver));
        assert!(stream.give_away().is_none(), "it can be given away once");
        stream.hang_up(HangUp::Released);
        drop(stream);
        assert_eq!(given.hung_up(), None);
        peer.write_all(b"still here").unwrap();
        assert_eq!(read_exact(&given, 10), b"still here");
        drop(given);
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);

        let (ended, _peer) = PeerStream::in_memory();
        ended.hang_up(HangUp::Released);
        assert!(ended.give_away().is_none());
    });
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_connection_ends_if_the_other_side_acknowledges_nothing_for_a_minute() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let same = socket.try_clone().unwrap();
    let _tcp = Tcp::new(socket).unwrap();
    let timeout = socket2::SockRef::from(&same).tcp_user_timeout().unwrap();
    assert_eq!(timeout, Some(Duration::from_secs(60)));
}
