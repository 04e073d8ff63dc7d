//! Answers that are not what was asked for.

use super::*;
use crate::message::HangUp;

#[test]
fn a_body_that_breaks_off_goes_on_where_it_ended_and_no_byte_comes_twice() {
    let torrent = Torrent::single(3 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |asked| {
        let mut reply = part(&payload, &asked.bytes);
        // In the middle of a block, each time.
        let kept = reply.bytes.len().saturating_sub(asked.bytes.clone().count()) + 20_000;
        if kept < reply.bytes.len() {
            reply.bytes.truncate(kept);
            reply.then = Then::Closes;
        }
        reply
    });
    let worker = torrent.worker(server.url("/file.bin"));
    torrent.order_all(&worker);
    torrent.completes();
    let starts: Vec<u64> = server.heard().iter().map(|asked| asked.bytes.start).collect();
    assert_eq!(starts, (0..10).map(|number| number * 20_000).collect::<Vec<_>>());
}

#[test]
fn what_is_ordered_while_an_answer_comes_needs_no_request_of_its_own_if_it_was_foreseen() {
    for (ahead, requests) in
        [(0..8, vec![(0, 8)]), (0..2, vec![(0, 2), (2, 8)]), (5..8, vec![(0, 1), (1, 8)])]
    {
        let torrent = Torrent::single(8 * PIECE_LENGTH as usize);
        let server = Server::of_file(torrent.payload.clone());
        let worker = torrent.worker(server.url("/file.bin"));
        worker.order(Order::Ahead(ahead.clone()));
        torrent.order(&worker, [0]);
        assert_eq!(torrent.outcome(1).written.len(), 1);
        torrent.order(&worker, 1..8);
        assert_eq!(torrent.outcome(7).written.len(), 7);
        let border = |piece: u64| piece * u64::from(PIECE_LENGTH);
        let expected = requests.iter().map(|(start, end)| border(*start)..border(*end));
        let heard: Vec<_> = server.heard().into_iter().map(|asked| asked.bytes).collect();
        assert_eq!(heard, expected.collect::<Vec<_>>(), "{ahead:?}");
    }
}

