//! The scenes by name: what each one is and, where it takes longer than 1.3 times the ideal, why.
//! `make simulate` runs them all and prints the table of `docs/SIMULATION.md`.

use crate::crowds::{crowds, thin_seeds};
use crate::scene::{KB, KIB, MB, MIB, Member, Scene, ms, seconds};
use crate::stub::Manners;
use femtotorrent::strategy::Approach;

/// One line of the table.
pub struct Entry {
    pub name: &'static str,
    /// What it is, and why it is slow where it is.
    pub about: &'static str,
    pub scene: Scene,
}

pub fn entry(name: &'static str, about: &'static str, scene: Scene) -> Entry {
    Entry { name, about, scene }
}

/// A leecher whose own line is no limit.
fn fast() -> Member {
    Member::leecher().down(50 * MB)
}

/// As Transmission serves: it looks at its requests twice a second.
fn now_and_then() -> Member {
    Member::stub_that(Manners { serves_every: Some(ms(500)), ..Manners::default() })
}

fn silent() -> Member {
    Member::stub_that(Manners { silent: true, ..Manners::default() })
}

fn mute() -> Member {
    Member::stub_that(Manners { mute: true, ..Manners::default() })
}

fn flapping(old: bool) -> Member {
    Member::stub_that(Manners { flaps: Some(ms(500)), old, ..Manners::default() })
}

fn forgetful() -> Member {
    Member::stub_that(Manners { forgets: Some(20), ..Manners::default() })
}

fn hangs_up() -> Member {
    Member::stub_that(Manners { hangs_up_beyond: Some(8), ..Manners::default() })
}

fn keeps_five() -> Member {
    Member::stub_that(Manners { keeps: Some(5), ..Manners::default() })
}

/// Scenes that behave: quick enough to be run as tests in a debug build, and held to [`Report::assert_good`].
///
/// [`Report::assert_good`]: crate::report::Report::assert_good
pub fn good() -> Vec<Entry> {
    lines().into_iter().chain(faults()).chain(neighbours()).collect()
}

/// What lines and distances do, and peers that come and go.
fn lines() -> Vec<Entry> {
    vec![
        entry(
            "two equal hosts",
            "A seed and a leecher, 1 MB/s each.",
            Scene::new(1, 32 * MIB, 512 * KIB).with(1, Member::seed()).with(1, Member::leecher()),
        ),
        entry(
            "20 slow far peers",
            "20 seeders of 50 kB/s, 200 ms away.",
            Scene::new(2, 32 * MIB, MIB)
                .with(20, Member::stub().up(50 * KB).round_trip(ms(200)))
                .with(1, fast()),
        ),
        entry(
            "one fast, many slow",
            "A seeder of 4 MB/s and 30 of 20 kB/s, pieces of 256 KiB.",
            Scene::new(3, 128 * MIB, 256 * KIB)
                .with(1, Member::stub().up(4 * MB))
                .with(30, Member::stub().up(20 * KB).round_trip(ms(100)))
                .with(1, fast()),
        ),
        entry(
            "peers that come and go",
            "A lasting seeder of 300 kB/s and 12 of 100 kB/s, each there for 50 s or more and away for 10.",
            Scene::new(4, 128 * MIB, 512 * KIB)
                .with(1, Member::stub().up(300 * KB))
                .with(4, Member::stub().up(100 * KB).comes_and_goes(seconds(50), seconds(10)))
                .with(4, Member::stub().up(100 * KB).comes_and_goes(seconds(70), seconds(10)))
                .with(4, Member::stub().up(100 * KB).comes_and_goes(seconds(90), seconds(10)))
                .with(1, fast()),
        ),
        entry(
            "peers that go often",
            "The same, each there for some 20 s and away for half as long.",
            Scene::new(22, 48 * MIB, 512 * KIB)
                .with(1, Member::stub().up(300 * KB))
                .with(4, Member::stub().up(100 * KB).comes_and_goes(seconds(16), seconds(8)))
                .with(4, Member::stub().up(100 * KB).comes_and_goes(seconds(20), seconds(10)))
                .with(4, Member::stub().up(100 * KB).comes_and_goes(seconds(24), seconds(12)))
                .with(1, fast()),
        ),
        entry(
            "unchoked one by one",
            "4 seeders of 8 MB/s that look at their requests twice a second, and unchoke us after 1, 3, 5 and 7 s.",
            one_by_one(),
        ),
    ]
}

