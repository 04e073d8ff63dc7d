//! How often trackers and the DHT are asked in an hour, in swarms that are well and in swarms that are not: the
//! second and the third table of `docs/SIMULATION.md`.
//!
//! Each torrent has four trackers that all name the usual interval of half an hour. The pace of the lookups is
//! that of a real node in a simulated network of thirty, which is told the same as the trackers.

use crate::dht_world::{HostKind, World as DhtWorld};
use crate::scene::{INFO_HASH, KIB, MB, MIB, Member, Scene, seconds};
use crate::tracker::Manner;
use femtotorrent::strategy::Supply;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
/// The wait after which queries belong to another lookup.
const BETWEEN_LOOKUPS: u64 = 4;

/// The trackers, in the order of the table's columns.
const MANNERS: [Manner; 4] = [Manner::Http, Manner::HttpMinimum(1), Manner::HttpMinimum(15), Manner::Udp];

/// One line of the table.
struct Swarm {
    name: &'static str,
    about: &'static str,
    scene: Scene,
}

fn swarms() -> Vec<Swarm> {
    // Larger than what comes in an hour.
    let torrent = || Scene::new(1, 600 * MIB, 256 * KIB).with(1, Member::leecher());
    let seeder = |rate| Member::stub().up(rate);
    let swarm = |name, about, scene| Swarm { name, about, scene };
    vec![
        swarm("one slow peer", "One seeder of 8 kB/s.", torrent().with(1, seeder(8_000))),
        swarm("small", "Three seeders of 30 kB/s.", torrent().with(3, seeder(30_000))),
        swarm("big", "80 seeders of 2 kB/s.", torrent().with(80, seeder(2_000))),
        swarm("dead", "30 addresses at which no host answers.", torrent().with(30, Member::dead())),
        swarm("alone", "No other address at all.", torrent()),
        swarm(
            "two of fifty",
            "Two seeders of 8 kB/s, and 48 addresses at which no host answers.",
            torrent().with(2, seeder(8_000)).with(48, Member::dead()),
        ),
        swarm(
            "it ends",
            "Five seeders of 10 kB/s, which leave after half an hour for good.",
            torrent().with(5, seeder(10_000).comes_and_goes(seconds(1_800), HOUR * 10)),
        ),
    ]
}

/// What a leecher did in an hour.
struct Hour {
    /// When it announced, by tracker.
    announces: Vec<Vec<u64>>,
    lookups: Vec<u64>,
    queries: usize,
}

impl Hour {
    fn of(scene: &Scene) -> Hour {
        let observed = scene.observe(&MANNERS, HOUR);
        let in_seconds = |times: &Vec<Duration>| times.iter().map(Duration::as_secs).collect();
        let (lookups, queries) = lookups(&observed.supplies);
        Hour { announces: observed.asked.iter().map(in_seconds).collect(), lookups, queries }
    }
}

/// When a node looks a torrent up if it is told this, and how many queries that takes.
fn lookups(supplies: &[(Duration, Supply)]) -> (Vec<u64>, usize) {
    let mut world = DhtWorld::new(1, 0, Duration::from_millis(100));
    for number in 0..30_u8 {
        let place = world.add(SocketAddr::from(([50, 0, number, 7], 6881)), HostKind::Honest);
        for _ in 0..3_u8.min(number) {
            let ip = IpAddr::from([50, 0, world.random.u8(..number), 7]);
            world.with(place, |node, now| node.contact(SocketAddr::new(ip, 6881), now));
        }
        world.run(Duration::from_secs(1));
    }
    world.run(Duration::from_secs(60));
    let before = world.hosts[0].get_peers;
    world.with(0, |node, now| node.search(INFO_HASH, Some(6881), now));
    let (mut times, mut queries, mut last) = (Vec::new(), before, None);
    let mut supplies = supplies.iter().peekable();
    for second in 0..=HOUR.as_secs() {
        while let Some((_, supply)) = supplies.next_if(|(at, _)| at.as_secs() <= second) {
            world.with(0, |node, now| node.supply(INFO_HASH, *supply, now));
        }
        world.run(Duration::from_secs(1));
        let asked = world.hosts[0].get_peers;
        if asked > queries {
            if last.is_none_or(|last| second - last >= BETWEEN_LOOKUPS) {
                times.push(second);
            }
            (queries, last) = (asked, Some(second));
        }
    }
    (times, queries - before)
}

/// A line of the table.
fn line(swarm: &Swarm, hour: &Hour) -> String {
    let list = |times: &[u64]| times.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let announces: Vec<String> = hour.announces.iter().map(|times| list(times)).collect();
    format!(
        "| {} | {} | {} | {} | {} |",
        swarm.name,
        announces.join(" | "),
        list(&hour.lookups),
        hour.queries,
        swarm.about
    )
}

/// How long a leecher takes to find the only live peer, which joins at this time, when the trackers have named
/// thirty dead ones. Each tracker is the only one.
fn found_late(joins: u64) -> Vec<Option<u64>> {
    let member = Member::stub().up(10 * MB).joins(seconds(joins));
    let found = |manner| {
        let scene = Scene::new(1, MIB, 64 * KIB).with(1, Member::leecher()).with(30, Member::dead());
        scene.with(1, member).observe(&[manner], HOUR).completed.map(|at| at.as_secs())
    };
    MANNERS.into_iter().map(found).collect()
}

/// The lines of both tables.
fn lines() -> Vec<String> {
    let mut lines: Vec<String> = swarms().iter().map(|swarm| line(swarm, &Hour::of(&swarm.scene))).collect();
    for joins in [30, 600] {
        let found = found_late(joins).into_iter().map(|at| at.map_or("never".into(), |at| at.to_string()));
        lines.push(format!("| {joins} | {} |", found.collect::<Vec<String>>().join(" | ")));
    }
    lines
}

#[test]
#[ignore = "prints what the next test checks: `make simulate`"]
fn tables_of_asking() {
    lines().iter().for_each(|line| println!("{line}"));
}

#[test]
fn an_hour_of_asking_is_as_the_document_says() {
    let document = include_str!("../../docs/SIMULATION.md");
    for line in lines() {
        assert!(document.contains(&line), "not in docs/SIMULATION.md:\n{line}");
    }
}