#[test]
fn an_answer_is_given_up_where_what_was_foreseen_is_not_ordered() {
    let torrent = Torrent::single(40 * PIECE_LENGTH as usize);
    let server = Server::of_file(torrent.payload.clone());
    let worker = torrent.worker(server.url("/file.bin"));
    worker.order(Order::Ahead(0..40));
    torrent.order(&worker, [0, 30]);
    let outcome = torrent.outcome(2);
    assert_eq!(outcome.written.keys().copied().collect::<Vec<_>>(), [0, 30]);
    assert_eq!(outcome.blocks, 2 * PIECE_LENGTH / BLOCK_LENGTH);
    let heard: Vec<_> = server.heard().into_iter().map(|asked| asked.bytes).collect();
    let border = |piece: u64| piece * u64::from(PIECE_LENGTH);
    assert_eq!(heard, [0..border(40), border(30)..border(40)]);
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_connection_that_breaks_again_and_again_without_a_block_is_a_failure() {
    let torrent = Torrent::single(PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let (outcome, server) = torrent.end_at(move |asked| {
        let mut reply = part(&payload, &asked.bytes);
        reply.bytes.truncate(reply.bytes.len() - asked.bytes.clone().count() + 100);
        Reply { then: Then::Closes, ..reply }
    });
    assert!(outcome.has_failed() && outcome.blocks == 0);
    assert_eq!(server.heard().len(), 4);
}

#[test]
fn a_kept_connection_that_was_closed_is_made_anew() {
    let torrent = Torrent::single(2 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |asked| Reply { then: Then::Closes, ..part(&payload, &asked.bytes) });
    let worker = torrent.worker(server.url("/file.bin"));
    for piece in 0..2 {
        torrent.order(&worker, [piece]);
        assert_eq!(torrent.outcome(1).written.len(), 1);
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_request_that_is_lost_with_a_kept_connection_is_made_again() {
    let torrent = Torrent::single(2 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |asked| match asked.number {
        1 => Reply { bytes: Vec::new(), then: Then::Closes },
        _ => part(&payload, &asked.bytes),
    });
    let worker = torrent.worker(server.url("/file.bin"));
    for piece in 0..2 {
        torrent.order(&worker, [piece]);
        assert_eq!(torrent.outcome(1).written.len(), 1);
    }
    assert_eq!((server.heard().len(), server.connections()), (3, 2));
}

#[test]
fn what_came_before_a_server_fails_counts() {
    let torrent = Torrent::single(4 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |asked| {
        let mut reply = part(&payload, &asked.bytes);
        reply.bytes.truncate(reply.bytes.len() - PIECE_LENGTH as usize);
        Reply { then: Then::Waits, ..reply }
    });
    let patience = Patience { silence: Duration::from_millis(50), ..Patience::default() };
    let worker = torrent.worker_with(server.url("/file.bin"), patience);
    torrent.order_all(&worker);
    let outcome = torrent.outcome(usize::MAX);
    assert!(outcome.has_failed() && outcome.written.len() == 3, "{:?}", outcome.gone);
}

#[test]
fn what_came_before_a_server_falls_silent_is_told_while_we_wait_for_more() {
    // As much as one read brings, and all of it at once: nobody else can send the rest before this is known.
    for length in [PIECE_LENGTH as usize + 1, 100_000, 120_000] {
        let torrent = Torrent::single(8 * PIECE_LENGTH as usize);
        let payload = torrent.payload.clone();
        let server = Server::start(move |asked| {
            let mut reply = part(&payload, &asked.bytes);
            let body = asked.bytes.clone().count();
            reply.bytes.truncate(reply.bytes.len() - body + length);
            Reply { then: Then::Waits, ..reply }
        });
        let patience = Patience { silence: 10 * DEADLINE, block: 10 * DEADLINE };
        let worker = torrent.worker_with(server.url("/file.bin"), patience);
        torrent.order_all(&worker);
        assert_eq!(torrent.outcome(1).written.len(), 1);
        worker.hang_up(HangUp::Released);
    }
}

#[test]
fn no_more_is_read_than_was_asked_for() {
    let torrent = Torrent::single(2 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    // Chunks without an end: those of the part first, then one after the other.
    let server = Server::start(move |asked| {
        let bytes = &payload[asked.bytes.start as usize..asked.bytes.end as usize];
        let headers = format!(
            "Content-Range: bytes {}-{}/*\r\nTransfer-Encoding: chunked\r\n",
            asked.bytes.start,
            asked.bytes.end - 1
        );
        let chunk = |data: &[u8]| [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
        let reply = reply(206, &headers, &chunk(bytes));
        Reply { then: Then::Repeats(chunk(&[0; 1000]), Duration::ZERO), ..reply }
    });
    let worker = torrent.worker(server.url("/file.bin"));
    for piece in 0..2 {
        torrent.order(&worker, [piece]);
        assert_eq!(torrent.outcome(1).written.len(), 1);
    }
    assert_eq!(server.connections(), 2, "a connection with more on it is of no use");
}

#[test]
fn bytes_behind_the_body_spoil_the_connection_and_nothing_else() {
    let torrent = Torrent::single(2 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |asked| {
        let mut reply = part(&payload, &asked.bytes);
        reply.bytes.extend(b"HTTP/1.1 206 Smuggled\r\n\r\n");
        reply
    });
    let worker = torrent.worker(server.url("/file.bin"));
    for piece in 0..2 {
        torrent.order(&worker, [piece]);
        assert_eq!(torrent.outcome(1).written.len(), 1);
    }
}

#[test]
fn another_range_than_was_asked_for_is_a_failure() {
    for (first, last) in [(1, 65_535), (0, 65_536), (0, 100)] {
        let torrent = Torrent::single(2 * PIECE_LENGTH as usize);
        let payload = torrent.payload.clone();
        let server = Server::start(move |_| part(&payload, &(first..last + 1)));
        let worker = torrent.worker(server.url("/file.bin"));
        torrent.order(&worker, [0]);
        let outcome = torrent.outcome(usize::MAX);
        assert!(outcome.has_failed() && outcome.blocks == 0, "{first} {last}");
    }
}

#[test]
fn a_compressed_body_is_not_unpacked() {
    let torrent = Torrent::single(PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let length = payload.len();
    for (status, numbers) in [
        (200, "Connection: close\r\n".to_owned()),
        (200, format!("Content-Length: {}\r\n", length - 1)),
        (206, format!("Content-Range: bytes 0-{}/*\r\nContent-Length: {length}\r\n", length - 1)),
        (206, format!("Content-Range: bytes 0-{0}/{0}\r\nContent-Length: {length}\r\n", length - 1)),
    ] {
        let (payload, headers) = (payload.clone(), format!("Content-Encoding: gzip\r\n{numbers}"));
        let (outcome, _server) = torrent.end_at(move |_| reply(status, &headers, &payload));
        assert!(outcome.has_failed() && outcome.blocks == 0, "{status} {numbers}");
    }
}

#[test]
fn an_archive_whose_server_calls_it_encoded_comes_as_it_is() {
    for (status, range) in [(200, ""), (206, "Content-Range: bytes 0-65535/65536\r\n")] {
        let torrent = Torrent::single(PIECE_LENGTH as usize);
        let payload = torrent.payload.clone();
        let headers = format!("Content-Encoding: x-gzip\r\n{range}Content-Length: {}\r\n", payload.len());
        let server = Server::start(move |_| reply(status, &headers, &payload));
        let worker = torrent.worker(server.url("/file.tar.gz"));
        torrent.order_all(&worker);
        assert_eq!(torrent.outcome(1).written.len(), 1, "{status}");
    }
}

#[test]
fn a_whole_file_is_taken_in_one_answer_as_far_as_it_is_ordered() {
    let torrent = Torrent::single(40 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |_| {
        let headers = format!("Content-Length: {}\r\n", payload.len());
        reply(200, &headers, &payload)
    });
    let worker = torrent.worker(server.url("/file.bin"));
    // What is before the first order is dropped.
    torrent.order(&worker, 1..20);
    assert_eq!(torrent.outcome(19).written.len(), 19);
    torrent.order(&worker, 20..40);
    let last = torrent.outcome(20);
    assert_eq!(last.written.len(), 20, "{:?}", last.gone);
    assert_eq!(server.heard().len(), 1, "orders that go on are served from the same answer");
    torrent.order(&worker, [0]);
    assert_eq!(torrent.outcome(1).written.len(), 1);
}

#[test]
fn a_server_that_knows_no_ranges_is_not_asked_for_the_end_of_a_large_file() {
    let torrent = Torrent::single(40 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server =
        Server::start(move |_| reply(200, &format!("Content-Length: {}\r\n", payload.len()), &payload));
    let worker = torrent.worker(server.url("/file.bin"));
    torrent.order(&worker, [39]);
    assert!(matches!(torrent.outcome(1).failure(), WebSeedFailure::WholeFilesOnly));
}

#[test]
fn a_server_that_knows_no_ranges_is_read_from_the_beginning_where_that_is_worth_it() {
    let torrent = Torrent::single(60 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server =
        Server::start(move |_| reply(200, &format!("Content-Length: {}\r\n", payload.len()), &payload));
    let worker = torrent.worker(server.url("/file.bin"));
    worker.order(Order::ReadOn);
    torrent.order(&worker, [20, 55]);
    let outcome = torrent.outcome(2);
    assert_eq!(outcome.written.keys().copied().collect::<Vec<_>>(), [20, 55], "{:?}", outcome.gone);
    assert_eq!(server.heard().len(), 1, "what is between them is dropped, too");
}

#[test]
fn a_server_that_breaks_off_each_time_before_anything_new_sends_the_same_once_more_and_not_again() {
    let torrent = Torrent::single(60 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |_| {
        let mut reply = reply(200, &format!("Content-Length: {}\r\n", payload.len()), &payload);
        reply.bytes.truncate(30 * PIECE_LENGTH as usize);
        reply.then = Then::Closes;
        reply
    });
    let worker = torrent.worker(server.url("/file.bin"));
    worker.order(Order::ReadOn);
    torrent.order(&worker, 0..60);
    let outcome = torrent.outcome(60);
    assert_eq!(outcome.written.len(), 29, "what comes before it breaks off");
    assert_eq!(outcome.failure(), &WebSeedFailure::WholeFilesOnly);
    assert_eq!(server.heard().len(), 2);
}

const DATES: &str = "Date: Sun, 06 Nov 1994 08:49:30 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

#[test]
fn a_status_takes_a_file_from_the_server_or_makes_us_wait() {
    let seven = Some(Duration::from_secs(7));
    for (status, headers, expected) in [
        (404, "", WebSeedFailure::NoFile(1)),
        (410, "", WebSeedFailure::NoFile(1)),
        (503, "", WebSeedFailure::Busy(None)),
        (429, "Retry-After: 7\r\n", WebSeedFailure::Busy(seven)),
        // A date is one of the server's clock. Ours may be years away.
        (503, DATES, WebSeedFailure::Busy(seven)),
        (500, "", WebSeedFailure::Failed("answered with HTTP status 500".to_owned())),
    ] {
        let torrent = Torrent::folder(&[("one", PIECE_LENGTH as usize), ("two", PIECE_LENGTH as usize)]);
        let payload = torrent.payload.clone();
        let (outcome, _server) = torrent.end_at(move |asked| match asked.path.ends_with("/one") {
            true => part(&payload[..PIECE_LENGTH as usize], &asked.bytes),
            false => empty(status, headers),
        });
        assert_eq!((outcome.written.len(), outcome.failure()), (1, &expected));
    }
}

#[test]
fn wrong_bytes_are_blamed_on_the_web_seed() {
    let torrent = Torrent::single(2 * PIECE_LENGTH as usize);
    let mut file = torrent.payload.clone();
    file[PIECE_LENGTH as usize + 5] ^= 1;
    let server = Server::of_file(file);
    let worker = torrent.worker(server.url("/file.bin"));
    torrent.order_all(&worker);
    let outcome = torrent.outcome(2);
    assert_eq!(outcome.written.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(outcome.corrupt.iter().map(|piece| piece.get()).collect::<Vec<_>>(), [1]);
}

#[test]
fn where_a_server_redirects_us_is_asked_from_then_on_until_it_fails() {
    let torrent = Torrent::single(4 * PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |asked| match (&*asked.path, asked.number) {
        ("/file.bin", number) => {
            empty(302, if number == 0 { "Location: /one\r\n" } else { "Location: /two\r\n" })
        }
        // It knows the file for two requests.
        ("/one", 3..) => empty(404, ""),
        _ => part(&payload, &asked.bytes),
    });
    let worker = torrent.worker(server.url("/file.bin"));
    for piece in 0..4 {
        torrent.order(&worker, [piece]);
        assert_eq!(torrent.outcome(1).written.len(), 1);
    }
    let paths: Vec<_> = server.heard().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/file.bin", "/one", "/one", "/one", "/file.bin", "/two", "/two"]);
}

#[test]
fn a_redirect_that_we_do_not_follow_is_a_failure_of_the_moment() {
    let torrent = Torrent::single(PIECE_LENGTH as usize);
    let (outcome, server) = torrent.end_at(|_| empty(301, "Location: /file.bin\r\n"));
    assert!(outcome.has_failed());
    assert_eq!(server.heard().len(), 9);
    // As the gate to the internet in a hotel may send us away until somebody has logged in there.
    let elsewhere =
        ["ftp://127.0.0.1/file.bin", "magnet:?xt=urn:btih:00", "file:///etc/passwd", "http://a b/"];
    for location in elsewhere.into_iter().chain(["http://224.0.0.1/login"]) {
        let (outcome, _server) = torrent.end_at(move |_| empty(301, &format!("Location: {location}\r\n")));
        assert!(outcome.has_failed(), "{location}");
    }
}
