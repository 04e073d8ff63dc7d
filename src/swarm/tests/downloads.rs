//! Which blocks are requested of which peer.

use super::*;
use crate::piece::BufferPool;
use crate::strategy::Pipeline;
use std::sync::Arc;

fn requested(spans: &[Span]) -> u32 {
    spans.iter().map(|span| span.count).sum()
}

#[test]
fn memory_is_shared_among_the_peers_that_can_send() {
    // A budget of 10 MiB at first, of which three quarters may be asked for: 480 blocks. Each peer may double its
    // first 16 requests.
    for (sources, share) in [(1, 480), (10, 48), (20, 24), (240, 4)] {
        let mut world = Scene { pieces: 4096, max_peers: 300, ..Scene::default() }.start();
        for number in 0..sources {
            let from = SocketAddr::from(([198, 51, number as u8 / 8, number as u8], 1));
            let key = world.arrive(from);
            if let Some(key) = key {
                world.tell(Event::Greeted(key, greeting(1 + number as u8)));
                world.hear(key, [News::HaveAll, News::Unchoked]);
                world.coordinator.roster.get_mut(key).unwrap().download.pipeline = Pipeline::new(world.now);
            }
        }
        world.coordinator.share_out_memory(world.now);
        let share_now = world.coordinator.share_of_memory(1);
        let count = world.coordinator.roster.len();
        assert!(count < sources || share_now == share, "{sources} peers, {count} came in: {share_now}");
    }
}

#[test]
fn under_a_download_limit_no_more_is_asked_for_than_the_limit_lets_in_soon() {
    let mut world = Scene { pieces: 4096, download_limit: Some(64 * 1024), ..Scene::default() }.start();
    let seed = world.seed(1);
    assert_eq!(world.coordinator.share_of_memory(1), 12, "three seconds at four blocks a second");
    assert_eq!(requested(&world.requests(seed)), 12);
    assert_eq!(world.coordinator.limited_wait(), 3 * SECOND);
}

/// Lets two peers send for some seconds, one of them ten times as many blocks as the other.
fn fast_and_slow(world: &mut World) -> (PeerKey, PeerKey) {
    let (fast, slow) = (world.seed(1), world.seed(2));
    for turn in 0..40 {
        world.wait(SECOND / 10);
        world.deliver(fast, 1);
        if turn % 10 == 9 {
            world.deliver(slow, 1);
        }
    }
    (fast, slow)
}

#[test]
fn where_nothing_else_is_left_a_fast_peer_takes_over_from_a_slow_one_which_hears_cancel() {
    // In the end game; and while memory is short.
    for (pieces, memory) in [(1, 32 << 20), (8, 64 * u64::from(BLOCK_LENGTH))] {
        let mut world = Scene { pieces, blocks: 64, memory, ..Scene::default() }.start();
        let (fast, slow) = fast_and_slow(&mut world);
        while world.owed(fast).iter().all(|block| !world.owed(slow).contains(block)) {
            assert!(!world.owed(fast).is_empty(), "it helps before it has nothing left");
            world.deliver(fast, 1);
        }
        let both = *world.owed(fast).iter().find(|block| world.owed(slow).contains(block)).unwrap();
        assert_eq!(world.owed(slow).last(), Some(&both), "from the far end");
        world.orders(slow);
        while world.owed(fast).contains(&both) {
            world.deliver(fast, 1);
        }
        let orders = world.orders(slow);
        let is_cancel = |order: &Order| matches!(order, Order::Cancel(blocks) if blocks.contains(&both));
        assert!(orders.iter().any(is_cancel), "{orders:?}");
    }
}

