//! Swarms with web seeds (BEP 19).

use crate::report::Report;
use crate::scene::{KB, KIB, MB, MIB, Member, Scene, ms};
use crate::web_server::WebManners;

fn server() -> Member {
    Member::web_server(WebManners::default()).round_trip(ms(40))
}

fn fast() -> Member {
    Member::leecher().leaves().down(100 * MB)
}

fn assert_near(report: &Report, most: f64, name: &str) {
    report.assert_sound(name);
    assert!(report.ratio() <= most, "{name}: {report}");
    assert!(report.sent_ratio() <= 1.01, "{name}: {report}");
}

#[test]
fn a_web_seed_alone_is_used_as_fast_as_it_is() {
    for (piece, rate) in [(64 * KIB, 2 * MB), (MIB, 10 * MB), (256 * KIB, 50 * MB), (16 * MIB, 10 * MB)] {
        let report = Scene::new(1, 192 * MIB, piece).with(1, server().up(rate)).with(1, fast()).run();
        assert_near(&report, 1.1, &format!("{piece} {rate}"));
    }
}
