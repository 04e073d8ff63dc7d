//! Downloads that are written to a stream: in order, from a window of pieces, to a reader that has a rate.

use crate::scene::{KB, KIB, MB, MIB, Member, Scene, ms};
use crate::stub::{Lies, Manners};
use crate::web_server::WebManners;
use femtotorrent::piece::{Geometry, PieceIndex};
use std::collections::BTreeSet;

/// The pieces of a host that have verified and not left.
pub struct Stream {
    geometry: Geometry,
    /// The number of the piece that leaves next.
    next: u32,
    /// What verified before its turn.
    early: BTreeSet<PieceIndex>,
    /// What the reader takes.
    leaving: usize,
    /// The most pieces that were in memory at once.
    pub most_held: usize,
}

impl Stream {
    pub fn new(geometry: Geometry) -> Stream {
        Stream { geometry, next: 0, early: BTreeSet::new(), leaving: 0, most_held: 0 }
    }

    /// These pieces verified. Returns those that are given to the reader now.
    pub fn verified(&mut self, pieces: Vec<PieceIndex>) -> Vec<PieceIndex> {
        self.early.extend(pieces);
        let mut leaving = Vec::new();
        while let Some(piece) = self.geometry.piece(self.next).filter(|piece| self.early.remove(piece)) {
            leaving.push(piece);
            self.next += 1;
        }
        self.leaving += leaving.len();
        leaving
    }

    /// So many pieces have begun and are not complete.
    pub fn held(&mut self, begun: usize) {
        self.most_held = self.most_held.max(begun + self.early.len() + self.leaving);
    }

    /// The reader has taken a piece.
    pub fn left(&mut self) {
        self.leaving = self.leaving.saturating_sub(1);
    }
}

/// The memory that a stream has where a larger window makes it no faster, and one try at a larger one.
const BEGINNING: u64 = 15 * MIB / 2;
/// Nothing here is slower than a reader of so many bytes a second.
const FAST: u64 = 100 * MB;

fn leecher() -> Member {
    Member::leecher().down(50 * MB).leaves()
}

#[test]
fn it_takes_little_longer_than_a_download_to_the_disk() {
    let far = Member::stub().up(50 * KB).round_trip(ms(200));
    let liar = Member::stub_that(Manners { lies: Lies::All, ..Manners::default() });
    let server = Member::web_server(WebManners::default());
    let scenes = [
        ("one seeder", Scene::new(1, 32 * MIB, 512 * KIB).with(1, Member::stub())),
        ("twenty far ones", Scene::new(2, 32 * MIB, MIB).with(20, far)),
        (
            "two fast and twelve slow ones",
            Scene::new(3, 64 * MIB, MIB)
                .with(2, Member::stub().up(4 * MB))
                .with(12, Member::stub().up(15 * KB)),
        ),
        (
            "a fast one and one that needs a minute for a piece",
            Scene::new(4, 64 * MIB, 256 * KIB)
                .with(1, Member::stub().up(5 * MB))
                .with(1, Member::stub().up(4 * KB)),
        ),
        (
            "three seeders and a liar",
            Scene::new(5, 32 * MIB, 256 * KIB).with(3, Member::stub()).with(1, liar),
        ),
        (
            "three seeders and a web server",
            Scene::new(6, 32 * MIB, 256 * KIB).with(3, Member::stub().up(300 * KB)).with(1, server),
        ),
    ];
    for (name, scene) in scenes {
        let scene = scene.with(1, leecher());
        let (to_disk, to_stream) = (scene.clone().run(), scene.read_at(FAST).run());
        to_stream.assert_sound(name);
        let times = [&to_disk, &to_stream].map(|report| report.times[0].unwrap().as_secs_f64());
        // Where fourteen peers share the six pieces that the window begins with, some wait until it has grown.
        let most = if name.starts_with("two fast") { 1.2 } else { 1.1 };
        assert!(times[1] <= times[0] * most, "{name}: {times:?}");
        assert!(to_stream.sent_ratio() <= to_disk.sent_ratio() + 0.05, "{name}: {to_stream}");
    }
}

#[test]
fn a_slow_reader_costs_its_own_time_and_neither_memory_nor_peers() {
    for (reader, piece) in [(500 * KB, 256 * KIB), (500 * KB, 2 * MIB), (20 * KB, 256 * KIB)] {
        let scene = Scene::new(7, 16 * MIB, piece).with(1, Member::stub().up(5 * MB));
        let scene = scene.with(2, Member::stub().up(200 * KB)).with(1, leecher()).read_at(reader);
        let report = scene.run();
        let name = format!("{reader} bytes a second, {piece} in a piece");
        report.assert_good(&name);
        assert!(report.ratio() < 1.06, "{name}: {report}");
        assert!(report.most_held as u64 * piece <= BEGINNING, "{name}: {} pieces", report.most_held);
    }
}

#[test]
fn memory_stays_within_its_limit_however_many_peers_there_are_and_whoever_holds_up_the_head() {
    for (memory, piece) in [(MIB, 256 * KIB), (4 * MIB, 256 * KIB), (4 * MIB, 4 * MIB), (MIB, 4 * MIB)] {
        let scene = Scene::new(8, 64 * MIB, piece).memory(memory).with(10, Member::stub().up(MB));
        let scene = scene.with(10, Member::stub().up(10 * KB)).with(1, leecher()).read_at(FAST);
        let report = scene.run();
        let name = format!("{memory} bytes of memory, {piece} in a piece");
        report.assert_sound(&name);
        assert!(report.most_held as u64 * piece <= memory.max(piece), "{name}: {} pieces", report.most_held);
    }
}
