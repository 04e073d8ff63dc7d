//! Web seeds (BEP 19): when they are asked, for what, and what becomes of those that fail or lie.

mod order;
mod runs;

use super::*;
use crate::message::WebSeedFailure;
use crate::piece::Suspects;

const SERVER: &str = "http://one.example/files/";

impl World {
    /// The web seed that was asked last.
    fn web_seed(&self) -> PeerKey {
        self.outside.borrow().asked_web_seeds.last().expect("no web seed is asked").0
    }

    /// How many times a web seed was asked.
    fn times_asked(&self) -> usize {
        self.outside.borrow().asked_web_seeds.len()
    }

    /// The numbers of the pieces that were requested since the last call, in order.
    fn pieces_requested(&self, key: PeerKey) -> Vec<u32> {
        let mut pieces: Vec<u32> = self.requests(key).iter().map(|span| span.piece.get()).collect();
        pieces.dedup();
        pieces
    }

    /// The same, and through which pieces it was told to go on.
    fn requests_and_ahead(&mut self, key: PeerKey) -> (Vec<u32>, Vec<std::ops::Range<u32>>) {
        let (mut pieces, mut ahead) = (Vec::new(), Vec::new());
        for order in self.orders(key) {
            match order {
                Order::Request(spans) => pieces.extend(spans.iter().map(|span| span.piece.get())),
                Order::Ahead(pieces) => ahead.push(pieces),
                _ => {}
            }
        }
        (pieces, ahead)
    }

    /// Sends all blocks of the piece that the web seed owes first, and the piece verifies.
    fn complete(&mut self, key: PeerKey) -> PieceIndex {
        let piece = self.owed(key)[0].piece;
        let blocks = self.owed(key).iter().filter(|block| block.piece == piece).count();
        self.deliver(key, blocks);
        self.hear(key, [News::Verified(piece, Vec::new())]);
        piece
    }

    /// It is all over with this web seed.
    fn fails(&mut self, key: PeerKey, why: WebSeedFailure) {
        self.gone(key, PeerError::WebSeed(why));
    }
}

fn scene() -> Scene {
    Scene { pieces: 64, web_seeds: vec![SERVER], ..Scene::default() }
}

#[test]
fn the_first_blocks_are_asked_for_at_once_and_as_one_run() {
    let world = scene().start();
    let pieces = world.pieces_requested(world.web_seed());
    assert_eq!(
        pieces,
        (pieces[0]..pieces[0] + 16).collect::<Vec<_>>(),
        "a megabyte, before it has proved anything"
    );
    assert_eq!(world.coordinator.roster.len(), 0, "it is no peer");
    let snapshot = world.snapshot();
    assert_eq!((snapshot.peers, snapshot.web_seeds), (0, 1));
}

#[test]
fn one_that_has_proved_itself_is_asked_for_more_before_it_has_nothing_to_do() {
    let mut world = Scene { pieces: 1000, ..scene() }.start();
    let server = world.web_seed();
    world.requests(server);
    world.now += SECOND / 10;
    world.complete(server);
    let more = world.pieces_requested(server);
    assert!(more.len() >= 10, "{more:?}");
    assert!(more.windows(2).all(|two| two[1] == two[0] + 1), "one run: {more:?}");
}

/// A server sends pieces until it has sent so many, or owes nothing. Returns how many, and through which pieces its
/// worker was told to go on.
fn sends(world: &mut World, server: PeerKey, most: u32) -> (u32, Vec<std::ops::Range<u32>>) {
    let (mut sent, mut ahead) = (0, Vec::new());
    while sent < most && !world.owed(server).is_empty() {
        world.wait(SECOND / 40);
        let piece = world.complete(server);
        world.tell(Event::Stored(vec![piece]));
        sent += 1;
        ahead.extend(world.requests_and_ahead(server).1);
    }
    (sent, ahead)
}