#[test]
fn where_there_is_memory_for_one_piece_a_part_of_the_next_is_asked_for_once_all_of_it_is() {
    let memory = 64 * u64::from(BLOCK_LENGTH);
    let mut world = Scene { pieces: 8, blocks: 64, memory, ..Scene::default() }.start();
    let (fast, slow) = fast_and_slow(&mut world);
    let (first, slows) = (world.owed(fast)[0].piece, world.owed(slow));
    assert!(slows.iter().all(|block| block.piece == first));
    let is_all_of_first = |block: &Block| block.piece == first;
    while world.owed(fast).iter().all(is_all_of_first) {
        world.deliver(fast, 1);
        assert!(!world.owed(fast).is_empty(), "it stands still behind the slow one");
    }
    // A quarter of a piece, however much has come of the first one, until that is on the disk.
    let of_next = |world: &World| {
        let mut others = world.coordinator.requests.open_pieces().filter(|(piece, _)| *piece != first);
        others.next().map_or(0, |(_, open)| open.asked())
    };
    while world.owed(fast).len() > 2 {
        world.deliver(fast, 1);
        assert!(of_next(&world) <= 16);
    }
    assert_eq!(of_next(&world), 16);
    assert_eq!(world.coordinator.requests.open_pieces().count(), 2);
}

#[test]
fn what_much_faster_peers_send_sooner_is_left_to_them() {
    let memory = 64 * u64::from(BLOCK_LENGTH);
    let mut world = Scene { pieces: 8, blocks: 64, memory, ..Scene::default() }.start();
    let (fast, slow) = fast_and_slow(&mut world);
    while world.owed(fast).len() > 2 {
        world.deliver(fast, 1);
    }
    world.deliver(slow, world.owed(slow).len());
    let left = world.coordinator.requests.missing();
    assert!(world.owed(slow).len() <= left / 5, "{} of {left}", world.owed(slow).len());
}

#[test]
fn of_many_unknown_peers_each_is_asked_for_its_part_at_first() {
    let owed = |world: &World, peers: &[PeerKey]| -> Vec<usize> {
        peers.iter().map(|peer| world.owed(*peer).len()).collect()
    };
    // One after the other: the first do not know of the others.
    let mut world = Scene { pieces: 256, ..Scene::default() }.start();
    let peers: Vec<PeerKey> = (1..=16).map(|host| world.seed(host)).collect();
    let begun = owed(&world, &peers);
    assert_eq!(begun[..4], [16; 4]);
    assert!(begun[4..].iter().all(|owed| *owed == 2), "{begun:?}");
    // While we connect to the others: the first gets no more than they will.
    let mut world = Scene { pieces: 256, ..Scene::default() }.start();
    let addresses: Vec<SocketAddr> = (1..=16).map(address).collect();
    world.tell(Event::Found(Source::Tracker, addresses.clone()));
    let mut begin = |(address, host)| {
        let key = world.answer(address);
        world.tell(Event::Greeted(key, greeting(host)));
        world.coordinator.roster.get_mut(key).unwrap().download.trust.proved();
        world.hear(key, [News::HaveAll, News::Unchoked]);
        key
    };
    let peers: Vec<PeerKey> = addresses.into_iter().zip(1..).map(&mut begin).collect();
    assert_eq!(owed(&world, &peers), [4; 16]);
}

#[test]
fn where_all_peers_are_slow_together_little_is_asked_for_twice() {
    // As behind one thin line: a block a second from one of sixteen peers after the other.
    let mut world = Scene { pieces: 10, blocks: 16, ..Scene::default() }.start();
    let peers: Vec<PeerKey> = (1..=16).map(|host| world.seed(host)).collect();
    let (mut twice, mut turns) = (0, peers.iter().cycle());
    for _ in 0..150 {
        world.wait(SECOND);
        world.deliver(*turns.next().unwrap(), 1);
        twice = twice.max(world.coordinator.requests.count_twice());
    }
    assert!(twice <= 2, "{twice}");
}

#[test]
fn a_rejected_cancel_is_no_refusal_and_a_late_block_is_waste() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let key = world.seed(1);
    let depth = |world: &World| world.coordinator.roster.get(key).unwrap().download.pipeline.wanted_depth();
    // It is so fast that it gets more requests than every peer takes.
    let pipeline = &mut world.coordinator.roster.get_mut(key).unwrap().download.pipeline;
    pipeline.set_queue_limit(500);
    pipeline.received(50_000, world.now + SECOND);
    let block = world.owed(key)[0];
    world.coordinator.requests.take_back(key);
    let before = depth(&world);
    world.hear(key, [News::Rejected(block)]);
    assert_eq!(depth(&world), before);
    let owed = world.owed(key)[1];
    world.hear(key, [News::Rejected(owed)]);
    assert_eq!(depth(&world), before / 2);
    world.hear(key, [News::LateBlock(block)]);
    world.wait(SECOND);
    assert_eq!(world.snapshot().wasted, u64::from(BLOCK_LENGTH));
}

