//! One of our own programs in a swarm: a process, at a loopback address of its own.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::program::{Outcome, Program};

/// For any one download or check here, on a loaded machine.
const LIMIT: Duration = Duration::from_secs(180);

/// A femtotorrent that takes part in a swarm. Killed when dropped.
pub struct Instance {
    /// The process.
    pub program: Program,
    host: Ipv4Addr,
}

impl Instance {
    /// Serves what `folder` holds, and listens when this returns.
    pub fn seed(torrent: &Path, folder: &Path, arguments: &[&str]) -> (Instance, SocketAddr) {
        Instance::start(Program::start, seeding(torrent, folder), arguments).listening()
    }

    /// The same with the DHT, of which it has a node at the same address, and with local discovery.
    pub fn seed_in_public(torrent: &Path, folder: &Path, arguments: &[&str]) -> (Instance, SocketAddr) {
        Instance::start(Program::start_in_public, seeding(torrent, folder), arguments).listening()
    }

    /// Downloads into `output` and gives to others what it has.
    pub fn get(torrent: &Path, output: &Path, arguments: &[&str]) -> Instance {
        Instance::start(Program::start, getting(torrent, output), arguments)
    }

    /// The same with the DHT and with local discovery.
    pub fn get_in_public(torrent: &Path, output: &Path, arguments: &[&str]) -> Instance {
        Instance::start(Program::start_in_public, getting(torrent, output), arguments)
    }

    /// Where it listens, if this is its port.
    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.host, port))
    }

    fn start(
        start: impl FnOnce(Vec<OsString>) -> Program,
        mut all: Vec<OsString>,
        arguments: &[&str],
    ) -> Instance {
        static NEXT_HOST: AtomicU8 = AtomicU8::new(1);
        let host = Ipv4Addr::new(127, 0, 77, NEXT_HOST.fetch_add(1, Ordering::Relaxed));
        all.extend(["--bind".into(), host.to_string().into()]);
        all.extend(arguments.iter().map(OsString::from));
        Instance { program: start(all), host }
    }

    /// Waits until it listens, and says where.
    fn listening(self) -> (Instance, SocketAddr) {
        let port = self.program.wait_for(LIMIT, |line| {
            let port = line.split_once("seeding, listening on port ")?.1;
            port.split(';').next()?.trim().parse().ok()
        });
        let address = self.address(port);
        (self, address)
    }

    /// Waits for a line that it prints or has printed. Panics where it does not come.
    pub fn wait_for(&self, text: &str) {
        self.program.wait_for(LIMIT, |line| line.contains(text).then_some(()));
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(self) -> Outcome {
        self.program.terminate();
        self.program.finish(LIMIT)
    }
}

fn seeding(torrent: &Path, folder: &Path) -> Vec<OsString> {
    vec!["seed".into(), torrent.into(), "-d".into(), folder.into()]
}

fn getting(torrent: &Path, output: &Path) -> Vec<OsString> {
    vec!["get".into(), torrent.into(), "-o".into(), output.into()]
}
