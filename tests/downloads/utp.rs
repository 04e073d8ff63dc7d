//! Downloads over uTP, from a peer that TCP does not get through to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::metadata::link;
use crate::support::sample::Sample;
use crate::support::udp_front::UdpFront;

/// For any one download here, on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// What two of ours share.
struct Share {
    sample: Sample,
    folder: TestFolder,
    torrent: PathBuf,
}

impl Share {
    fn new() -> Share {
        let (sample, folder) = (Sample::small(), TestFolder::new());
        let torrent = folder.path().join(sample.write_torrent(folder.path()));
        sample.write_payload(folder.path());
        Share { sample, folder, torrent }
    }

    fn seed(&self, arguments: &[&str]) -> (Instance, SocketAddr) {
        Instance::seed(&self.torrent, self.folder.path(), arguments)
    }

    /// Downloads from this address alone. Returns what the program printed.
    fn get(&self, from: SocketAddr, arguments: &[&str]) -> String {
        let (output, peer) = (TestFolder::new(), from.to_string());
        let all: Vec<&str> = ["--peer", &peer, "--json"].iter().chain(arguments).copied().collect();
        let outcome = Instance::get(&self.torrent, output.path(), &all).program.finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "{arguments:?}:\n{}", outcome.output);
        self.sample.assert_downloaded(output.path());
        outcome.output
    }
}

#[test]
fn a_seed_that_refuses_tcp_is_reached_over_utp_however_it_is_encrypted() {
    let share = Share::new();
    let (_seed, address) = share.seed(&[]);
    let front = UdpFront::of(address, 0);
    for encryption in ["off", "require"] {
        for listens in [&["--no-listen"][..], &[]] {
            let arguments = [&["--encryption", encryption], listens].concat();
            let output = share.get(front.address(), &arguments);
            assert!(output.contains(r#""transport":"utp""#), "{output}");
        }
    }
    let output = share.get(address, &[]);
    assert!(output.contains(r#""transport":"tcp""#) && !output.contains(r#""utp""#), "{output}");
}

#[test]
fn a_path_that_loses_packets_costs_time_and_no_bytes() {
    let share = Share::new();
    let (_seed, address) = share.seed(&[]);
    share.get(UdpFront::of(address, 20).address(), &[]);
}

#[test]
fn whoever_wants_no_utp_neither_connects_over_it_nor_is_connected_to() {
    let share = Share::new();
    for (ours, theirs) in [(&["--no-utp"][..], &[][..]), (&[], &["--no-utp"])] {
        let (_seed, address) = share.seed(theirs);
        let (output, peer) = (TestFolder::new(), UdpFront::of(address, 0));
        let peer = peer.address().to_string();
        let arguments = [&["--peer", &peer, "--timeout", "2s"], ours].concat();
        let outcome = Instance::get(&share.torrent, output.path(), &arguments).program.finish(LIMIT);
        assert_eq!(outcome.code, Some(2), "{ours:?} {theirs:?}:\n{}", outcome.output);
    }
}

#[test]
fn the_dht_and_utp_share_a_port() {
    let share = Share::new();
    let (seed, address) = Instance::seed_in_public(&share.torrent, share.folder.path(), &["--no-lan"]);
    let front = UdpFront::of(address, 0);
    // The node of the seed is where its peer is.
    let (output, [peer, node]) = (TestFolder::new(), [front.address(), address].map(|it| it.to_string()));
    let arguments = ["--peer", &peer, "--dht-node", &node, "--no-lan", "--json", "-v"];
    let outcome = Instance::get_in_public(&share.torrent, output.path(), &arguments).program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    share.sample.assert_downloaded(output.path());
    // And a link leads there through the DHT alone.
    let output = TestFolder::new();
    let arguments = ["--dht-node", &node, "--no-lan"];
    let link = link(&share.sample);
    let outcome = Instance::get_in_public(link.as_ref(), output.path(), &arguments).program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    seed.stop();
}
