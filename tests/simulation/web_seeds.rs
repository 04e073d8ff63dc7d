//! Swarms with web seeds (BEP 19).

use crate::report::Report;
use crate::scene::{KB, KIB, MB, MIB, Member, Scene, ms};
use crate::web_server::WebManners;

fn server() -> Member {
    Member::web_server(WebManners::default()).round_trip(ms(6))
}

fn fast() -> Member {
    Member::leecher().leaves().down(100 * MB).round_trip(ms(4))
}

fn assert_near(report: &Report, most: f64, name: &str) {
    report.assert_sound(name);
    assert!(report.ratio() <= most, "{name}: {report}");
    assert!(report.sent_ratio() <= 1.01, "{name}: {report}");
}

/// So near that a connection carries 25 MB/s.
const PEERS: u64 = 2 * MB;

fn peer() -> Member {
    Member::stub().round_trip(ms(6))
}

#[test]
fn a_web_seed_alone_is_used_as_fast_as_it_is() {
    for (piece, rate) in [(64 * KIB, 2 * MB), (MIB, 10 * MB), (256 * KIB, 20 * MB), (16 * MIB, 10 * MB)] {
        let report = Scene::new(1, 192 * MIB, piece).with(1, server().up(rate)).with(1, fast()).run();
        assert_near(&report, 1.05, &format!("{piece} {rate}"));
    }
}

#[test]
fn peers_and_a_web_seed_give_together_what_they_have() {
    for piece in [64 * KIB, 256 * KIB, MIB, 4 * MIB] {
        let scene = Scene::new(2, 256 * MIB, piece).with(1, server().up(10 * MB));
        let report = scene.with(5, peer().up(PEERS)).with(1, fast()).run();
        assert_near(&report, 1.05, &format!("pieces of {piece}"));
        assert_eq!((report.sent - report.payload, report.cuts), (0, 0), "twice: pieces of {piece}");
    }
}

#[test]
fn neither_waits_for_the_other_where_it_is_slow() {
    for piece in [64 * KIB, 256 * KIB, MIB, 4 * MIB] {
        let scene = Scene::new(3, 128 * MIB, piece).with(1, server().up(20 * KB));
        let report = scene.with(4, peer().up(PEERS)).with(1, fast()).run();
        assert_near(&report, 1.06, &format!("a slow server, pieces of {piece}"));
        let scene = Scene::new(4, 128 * MIB, piece).with(1, server().up(10 * MB));
        let report = scene.with(20, peer().up(20 * KB)).with(1, fast()).run();
        assert_near(&report, 1.06, &format!("slow peers, pieces of {piece}"));
    }
}

