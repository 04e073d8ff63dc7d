//! Peers that lie, and those of which we do not know whether they do.

use super::*;
use crate::piece::Suspects;

/// Two peers have sent parts of a piece, which is wrong.
fn fails(world: &mut World, piece: PieceIndex, senders: [PeerKey; 2]) {
    let assembly = world.coordinator.requests.assembly(piece).unwrap();
    let suspects = Suspects::new(senders.map(|sender| (sender, [0; 20])));
    world.hear(senders[0], [News::Corrupt(assembly, suspects)]);
}

#[test]
fn a_newcomer_has_to_do_with_one_piece_until_it_has_proved_itself() {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let (_proved, key) = (world.seed(1), world.newcomer(2));
    let piece = world.owed(key)[0].piece;
    for _ in 0..32 {
        assert!(world.owed(key).iter().all(|block| block.piece == piece));
        world.deliver(key, 1);
    }
    assert_eq!(world.owed(key), [], "it has sent all of it");
    world.hear(key, [News::Verified(piece, Vec::new())]);
    assert!(!world.owed(key).is_empty());
}

/// The pieces that a peer has to do with when it has sent so many blocks.
fn pieces_after(world: &mut World, key: PeerKey, blocks: usize) -> usize {
    (0..blocks).for_each(|_| world.deliver(key, 1));
    world.coordinator.requests.pieces_of(key).len()
}

#[test]
fn a_newcomer_is_not_bounded_before_a_piece_was_wrong_if_it_is_alone_or_its_pieces_are_large() {
    let mut alone = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let key = alone.newcomer(1);
    assert!(pieces_after(&mut alone, key, 31) > 1, "it is the only peer");
    let large = Scene { pieces: 16, blocks: 128, ..Scene::default() };
    let mut world = large.start();
    let (_proved, key) = (world.seed(1), world.newcomer(2));
    assert!(pieces_after(&mut world, key, 127) > 1, "no piece was wrong");
    let mut world = Scene { pieces: 16, blocks: 128, ..Scene::default() }.start();
    let senders = [world.seed(1), world.seed(2)];
    let piece = world.owed(senders[0])[0].piece;
    fails(&mut world, piece, senders);
    world.hear(senders[0], [News::Verified(piece, Vec::new())]);
    let key = world.newcomer(3);
    assert_eq!(pieces_after(&mut world, key, 127), 1, "one was");
}

#[test]
fn no_newcomer_stands_idle_because_another_one_has_begun_a_part_of_a_small_torrent() {
    let mut world = Scene { pieces: 5, blocks: 4, ..Scene::default() }.start();
    let pair = [1, 2].map(|host| {
        let key = world.dial(address(host), host);
        world.hear(key, [News::HaveAll]);
        key
    });
    for key in pair {
        world.hear(key, [News::Unchoked]);
    }
    let pieces = pair.map(|key| world.coordinator.requests.pieces_of(key).len());
    assert!(pieces.iter().all(|count| *count > 0), "{pieces:?}");
}

#[test]
fn the_retry_does_not_wait_for_a_peer_that_falls_silent() {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let (one, other) = (world.seed(1), world.seed(2));
    let newcomer = world.newcomer(3);
    let piece = world.owed(one)[0].piece;
    world.coordinator.suspicions.not_comparable(piece, Vec::new());
    fails(&mut world, piece, [newcomer, one]);
    let sender = |world: &World| world.coordinator.requests.exclusive()[0].owner;
    assert_eq!(sender(&world), Some(other), "it had no part in the failure");
    let parts = world.owed(other).iter().filter(|block| block.piece == piece).count();
    assert!(parts > 0);
    // Both owe us blocks, and only the first sends.
    for _ in 0..12 {
        world.wait(SECOND);
        world.deliver(one, 16);
    }
    assert_eq!(sender(&world), Some(one));
}

#[test]
fn the_piece_comes_again_from_the_only_peer_that_has_proved_itself() {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let (proved, newcomer) = (world.seed(1), world.newcomer(2));
    let piece = world.owed(proved)[0].piece;
    fails(&mut world, piece, [newcomer, proved]);
    let [exclusive] = &world.coordinator.requests.exclusive()[..] else { panic!("one piece was wrong") };
    assert_eq!((exclusive.piece, exclusive.owner), (piece, Some(proved)));
    assert!(exclusive.senders.is_empty());
    let alone = world.coordinator.requests.alone_of(newcomer);
    assert!(
        world.owed(newcomer).iter().all(|block| alone.contains(&block.piece)),
        "nothing that others send"
    );
    assert!(!world.owed(proved).is_empty());
    world.wait(12 * SECOND);
    assert!(!world.owed(newcomer).is_empty(), "it may still be honest");
    world.hear(proved, [News::Verified(piece, Vec::new())]);
    let peer = world.coordinator.roster.get(newcomer).unwrap();
    assert!(peer.download.trust.is_proved(), "its block was right");
}

