//! Swarms of our own programs, each a process: what one has, the others get.

use crate::sample::Sample;
use crate::swarms::{Leecher, Swarm};

/// 48 pieces of four blocks, the last block short.
fn swarm() -> Swarm {
    Swarm::new(Sample::single(48 * 65_536 - 100, 65_536))
}

#[test]
fn ten_leechers_and_a_seed_all_finish() {
    let swarm = swarm();
    let _seed = swarm.seed(&["--up-limit", "2M"]);
    let leechers: Vec<Leecher> = (0..10).map(|_| swarm.leecher(&[])).collect();
    leechers.into_iter().for_each(|leecher| swarm.assert_completes(leecher));
}

#[test]
fn two_half_full_clients_complete_each_other() {
    let swarm = swarm();
    let even = swarm.leecher_with(|piece| piece % 2 == 0, &[]);
    let odd = swarm.leecher_with(|piece| piece % 2 == 1, &[]);
    swarm.assert_completes(even);
    swarm.assert_completes(odd);
}

#[test]
fn everybody_finishes_although_the_seed_leaves_when_one_copy_is_out() {
    let swarm = swarm();
    // Slow enough that nobody has everything before the others have something.
    let (seed, _) = swarm.seed(&["--up-limit", "1M"]);
    let leechers: Vec<Leecher> = (0..5).map(|_| swarm.leecher(&[])).collect();
    swarm.wait_until_one_copy_is_out(&leechers);
    seed.stop();
    leechers.into_iter().for_each(|leecher| swarm.assert_completes(leecher));
}

#[test]
fn those_who_give_nothing_finish_too() {
    let swarm = swarm();
    let _seed = swarm.seed(&["--up-limit", "2M"]);
    let givers: Vec<Leecher> = (0..3).map(|_| swarm.leecher(&[])).collect();
    let takers: Vec<Leecher> = (0..3).map(|_| swarm.leecher(&["--up-limit", "0"])).collect();
    givers.into_iter().chain(takers).for_each(|leecher| swarm.assert_completes(leecher));
}
