//! Swarms of which a part takes only encrypted connections and another part only plain ones: they cost a client
//! that takes both hardly any time.

use crate::scene::{KB, KIB, MIB, Member, Scene, ms};
use femtotorrent::strategy::Approach;

/// How much longer than a swarm that takes everything.
const LONGER: f64 = 1.03;

/// Seeders of which so many take only encrypted connections, so many only plain ones, and so many both.
fn seeders(seed: u64, [encrypted, plain, both]: [usize; 3]) -> Scene {
    let seeder = Member::stub().up(50 * KB).round_trip(ms(60));
    Scene::new(seed, 32 * MIB, 256 * KIB)
        .with(encrypted, seeder.takes_only(Approach::Encrypted))
        .with(plain, seeder.takes_only(Approach::Plain))
        .with(both, seeder)
        .with(5, Member::dead())
        .with(1, Member::leecher())
}

#[test]
fn a_swarm_most_of_which_takes_only_encrypted_connections_costs_hardly_any_time() {
    for seed in 0..3 {
        let open = seeders(seed, [0, 0, 40]).run();
        open.assert_good("all take both");
        for mix in [[32, 6, 2], [40, 0, 0], [1, 38, 1]] {
            let report = seeders(seed, mix).run();
            report.assert_good(&format!("{mix:?}"));
            let longer = report.slowest().unwrap().as_secs_f64() / open.slowest().unwrap().as_secs_f64();
            assert!(longer <= LONGER, "{mix:?}: {longer}");
        }
    }
}

#[test]
fn clients_that_take_both_are_the_bridge_between_those_that_do_not() {
    let (encrypted, plain) = (Some(Approach::Encrypted), Some(Approach::Plain));
    let swarm = |seed, takes: [Option<Approach>; 4]| {
        let [of_seed, others @ ..] = takes;
        let taking = |member: Member, takes: Option<Approach>| match takes {
            Some(approach) => member.takes_only(approach),
            None => member,
        };
        let scene = Scene::new(seed, 16 * MIB, 128 * KIB).with(1, taking(Member::seed(), of_seed));
        let scene =
            others.into_iter().fold(scene, |scene, takes| scene.with(3, taking(Member::leecher(), takes)));
        let report = scene.run();
        report.assert_sound(&format!("{takes:?}"));
        report.slowest().unwrap().as_secs_f64()
    };
    for seed in 0..3 {
        let open = swarm(seed, [None; 4]);
        for of_seed in [encrypted, plain] {
            // Three of nine get all that they get through three others.
            let longer = swarm(seed, [of_seed, encrypted, plain, None]) / open;
            assert!(longer <= 1.35, "{of_seed:?}: {longer}");
        }
    }
}
