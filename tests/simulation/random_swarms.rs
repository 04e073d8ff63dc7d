//! Random swarms: with at least one honest seed that stays, every download ends, whatever else is there.

use crate::scene::{KB, KIB, MB, MIB, Member, Scene, ms, seconds};
use crate::stub::Manners;
use fastrand::Rng;
use femtotorrent::chance;
use std::time::Duration;

/// The swarm of a number.
fn swarm(number: u64) -> Scene {
    let mut random = Rng::with_seed(number);
    let piece_length = *chance::choice(&[16, 32, 64, 256, 1024], &mut random).unwrap() * KIB;
    let payload = random.u64(1..2048 * KIB);
    let lasting = *chance::choice(&[Member::seed(), Member::stub()], &mut random).unwrap();
    let up = random.u64(50 * KB..MB);
    let mut scene = Scene::new(number, payload, piece_length).with(1, wired(&mut random, lasting).up(up));
    for _ in 0..random.u32(1..6) {
        let member = if random.bool() { Member::leecher() } else { Member::leecher().leaves() };
        let member = wired(&mut random, member).joins(ms(random.u64(0..10_000)));
        // Never so restless that no piece could come while it is there.
        let member = if random.u8(..5) == 0 { restless(&mut random, member, 30) } else { member };
        scene = scene.with(1, member);
    }
    let others = *chance::choice(&[5, 5, 5, 16], &mut random).unwrap();
    for _ in 0..random.u32(..others) {
        let silent = Member::stub_that(Manners { silent: true, ..Manners::default() });
        let forgetful = Manners { forgets: Some(random.u32(2..40)), ..Manners::default() };
        let flapping = Manners {
            flaps: Some(ms(random.u64(100..3000))),
            in_one_breath: random.bool(),
            silent: random.bool(),
            old: random.bool(),
            ..Manners::default()
        };
        let member = match random.u8(..7) {
            0 => silent,
            5 => Member::stub_that(forgetful).up(random.u64(50 * KB..MB)),
            6 => Member::stub_that(flapping).up(random.u64(50 * KB..MB)),
            1 => Member::dead(),
            2 => Member::stub().up(random.u64(3 * KB..20 * KB)),
            3 => restless(&mut random, Member::stub(), 2),
            _ => restless(&mut random, Member::seed(), 2),
        };
        scene = scene.with(1, wired(&mut random, member));
    }
    match random.u8(..4) {
        0 => behind_a_thin_line(&mut random, scene),
        1 => with_rates_of_all_kinds(&mut random, scene),
        2 => scene.memory(random.u64(1..4) * piece_length),
        _ => scene,
    }
}

/// A leecher whose line is thinner than that of every one of many seeders.
fn behind_a_thin_line(random: &mut Rng, scene: Scene) -> Scene {
    let scene = scene.with(1, Member::leecher().down(random.u64(20 * KB..200 * KB)));
    scene.with(random.u64(5..40) as usize, Member::stub().up(500 * KB).round_trip(ms(random.u64(1..200))))
}

/// A leecher whose line is no limit, seeders of which some send a thousand times as fast as others, and little
/// memory.
fn with_rates_of_all_kinds(random: &mut Rng, mut scene: Scene) -> Scene {
    for _ in 0..random.u32(3..30) {
        let up = 4.0e3 * 1000.0_f64.powf(random.f64());
        scene = scene.with(1, Member::stub().up(up as u64).round_trip(ms(random.u64(1..300))));
    }
    scene.with(1, Member::leecher().down(20 * MB)).memory(random.u64(MIB..8 * MIB))
}

fn wired(random: &mut Rng, member: Member) -> Member {
    let round_trip = Duration::from_micros(random.u64(100..200_000));
    let loss = if random.u8(..4) == 0 { random.f64() / 10.0 } else { 0.0 };
    let down = random.u64(100 * KB..5 * MB);
    member.down(down).round_trip(round_trip).loss(loss)
}

fn restless(random: &mut Rng, member: Member, shortest: u64) -> Member {
    member.comes_and_goes(seconds(random.u64(shortest..60)), seconds(random.u64(2..60)))
}

/// For meeting and greeting, which the ideal does not have.
const GREETING: Duration = Duration::from_secs(10);

/// The number of the swarm that took the longest, and how many times its ideal and ten seconds that was.
fn every_download_ends(numbers: impl Iterator<Item = u64>) -> (u64, f64) {
    let mut longest = (0, 0.0);
    for number in numbers {
        let scene = swarm(number);
        let report = scene.run();
        report.assert_sound(&format!("swarm {number}, {scene:#?}"));
        let slowest = report.slowest().unwrap_or(Duration::MAX).as_secs_f64();
        let ratio = slowest / (report.ideal + GREETING).as_secs_f64();
        if ratio > longest.1 {
            longest = (number, ratio);
        }
    }
    longest
}

#[test]
fn in_random_swarms_every_download_ends() {
    every_download_ends(0..200);
}

/// `SWARMS=1000..9000 cargo test --release --test simulation -- --ignored many`
#[test]
#[ignore = "for a long run in a release build; SWARMS says which"]
fn in_many_random_swarms_every_download_ends() {
    let range = std::env::var("SWARMS").unwrap_or_else(|_| "0..5000".to_owned());
    let (first, end) = range.split_once("..").expect("SWARMS is as 0..5000");
    let (number, ratio) = every_download_ends(first.parse().unwrap()..end.parse().unwrap());
    println!("swarm {number} took the longest: {ratio:.1} times its ideal and ten seconds");
}