#[test]
fn where_only_a_server_sends_its_requests_become_as_long_as_what_it_has_proved() {
    let mut world = Scene { pieces: 8000, ..scene() }.start();
    let server = world.web_seed();
    let (_, mut ahead) = world.requests_and_ahead(server);
    assert_eq!(ahead[0].len(), 256, "a piece is 64 KiB, and 16 MiB are enough to begin with");
    let (sent, more) = sends(&mut world, server, 8000);
    ahead.extend(more);
    assert_eq!(sent, 8000);
    assert!(ahead.len() < 12, "each costs a round trip: {ahead:?}");
    assert!(ahead.iter().map(|run| run.len()).max() > Some(2000), "{ahead:?}");
}

#[test]
fn a_web_seed_is_told_nothing_and_nobody_is_told_of_it() {
    let mut world = scene().start();
    let (server, peer) = (world.web_seed(), world.seed(1));
    world.tell(Event::Greeted(peer, greeting(1)));
    let piece = world.complete(server);
    world.outside.borrow_mut().served.as_mut().unwrap().insert(piece);
    world.tell(Event::Stored(vec![piece]));
    world.wait(SECOND * 130);
    let is_request = |order: &Order| matches!(order, Order::Request(_) | Order::Ahead(_) | Order::Cancel(_));
    assert!(world.orders(server).iter().all(is_request));
    assert!(world.orders(peer).iter().all(|order| !matches!(order, Order::Pex(..))));
}

#[test]
fn it_takes_no_place_of_a_peer() {
    let mut world = Scene { max_peers: 1, ..scene() }.start();
    world.seed(1);
    assert_eq!(world.coordinator.roster.len(), 1);
    assert!(world.hung_up(world.web_seed()).is_none());
    world.wait(SECOND * 100);
    assert!(world.hung_up(world.web_seed()) != Some(HangUp::Idle), "and is no idle peer");
}

#[test]
fn where_the_process_has_no_room_a_torrent_without_peers_has_one_web_seed() {
    let two = || Scene { web_seeds: vec![SERVER, "http://two.example/"], ..scene() };
    assert_eq!(two().start().times_asked(), 2);
    let mut world = two().start();
    world.outside.borrow_mut().no_room = true;
    for key in [PeerKey(1), PeerKey(2)] {
        world.fails(key, WebSeedFailure::Busy(Some(SECOND)));
    }
    world.wait(SECOND * 2);
    assert_eq!(world.times_asked(), 3);
}

#[test]
fn a_file_that_it_does_not_have_is_not_asked_of_it_again_and_the_rest_is_at_once() {
    let mut world = scene().start();
    world.outside.borrow_mut().files = vec![0..10, 9..64];
    world.fails(world.web_seed(), WebSeedFailure::NoFile(1));
    assert_eq!(world.times_asked(), 2);
    assert_eq!(
        world.pieces_requested(world.web_seed()),
        (0..9).collect::<Vec<_>>(),
        "no piece on the border"
    );
    world.fails(world.web_seed(), WebSeedFailure::NoFile(0));
    world.wait(SECOND * 3000);
    assert_eq!(world.times_asked(), 2, "it has nothing");
    world.wait(SECOND * 700);
    assert_eq!(world.times_asked(), 3, "but perhaps later");
}

#[test]
fn what_a_web_seed_lacks_says_nothing_about_rarity() {
    let mut world = scene().start();
    world.outside.borrow_mut().files = vec![0..10, 10..64];
    world.fails(world.web_seed(), WebSeedFailure::NoFile(1));
    world.fails(world.web_seed(), WebSeedFailure::Failed("500".to_owned()));
    let rarity = world.coordinator.pieces.rarity();
    assert!(world.geometry.pieces().all(|piece| rarity.availability(piece) == 0));
}

#[test]
fn what_it_owed_is_asked_of_peers_and_it_is_asked_again_later() {
    let mut world = scene().start();
    let server = world.web_seed();
    let peer = world.seed(1);
    let owed = world.owed(server).len();
    assert!(owed > 0);
    world.fails(server, WebSeedFailure::Failed("it answers 500".to_owned()));
    assert_eq!((world.owed(server).len(), world.times_asked()), (0, 1));
    assert!(!world.owed(peer).is_empty());
    world.wait(SECOND * 7);
    assert_eq!(world.times_asked(), 1);
    world.wait(SECOND * 6);
    assert_eq!(world.times_asked(), 2);
}