#[test]
fn while_other_pieces_are_left_an_idle_peer_takes_nothing_over() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let (first, second) = (world.seed(1), world.seed(2));
    let (first, second) = (world.owed(first), world.owed(second));
    assert!(!second.is_empty() && second.iter().all(|block| !first.contains(block)));
}

#[test]
fn the_allowed_fast_set_is_asked_for_even_while_the_peer_chokes_us() {
    let mut world = Scene::default().start();
    let key = world.dial(address(1), 1);
    world.hear(key, [News::Bitfield(world.bitfield(&[2, 3])), News::AllowedFast(world.piece(3))]);
    assert!(world.owed(key).iter().all(|block| block.piece == world.piece(3)));
    assert_eq!(world.owed(key).len(), 4);
    let owed = world.owed(key);
    world.hear(key, [News::Rejected(owed[0])]);
    world.wait(SECOND);
    assert_eq!(
        world.owed(key),
        owed[1..],
        "a piece that it rejects while it chokes us is not requested again"
    );
}

#[test]
fn a_peer_that_rejects_everything_is_disconnected() {
    let mut world = Scene { pieces: 512, ..Scene::default() }.start();
    let key = world.seed(1);
    for _ in 0..5000 {
        let Some(block) = world.owed(key).first().copied() else { break };
        world.hear(key, [News::Rejected(block), News::Unchoked]);
    }
    assert_eq!(world.hung_up(key), Some(HangUp::RejectsAll));
    // It may do better later, and its neighbours have done nothing.
    world.gone(key, PeerError::HungUp(HangUp::RejectsAll));
    assert!(world.outside.borrow().refused.is_empty());
    let before = world.outside.borrow().dialed.len();
    world.wait(3600 * SECOND);
    assert_eq!(world.outside.borrow().dialed[before..].first(), Some(&address(1)));
}

#[test]
fn interest_follows_what_the_peer_has_and_we_lack() {
    let mut world = Scene { stored: vec![0], ..Scene::default() }.start();
    let key = world.dial(address(1), 1);
    let told = |world: &World| {
        let interest =
            |order| if let Order::Interested(interested) = order { Some(interested) } else { None };
        world.orders(key).into_iter().filter_map(interest).collect::<Vec<_>>()
    };
    world.hear(key, [News::Bitfield(world.bitfield(&[0]))]);
    assert!(told(&world).is_empty());
    world.hear(key, [News::Have(world.piece(1)), News::Have(world.piece(2))]);
    assert_eq!(told(&world), [true]);
    world.hear(key, [News::Unchoked]);
    for piece in [1, 2] {
        world.hear(key, [News::Verified(world.piece(piece), Vec::new())]);
        world.tell(Event::Stored(vec![world.piece(piece)]));
    }
    assert_eq!(told(&world), [false]);
}

#[test]
fn selected_pieces_are_all_that_is_asked_for() {
    let mut wanted = Bitfield::none(8);
    wanted.insert(Geometry::new(8, 1).unwrap().piece(5).unwrap());
    let mut world = Scene { wanted: WantedPieces::Only(wanted), ..Scene::default() }.start();
    let key = world.seed(1);
    let five = world.piece(5);
    assert!(world.owed(key).iter().all(|block| block.piece == five));
    world.hear(key, [News::Verified(five, Vec::new())]);
    world.tell(Event::Stored(vec![five]));
    assert!(world.outside.borrow().finish_told);
}

#[test]
fn silent_peers_do_not_pass_the_last_block_round_among_themselves() {
    let mut world = Scene { pieces: 1, blocks: 1, ..Scene::default() }.start();
    (1..=10).for_each(|host| _ = world.seed(host));
    let honest = world.seed(99);
    for _ in 0..60 {
        world.wait(SECOND);
        if !world.owed(honest).is_empty() {
            return;
        }
    }
    panic!("the honest peer was never asked: {:?}", world.snapshot());
}

