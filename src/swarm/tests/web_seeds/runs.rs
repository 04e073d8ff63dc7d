//! What a web seed is asked for is its own, as long as it sends.

use super::*;

#[test]
fn what_a_server_was_asked_for_no_peer_begins_while_there_is_anything_else() {
    let mut world = Scene { pieces: 1000, ..scene() }.start();
    let server = world.web_seed();
    let ahead = world.requests_and_ahead(server).1.remove(0);
    let peer = world.seed(1);
    let mut others = Vec::new();
    for _ in 0..3000 {
        if world.owed(peer).is_empty() {
            break;
        }
        world.wait(SECOND / 200);
        world.deliver(peer, 8);
        let complete = world.coordinator.requests.complete_pieces();
        complete.iter().for_each(|piece| world.hear(peer, [News::Verified(*piece, Vec::new())]));
        world.tell(Event::Stored(complete));
        others.extend(world.pieces_requested(peer));
        if others.len() >= 700 {
            break;
        }
    }
    assert!(others.len() >= 700, "there is enough outside of it");
    assert!(others.iter().all(|piece| !ahead.contains(piece)), "{ahead:?}");
}

#[test]
fn a_server_that_falls_silent_keeps_no_piece_of_its_run() {
    let mut world = scene().start();
    let (server, peer) = (world.web_seed(), world.seed(1));
    sends(&mut world, server, 4);
    let mut asked = Vec::new();
    // A server that is silent for longer is asked anew, and has lost its run in any case.
    for _ in 0..300 {
        world.wait(SECOND / 20);
        world.deliver(peer, 4);
        let complete = world.coordinator.requests.complete_pieces();
        complete.iter().for_each(|piece| world.hear(peer, [News::Verified(*piece, Vec::new())]));
        world.tell(Event::Stored(complete));
        asked.extend(world.pieces_requested(peer));
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 60, "all that the server has not sent");
}

#[test]
fn what_a_server_is_to_send_is_left_to_it_until_it_is_silent_or_rests() {
    let mut world = scene().start();
    let (server, peer, now) = (world.web_seed(), world.seed(1), world.now);
    let mut next = |at| world.coordinator.next_beside_web_seeds(peer, at);
    assert_eq!(next(now), None, "all that is missing is the server's");
    assert!(next(now + SECOND * 15).is_some(), "it is silent");
    world.coordinator.roster.get_mut(server).unwrap().flags.peer_choking = true;
    assert!(world.coordinator.next_beside_web_seeds(peer, now).is_some(), "it rests");
}

#[test]
fn a_server_that_rests_keeps_no_piece_of_its_run() {
    let limit = 40 * u64::from(BLOCK_LENGTH);
    let mut world = Scene { pieces: 200, download_limit: Some(limit), ..scene() }.start();
    let server = world.web_seed();
    sends(&mut world, server, 20);
    let peer = world.seed(1);
    for _ in 0..4000 {
        world.wait(SECOND / 40);
        world.deliver(peer, 1);
        let complete: Vec<PieceIndex> = world.coordinator.requests.complete_pieces();
        complete.iter().for_each(|piece| world.hear(peer, [News::Verified(*piece, Vec::new())]));
        world.tell(Event::Stored(complete));
    }
    assert!(world.owed(server).is_empty() && world.coordinator.pieces.is_done(), "nothing is left");
}

#[test]
fn a_peer_leaves_the_run_of_a_web_seed_whole() {
    let mut world = Scene { pieces: 200, ..scene() }.start();
    let server = world.web_seed();
    let run = world.pieces_requested(server);
    let peer = world.seed(1);
    let taken = world.pieces_requested(peer);
    // All that is missing is shorter than one run of 16 MiB, so a peer begins at its end.
    let behind: Vec<u32> = (*run.last().unwrap() + 1..200).rev().take(taken.len()).collect();
    let before: Vec<u32> = (0..run[0]).rev().take(taken.len()).collect();
    assert!(taken == behind || taken == before, "{run:?} {taken:?}");
}

#[test]
fn near_the_end_a_server_has_no_more_to_send_than_its_part() {
    let mut world = Scene { pieces: 400, ..scene() }.start();
    let (server, peer) = (world.web_seed(), world.seed(1));
    for turn in 0.. {
        let unopened = world.coordinator.pieces.rarity().len() * 4;
        let missing = world.coordinator.requests.missing() + unopened;
        if missing < 32 {
            break;
        }
        let owed = world.owed(server).len();
        assert!(turn < 50 || owed <= missing / 2 + 16, "{owed} of {missing}");
        world.wait(SECOND / 20);
        for key in [server, peer] {
            world.deliver(key, 5);
            let complete: Vec<PieceIndex> = world.coordinator.requests.complete_pieces();
            complete.iter().for_each(|piece| world.hear(key, [News::Verified(*piece, Vec::new())]));
            world.tell(Event::Stored(complete));
        }
    }
}

/// A server and a peer that is several times as fast, and then no memory for another piece: what is complete waits for
/// the disk.
fn short_of_memory() -> (World, PeerKey, PeerKey) {
    let mut world = Scene { pieces: 2000, memory: 8 << 20, ..scene() }.start();
    let (server, peer) = (world.web_seed(), world.seed(1));
    for turn in 0..400 {
        if turn >= 100 && !world.coordinator.pieces.has_room() {
            break;
        }
        world.wait(SECOND / 40);
        for (key, blocks) in [(server, 4), (peer, 16)] {
            world.deliver(key, blocks);
            let complete: Vec<PieceIndex> = world.coordinator.requests.complete_pieces();
            complete.iter().for_each(|piece| world.hear(key, [News::Verified(*piece, Vec::new())]));
            if turn < 100 {
                world.tell(Event::Stored(complete));
            }
        }
    }
    assert!(!world.coordinator.pieces.has_room() && !world.coordinator.pieces.rarity().is_empty());
    (world, server, peer)
}

#[test]
fn where_memory_is_short_what_a_server_owes_is_left_to_it_as_long_as_it_keeps_its_pace() {
    let (mut world, server, peer) = short_of_memory();
    assert!(world.owed(server).len() > 160, "more than it sends in a second");
    world.deliver(peer, 1000);
    for _ in 0..20 {
        world.wait(SECOND / 40);
        world.deliver(server, 4);
    }
    assert_eq!((world.owed(peer).len(), world.coordinator.requests.count_twice()), (0, 0));
    world.wait(10 * SECOND);
    assert!(!world.owed(peer).is_empty(), "it is silent");
}
