//! Swarms of our own programs, each a process: what one has, the others get.

use std::time::Duration;

use crate::support::sample::Sample;
use crate::support::swarm::{Leecher, Swarm};

/// For any one run here, on a loaded machine.
const LIMIT: Duration = Duration::from_secs(180);

/// 48 pieces of four blocks, the last block short.
fn swarm() -> Swarm {
    Swarm::new(Sample::single(48 * 65_536 - 100, 65_536))
}

#[test]
fn ten_leechers_and_a_seed_all_finish() {
    let swarm = swarm();
    let _seed = swarm.seed(&["--up-limit", "2M"]);
    let leechers: Vec<Leecher> = (0..10).map(|_| swarm.leecher(&[])).collect();
    swarm.assert_complete(leechers);
}

#[test]
fn two_half_full_clients_complete_each_other() {
    let swarm = swarm();
    let even = swarm.leecher_with(|piece| piece % 2 == 0, &[]);
    let odd = swarm.leecher_with(|piece| piece % 2 == 1, &[]);
    swarm.assert_complete([even, odd]);
}

#[test]
fn all_finish_although_the_seed_leaves_when_one_copy_is_out() {
    let swarm = swarm();
    // Slow enough that no leecher has everything before the others have something.
    let (seed, _) = swarm.seed(&["--up-limit", "1M"]);
    let leechers: Vec<Leecher> = (0..5).map(|_| swarm.leecher(&[])).collect();
    swarm.wait_until_one_copy_is_out(&leechers);
    seed.stop();
    swarm.assert_complete(leechers);
}

#[test]
fn leechers_that_upload_nothing_finish_too() {
    let swarm = swarm();
    let _seed = swarm.seed(&["--up-limit", "2M"]);
    let givers: Vec<Leecher> = (0..3).map(|_| swarm.leecher(&[])).collect();
    let takers: Vec<Leecher> = (0..3).map(|_| swarm.leecher(&["--up-limit", "0"])).collect();
    swarm.assert_complete(givers.into_iter().chain(takers));
}

#[test]
fn a_super_seed_sends_little_more_than_one_copy() {
    let swarm = swarm();
    let (seed, _) = swarm.seed(&["--super", "--up-limit", "2M"]);
    let leechers: Vec<Leecher> = (0..4).map(|_| swarm.leecher(&[])).collect();
    swarm.assert_complete(leechers);
    assert!(ratio(&seed.stop().output) < 2.0);
}

#[test]
fn a_super_seed_serves_one_alone() {
    let swarm = swarm();
    let _seed = swarm.seed(&["--super"]);
    swarm.assert_completes(swarm.leecher(&[]));
}

#[test]
fn a_seed_ends_when_it_has_given_as_much_as_was_wished() {
    let swarm = swarm();
    let (seed, _) = swarm.seed(&["--seed-ratio", "1.5", "--seed-time", "1000"]);
    let leechers = [swarm.leecher(&["--up-limit", "0"]), swarm.leecher(&["--up-limit", "0"])];
    let outcome = seed.program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(ratio(&outcome.output) >= 1.5, "{}", outcome.output);
    drop(leechers);
}

#[test]
fn a_seed_ends_when_its_time_is_over() {
    let swarm = swarm();
    let (seed, _) = swarm.seed(&["--seed-time", "0.02", "--seed-ratio", "1000"]);
    let outcome = seed.program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.output.contains("ratio 0.00"), "{}", outcome.output);
}

#[test]
fn a_download_that_goes_on_sharing_ends_at_its_goal_and_says_completed_once() {
    let swarm = swarm();
    let (seed, _) = swarm.seed(&[]);
    let outcome = swarm.leecher(&["--seed-time", "0"]).instance.program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    seed.stop();
    let completed = swarm
        .tracker
        .announces()
        .iter()
        .filter(|it| it.bytes("event") == Some(b"completed".as_slice()))
        .count();
    assert_eq!(completed, 1);
}

#[test]
fn an_upload_limit_of_zero_gives_nothing() {
    let swarm = swarm();
    let (mean, _) = swarm.seed(&["--up-limit", "0"]);
    let leecher = swarm.leecher(&["-v"]);
    leecher.instance.wait_for(": connected");
    // The leecher asks both from now on, and takes everything from the one without a limit.
    let (generous, _) = swarm.seed(&[]);
    swarm.assert_completes(leecher);
    assert!(ratio(&generous.stop().output) >= 1.0);
    let output = mean.stop().output;
    assert!(output.contains("0 bytes uploaded, ratio 0.00"), "{output}");
}

/// What a seed said last of its ratio.
fn ratio(output: &str) -> f64 {
    output.rsplit_once("ratio ").unwrap().1.trim().parse().unwrap()
}
