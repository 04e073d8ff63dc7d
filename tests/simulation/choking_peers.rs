//! Peers that choke and unchoke without end and send nothing, beside one honest seeder: they hold nothing up.

use crate::scene::{KB, KIB, MB, MIB, Member, Scene, ms};
use crate::stub::Manners;

const PERIODS: [u64; 5] = [250, 400, 1000, 1500, 3000];

/// For each number of such peers, each period, with BEP 6 and without.
fn hold_nothing_up(in_one_breath: bool) {
    for flappers in [2, 3, 6, 37] {
        for (period, old) in PERIODS.into_iter().flat_map(|period| [(period, true), (period, false)]) {
            let manners =
                Manners { flaps: Some(ms(period)), in_one_breath, silent: true, old, ..Manners::default() };
            let scene = Scene::new(period, 16 * MIB, 256 * KIB)
                .with(flappers, Member::stub_that(manners))
                .with(1, Member::stub().up(500 * KB))
                .with(1, Member::leecher().down(50 * MB));
            scene.run().assert_good(&format!("{flappers} peers, {manners:?}"));
        }
    }
}

#[test]
fn peers_that_choke_and_unchoke_in_one_breath_hold_nothing_up() {
    hold_nothing_up(true);
}

#[test]
fn peers_that_choke_and_unchoke_by_turns_hold_nothing_up() {
    hold_nothing_up(false);
}