/// Peers that do not send what they are asked for.
fn faults() -> Vec<Entry> {
    vec![
        entry(
            "a silent peer",
            "A peer that accepts requests and sends nothing, among 5 honest ones of 200 kB/s.",
            Scene::new(5, 16 * MIB, 256 * KIB)
                .with(5, Member::stub().up(200 * KB))
                .with(1, silent())
                .with(1, fast()),
        ),
        entry(
            "forgetful seeder",
            "One seeder of 500 kB/s that forgets one request in 20.",
            Scene::new(20, 16 * MIB, 256 * KIB).with(1, forgetful().up(500 * KB)).with(1, fast()),
        ),
        entry(
            "short queue",
            "One seeder of 500 kB/s that says it queues 500 requests, keeps five and forgets the others.",
            Scene::new(22, 16 * MIB, 256 * KIB).with(1, keeps_five().up(500 * KB)).with(1, fast()),
        ),
        entry(
            "short patience",
            "One seeder of 500 kB/s that hangs up when more than eight requests wait.",
            Scene::new(23, 16 * MIB, 256 * KIB).with(1, hangs_up().up(500 * KB)).with(1, fast()),
        ),
        entry(
            "10 silent peers",
            "10 peers that accept requests and send nothing, beside an honest seeder of 500 kB/s.",
            Scene::new(21, 64 * MIB, 256 * KIB)
                .with(10, silent())
                .with(1, Member::stub().up(500 * KB))
                .with(1, fast()),
        ),
    ]
}

/// Seeders that look at their requests twice a second, and unchoke a leecher one after the other.
fn one_by_one() -> Scene {
    let alone = Scene::new(59, 1024 * MIB, 4 * MIB).with(1, fast());
    (0..4).fold(alone, |scene, number| {
        let unchokes_after = Some(seconds(1 + 2 * number));
        let manners = Manners { unchokes_after, serves_every: Some(ms(500)), ..Manners::default() };
        scene.with(1, Member::stub_that(manners).up(8 * MB))
    })
}

/// A seed among peers that are interested and never ask for anything, and a leecher that comes later.
fn crowded(seed: u64, crowd: usize) -> Scene {
    Scene::new(seed, 8 * MIB, 256 * KIB)
        .max_peers(200)
        .with(1, Member::seed())
        .with(crowd, Member::stub_that(Manners { never_asks: true, ..Manners::default() }))
        .with(1, fast().joins(ms(500)))
}

/// What the other peers do.
fn neighbours() -> Vec<Entry> {
    vec![
        entry(
            "loss",
            "8 seeders of 200 kB/s, 80 ms away, and one block in 20 lost on the way.",
            Scene::new(6, 32 * MIB, 512 * KIB)
                .with(8, Member::stub().up(200 * KB).round_trip(ms(80)).loss(0.05))
                .with(1, fast()),
        ),
        entry(
            "dead addresses",
            "4 seeders of 250 kB/s among 20 addresses at which no host answers.",
            Scene::new(7, 64 * MIB, 512 * KIB)
                .with(20, Member::dead())
                .with(4, Member::stub().up(250 * KB))
                .with(1, fast()),
        ),
        entry(
            "1,000 dead addresses",
            "A seeder of 1 MB/s among 990 addresses at which no host answers.",
            Scene::new(24, 96 * MIB, 512 * KIB)
                .with(990, Member::dead())
                .with(1, Member::stub())
                .with(1, fast()),
        ),
        entry(
            "100 mute peers",
            "A seeder of 1 MB/s among 100 peers that greet and then say nothing, where 50 may be connected.",
            Scene::new(25, 24 * MIB, 256 * KIB).with(100, mute()).with(1, Member::stub()).with(1, fast()),
        ),
        entry(
            "40 that never ask",
            "A seed of 1 MB/s, 40 peers that are interested and never ask for anything, and a leecher that comes half a \
             second later.",
            crowded(27, 40),
        ),
        entry("200 that never ask", "The same, and they hold all places of the seed.", crowded(28, 200)),
        entry(
            "encrypted and plain",
            "32 seeders of 25 kB/s that take only encrypted connections, 6 that take only plain ones, and 2 that take both.",
            Scene::new(26, 32 * MIB, 256 * KIB)
                .with(32, Member::stub().up(25 * KB).takes_only(Approach::Encrypted))
                .with(6, Member::stub().up(25 * KB).takes_only(Approach::Plain))
                .with(2, Member::stub().up(25 * KB))
                .with(1, fast()),
        ),
        entry(
            "a crowd that seeds",
            "A seed of 1 MB/s and 5 leechers that give as much.",
            Scene::new(8, 64 * MIB, 128 * KIB).with(1, Member::seed()).with(5, Member::leecher()),
        ),
        entry(
            "200 peers",
            "200 seeders of 20 kB/s, 100 ms away.",
            Scene::new(11, 128 * MIB, 512 * KIB)
                .max_peers(220)
                .with(200, Member::stub().up(20 * KB).round_trip(ms(100)))
                .with(1, fast()),
        ),
        entry(
            "thin seed, 10 leechers",
            "A seed of 200 kB/s and 10 leechers of 1 MB/s.",
            Scene::new(12, 64 * MIB, 256 * KIB)
                .with(1, Member::seed().up(200 * KB))
                .with(10, Member::leecher()),
        ),
    ]
}

