//! Peers that send wrong bytes: each spoils one piece at most, and no honest peer is banned for it.

use crate::report::Report;
use crate::scene::{KB, KIB, MB, MIB, Member, Scene, seconds};
use crate::stub::{Lies, Manners};
use fastrand::Rng;
use femtotorrent::chance;

/// Runs of each scene, of which each is another one: so many as `LIAR_SEEDS` says, or few.
fn seeds() -> u64 {
    std::env::var("LIAR_SEEDS").map_or(5, |seeds| seeds.parse().expect("a number"))
}

/// Those that lie from the beginning, and those that prove themselves first.
const FROM_THE_START: [Lies; 4] = [Lies::All, Lies::FirstTime, Lies::ThenSilent(1), Lies::ThenSilent(40)];
const LATER: [Lies; 3] = [Lies::OneOf(16), Lies::Sometimes(64), Lies::After(100)];

fn liar(lies: Lies) -> Member {
    Member::stub_that(Manners { lies, ..Manners::default() }).up(800 * KB)
}

fn quick_liar(lies: Lies) -> Member {
    liar(lies).up(2 * MB)
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

/// Runs a scene with all seeds, and holds it to so many failed pieces.
fn holds(name: &str, most: u32, scene: impl Fn(u64) -> Scene) {
    for seed in 0..seeds() {
        let failures = run(name, &scene(seed)).failures;
        assert!(failures <= most, "{name}, seed {seed}: {failures} of at most {most}");
    }
}

/// As large as it has to be for all to lie who do.
fn payload(lies: Lies) -> u64 {
    if matches!(lies, Lies::After(_)) { 32 * MIB } else { 12 * MIB }
}

/// So many liars among ten or eleven peers.
fn among_ten(liars: usize, lies: Lies, piece_length: u64) -> impl Fn(u64) -> Scene {
    move |seed| {
        Scene::new(seed, payload(lies), piece_length)
            .with(liars, liar(lies))
            .with((10 - liars).max(1), honest())
            .with(1, leecher())
    }
}

fn hold_one_of_ten(kinds: &[Lies], piece_lengths: &[u64]) {
    for piece_length in piece_lengths {
        for lies in kinds {
            let name = format!("{lies:?}, pieces of {piece_length}");
            holds(&name, 1, among_ten(1, *lies, *piece_length));
        }
    }
}

#[test]
fn one_liar_among_ten_spoils_one_piece() {
    hold_one_of_ten(&FROM_THE_START, &[256 * KIB, MIB]);
}

#[test]
fn one_that_proves_itself_first_spoils_one_piece() {
    hold_one_of_ten(&LATER, &[256 * KIB, MIB]);
}

#[test]
fn one_liar_among_ten_spoils_one_large_piece() {
    hold_one_of_ten(&FROM_THE_START, &[4 * MIB]);
    hold_one_of_ten(&LATER, &[4 * MIB]);
}

#[test]
fn behind_thin_lines_it_is_one_piece_as_well() {
    for piece_length in [256 * KIB, MIB, 4 * MIB] {
        for lies in [Lies::All, Lies::ThenSilent(1), Lies::Sometimes(64), Lies::After(100)] {
            let scene = |seed, up, down| {
                let scene = Scene::new(seed, payload(lies) / 2, piece_length).with(1, liar(lies).up(up));
                scene.with(9, honest().up(up)).with(1, leecher().down(down))
            };
            let name = format!("{lies:?}, pieces of {piece_length}");
            holds(&format!("thin lines of all: {name}"), 1, |seed| scene(seed, 50 * KB, 8 * MB));
            holds(&format!("a thin line for all: {name}"), 1, |seed| scene(seed, 500 * KB, 100 * KB));
        }
    }
}

/// Where there is nobody else to compare with, nobody waits for peers that need minutes for a piece, and no such peer is to
/// send it alone: after half a minute the liar would have a part in it again, and so on for ever.
#[test]
fn beside_a_fast_peer_and_two_very_slow_ones_a_liar_is_convicted_soon() {
    for lies in [Lies::All, Lies::Sometimes(16)] {
        for memory in [MIB, 32 * MIB] {
            for seed in 0..seeds() {
                let scene =
                    Scene::new(seed, 12 * MIB, MIB).memory(memory).with(1, liar(lies)).with(1, honest());
                let scene = scene.with(2, honest().up(5 * KB)).with(1, Member::leecher());
                let report = run("very slow peers", &scene);
                assert!(report.failures <= 4 && report.liars_banned == 1, "{lies:?}, {seed}: {report:?}");
                assert!(report.slowest().unwrap() < seconds(100), "{lies:?}, {seed}: {report}");
            }
        }
    }
}

/// When all choke us at once, what is open is not given up for the sake of peers that cannot be asked for anything either.
#[test]
fn peers_that_choke_us_by_turns_send_large_pieces_all_the_same_once_one_was_wrong() {
    let manners = Manners { flaps: Some(seconds(1)), ..Manners::default() };
    for seed in 0..3 {
        let scene = Scene::new(seed, 64 * MIB, 4 * MIB).with(9, Member::stub_that(manners).up(800 * KB));
        run("by turns", &scene.with(1, liar(Lies::All)).with(1, Member::leecher()));
    }
}

#[test]
fn where_half_of_them_lie_each_spoils_one_piece_at_most() {
    for lies in FROM_THE_START.into_iter().chain(LATER) {
        holds(&format!("{lies:?}"), 5, among_ten(5, lies, MIB));
    }
}

/// One failure tells of nobody, since several had sent that piece and only one of eleven is honest. It may be found last.
#[test]
fn where_all_but_one_lie_each_spoils_one_piece_and_all_together_another_one() {
    for lies in FROM_THE_START.into_iter().chain(LATER) {
        holds(&format!("{lies:?}"), 11, among_ten(10, lies, MIB));
    }
    // Of small pieces more are under way when one is found to be wrong.
    for (lies, most) in [(Lies::All, 11), (Lies::After(100), 12)] {
        holds(&format!("{lies:?}, small pieces"), most, among_ten(10, lies, 256 * KIB));
    }
}

#[test]
fn a_network_of_liars_is_met_a_few_times_and_a_host_of_them_once_or_twice() {
    let scene = |seed| Scene::new(seed, 24 * MIB, MIB).with(1, honest()).with(1, leecher());
    let quick = quick_liar(Lies::All);
    for liars in [30, 200] {
        holds("liars of one network", 6, |seed| scene(seed).with(liars, quick.in_network(9)));
    }
    for ports in [4, 20] {
        holds("a host of liars", 3, |seed| scene(seed).with(ports, quick.at_host(9)));
        let cunning = quick_liar(Lies::After(100));
        holds("a host of cunning liars", 5, |seed| scene(seed).with(ports, cunning.at_host(9)));
    }
}

/// Nothing tells an honest peer from a liar before it has sent a whole piece. So a single one is found by trying them
/// one after the other. Two are found at once, since they send the same.
#[test]
fn among_liars_of_as_many_networks_two_honest_peers_are_found_by_what_they_agree_on() {
    let scene = |liars, honest_ones| {
        move |seed| {
            let scene = Scene::new(seed, 16 * MIB, MIB).with(liars, quick_liar(Lies::All));
            scene.with(honest_ones, honest()).with(1, leecher())
        }
    };
    holds("30 and 3", 2, scene(30, 3));
    holds("45 and 2", 3, scene(45, 2));
    holds("30 and one", 31, scene(30, 1));
    holds("60 and one", 61, scene(60, 1));
}

#[test]
fn liars_that_come_later_find_one_who_has_proved_itself_and_spoil_little() {
    // The tracker names them from the beginning, and they can be reached from the second on that is said.
    let scene = |seed, later| {
        let scene = Scene::new(seed, 16 * MIB, MIB).with(1, honest().up(300 * KB));
        scene.with(60, quick_liar(Lies::All).joins(seconds(later))).with(1, leecher())
    };
    for later in [1, 3] {
        holds("60 later", 20, |seed| scene(seed, later));
    }
}

#[test]
fn an_honest_peer_among_liars_of_its_host_or_network_is_found() {
    let quick = quick_liar(Lies::All);
    let scene = |seed, honest| Scene::new(seed, 8 * MIB, 256 * KIB).with(1, honest).with(1, leecher());
    holds("an honest peer in their network", 23, |seed| {
        scene(seed, honest().in_network(9)).with(20, quick.in_network(9))
    });
    holds("an honest peer at their host", 23, |seed| {
        scene(seed, honest().at_host(9)).with(20, quick.at_host(9))
    });
}

/// Random mixes of honest peers and liars of all kinds, which may be neighbours.
fn mix(number: u64) -> (Scene, usize) {
    let mut random = Rng::with_seed(number);
    let piece_length = *chance::choice(&[64, 256, 1024], &mut random).unwrap() * KIB;
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
    let liars = random.u64(1..20) as usize;
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
        let most = liars + 1;
        assert!(report.failures as usize <= most, "mix {number}, {liars} liars: {}", report.failures);
    }
}
