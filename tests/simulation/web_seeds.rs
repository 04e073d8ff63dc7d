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
    for piece in [64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB] {
        let scene = Scene::new(2, 256 * MIB, piece).with(1, server().up(10 * MB));
        let report = scene.with(5, peer().up(PEERS)).with(1, fast()).run();
        println!("{piece}: {report}");
        //assert_near(&report, 1.05, &format!("{piece}"));
    }
}

#[test]
fn slow() {
    for piece in [64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB] {
        let scene = Scene::new(2, 128 * MIB, piece).with(1, server().up(20 * KB));
        let report = scene.with(4, peer().up(PEERS)).with(1, fast()).run();
        println!("slow web {piece}: {report}");
        let scene = Scene::new(2, 128 * MIB, piece).with(1, server().up(10 * MB));
        let report = scene.with(20, peer().up(20 * KB)).with(1, fast()).run();
        println!("slow peers {piece}: {report}");
        let scene = Scene::new(2, 64 * MIB, piece).with(3, server().up(2 * MB));
        let report = scene.with(1, fast()).run();
        println!("three servers {piece}: {report}");
        let scene = Scene::new(2, 64 * MIB, piece).with(1, server().up(4 * MB));
        let report = scene.with(4, Member::leecher().up(MB).down(10*MB)).run();
        println!("four leechers {piece}: {report}");
    }
}

#[test]
fn dbg() {
        let scene = Scene::new(2, 64 * MIB, 64*KIB).with(3, server().up(2 * MB));
        let report = scene.with(1, fast()).run();
        println!("three servers : {report}");
}
