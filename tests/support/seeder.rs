//! A `femtotorrent seed` of a sample, with its log and what the kernel knows of it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::folder::TestFolder;
use super::instance::Instance;
use super::process;
use super::sample::Sample;
use super::talk::Talk;

/// Longer than any deadline of femtotorrent's, and a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A seed that runs until it is dropped.
pub struct Seeder {
    instance: Instance,
    /// Where it listens.
    pub address: SocketAddr,
    folder: TestFolder,
    sample: Sample,
}

impl Seeder {
    /// Seeds the sample, with further arguments.
    pub fn start(sample: &Sample, arguments: &[&str]) -> Seeder {
        let folder = TestFolder::new();
        sample.write_payload(folder.path());
        let torrent = PathBuf::from(sample.write_torrent(folder.path()));
        let arguments = [&["-v"], arguments].concat();
        let (instance, address) = Instance::seed(&torrent, folder.path(), &arguments);
        Seeder { instance, address, folder, sample: sample.clone() }
    }

    /// Connects to it, and exchanges handshakes with these reserved bytes.
    pub fn meet(&self, reserved: [u8; 8]) -> Talk {
        let mut talk = Talk::dial(self.address, &self.sample);
        talk.introduce(reserved).unwrap();
        talk
    }

    /// Where it has this file of the payload.
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Waits until its log says this of a peer: a reason for the end of its connection, or a sentence. Panics where it does not.
    pub fn says_of(&self, peer: SocketAddr, what: impl Display) {
        let text = what.to_string();
        let start = format!("{peer}: ");
        let of_it = |line: &str| Some(line.split_once(&start)?.1.contains(&text)).filter(|said| *said);
        self.instance.program.wait_for(PATIENCE, of_it);
    }

    /// Waits until its log says this. Panics where it does not.
    pub fn says(&self, text: &str) {
        self.instance.wait_for(text);
    }

    /// The most memory that it has held so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        process::peak_memory(self.instance.program.child.id())
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        process::thread_count(self.instance.program.child.id())
    }
}