/// A piece has failed that two of three seeds had sent.
fn inquiry() -> (World, [PeerKey; 3], PieceIndex) {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let seeds = [world.seed(1), world.seed(2), world.seed(3)];
    let piece = world.owed(seeds[0])[0].piece;
    fails(&mut world, piece, [seeds[0], seeds[1]]);
    (world, seeds, piece)
}

#[test]
fn until_it_is_known_who_lied_that_piece_alone_is_asked_of_suspects_and_no_other_becomes_complete() {
    let (mut world, seeds, piece) = inquiry();
    assert_eq!(world.coordinator.requests.compared(), [piece]);
    for suspect in [seeds[0], seeds[1]] {
        let owed = world.owed(suspect);
        assert!(!owed.is_empty() && owed.iter().all(|block| block.piece == piece), "{owed:?}");
    }
    let held_back = |world: &World| {
        let open = world.coordinator.requests.open_pieces();
        let others = open.filter(|(other, _)| *other != piece);
        others.map(|(_, open)| open.assembly.is_held_back()).collect::<Vec<bool>>()
    };
    let before = held_back(&world);
    assert!(!before.is_empty() && before.iter().all(|held_back| *held_back));
    world.hear(seeds[2], [News::Verified(piece, vec![seeds[0]])]);
    assert!(held_back(&world).iter().all(|held_back| !held_back));
    assert_eq!(world.hung_up(seeds[0]), Some(HangUp::WrongData));
    assert!(world.coordinator.is_proved(seeds[1]));
}

#[test]
fn what_suspects_owe_of_other_pieces_is_taken_back_from_them() {
    // Each is asked for several pieces at a time.
    let mut world = Scene { pieces: 16, blocks: 2, ..Scene::default() }.start();
    let seeds = [world.seed(1), world.seed(2), world.seed(3)];
    let piece = world.owed(seeds[0])[0].piece;
    let owes_others =
        |world: &World, seed: PeerKey| world.owed(seed).iter().any(|block| block.piece != piece);
    assert!(owes_others(&world, seeds[0]) && owes_others(&world, seeds[1]));
    fails(&mut world, piece, [seeds[0], seeds[1]]);
    assert!(world.coordinator.inquires(world.now));
    assert!(!owes_others(&world, seeds[0]) && !owes_others(&world, seeds[1]));
}

#[test]
fn an_inquiry_of_which_nothing_is_heard_ends() {
    let (mut world, seeds, piece) = inquiry();
    for seed in seeds {
        world.gone(seed, PeerError::Closed);
    }
    let key = world.newcomer(9);
    world.wait(61 * SECOND);
    assert!(!world.coordinator.inquires(world.now));
    assert!(world.owed(key).iter().any(|block| block.piece != piece), "{:?}", world.owed(key));
}

#[test]
fn that_all_choke_us_while_they_compare_a_piece_does_not_mean_that_most_of_them_lie() {
    let (mut world, seeds, _) = inquiry();
    for seed in seeds {
        world.hear(seed, [News::Choked]);
    }
    world.wait(10 * SECOND);
    assert_eq!(world.coordinator.requests.compared(), []);
    assert!(!world.coordinator.suspicions.most_lie());
}

#[test]
fn a_silent_peer_is_asked_no_more_what_the_others_compare() {
    let (mut world, [silent, ..], piece) = inquiry();
    let owes = |world: &World| world.coordinator.requests.holders(piece).contains(&silent);
    assert!(owes(&world));
    world.wait(30 * SECOND);
    assert!(!owes(&world));
}

#[test]
fn a_piece_that_was_wrong_comes_again_though_there_is_no_room_for_it() {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let seeds = [world.seed(1), world.seed(2)];
    let piece = world.owed(seeds[0])[0].piece;
    world.coordinator.pieces.allow(0, false);
    fails(&mut world, piece, seeds);
    assert_eq!(world.coordinator.requests.compared(), [piece]);
}