/// Swarms as they are: fast peers among slow ones with pieces of any length, and all behind one thin line. Held to
/// [`Report::assert_near_ideal`].
///
/// [`Report::assert_near_ideal`]: crate::report::Report::assert_near_ideal
pub fn uneven() -> Vec<Entry> {
    mixed().into_iter().chain(thin_lines()).collect()
}

/// Fast and slow peers.
fn mixed() -> Vec<Entry> {
    let few_fast = |seed, piece| {
        Scene::new(seed, 192 * MIB, piece)
            .with(2, Member::stub().up(4 * MB))
            .with(12, Member::stub().up(15 * KB).round_trip(ms(100)))
            .with(1, fast())
    };
    let wide = |member: Scene, rate: u64| member.with(2, Member::stub().up(rate * KB).round_trip(ms(60)));
    vec![
        entry("mixed, pieces of 1 MiB", "2 seeders of 4 MB/s and 12 of 15 kB/s.", few_fast(14, MIB)),
        entry("mixed, pieces of 4 MiB", "The same.", few_fast(15, 4 * MIB)),
        entry("mixed, pieces of 16 MiB", "The same.", few_fast(16, 16 * MIB)),
        entry("mixed, pieces of 32 MiB", "The same: one piece fills the memory.", few_fast(34, 32 * MIB)),
        entry("mixed, 2 MiB of memory", "The same with pieces of 1 MiB.", few_fast(36, MIB).memory(2 * MIB)),
        entry("many slow, pieces of 4 MiB", "4 seeders of 2 MB/s and 35 of 10 kB/s.", many_slow(42, 4 * MIB)),
        entry("many slow, pieces of 16 MiB", "The same.", many_slow(44, 16 * MIB)),
        entry(
            "rates of all kinds",
            "Two seeders each of 8, 16, 32 kB/s and so on up to 2 MB/s, pieces of 4 MiB.",
            (0..9)
                .fold(Scene::new(55, 128 * MIB, 4 * MIB), |scene, step| wide(scene, 8 << step))
                .with(1, fast()),
        ),
        entry("far, pieces of 8 MiB", "10 seeders of 1 MB/s, 200 ms away.", far(52, 8 * MIB)),
        entry(
            "twice a second, 1 MiB",
            "4 seeders of 8 MB/s that look at their requests twice a second, pieces of 1 MiB.",
            twice_a_second(56, MIB),
        ),
        entry("twice a second, 4 MiB", "The same with pieces of 4 MiB.", twice_a_second(57, 4 * MIB)),
    ]
}

fn twice_a_second(seed: u64, piece: u64) -> Scene {
    Scene::new(seed, 1024 * MIB, piece).with(4, now_and_then().up(8 * MB)).with(1, fast())
}

fn many_slow(seed: u64, piece: u64) -> Scene {
    Scene::new(seed, 192 * MIB, piece)
        .with(4, Member::stub().up(2 * MB))
        .with(35, Member::stub().up(10 * KB).round_trip(ms(100)))
        .with(1, fast())
}

fn far(seed: u64, piece: u64) -> Scene {
    Scene::new(seed, 192 * MIB, piece).with(10, Member::stub().up(MB).round_trip(ms(200))).with(1, fast())
}