#[test]
fn a_wrong_piece_of_a_web_seed_alone_ends_it_for_good() {
    let mut world = scene().start();
    let server = world.web_seed();
    let piece = world.owed(server)[0].piece;
    world.deliver(server, 4);
    let assembly = world.coordinator.requests.assembly(piece).unwrap();
    world.hear(server, [News::Corrupt(assembly, Suspects::new([(server, [0; 20]); 4]))]);
    assert_eq!(world.hung_up(server), Some(HangUp::WrongData));
    world.gone(server, PeerError::HungUp(HangUp::WrongData));
    world.wait(SECOND * 7200);
    assert_eq!(world.times_asked(), 1);
    let peer = world.seed(1);
    assert!(!world.owed(peer).is_empty(), "the download goes on");
}

#[test]
fn one_that_is_convicted_when_it_has_another_worker_is_out_as_well() {
    let mut world = scene().start();
    let first = world.web_seed();
    let peer = world.seed(1);
    world.fails(first, WebSeedFailure::Busy(Some(SECOND)));
    world.wait(SECOND * 2);
    let second = world.web_seed();
    assert_ne!(first, second);
    let piece = world.owed(peer)[0].piece;
    world.hear(peer, [News::Verified(piece, vec![first])]);
    assert_eq!(world.hung_up(second), Some(HangUp::WrongData));
}

#[test]
fn a_silent_server_keeps_nothing_for_itself() {
    let mut world = scene().start();
    let server = world.web_seed();
    let peer = world.seed(1);
    for _ in 0..400 {
        world.now += SECOND / 20;
        world.deliver(peer, 1);
        world.wait(SECOND / 20);
    }
    let owed: Vec<Block> = world.owed(server);
    let both = owed.iter().filter(|block| world.owed(peer).contains(block)).count();
    assert!(owed.is_empty() || both > 0, "the peer helps with {owed:?}");
}

#[test]
fn when_all_is_there_the_servers_are_left_alone_and_asked_again_for_what_is_lost() {
    let uploads = UploadPolicy { seeding: Some(SeedGoals::default()), ..UploadPolicy::default() };
    let mut world = Scene { pieces: 2, uploads, ..scene() }.start();
    let server = world.web_seed();
    let stored = [world.complete(server), world.complete(server)];
    world.tell(Event::Stored(stored.to_vec()));
    world.wait(SECOND);
    assert_eq!(world.hung_up(server), Some(HangUp::Released));
    world.gone(server, PeerError::HungUp(HangUp::Released));
    world.wait(SECOND * 100);
    assert_eq!(world.times_asked(), 1);
    world.tell(Event::Lost(vec![stored[0]]));
    world.wait(SECOND);
    assert_eq!(world.times_asked(), 2);
}

#[test]
fn a_torrent_that_is_only_shared_asks_no_web_seed() {
    let world = Scene { wanted: WantedPieces::Nothing, stored: vec![1], ..scene() }.start();
    assert_eq!(world.times_asked(), 0);
}

#[test]
fn a_server_that_sends_no_parts_of_files_is_asked_from_the_beginning_on_and_once_more_only() {
    let mut world = Scene { pieces: 4000, ..scene() }.start();
    let (begun, _) = world.requests_and_ahead(world.web_seed());
    assert_ne!(begun[0], 0, "by chance it would have been asked for the beginning anyway");
    world.fails(world.web_seed(), WebSeedFailure::WholeFilesOnly);
    assert_eq!(world.times_asked(), 2);
    let (asked, ahead) = world.requests_and_ahead(world.web_seed());
    let all = 0..4000;
    assert_eq!((asked, ahead), ((0..16).collect(), vec![all]));
    world.fails(world.web_seed(), WebSeedFailure::WholeFilesOnly);
    world.wait(SECOND * 3600);
    assert_eq!(world.times_asked(), 2);
}

