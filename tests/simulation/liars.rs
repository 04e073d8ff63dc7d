//! Peers that send wrong bytes.

use crate::scene::{KB, KIB, MB, MIB, Member, Scene};
use crate::stub::{Lies, Manners};

fn liar(lies: Lies) -> Member {
    Member::stub_that(Manners { lies, ..Manners::default() }).up(800 * KB)
}

fn honest() -> Member {
    Member::stub().up(800 * KB)
}

const ALL: [Lies; 7] = [
    Lies::All,
    Lies::OneOf(64),
    Lies::Sometimes(64),
    Lies::FirstTime,
    Lies::After(100),
    Lies::ThenSilent(1),
    Lies::ThenSilent(40),
];

#[test]
fn zz_net() {
    let small = |seed| Scene::new(seed, 64 * MIB, MIB);
    let quick = |lies| liar(lies).up(2 * MB);
    let leecher = Member::leecher().down(8 * MB);
    for lies in [Lies::All, Lies::ThenSilent(1), Lies::Sometimes(64)] {
        for seed in 0..4 {
            let scenes = [
                (
                    "30 of /24",
                    small(seed).with(30, quick(lies).in_network(9)).with(1, honest()).with(1, leecher),
                ),
                (
                    "200 of /24",
                    small(seed).with(199, quick(lies).in_network(9)).with(1, honest()).with(1, leecher),
                ),
                (
                    "30 and honest in /24",
                    small(seed)
                        .with(30, quick(lies).in_network(9))
                        .with(1, honest().in_network(9))
                        .with(1, leecher),
                ),
                (
                    "100 and honest in /24",
                    small(seed)
                        .with(100, quick(lies).in_network(9))
                        .with(1, honest().in_network(9))
                        .with(1, leecher),
                ),
                ("4 ports", small(seed).with(4, quick(lies).at_host(9)).with(1, honest()).with(1, leecher)),
                ("20 ports", small(seed).with(20, quick(lies).at_host(9)).with(1, honest()).with(1, leecher)),
                (
                    "20 ports honest too",
                    small(seed)
                        .with(20, quick(lies).at_host(9))
                        .with(1, honest().at_host(9))
                        .with(1, leecher),
                ),
                ("200 anywhere", small(seed).with(199, quick(lies)).with(1, honest()).with(1, leecher)),
            ];
            for (name, scene) in scenes {
                let report = scene.run();
                println!(
                    "{seed} {lies:?} {name}: failures {} liars banned {} honest {} ratio {:.2} sent {:.2} ended {}",
                    report.failures,
                    report.liars_banned,
                    report.honest_banned,
                    report.ratio(),
                    report.sent_ratio(),
                    report.ended
                );
            }
        }
    }
}
