//! How a worker ends, and that nothing of it is left.

use super::*;

#[test]
fn the_coordinator_ends_a_worker_from_outside_and_no_thread_is_left() {
    let torrent = Torrent::new();
    let (worker, peer) = torrent.introduced_worker();
    worker.hang_up(HangUp::Idle);
    assert!(matches!(torrent.gone(), PeerError::HungUp(HangUp::Idle)));
    peer.expect_disconnect();
    drop(worker);
    torrent.no_thread_is_left();

    let (worker, peer, _) = torrent.worker();
    drop(worker);
    assert!(matches!(torrent.gone(), PeerError::HungUp(HangUp::Released)));
    peer.expect_disconnect();
    torrent.no_thread_is_left();
}

#[test]
fn a_worker_that_panics_is_gone_for_the_coordinator_and_for_the_peer() {
    let torrent = Torrent::new();
    let (worker, peer) = torrent.introduced_worker();
    peer.says(&[Message::Unknown(PANICS)]);
    assert!(matches!(torrent.gone(), PeerError::Panicked));
    peer.expect_disconnect();
    drop(worker);
    torrent.no_thread_is_left();
}

#[test]
fn an_outbox_that_panics_ends_the_connection() {
    let torrent = Torrent::new();
    let (worker, peer) = torrent.introduced_worker();
    worker.order(Order::Pex(PANICS, Default::default()));
    assert!(matches!(torrent.gone(), PeerError::HungUp(HangUp::WorkerEnded)));
    peer.expect_disconnect();
    drop(worker);
    torrent.no_thread_is_left();
}

#[test]
fn a_worker_without_a_second_thread_ends_and_the_peer_is_not_to_blame() {
    let torrent = Torrent::new();
    let _limit = thread::limit::allow(1);
    let (ours, _theirs) = PeerStream::in_memory();
    let handshake = Handshake::ours(torrent.context.metainfo.info_hash, PeerId([2; 20]), false);
    let incoming = |stream| Incoming { address: address(), stream, handshake, slot: InboxSlot::default() };
    let _worker = Worker::accept(&torrent.context, KEY, incoming(ours)).unwrap();
    assert!(torrent.gone().is_no_room());
    let (ours, _theirs) = PeerStream::in_memory();
    assert!(Worker::accept(&torrent.context, KEY, incoming(ours)).is_err());
}

#[test]
fn a_peer_that_leaves_ends_its_worker() {
    let torrent = Torrent::new();
    let (worker, peer) = torrent.introduced_worker();
    drop(peer);
    assert!(matches!(torrent.gone(), PeerError::Closed));
    drop(worker);
    torrent.no_thread_is_left();
}

#[test]
fn a_peer_that_does_not_read_is_disconnected_when_a_write_has_waited_too_long() {
    let torrent = Torrent::new();
    let pair = PeerStream::in_memory_with(1024, Duration::from_millis(20));
    let (worker, mut peer, greeting) = torrent.worker_over(pair);
    worker.order(Order::Introduce { pieces: Arc::new(Bitfield::all(PIECES)), greeting, upload_only: false });
    worker.order(Order::Unchoke);
    peer.hears(&Message::HaveAll);
    peer.hears_extension_handshake();
    peer.hears(&Message::Unchoke);
    peer.says(&[Message::Request(request(0, 0))]);
    assert!(matches!(torrent.gone(), PeerError::HungUp(HangUp::DoesNotRead)));
    drop(worker);
    torrent.no_thread_is_left();
}