/// One line that is the limit for all.
fn thin_lines() -> Vec<Entry> {
    let slow_line = |seed, payload, peers, down| {
        Scene::new(seed, payload, 256 * KIB)
            .with(peers, Member::stub().up(500 * KB).round_trip(ms(80)))
            .with(1, Member::leecher().down(down))
    };
    vec![
        entry(
            "slow line, 40 peers, 6 MiB",
            "40 fast seeders behind a downlink of 64 kB/s.",
            slow_line(17, 6 * MIB, 40, 64 * KB),
        ),
        entry("slow line, 40 peers, 20 MiB", "The same at 250 kB/s.", slow_line(18, 20 * MIB, 40, 250 * KB)),
        entry("250 kB/s, 40 peers, 6 MiB", "The same.", slow_line(61, 6 * MIB, 40, 250 * KB)),
        entry("1.25 MB/s, 40 peers, 6 MiB", "The same.", slow_line(62, 6 * MIB, 40, 1250 * KB)),
        entry("slow line, 8 peers, 6 MiB", "The same at 64 kB/s.", slow_line(63, 6 * MIB, 8, 64 * KB)),
    ]
}

/// The same behind a router that holds what comes in 0.3 s and drops what comes beyond, as real TCP meets it.
pub fn routers() -> Vec<Entry> {
    let router = |seed, peers, down| {
        Scene::new(seed, 6 * MIB, 256 * KIB)
            .with(peers, Member::stub().up(50 * MB).round_trip(ms(50)))
            .with(1, Member::leecher().down(down).round_trip(ms(0)).queue(ms(300)))
    };
    vec![
        entry(
            "router, 62.5 kB/s, 40 peers",
            "40 fast seeders behind a router of 62.5 kB/s that holds what comes in 0.3 s, and drops what comes beyond.",
            router(71, 40, 62_500),
        ),
        entry("router, 250 kB/s, 40 peers", "The same at 250 kB/s.", router(72, 40, 250 * KB)),
        entry("router, 1.25 MB/s, 40 peers", "The same at 1.25 MB/s.", router(73, 40, 1250 * KB)),
        entry("router, 62.5 kB/s, 8 peers", "The same at 62.5 kB/s.", router(74, 8, 62_500)),
        entry("router, 250 kB/s, 8 peers", "The same at 250 kB/s.", router(75, 8, 250 * KB)),
        entry("router, 1.25 MB/s, 8 peers", "The same at 1.25 MB/s.", router(76, 8, 1250 * KB)),
    ]
}

/// Scenes that are too large for a debug build, and those that are slow or wasteful today.
pub fn others() -> Vec<Entry> {
    routers().into_iter().chain(thin_seeds()).chain(large()).chain(bad_manners()).collect()
}

/// Every scene.
pub fn all() -> Vec<Entry> {
    good().into_iter().chain(uneven()).chain(crowds()).chain(others()).collect()
}

/// The longest pieces.
fn large() -> Vec<Entry> {
    vec![
        entry(
            "many slow, pieces of 32 MiB",
            "4 seeders of 2 MB/s and 35 of 10 kB/s. One piece fills the memory. When all of it was asked for, \
             8 MiB of the next are.",
            many_slow(45, 32 * MIB),
        ),
        entry("far, pieces of 32 MiB", "10 seeders of 1 MB/s, 200 ms away. The same.", far(53, 32 * MIB)),
    ]
}

/// Peers of bad manners.
fn bad_manners() -> Vec<Entry> {
    let flaps = |seed, old| {
        Scene::new(seed, 16 * MIB, 256 * KIB)
            .with(1, Member::stub().up(500 * KB))
            .with(1, flapping(old))
            .with(1, fast())
    };
    let breathless =
        Manners { flaps: Some(ms(400)), in_one_breath: true, silent: true, old: true, ..Manners::default() };
    vec![
        entry(
            "choke-flapping peer",
            "A peer that chokes and unchokes every half second, beside an honest seeder of 500 kB/s.",
            flaps(19, false),
        ),
        entry(
            "choke-flapping, no BEP 6",
            "The same, and what it will not send it forgets instead of rejecting it.",
            flaps(23, true),
        ),
        entry(
            "37 that choke in one breath",
            "37 peers that send a choke and an unchoke every 0.4 s and nothing else, beside an honest seeder of 500 kB/s.",
            Scene::new(24, 64 * MIB, 256 * KIB)
                .with(37, Member::stub_that(breathless))
                .with(1, Member::stub().up(500 * KB))
                .with(1, fast()),
        ),
    ]
}
