//! A DHT whose nodes are libtorrent's, at loopback addresses of their own.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use super::Foreign;
use crate::payload::Payload;

/// Nodes that know each other. The last of them announces and searches when it is told to.
pub struct Nodes {
    program: Foreign,
    input: ChildStdin,
    /// Where they are.
    pub addresses: Vec<SocketAddr>,
}

impl Nodes {
    /// This many, at 127.0.`network`.1 and following.
    pub fn start(count: usize, network: u8) -> Nodes {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/libtorrent_dht.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(count.to_string()).arg(format!("127.0.{network}"));
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut program = Foreign::start_with(command, Stdio::piped(), nowhere, None);
        let input = program.child.stdin.take().unwrap();
        let addresses = (0..count).map(|_| program.expect_line("node ").parse().unwrap()).collect();
        program.expect_line("ready");
        Nodes { program, input, addresses }
    }

    /// The last node announces that it takes connections for this torrent. Where peers are found then.
    pub fn announce(&mut self, info_hash: [u8; 20]) -> SocketAddr {
        self.say("announce", info_hash);
        self.wait_for_announce();
        SocketAddr::new(self.addresses.last().unwrap().ip(), 7777)
    }

    /// The last node searches for this torrent, until it finds this peer.
    pub fn find(&mut self, info_hash: [u8; 20], peer: SocketAddr) {
        self.say("find", info_hash);
        self.program.expect_line(&format!("found {peer}"));
    }

    /// The last node searches for this torrent once, and finds this peer.
    pub fn look(&mut self, info_hash: [u8; 20], peer: SocketAddr) {
        self.say("look", info_hash);
        self.program.expect_line(&format!("found {peer}"));
    }

    /// The last node asks this one for torrents (BEP 51): how many it has, then their info-hashes.
    pub fn sample(&mut self, node: SocketAddr) -> Vec<String> {
        writeln!(self.input, "sample {} {}", node.ip(), node.port()).unwrap();
        self.program.expect_line("sampled ").split_whitespace().map(str::to_owned).collect()
    }

    /// The last node shares the payload, and has announced that when this returns.
    pub fn seed(&mut self, payload: &Payload) {
        let (torrent, folder) = (payload.torrent(), payload.complete());
        writeln!(self.input, "seed {} {}", torrent.display(), folder.display()).unwrap();
        self.wait_for_announce();
    }

    /// Waits until one of them is told of a peer that takes connections for a torrent.
    pub fn wait_for_announce(&self) {
        self.program.expect_line("announced");
    }

    /// The last node downloads what this link names, and has everything when this returns.
    pub fn get(&mut self, magnet: &str, output: &Path) {
        writeln!(self.input, "get {magnet} {}", output.display()).unwrap();
        self.program.expect_line("complete");
    }

    /// The arguments that name some of them.
    pub fn arguments(&self) -> Vec<String> {
        self.addresses.iter().take(3).flat_map(|node| ["--dht-node".to_owned(), node.to_string()]).collect()
    }

    /// How many queries they got from this host so far, and how many bytes, when it asks nothing any more.
    pub fn settle(&mut self, host: IpAddr) -> (u64, u64) {
        let mut before = self.count(host);
        loop {
            let now = self.count(host);
            if now == before {
                return now;
            }
            before = now;
        }
    }

    /// The same at this moment.
    pub fn count(&mut self, host: IpAddr) -> (u64, u64) {
        writeln!(self.input, "count {host}").unwrap();
        let number = |line| self.program.expect_line(line).parse().unwrap();
        (number("counted "), number("sent "))
    }

    fn say(&mut self, command: &str, info_hash: [u8; 20]) {
        let digits: String = info_hash.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.input, "{command} {digits}").unwrap();
    }
}
