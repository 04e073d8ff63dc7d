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
fn a_newcomer_gets_an_allowed_fast_set_of_what_we_have_and_an_old_hand_does_not() {
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
fn a_finished_download_goes_on_as_a_seed_if_it_is_to_and_says_so() {
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
