//! Another program spoils a piece that a peer was told of.

use super::*;
use crate::peer::outbox::{LOOK, Outbox};
use crate::piece::PieceIndex;
use std::sync::OnceLock;

/// The id that the peer gives to `lt_donthave`.
const DONT_HAVE: u8 = 9;

impl Torrent {
    fn served(&self) -> &ServedPieces {
        self.context.served_pieces.as_ref().unwrap()
    }

    /// The second piece of the file is cut off, and somebody asks for it. Returns once it counts as lost.
    fn lose_a_piece(&self) -> PieceIndex {
        let lost = self.context.geometry.piece(1).unwrap();
        let file = std::fs::File::options().write(true).open(self.folder.join("payload.bin")).unwrap();
        file.set_len(PIECE_LENGTH.into()).unwrap();
        wait_until(|| !self.served().find(lost, 0, BLOCK_LENGTH, &mut Vec::new()));
        wait_until(|| self.served().lacks(lost));
        lost
    }
}

fn wait_until(mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_true() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn it_is_taken_back_once_where_the_peer_understands_that() {
    let torrent = Torrent::new();
    let (worker, mut peer) = torrent.introduced_worker();
    worker.order(Order::Unchoke);
    peer.hears(&Message::Unchoke);
    let lost = torrent.lose_a_piece();
    let asked = [request(1, 0), request(1, BLOCK_LENGTH)];
    let taken_back = extension::dont_have(lost.get());
    for (handshake, takes_back) in
        [(&b"d1:mdee"[..], false), (b"d1:md11:lt_donthavei9eee", true), (b"d1:mdee", false)]
    {
        peer.says(&[Message::Extended(extension::HANDSHAKE, handshake)]);
        torrent.news();
        for request in asked {
            peer.says(&[Message::Request(request)]);
            peer.hears(&Message::Reject(request));
            if takes_back && request == asked[0] {
                peer.hears(&Message::Extended(DONT_HAVE, &taken_back));
            }
        }
    }
    // What is still there is sent.
    peer.says(&[Message::Request(request(0, 0))]);
    peer.hears(&Message::Piece { index: 0, begin: 0, data: torrent.block(0, 0) });
}

#[test]
fn where_nobody_asks_for_it_any_more_a_peer_that_comes_has_its_file_looked_at() {
    let torrent = Torrent::new();
    let lost = torrent.lose_a_piece();
    std::fs::write(torrent.folder.join("payload.bin"), &torrent.payload).unwrap();
    // What was seen of the file a moment ago counts no more.
    std::thread::sleep(Duration::from_millis(50));
    let (worker, _peer, greeting) = torrent.worker();
    worker.order(torrent.introduction(greeting));
    wait_until(|| torrent.served().offers(lost));
}

#[test]
fn once_its_file_was_put_right_the_peer_hears_so() {
    let torrent = Torrent::new();
    let (requests, stream) = (Arc::new(PeerRequests::default()), Arc::new(OnceLock::new()));
    requests.set_dont_have_id(DONT_HAVE);
    let (_signals, signals) = bounded(1);
    let context = Arc::clone(&torrent.context);
    let mut outbox = Outbox::new(stream, signals, requests, context, address(), true);
    let lost = torrent.lose_a_piece();
    let (mut frames, start) = (Vec::new(), Instant::now());
    outbox.take_back(lost, start, &mut frames);
    assert!(!std::mem::take(&mut frames).is_empty());
    std::fs::write(torrent.folder.join("payload.bin"), &torrent.payload).unwrap();
    // Nobody has looked yet. This has it looked at, now and then.
    outbox.give_again(start + LOOK / 2, &mut frames);
    assert!(frames.is_empty() && !torrent.served().offers(lost));
    let mut looks = 0;
    wait_until(|| {
        looks += 1;
        outbox.give_again(start + looks * LOOK, &mut frames);
        !frames.is_empty()
    });
    assert!(looks > 1, "the first look cannot know");
    let mut expected = Vec::new();
    Message::Have(lost.get()).write_to(&mut expected);
    assert_eq!(frames, expected);
    outbox.give_again(start + (looks + 1) * LOOK, &mut frames);
    assert_eq!(frames, expected, "it is told once");
}

#[test]
fn a_peer_that_came_while_it_was_lost_hears_so_once_its_file_was_put_right() {
    let torrent = Torrent::new();
    let lost = torrent.lose_a_piece();
    let (_worker, _peer, greeting) = torrent.worker();
    let (requests, stream) = (Arc::new(PeerRequests::default()), Arc::new(OnceLock::new()));
    let (_signals, signals) = bounded(1);
    let context = Arc::clone(&torrent.context);
    let mut outbox = Outbox::new(stream, signals, requests, context, address(), true);
    let introduction = torrent.introduction(greeting);
    let mut frames = Vec::new();
    outbox.write_order(introduction, &mut frames);
    frames.clear();
    std::fs::write(torrent.folder.join("payload.bin"), &torrent.payload).unwrap();
    let (start, mut looks) = (Instant::now(), 0);
    wait_until(|| {
        looks += 1;
        outbox.give_again(start + looks * LOOK, &mut frames);
        !frames.is_empty()
    });
    let mut expected = Vec::new();
    Message::Have(lost.get()).write_to(&mut expected);
    assert_eq!(frames, expected);
    outbox.give_again(start + (looks + 1) * LOOK, &mut frames);
    assert_eq!(frames, expected, "it is told once");
}
