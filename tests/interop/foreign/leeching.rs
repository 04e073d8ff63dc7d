//! The same programs as leechers, each with an output folder and a loopback address of its own.
//!
//! All find their peers through the torrent's trackers, libtorrent also through its command line. Each
//! announces the address that it connects from. Transmission takes no peers from 127.0.0.0/8 out of a
//! tracker's answer: a peer that is to meet it must connect to it.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use super::Foreign;
use crate::payload::Payload;
use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;

/// A foreign program that downloads and then goes on to share.
pub struct Leecher {
    program: Foreign,
    output: TestFolder,
    /// What stands in the line that it prints when everything is there.
    complete: String,
}

impl Leecher {
    /// libtorrent, which connects to these peers and to those that the tracker names.
    pub fn libtorrent(payload: &Payload, peers: &[SocketAddr]) -> Self {
        Self::libtorrent_at(payload, peers, 0)
    }

    /// The same at this many bytes a second (0: no limit).
    pub fn libtorrent_at(payload: &Payload, peers: &[SocketAddr], rate: u64) -> Self {
        Self::libtorrent_with(payload, peers, rate, &[])
    }

    /// The same, and it takes and makes only encrypted connections. `level`: see `libtorrent_encryption.py`.
    pub fn libtorrent_encrypting(payload: &Payload, peers: &[SocketAddr], level: &str) -> Self {
        Self::libtorrent_with(payload, peers, 0, &[("ENCRYPTION", level)])
    }

    /// The same, and it connects over uTP alone, and encrypts if there is such a level.
    pub fn libtorrent_over_utp(payload: &Payload, peers: &[SocketAddr], level: Option<&str>) -> Self {
        let level = level.map(|level| ("ENCRYPTION", level));
        let variables: Vec<_> = [("UTP", "only")].into_iter().chain(level).collect();
        Self::libtorrent_with(payload, peers, 0, &variables)
    }

    /// The same, and it has nothing but the link.
    pub fn libtorrent_by_link(payload: &Payload, peer: SocketAddr) -> Self {
        Self::libtorrent_of(payload.magnet().as_ref(), &[peer], 0, &[])
    }

    fn libtorrent_with(
        payload: &Payload,
        peers: &[SocketAddr],
        rate: u64,
        variables: &[(&str, &str)],
    ) -> Self {
        Self::libtorrent_of(payload.torrent().as_ref(), peers, rate, variables)
    }

    fn libtorrent_of(torrent: &OsStr, peers: &[SocketAddr], rate: u64, variables: &[(&str, &str)]) -> Self {
        let host = Ipv4Addr::new(127, 0, 0, 101);
        let output = TestFolder::new();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/libtorrent_leech.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(torrent).arg(output.path()).arg(host.to_string()).arg(rate.to_string());
        command.args(peers.iter().map(SocketAddr::to_string));
        command.envs(variables.iter().copied());
        let mut program = Foreign::start(command, SocketAddr::from((host, 0)), None);
        let port = program.expect_line("listening ");
        program.address.set_port(port.trim().parse().unwrap());
        Self { program, output, complete: "complete".to_owned() }
    }

    /// aria2. It listens on all addresses and connects from one.
    pub fn aria2(payload: &Payload) -> Self {
        Self::aria2_by(payload.torrent().as_ref(), &[])
    }

    /// The same with these options too.
    pub fn aria2_with(payload: &Payload, options: &[&str]) -> Self {
        Self::aria2_by(payload.torrent().as_ref(), options)
    }

    /// The same by this link.
    pub fn aria2_by_link(magnet: &str) -> Self {
        Self::aria2_by(magnet.as_ref(), &[])
    }

    fn aria2_by(torrent: &OsStr, options: &[&str]) -> Self {
        let address = free_address(Ipv4Addr::new(127, 0, 0, 102));
        let output = TestFolder::new();
        let mut command = Command::new("aria2c");
        command
            .args(["--no-conf=true", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"])
            .args(["--enable-peer-exchange=false", "--seed-ratio=0", "--file-allocation=none"])
            .args(["--summary-interval=0", "--show-console-readout=false", "--console-log-level=notice"])
            // The only word from it when it has everything and seeds: a command's, with the path of the file.
            .arg("--on-bt-download-complete=/bin/echo")
            .arg(format!("--listen-port={}", address.port()))
            .arg(format!("--interface={}", address.ip()))
            .args(options)
            .arg("--dir")
            .arg(output.path())
            .arg(torrent);
        let program = Foreign::start(command, address, None);
        program.expect_line("listening on TCP port");
        let complete = format!("{}/", output.path().display());
        Self { program, output, complete }
    }

    /// Transmission, which a peer must connect to.
    pub fn transmission(payload: &Payload) -> Self {
        Self::transmission_with(payload, "--encryption-tolerated")
    }

    /// The same, and it takes only encrypted connections.
    pub fn transmission_encrypting(payload: &Payload) -> Self {
        Self::transmission_with(payload, "--encryption-required")
    }

    fn transmission_with(payload: &Payload, encryption: &str) -> Self {
        let output = TestFolder::new();
        let program = Foreign::transmission_in(payload, output.path(), 0, encryption, "");
        Self { program, output, complete: "to \"Complete\"".to_owned() }
    }

    /// Where to connect to it.
    pub fn address(&self) -> SocketAddr {
        self.program.address
    }

    /// Where it downloads to.
    pub fn output(&self) -> &Path {
        self.output.path()
    }

    /// Waits until it says that it has everything.
    pub fn wait_until_complete(&self) {
        self.program.expect_line(&self.complete);
    }

    /// Ends it, and fails unless its folder holds the payload, byte for byte, and nothing else.
    pub fn assert_identical(self, payload: &Payload) {
        let Self { program, output, .. } = self;
        drop(program);
        // aria2 keeps its notes for as long as it seeds.
        let _ = std::fs::remove_file(output.path().join(format!("{}.aria2", payload.name())));
        payload.assert_identical(output.path());
    }
}
