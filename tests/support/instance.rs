//! One of our own programs in a swarm: a process, at a loopback address of its own.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::program::{Outcome, Program};

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
        let instance = Instance::start("seed", torrent, ["-d".as_ref(), folder.as_os_str()], arguments);
        let port = instance
            .program
            .wait_for(LIMIT, |line| line.split_once("seeding, listening on port ")?.1.trim().parse().ok());
        let address = instance.address(port);
        (instance, address)
    }

    /// Downloads into `output` and gives to others what it has.
    pub fn get(torrent: &Path, output: &Path, arguments: &[&str]) -> Instance {
        Instance::start("get", torrent, ["-o".as_ref(), output.as_os_str()], arguments)
    }

    /// Where it listens, if this is its port.
    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.host, port))
    }

    fn start(command: &str, torrent: &Path, folder: [&OsStr; 2], arguments: &[&str]) -> Instance {
        static NEXT_HOST: AtomicU8 = AtomicU8::new(1);
        let host = Ipv4Addr::new(127, 0, 77, NEXT_HOST.fetch_add(1, Ordering::Relaxed));
        let mut all: Vec<OsString> = vec![command.into(), torrent.into(), "--bind".into()];
        all.push(host.to_string().into());
        all.extend(folder.map(OsString::from));
        all.extend(arguments.iter().map(OsString::from));
        Instance { program: Program::start(all), host }
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