#[test]
fn liars_that_agree_are_not_compared_again() {
    let (mut world, seeds, piece) = inquiry();
    fails(&mut world, piece, [seeds[0], seeds[1]]);
    assert_eq!(world.coordinator.requests.compared(), []);
    assert_eq!(world.coordinator.requests.exclusive().len(), 1, "one sends it alone");
}

#[test]
fn what_a_convicted_peer_has_sent_of_other_pieces_is_asked_of_others() {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let (liar, other) = (world.seed(1), world.seed(2));
    let piece = world.owed(liar)[0].piece;
    world.deliver(liar, 3);
    assert_eq!(world.coordinator.requests.senders(piece), [liar]);
    world.hear(other, [News::Verified(world.piece(0), vec![liar])]);
    assert_eq!(world.hung_up(liar), Some(HangUp::WrongData));
    assert_eq!(world.coordinator.requests.senders(piece), []);
}

#[test]
fn the_other_ports_of_a_liars_host_come_last() {
    let mut world = Scene::default().start();
    let at = |port| SocketAddr::new(address(1).ip(), port);
    let liar = world.newcomer(1);
    let [proved, newcomer] = [7001, 7002].map(|port| {
        let key = world.dial(at(port), port.to_le_bytes()[0]);
        world.hear(key, [News::HaveAll, News::Unchoked]);
        key
    });
    world.coordinator.roster.get_mut(proved).unwrap().download.trust.proved();
    world.hear(proved, [News::Verified(world.piece(0), vec![liar])]);
    assert_eq!(world.hung_up(liar), Some(HangUp::WrongData));
    assert_eq!((world.hung_up(newcomer), world.hung_up(proved)), (Some(HangUp::NearLiars), None));
    world.outside.borrow_mut().dialed.clear();
    world.tell(Event::Found(Source::Tracker, vec![at(7003)]));
    assert_eq!(world.outside.borrow().dialed, []);
    // Nobody sends anything.
    world.wait(6 * SECOND);
    assert!(world.outside.borrow().dialed.contains(&at(7003)));
    assert!(!world.outside.borrow().dialed.contains(&address(1)), "the liar itself is never met again");
}

/// The peer sends a whole piece, which is right or wrong.
fn sends(world: &mut World, key: PeerKey, piece: PieceIndex, is_right: bool) {
    while world.owed(key).iter().any(|block| block.piece == piece) {
        world.deliver(key, 1);
    }
    let assembly = world.coordinator.requests.assembly(piece).unwrap();
    let corrupt = News::Corrupt(assembly, Suspects::new([(key, [0; 20])]));
    world.hear(key, [if is_right { News::Verified(piece, Vec::new()) } else { corrupt }]);
    if is_right {
        world.tell(Event::Stored(vec![piece]));
    }
}

#[test]
fn the_only_seed_is_asked_for_a_wrong_piece_again_when_it_has_sent_all_others() {
    for ends_well in [true, false] {
        let mut world = Scene { pieces: 6, ..Scene::default() }.start();
        let key = world.seed(1);
        let mut wrong = None;
        for turn in 0..6 {
            let piece = world.owed(key)[0].piece;
            assert_ne!(wrong, Some(piece), "after {turn} others");
            sends(&mut world, key, piece, turn != 2);
            assert_eq!(world.hung_up(key), None);
            wrong = wrong.or((turn == 2).then_some(piece));
        }
        world.wait(SECOND);
        assert!(world.owed(key).iter().all(|block| Some(block.piece) == wrong));
        sends(&mut world, key, wrong.unwrap(), ends_well);
        assert_eq!(world.coordinator.pieces.is_complete(), ends_well);
        if !ends_well {
            world.wait(SECOND);
            sends(&mut world, key, wrong.unwrap(), false);
            assert_eq!(world.hung_up(key), Some(HangUp::WrongData), "twice in a row");
        }
    }
}

#[test]
fn who_sends_a_wrong_piece_is_banned_where_another_has_all_and_else_after_two_in_a_row() {
    let mut world = Scene { pieces: 16, ..Scene::default() }.start();
    let (liar, _other) = (world.seed(1), world.seed(2));
    let piece = world.owed(liar)[0].piece;
    sends(&mut world, liar, piece, false);
    assert_eq!(world.hung_up(liar), Some(HangUp::WrongData));
    let mut world = Scene { pieces: 16, ..Scene::default() }.start();
    let newcomer = world.newcomer(1);
    for is_first in [true, false] {
        let piece = world.owed(newcomer)[0].piece;
        sends(&mut world, newcomer, piece, false);
        assert_eq!(world.hung_up(newcomer), (!is_first).then_some(HangUp::WrongData));
    }
}
