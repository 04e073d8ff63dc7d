//! Peers that choke and unchoke without end and send nothing, beside one honest seeder: they hold nothing up. And one
//! that chokes us for what we ask.

use crate::scene::{KB, KIB, MB, MIB, Member, Scene, ms, seconds};
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

#[test]
fn a_peer_that_chokes_us_for_asking_for_two_pieces_is_asked_for_less() {
    for old in [false, true] {
        let manners = Manners { one_piece: true, old, ..Manners::default() };
        let scene = Scene::new(1, 4 * MIB, 64 * KIB)
            .with(1, Member::stub_that(manners).up(500 * KB))
            .with(1, Member::leecher().down(50 * MB));
        let report = scene.run();
        report.assert_sound(&format!("{manners:?}"));
        // Each time that more is tried it chokes us again.
        assert!(report.ratio() < 3.0, "{manners:?}: {report}");
    }
}

#[test]
fn a_peer_that_keeps_one_or_two_requests_costs_a_silence_now_and_then() {
    for keeps in [1, 2] {
        let manners = Manners { keeps: Some(keeps), old: true, ..Manners::default() };
        let scene = Scene::new(1, MIB, 64 * KIB)
            .with(1, Member::stub_that(manners).up(500 * KB))
            .with(1, Member::leecher().down(50 * MB));
        let report = scene.run();
        report.assert_sound(&format!("{manners:?}"));
        let time = report.times.iter().flatten().max();
        assert!(time.is_some_and(|time| *time <= seconds(30)), "{manners:?}: {report}");
    }
}
