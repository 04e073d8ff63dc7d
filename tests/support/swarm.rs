//! A swarm of our own programs: one payload, one tracker that introduces them, and a folder for each.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::folder::TestFolder;
use super::instance::Instance;
use super::sample::Sample;
use super::swarm_progress;
use super::tracker::Tracker;

/// A payload that is shared.
pub struct Swarm {
    sample: Sample,
    /// The torrent, and the payload that the seeds serve.
    seed_folder: TestFolder,
    /// Where every member announces.
    pub tracker: Tracker,
}

/// A program that downloads, and where to.
pub struct Leecher {
    /// The program.
    pub instance: Instance,
    folder: TestFolder,
}

impl Swarm {
    /// A swarm that shares this single-file payload. It has no members yet.
    pub fn new(sample: Sample) -> Swarm {
        let (tracker, seed_folder) = (Tracker::start(&[]), TestFolder::new());
        let sample = sample.with_tracker(&tracker.url());
        sample.write_torrent(seed_folder.path());
        sample.write_payload(seed_folder.path());
        Swarm { sample, seed_folder, tracker }
    }

    /// Starts a seed, which listens and has announced itself when this returns.
    pub fn seed(&self, arguments: &[&str]) -> (Instance, SocketAddr) {
        let before = self.tracker.announces().len();
        let seed = Instance::seed(&self.torrent(), self.seed_folder.path(), arguments);
        self.tracker.wait_for(before + 1);
        seed
    }

    /// Starts a leecher that has nothing.
    pub fn leecher(&self, arguments: &[&str]) -> Leecher {
        self.leecher_in(TestFolder::new(), arguments)
    }

    /// Starts a leecher that has these pieces from a run before.
    pub fn leecher_with(&self, has: impl Fn(u32) -> bool, arguments: &[&str]) -> Leecher {
        let folder = TestFolder::new();
        let name = self.sample.name();
        let file = File::create(folder.path().join(name)).unwrap();
        file.set_len(self.sample.payload.len() as u64).unwrap();
        let pieces = self.sample.payload.chunks(self.sample.piece_length as usize);
        for (piece, bytes) in (0..).zip(pieces).filter(|(piece, _)| has(*piece)) {
            file.write_all_at(bytes, u64::from(piece) * u64::from(self.sample.piece_length)).unwrap();
        }
        // The note by which a run knows the unfinished work of another (docs/ARCHITECTURE.md).
        let hash: String = self.sample.info_hash().iter().map(|byte| format!("{byte:02x}")).collect();
        let marker = folder.path().join(format!(".{name}.{}.femtotorrent", &hash[..8]));
        let first = "An unfinished download: run the same femtotorrent command again to resume it.";
        std::fs::write(marker, format!("{first}\ninfo-hash {hash}\nend\n")).unwrap();
        self.leecher_in(folder, arguments)
    }

    /// Waits until these leechers have every piece between them.
    pub fn wait_until_one_copy_is_out(&self, leechers: &[Leecher]) {
        let name = self.sample.name();
        let copies: Vec<PathBuf> = leechers.iter().map(|leecher| leecher.folder.path().join(name)).collect();
        let original = self.seed_folder.path().join(name);
        swarm_progress::wait_until_one_copy_is_out(&original, self.sample.piece_length.into(), &copies);
    }

    /// Waits until a leecher says that it seeds, ends it, and looks at every byte.
    pub fn assert_completes(&self, leecher: Leecher) {
        self.assert_complete([leecher]);
    }

    /// The same of several. None ends before all have everything: others may need what it has.
    pub fn assert_complete(&self, leechers: impl IntoIterator<Item = Leecher>) {
        let leechers: Vec<Leecher> = leechers.into_iter().collect();
        leechers.iter().for_each(|leecher| leecher.instance.wait_for("seeding, listening"));
        for leecher in leechers {
            let output = leecher.instance.stop().output;
            self.sample.assert_downloaded(leecher.folder.path());
            assert!(!output.contains("panicked"), "{output}");
        }
    }

    fn leecher_in(&self, folder: TestFolder, arguments: &[&str]) -> Leecher {
        let arguments = [&["--seed"], arguments].concat();
        Leecher { instance: Instance::get(&self.torrent(), folder.path(), &arguments), folder }
    }

    fn torrent(&self) -> PathBuf {
        self.seed_folder.path().join("sample.torrent")
    }
}
