use super::*;
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

/// What holds over each transport.
fn over_each(check: impl Fn(PeerStream, PeerStream)) {
    for (stream, peer) in [over_tcp(), PeerStream::in_memory()] {
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
fn bytes_that_were_shown_are_still_there() {
    over_each(|stream, peer| {
        peer.write_all(b"12345").unwrap();
        let mut bytes = [0; 3];
        let shown = stream.peek(&mut bytes).unwrap();
        assert_eq!(bytes[..shown], b"123"[..shown]);
        assert_eq!(read_exact(&stream, 5), b"12345");
        drop(peer);
        assert_eq!(stream.peek(&mut bytes).unwrap(), 0);
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
