//! Web seeds where the user wants an order, or a part.

use super::*;

/// The set of these pieces of a torrent of so many.
fn set(of: u32, pieces: impl IntoIterator<Item = u32>) -> Bitfield {
    let (mut set, geometry) = (Bitfield::none(of), Geometry::new(of.into(), 1).unwrap());
    pieces.into_iter().for_each(|piece| _ = set.insert(geometry.piece(piece).unwrap()));
    set
}

/// The pieces that a web seed alone is asked for, in this order, until the download is complete.
fn pieces_in_turn(scene: Scene) -> Vec<u32> {
    let mut world = scene.start();
    let (server, mut asked) = (world.web_seed(), Vec::new());
    loop {
        asked.extend(world.pieces_requested(server));
        if world.owed(server).is_empty() {
            asked.dedup();
            return asked;
        }
        world.now += SECOND / 10;
        let piece = world.complete(server);
        world.tell(Event::Stored(vec![piece]));
    }
}

#[test]
fn alone_it_is_asked_for_all_pieces_in_order_where_the_user_wants_that() {
    let order = PieceOrder { classes: Vec::new(), is_sequential: true, is_stream: false };
    assert_eq!(pieces_in_turn(Scene { order, ..scene() }), (0..64).collect::<Vec<_>>());
    // What one that sends in order would have in memory is little, however small that is.
    let order = PieceOrder { classes: Vec::new(), is_sequential: true, is_stream: false };
    let memory = 4 * 4 * u64::from(BLOCK_LENGTH);
    assert_eq!(pieces_in_turn(Scene { order, memory, ..scene() }), (0..64).collect::<Vec<_>>());
}

#[test]
fn what_the_user_wants_first_comes_in_long_runs_too() {
    let order = PieceOrder { classes: vec![set(1000, 100..900)], is_sequential: false, is_stream: false };
    let asked = pieces_in_turn(Scene { pieces: 1000, order, ..scene() });
    assert!(asked[..800].iter().all(|piece| (100..900).contains(piece)), "{asked:?}");
    let runs = 1 + asked.windows(2).filter(|two| two[1] != two[0] + 1).count();
    assert!(runs < 30, "each costs a round trip: {runs}, {asked:?}");
}

#[test]
fn it_is_asked_for_nothing_but_what_is_selected() {
    let wanted = set(64, (5..9).chain(30..33));
    let mut asked = pieces_in_turn(Scene { wanted: WantedPieces::Only(wanted), ..scene() });
    asked.sort_unstable();
    assert_eq!(asked, [5, 6, 7, 8, 30, 31, 32]);
}

#[test]
fn where_peers_take_turns_with_it_or_have_sent_some_nothing_is_foreseen_that_others_send() {
    let in_order = || PieceOrder { classes: Vec::new(), is_sequential: true, is_stream: false };
    let foreseen = |has_peer: bool| {
        let mut world = Scene { order: in_order(), ..scene() }.start();
        let server = world.web_seed();
        (0..i32::from(has_peer)).for_each(|_| _ = world.seed(1));
        for _ in 0..8 {
            world.wait(SECOND / 4);
            let piece = world.complete(server);
            world.tell(Event::Stored(vec![piece]));
        }
        world.requests_and_ahead(server).1.last().map(|ahead| ahead.len())
    };
    // It was alone at first.
    assert_eq!([false, true].map(foreseen), [Some(64), Some(1)]);
    let order = PieceOrder { classes: vec![set(1000, 100..900)], is_sequential: false, is_stream: false };
    let mut world = Scene { pieces: 1000, stored: (500..900).collect(), order, ..scene() }.start();
    let server = world.web_seed();
    let (first, ahead) = world.requests_and_ahead(server);
    assert_eq!(ahead, vec![first[0]..500.min(first[0] + 256)]);
}