#[test]
fn a_server_that_sends_files_only_whole_is_left_alone_where_others_have_the_little_that_is_missing() {
    let mut world = Scene { pieces: 1000, stored: (0..900).collect(), ..scene() }.start();
    let (server, peer) = (world.web_seed(), world.seed(1));
    world.fails(server, WebSeedFailure::WholeFilesOnly);
    world.wait(SECOND * 20);
    assert_eq!(world.times_asked(), 1);
    world.gone(peer, PeerError::Closed);
    world.wait(SECOND * 61);
    assert_eq!(world.times_asked(), 2, "now it is the only one");
    assert!(world.orders(world.web_seed()).iter().any(|order| matches!(order, Order::ReadOn)));
}

#[test]
fn a_server_on_its_way_to_what_is_missing_is_not_silent() {
    let mut world = Scene { pieces: 1000, stored: (0..900).collect(), ..scene() }.start();
    world.fails(world.web_seed(), WebSeedFailure::WholeFilesOnly);
    let server = world.web_seed();
    for _ in 0..120 {
        world.wait(SECOND);
        world.hear(server, [News::ReadsOn]);
    }
    let is_cancel = |order: &Order| matches!(order, Order::Cancel(_));
    assert!(!world.orders(server).iter().any(is_cancel) && !world.owed(server).is_empty());
    world.wait(SECOND * 60);
    assert!(world.orders(server).iter().any(is_cancel), "but who says nothing is");
}

#[test]
fn a_download_that_stalls_says_what_is_wrong_with_the_web_seeds() {
    let mut world = scene().start();
    world.wait(SECOND * 15);
    let said = |world: &World| world.snapshot().stall.unwrap().to_string();
    assert_eq!(said(&world), "no peers found yet; the web seed one.example does not send what was requested");
    world.fails(world.web_seed(), WebSeedFailure::Refused("it sends no parts of files".to_owned()));
    world.wait(SECOND * 15);
    assert_eq!(said(&world), "no peers found yet; the web seed one.example: it sends no parts of files");
}

#[test]
fn where_peers_fill_the_limit_a_web_seed_is_not_asked() {
    let limit = 40 * u64::from(BLOCK_LENGTH);
    let mut world = Scene { pieces: 1000, download_limit: Some(limit), ..scene() }.start();
    let server = world.web_seed();
    let peer = world.seed(1);
    for _ in 0..200 {
        world.wait(SECOND / 40);
        world.deliver(peer, 1);
    }
    assert!(world.owed(server).is_empty() && !world.owed(peer).is_empty());
    assert!(world.hung_up(server).is_none());
    world.gone(peer, PeerError::Closed);
    world.wait(SECOND * 5);
    assert!(!world.owed(server).is_empty(), "they do not fill it any more");
}

#[test]
fn a_server_may_be_silent_for_longer_than_a_peer_before_it_is_asked_anew() {
    let mut world = Scene { pieces: 1000, ..scene() }.start();
    let server = world.web_seed();
    for _ in 0..10 {
        world.wait(SECOND / 4);
        (0..4).for_each(|_| _ = world.complete(server));
    }
    world.orders(server);
    world.wait(SECOND * 15);
    assert!(world.orders(server).iter().all(|order| !matches!(order, Order::Cancel(_))));
    world.wait(SECOND * 15);
    assert!(world.orders(server).iter().any(|order| matches!(order, Order::Cancel(_))));
}

#[test]
fn where_memory_is_short_a_server_has_more_on_its_way_than_a_peer() {
    let mut world = Scene { pieces: 1000, memory: 2 << 20, ..scene() }.start();
    let server = world.web_seed();
    let peers: Vec<PeerKey> = (1..8).map(|host| world.seed(host)).collect();
    for _ in 0..40 {
        world.wait(SECOND / 4);
        for key in peers.iter().copied().chain([server]) {
            world.deliver(key, 8);
            let complete: Vec<PieceIndex> = world.coordinator.requests.complete_pieces();
            complete.iter().for_each(|piece| world.hear(key, [News::Verified(*piece, Vec::new())]));
            world.tell(Event::Stored(complete));
        }
    }
    let most = peers.iter().map(|peer| world.owed(*peer).len()).max().unwrap();
    assert!(world.owed(server).len() >= 2 * most, "{} and {most}", world.owed(server).len());
}