#[test]
fn a_slow_peer_sends_nothing_of_what_a_server_was_asked_for() {
    let mut twice = Vec::new();
    for piece in [64 * KIB, 256 * KIB, MIB] {
        for payload in [2 * MIB, 4 * MIB, 6 * MIB] {
            for rate in [50 * KB, 200 * KB, 500 * KB] {
                let scene = Scene::new(14, payload, piece).with(1, server().up(PEERS));
                let report = scene.with(1, peer().up(rate)).with(1, fast()).run();
                let name = format!("{payload} in pieces of {piece}, a peer of {rate}");
                assert_near(&report, 1.35, &name);
                if (report.sent - report.payload, report.cuts) != (0, 0) {
                    twice.push(format!("{name}: {report}, {} cuts", report.cuts));
                }
            }
        }
    }
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn several_servers_share_the_work_and_those_that_ask_one_have_something_to_trade() {
    for piece in [64 * KIB, MIB] {
        let report = Scene::new(5, 64 * MIB, piece).with(3, server().up(PEERS)).with(1, fast()).run();
        assert_near(&report, 1.05, &format!("three servers, pieces of {piece}"));
        let scene = Scene::new(6, 64 * MIB, piece).with(1, server().up(4 * MB));
        let report = scene.with(4, Member::leecher().up(MB).down(10 * MB)).run();
        report.assert_good(&format!("four leechers, pieces of {piece}"));
    }
}

#[test]
fn slow_servers_that_share_a_small_payload_end_together() {
    for (servers, piece) in [(2, 64 * KIB), (3, 64 * KIB), (4, 64 * KIB), (4, 256 * KIB)] {
        let slow = server().round_trip(ms(200)).up(400 * KB);
        let report = Scene::new(15, 12 * MIB, piece).with(servers, slow).with(1, fast()).run();
        let name = format!("{servers} servers, pieces of {piece}");
        report.assert_sound(&name);
        assert!(report.ratio() <= 1.3 && report.sent_ratio() <= 1.1, "{name}: {report}");
    }
}

#[test]
fn little_memory_and_large_pieces_are_enough() {
    let scene = Scene::new(7, 64 * MIB, 256 * KIB).memory(2 * MIB).with(1, server().up(4 * MB));
    assert_near(&scene.with(2, peer().up(MB)).with(1, fast()).run(), 1.1, "2 MiB of memory");
    let scene = Scene::new(8, 192 * MIB, 32 * MIB).with(1, server().up(4 * MB));
    assert_near(&scene.with(1, fast()).run(), 1.2, "one piece fills the memory");
}

#[test]
fn a_server_that_fails_is_asked_again_later_and_one_that_is_silent_holds_nothing_up() {
    let fails =
        Member::web_server(WebManners { fails: 3, ..WebManners::default() }).round_trip(ms(6)).up(4 * MB);
    let report = Scene::new(9, 16 * MIB, 256 * KIB).with(1, fails).with(1, fast()).run();
    report.assert_sound("three errors");
    // 10, 20 and 40 s, more or less, and then 4 s for the payload.
    let time = report.slowest().unwrap().as_secs();
    assert!((55..95).contains(&time), "{time} s");
    let silent = Member::web_server(WebManners { silent: true, ..WebManners::default() });
    let scene = Scene::new(10, 32 * MIB, 256 * KIB).with(1, silent).with(2, peer().up(PEERS));
    let report = scene.with(1, fast()).run();
    report.assert_sound("a silent server");
    assert!(report.ratio() < 1.15 && report.sent_ratio() < 1.05, "a silent server: {report}");
    let hesitates = Member::web_server(WebManners { hesitates: 8, ..WebManners::default() });
    let report = Scene::new(11, 16 * MIB, 256 * KIB).with(1, hesitates.up(4 * MB)).with(1, fast()).run();
    report.assert_sound("a server that takes its time");
    assert!(report.slowest().unwrap().as_secs() < 15, "{report}");
}

#[test]
fn a_server_that_lies_is_banned_and_costs_little() {
    for piece in [64 * KIB, 256 * KIB, MIB, 4 * MIB] {
        let liar = Member::web_server(WebManners { lies: true, ..WebManners::default() }).round_trip(ms(6));
        let scene = Scene::new(12, 64 * MIB, piece).with(1, liar.up(10 * MB)).with(4, peer().up(PEERS));
        let report = scene.with(1, server().up(PEERS)).with(1, fast()).run();
        report.assert_sound("a liar");
        assert_eq!(report.liars_banned, 1);
        assert!(report.ratio() < 1.15 && report.sent_ratio() < 1.15, "pieces of {piece}: {report}");
    }
}

#[test]
fn where_peers_fill_the_limit_the_server_is_left_in_peace() {
    let run = |limit| {
        let scene = Scene::new(13, 96 * MIB, 256 * KIB).with(1, server().up(4 * MB)).with(2, peer().up(MB));
        let report = scene.with(1, fast().down(limit)).download_limit(limit).run();
        report.assert_sound("a limit");
        (report.sent_by_servers as f64 / (96 * MIB) as f64, report.slowest().unwrap().as_secs_f64())
    };
    let (part, seconds) = run(500 * KB);
    assert!(part < 0.2 && seconds < 205.0, "peers are enough: {part} of all, {seconds} s");
    let (part, seconds) = run(4 * MB);
    assert!(part > 0.45 && seconds < 26.0, "peers are half of it: {part} of all, {seconds} s");
}
