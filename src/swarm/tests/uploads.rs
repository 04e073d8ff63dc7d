//! Which peers are unchoked and what they are told.

use super::*;

fn seeding(goals: SeedGoals) -> Scene {
    let uploads = UploadPolicy { seeding: Some(goals), ..UploadPolicy::default() };
    Scene { stored: (0..8).collect(), wanted: WantedPieces::Nothing, uploads, ..Scene::default() }
}

fn leecher(world: &mut World, host: u8) -> PeerKey {
    let key = world.arrive(address(host)).unwrap();
    world.tell(Event::Greeted(key, greeting(host)));
    world.hear(key, [News::Bitfield(world.bitfield(&[]))]);
    key
}

#[test]
fn an_interested_peer_is_unchoked_at_once_and_one_without_interest_never() {
    let mut world = seeding(SeedGoals::default()).start();
    let (wants, rests) = (leecher(&mut world, 1), leecher(&mut world, 2));
    world.hear(wants, [News::Interested(true)]);
    world.wait(SECOND / 2);
    let is_unchoke = |order: &Order| matches!(order, Order::Unchoke);
    assert!(world.orders(wants).iter().any(is_unchoke));
    world.wait(60 * SECOND);
    assert!(!world.orders(rests).iter().any(is_unchoke));
    assert_eq!((world.snapshot().interested, world.snapshot().served), (1, 1));
}

#[test]
fn a_newcomer_gets_an_allowed_fast_set_of_what_we_have() {
    let mut world = seeding(SeedGoals::default()).start();
    let newcomer = leecher(&mut world, 1);
    let set = world.orders(newcomer).into_iter().find_map(|order| match order {
        Order::AllowFast(pieces) => Some(pieces),
        _ => None,
    });
    assert_eq!(set.map(|pieces| pieces.len()), Some(8), "a torrent of eight pieces");
    let mut nothing_to_give = Scene::default().start();
    let other = leecher(&mut nothing_to_give, 1);
    assert!(!nothing_to_give.orders(other).iter().any(|order| matches!(order, Order::AllowFast(_))));
}

#[test]
fn a_seed_ends_when_its_ratio_or_its_time_is_reached() {
    let ratio = SeedGoals { ratio: Some(1.0), time: None };
    let mut world = seeding(ratio).start();
    let key = leecher(&mut world, 1);
    assert_eq!(world.wait(3600 * SECOND), None);
    let payload = world.geometry.total_size() as u32;
    world.outside.borrow().workers[&key].requests().sent(payload - 1);
    assert_eq!(world.wait(SECOND), None);
    world.outside.borrow().workers[&key].requests().sent(1);
    assert_eq!(world.wait(SECOND), Some(RunEnd::Done));

    let time = SeedGoals { ratio: None, time: Some(10 * SECOND) };
    let mut world = seeding(time).start();
    assert_eq!(world.wait(9 * SECOND), None);
    assert_eq!(world.wait(2 * SECOND), Some(RunEnd::Done));
}

#[test]
fn a_finished_download_goes_on_as_a_seed_if_the_user_wants_it_and_tells_trackers_and_peers() {
    let uploads = UploadPolicy { seeding: Some(SeedGoals::default()), ..UploadPolicy::default() };
    let mut world = Scene { pieces: 1, blocks: 1, uploads, ..Scene::default() }.start();
    let key = world.seed(1);
    let piece = world.piece(0);
    world.hear(key, [News::Verified(piece, Vec::new())]);
    world.tell(Event::Stored(vec![piece]));
    assert_eq!(world.tell(Event::WriterEnded { finished: true }), None);
    assert_eq!(world.outside.borrow().completed, 1);
    assert!(world.orders(key).iter().any(|order| matches!(order, Order::UploadOnly(_))));
    assert_eq!(world.hung_up(key), Some(HangUp::BothSeeds), "it has everything, too");
    assert_eq!(world.tell(Event::Stop), Some(RunEnd::Done));
}

#[test]
fn have_is_told_to_every_peer_but_seeds() {
    let mut world = Scene::default().start();
    let (seed, other) = (world.seed(1), world.dial(address(2), 2));
    world.hear(other, [News::Bitfield(world.bitfield(&[3]))]);
    let piece = world.owed(seed)[0].piece;
    world.hear(seed, [News::Verified(piece, Vec::new())]);
    world.tell(Event::Stored(vec![piece]));
    let is_have = |order: &Order| matches!(order, Order::Have(one) if *one == piece);
    assert!(world.orders(other).iter().any(is_have));
    assert!(!world.orders(seed).iter().any(is_have));
}

/// A peer that gave us the metadata: the connection that it came over goes on. It has these pieces.
fn giver(world: &mut World, host: u8, pieces: News) -> PeerKey {
    let (stream, _) = PeerStream::in_memory();
    let (address, greeting) = (address(host), greeting(host));
    let handed = HandedOver { address, incoming: true, stream, greeting, heard: Vec::new() };
    world.tell(Event::HandedOver(handed));
    let key = world.coordinator.roster.all().last().map(|(key, _)| key).expect("it goes on");
    world.tell(Event::Greeted(key, greeting));
    world.hear(key, [pieces]);
    key
}

#[test]
fn a_peer_that_gave_the_metadata_is_told_of_what_we_have_little_by_little_and_a_seed_of_nothing() {
    let mut world =
        Scene { pieces: 40_000, blocks: 1, stored: (0..39_999).collect(), ..Scene::default() }.start();
    let nothing = world.bitfield(&[]);
    let (leecher, seed) =
        (giver(&mut world, 1, News::Bitfield(nothing)), giver(&mut world, 2, News::HaveAll));
    let told_of = |orders: Vec<Order>| orders.iter().filter(|order| matches!(order, Order::Have(_))).count();
    let mut told = Vec::new();
    for _ in 0..100 {
        let before = told.len();
        for order in world.orders(leecher) {
            match order {
                Order::Introduce { pieces, .. } => assert_eq!(pieces.count(), 0),
                Order::Have(piece) => told.push(piece.get()),
                _ => {}
            }
        }
        assert!(told.len() - before <= 500, "{}", told.len() - before);
        assert_eq!(told_of(world.orders(seed)), 0);
        world.wait(SECOND / 4);
    }
    assert!(told.iter().copied().eq(0..32 * 1024), "{}", told.len());
    assert_eq!([leecher, seed].map(|key| world.hung_up(key)), [None, None]);
}
