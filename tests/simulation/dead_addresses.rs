//! One live peer among addresses at which no host answers: it is found soon, wherever it stands among them.

use crate::scene::{KIB, MB, MIB, Member, Scene};
use std::time::Duration;

#[test]
fn one_live_peer_among_many_silent_addresses_is_found_soon() {
    for (silent, most) in [(50, 3), (200, 6), (1_000, 25)] {
        for seed in 0..6 {
            let scene = Scene::new(seed, MIB, 256 * KIB)
                .with(silent, Member::dead())
                .with(1, Member::stub().up(10 * MB))
                .with(1, Member::leecher().down(50 * MB));
            let report = scene.run();
            report.assert_sound(&format!("{silent} silent"));
            let took = report.slowest().unwrap();
            assert!(took < Duration::from_secs(most), "{silent} silent addresses: {took:?}");
        }
    }
}