#[test]
fn what_a_peer_forgets_is_asked_for_again_although_it_goes_on_sending() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let key = world.seed(1);
    let lost = world.owed(key)[0];
    for _ in 0..200 {
        world.wait(SECOND / 10);
        let Some(next) = world.owed(key).into_iter().find(|block| *block != lost) else { break };
        let assembly = world.coordinator.requests.assembly(next.piece).unwrap();
        let span = Span { piece: next.piece, first: next.number, count: 1 };
        world.hear(key, [News::Blocks(span, assembly)]);
        let place = world.owed(key).iter().position(|block| *block == lost);
        if place.is_none_or(|place| place > 0) {
            return;
        }
    }
    panic!("it is still the oldest request: {:?}", world.owed(key));
}

#[test]
fn a_peer_that_stops_sending_is_asked_again_by_its_own_pace() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let key = world.seed(1);
    for _ in 0..100 {
        world.wait(SECOND / 10);
        world.deliver(key, 1);
    }
    world.coordinator.roster.get_mut(key).unwrap().dial = None;
    let owed = world.owed(key);
    world.orders(key);
    world.wait(4 * SECOND);
    assert_eq!(world.owed(key), owed, "ten blocks a second: too early");
    // What it owes should take some seconds, and it has four times as long.
    world.wait(50 * SECOND);
    let orders = world.orders(key);
    assert!(
        matches!(&orders[..], [Order::Cancel(blocks), Order::Request(_), ..] if *blocks == owed),
        "{orders:?}"
    );
    assert_eq!(world.hung_up(key), None);
}

/// A seed that does not speak BEP 6: what it owes when it chokes us it forgets.
fn old_seed(world: &mut World, host: u8) -> PeerKey {
    let key = world.dial(address(host), host);
    world.gone(key, PeerError::Closed);
    world.wait(2 * SECOND);
    let key = world.answer(address(host));
    world.tell(Event::Greeted(key, Greeting { fast: false, ..greeting(host) }));
    world.hear(key, [News::HaveAll, News::Unchoked]);
    key
}

#[test]
fn what_a_choke_frees_is_asked_of_others_first() {
    let mut world = Scene { pieces: 1, ..Scene::default() }.start();
    let flapping = old_seed(&mut world, 1);
    assert_eq!(world.owed(flapping).len(), 4);
    let other = world.seed(2);
    assert_eq!(world.owed(other).len(), 0, "the first was asked only just now");
    world.hear(flapping, [News::Choked, News::Unchoked]);
    assert_eq!(world.owed(other).len(), 4);
}

#[test]
fn a_peer_that_chokes_for_ever_and_sends_nothing_is_asked_less_and_less_and_then_disconnected() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let key = old_seed(&mut world, 1);
    let mut asked = 0;
    for _ in 0..100 {
        world.wait(SECOND / 2);
        asked += usize::from(!world.owed(key).is_empty());
        world.hear(key, [News::Choked, News::Unchoked]);
    }
    assert!(asked <= 8, "asked {asked} times in 50 s");
    for _ in 0..100 {
        world.wait(SECOND / 2);
        world.hear(key, [News::Choked, News::Unchoked]);
    }
    assert_eq!(world.hung_up(key), Some(HangUp::ChokeFlood));
    assert!(world.owed(key).is_empty());
}

#[test]
fn a_block_of_a_piece_that_another_worker_has_completed_is_no_waste() {
    let mut world = Scene { pieces: 1, blocks: 4, ..Scene::default() }.start();
    let (first, second) = (world.newcomer(1), world.newcomer(2));
    let piece = world.piece(0);
    let payload = vec![7; 4 * BLOCK_LENGTH as usize];
    let assembly = Assembly::new(&world.geometry, piece, PieceDigest::sha1_of(&payload), Vec::new());
    let buffers = BufferPool::new(1 << 20);
    for number in 0..4 {
        let (sender, block) = (if number == 0 { second } else { first }, Block { piece, number });
        assembly.put(block, &payload[..BLOCK_LENGTH as usize], sender, &buffers);
    }
    assert!(assembly.is_verified());
    world.hear(first, [News::Verified(piece, Vec::new())]);
    world.hear(second, [News::Blocks(Span { piece, first: 0, count: 1 }, Arc::new(assembly))]);
    assert_eq!(world.snapshot().wasted, 0);
    assert!(world.coordinator.is_proved(second));
}
