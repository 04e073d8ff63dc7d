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
fn zz_print() {
    for piece in [256 * KIB, MIB, 2 * MIB] {
        for lies in ALL {
            for (liars, others) in [(1, 9), (10, 1)] {
                let (mut worst, mut sum, mut slow, mut banned) = (0, 0, 0.0f64, 0);
                for seed in 0..10 {
                    let scene = Scene::new(seed, 64 * MIB, piece)
                        .with(liars, liar(lies))
                        .with(others, honest())
                        .with(1, Member::leecher().down(8 * MB));
                    let report = scene.run();
                    report.assert_sound(&format!("{lies:?} {liars} {seed}"));
                    worst = worst.max(report.failures);
                    sum += report.failures;
                    banned += report.liars_banned;
                    slow = slow.max(report.ratio());
                }
                println!("{:4} KiB {lies:?} {liars} of {}: worst {worst} mean {:.1} ratio {slow:.2} banned {:.1}", piece / KIB, liars + others, sum as f64 / 10.0, banned as f64 / 10.0);
            }
        }
    }
}
