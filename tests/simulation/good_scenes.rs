//! Scenes that behave, and stay so.

use crate::catalogue::{good, routers, uneven};
use crate::scene::{KB, KIB, MIB, Member, Scene};

#[test]
fn downloads_take_little_longer_than_the_lines_need() {
    for entry in good() {
        entry.scene.run().assert_good(entry.name);
    }
}

#[test]
fn neither_slow_peers_nor_a_thin_line_for_all_cost_much() {
    for entry in uneven() {
        entry.scene.run().assert_near_ideal(entry.name);
    }
}

#[test]
fn many_slow_peers_are_hardly_asked_for_the_same_blocks() {
    let entry = good().into_iter().find(|entry| entry.name == "200 peers").unwrap();
    let report = entry.scene.run();
    assert!(report.sent_ratio() <= 1.03, "{report}");
}

#[test]
fn the_same_seed_brings_the_same_swarm_and_another_seed_another() {
    let swarm = |seed| {
        let scene = Scene::new(seed, 2 * MIB, 64 * KIB).with(1, Member::seed().up(300 * KB));
        scene.with(8, Member::leecher().loss(0.02)).run()
    };
    let first = swarm(1);
    first.assert_sound("nine hosts");
    assert_eq!(first, swarm(1));
    assert_ne!(first.trace, swarm(2).trace);
}

#[test]
fn where_a_router_drops_what_it_cannot_hold_little_is_sent_twice() {
    for entry in routers() {
        let report = entry.scene.run();
        report.assert_sound(entry.name);
        assert!(report.ratio() <= 1.25 && report.sent_ratio() <= 1.35, "{}: {report}", entry.name);
    }
}
