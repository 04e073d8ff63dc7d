//! Peers that send wrong bytes: each spoils a piece, hardly more, and no honest peer is banned for it.

use crate::report::Report;
use crate::scene::{KB, KIB, MB, MIB, Member, Scene};
use crate::stub::{Lies, Manners};
use fastrand::Rng;

/// Pieces that may be in the hands of newcomers when the first lies are noticed.
const AT_ONCE: usize = 8;

fn liar(lies: Lies) -> Member {
    Member::stub_that(Manners { lies, ..Manners::default() }).up(800 * KB)
}

fn honest() -> Member {
    Member::stub().up(800 * KB)
}

fn leecher() -> Member {
    Member::leecher().down(8 * MB)
}

/// Runs a scene that ends, whoever lies in it.
fn run(name: &str, scene: &Scene) -> Report {
    let report = scene.run();
    report.assert_sound(name);
    report
}

/// The most failed pieces in a few runs of so many liars among ten or eleven peers.
fn most_failures(lies: Lies, liars: usize, piece_length: u64) -> u32 {
    let runs = (0..4).map(|seed| {
        let scene = Scene::new(seed, 32 * MIB, piece_length)
            .with(liars, liar(lies))
            .with((10 - liars).max(1), honest())
            .with(1, leecher());
        run(&format!("{liars} that lie in {lies:?}, pieces of {piece_length}"), &scene).failures
    });
    runs.max().unwrap()
}

#[test]
fn one_liar_among_ten_spoils_one_piece_and_a_cunning_one_few() {
    for piece_length in [256 * KIB, MIB] {
        for lies in [Lies::All, Lies::FirstTime, Lies::ThenSilent(1), Lies::ThenSilent(40)] {
            assert_eq!(most_failures(lies, 1, piece_length), 1, "{lies:?}, {piece_length}");
        }
        // These prove themselves first.
        for lies in [Lies::OneOf(16), Lies::Sometimes(64), Lies::After(100)] {
            let failures = most_failures(lies, 1, piece_length);
            assert!(failures <= 4, "{lies:?}, {piece_length}: {failures}");
        }
    }
    // Large pieces are shared from the start, and all that a liar has a part in would be wrong.
    for lies in [Lies::All, Lies::FirstTime, Lies::ThenSilent(40)] {
        assert_eq!(most_failures(lies, 1, 4 * MIB), 1, "{lies:?}");
    }
}

#[test]
fn those_that_prove_themselves_and_then_lie_spoil_no_piece_that_could_wait() {
    let failures = most_failures(Lies::After(100), 5, MIB);
    assert!(failures <= 8, "{failures}");
}

#[test]
fn where_half_or_all_but_one_lie_each_spoils_about_one_piece() {
    for liars in [5, 10] {
        for lies in [Lies::All, Lies::FirstTime, Lies::ThenSilent(40)] {
            let failures = most_failures(lies, liars, MIB);
            assert!(failures <= liars as u32 + 2, "{liars}, {lies:?}: {failures}");
        }
    }
}

#[test]
fn a_network_of_liars_is_met_a_few_times_and_a_host_of_them_once_or_twice() {
    let scene = |seed| Scene::new(seed, 32 * MIB, MIB).with(1, honest()).with(1, leecher());
    let quick = liar(Lies::All).up(2 * MB);
    for seed in 0..3 {
        for liars in [30, 200] {
            let report = run("liars of one network", &scene(seed).with(liars, quick.in_network(9)));
            assert!(report.failures <= 12 && report.liars_banned <= 5, "{liars}: {report:?}");
        }
        for ports in [4, 20] {
            let report = run("a host of liars", &scene(seed).with(ports, quick.at_host(9)));
            assert!(report.failures <= 5 && report.liars_banned <= 2, "{ports}: {report:?}");
        }
    }
}

#[test]
fn an_honest_peer_among_liars_of_its_host_or_network_is_found() {
    let quick = liar(Lies::All).up(2 * MB);
    let scene = |seed, honest| Scene::new(seed, 8 * MIB, 256 * KIB).with(1, honest).with(1, leecher());
    for seed in 0..3 {
        let network = scene(seed, honest().in_network(9)).with(20, quick.in_network(9));
        let report = run("an honest peer in their network", &network);
        assert!(report.failures as usize <= 20 + AT_ONCE, "{report:?}");
        let host = scene(seed, honest().at_host(9)).with(20, quick.at_host(9));
        let report = run("an honest peer at their host", &host);
        assert!(report.failures as usize <= 20 + AT_ONCE, "{report:?}");
    }
}

/// Random mixes of honest peers and liars of all kinds, which may be neighbours.
fn mix(number: u64) -> (Scene, usize) {
    let mut random = Rng::with_seed(number);
    let piece_length = random.choice([64, 256, 1024]).unwrap() * KIB;
    let mut scene = Scene::new(number, random.u64(MIB..16 * MIB), piece_length).with(1, leecher());
    let place = |random: &mut Rng, member: Member| match random.u8(..4) {
        0 => member.in_network(9),
        1 => member.at_host(9),
        _ => member,
    };
    for _ in 0..random.u32(1..6) {
        let member = honest().up(random.u64(50 * KB..2 * MB));
        scene = scene.with(1, place(&mut random, member));
    }
    let liars = random.usize(1..20);
    for _ in 0..liars {
        let lies = match random.u8(..6) {
            0 => Lies::OneOf(random.u32(2..16)),
            1 => Lies::Sometimes(random.u32(2..64)),
            2 => Lies::FirstTime,
            3 => Lies::After(random.u32(1..200)),
            4 => Lies::ThenSilent(random.u32(1..100)),
            _ => Lies::All,
        };
        let member = liar(lies).up(random.u64(50 * KB..4 * MB));
        scene = scene.with(1, place(&mut random, member));
    }
    (scene, liars)
}

#[test]
fn whoever_lies_every_download_ends_and_no_honest_peer_is_banned() {
    for number in 0..150 {
        let (scene, liars) = mix(number);
        let report = run(&format!("mix {number}"), &scene);
        // Small pieces count for less: a newcomer may have to do with four of 64 KiB.
        let most = 4 * liars + AT_ONCE;
        assert!(report.failures as usize <= most, "mix {number}, {liars} liars: {}", report.failures);
    }
}
