//! Servers that are slow or silent, and the ends of the worker.

use super::*;
use crate::message::HangUp;

/// Waits until the server has heard a request.
fn wait_for_request(server: &Server) {
    let started = std::time::Instant::now();
    while server.heard().is_empty() {
        assert!(started.elapsed() < DEADLINE);
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn silent(bytes: &[u8]) -> Reply {
    Reply { bytes: bytes.to_vec(), then: Then::Waits }
}

#[test]
fn a_worker_that_waits_for_its_server_ends_as_soon_as_we_hang_up() {
    const HEAD: &[u8] = b"HTTP/1.1 206 So\r\nContent-Range: bytes 0-65535/65536\r\n\r\nabc";
    for answer in [&[] as &[u8], HEAD] {
        let torrent = Torrent::single(PIECE_LENGTH as usize);
        let server = Server::start(move |_| silent(answer));
        let worker = torrent.worker(server.url("/file.bin"));
        torrent.order_all(&worker);
        wait_for_request(&server);
        worker.hang_up(HangUp::Stalled);
        assert!(matches!(torrent.outcome(1).gone, Some(PeerError::HungUp(HangUp::Stalled))));
        assert_eq!(server.heard().len(), 1);
    }
}

#[test]
fn a_worker_that_waits_for_orders_ends_when_it_is_dropped_or_hung_up() {
    let torrent = Torrent::single(PIECE_LENGTH as usize);
    drop(torrent.worker("http://127.0.0.1:9/".to_owned()));
    assert!(matches!(torrent.outcome(1).gone, Some(PeerError::HungUp(HangUp::Released))));
    let server = Server::of_file(torrent.payload.clone());
    let worker = torrent.worker(server.url("/file.bin"));
    torrent.order_all(&worker);
    torrent.completes();
    // It has nothing to do now.
    worker.hang_up(HangUp::WrongData);
    assert!(matches!(torrent.outcome(1).gone, Some(PeerError::HungUp(HangUp::WrongData))));
}

#[test]
fn a_worker_that_waits_for_the_download_limit_ends_when_it_is_dropped() {
    let length = 2 * PIECE_LENGTH as usize;
    let info = format!("6:lengthi{length}e4:name8:file.bin");
    let torrent = Torrent::new(payload(length), &info, Throttle::limited(0));
    let server = Server::of_file(torrent.payload.clone());
    let worker = torrent.worker(server.url("/file.bin"));
    torrent.order_all(&worker);
    wait_for_request(&server);
    drop(worker);
    assert!(matches!(torrent.outcome(1).gone, Some(PeerError::HungUp(HangUp::Released))));
}

#[test]
fn while_it_waits_for_its_server_a_worker_holds_nothing_of_the_run() {
    let torrent = Torrent::single(PIECE_LENGTH as usize);
    let server = Server::start(|_| silent(&[]));
    let worker = torrent.worker(server.url("/file.bin"));
    torrent.order_all(&worker);
    wait_for_request(&server);
    assert_eq!(Arc::strong_count(&torrent.context), 1);
}

#[test]
fn a_server_that_falls_silent_in_a_body_is_left_after_some_tries() {
    let torrent = Torrent::single(PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |asked| {
        let mut reply = part(&payload, &asked.bytes);
        reply.bytes.truncate(reply.bytes.len() - asked.bytes.clone().count() + 5);
        Reply { then: Then::Waits, ..reply }
    });
    let patience = Patience { silence: Duration::from_millis(20), ..Patience::default() };
    let worker = torrent.worker_with(server.url("/file.bin"), patience);
    torrent.order_all(&worker);
    assert!(torrent.outcome(1).has_failed());
}

#[test]
fn what_came_before_a_server_falls_silent_is_told_at_once() {
    // The first one is as much as a read brings at most, so that nothing seems to be missing.
    for length in [128 * 1024, 64 * 1024] {
        let torrent = Torrent::single(4 * PIECE_LENGTH as usize);
        let payload = torrent.payload.clone();
        let server = Server::start(move |asked| {
            let mut reply = part(&payload, &asked.bytes);
            let body = reply.bytes.split_off(reply.bytes.len() - asked.bytes.clone().count());
            Reply { then: Then::Later(Duration::from_millis(50), body[..length].to_vec()), ..reply }
        });
        let patience = Patience { silence: DEADLINE * 10, block: DEADLINE * 10 };
        let worker = torrent.worker_with(server.url("/file.bin"), patience);
        torrent.order_all(&worker);
        let outcome = torrent.outcome(length / PIECE_LENGTH as usize);
        assert_eq!(outcome.blocks as usize * BLOCK_LENGTH as usize, length);
        assert_eq!((outcome.gone.is_none(), server.heard().len()), (true, 1));
    }
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_is_left() {
    let torrent = Torrent::single(PIECE_LENGTH as usize);
    let payload = torrent.payload.clone();
    let server = Server::start(move |asked| {
        let mut reply = part(&payload, &asked.bytes);
        reply.bytes.truncate(reply.bytes.len() - asked.bytes.clone().count());
        Reply { then: Then::Repeats(vec![0], Duration::from_millis(2)), ..reply }
    });
    let patience = Patience { block: Duration::from_millis(100), ..Patience::default() };
    let worker = torrent.worker_with(server.url("/file.bin"), patience);
    torrent.order_all(&worker);
    let WebSeedFailure::Failed(why) = torrent.outcome(1).failure().clone() else { panic!() };
    assert!(why.contains("less than 16 KiB"), "{why}");
}

#[test]
fn a_server_that_cannot_be_reached_or_speaks_no_http_is_a_failure() {
    let torrent = Torrent::single(PIECE_LENGTH as usize);
    let (outcome, _server) = torrent.end_at(|_| silent(b"220 ftp.example\r\n\r\n"));
    assert!(outcome.has_failed());
    let closed = crate::net::addresses::nobody();
    let worker = torrent.worker(format!("http://{closed}/file.bin"));
    torrent.order_all(&worker);
    assert!(torrent.outcome(1).has_failed());
}

#[test]
fn an_address_that_we_may_not_or_cannot_ask_is_refused() {
    let torrent = Torrent::single(PIECE_LENGTH as usize);
    let server = Server::of_file(torrent.payload.clone());
    let ask = |address: String, word| {
        let seed = WebSeed { address, word, proxy: None };
        let worker = start(&torrent.context, KEY, seed, Outlet::default()).unwrap();
        torrent.order_all(&worker);
        let WebSeedFailure::Refused(why) = torrent.outcome(1).failure().clone() else { panic!() };
        why
    };
    ask(server.url("/file.bin"), OnWordOf::Torrent);
    for address in ["http:// /\0", "http://\u{e9}/"] {
        ask(address.to_owned(), OnWordOf::User);
    }
    for address in ["ftp://127.0.0.1/file.bin", "file.bin", ""] {
        assert!(ask(address.to_owned(), OnWordOf::User).contains("only http:// and https://"));
    }
    assert!(server.heard().is_empty());
}
