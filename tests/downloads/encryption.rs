//! Our own programs with each other, whatever the user of each wants about encryption, and peers that take only
//! plain connections.

use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::metadata::{link, whole};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;

/// For any one download here, on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);
const ALL: [&str; 4] = ["off", "allow", "prefer", "require"];

/// Whether the program said of a connection that it is not encrypted. `None`: of no connection.
fn is_plain(output: &str) -> Option<bool> {
    let mut lines = output.lines().filter(|line| line.contains(": connected: "));
    lines.next().map(|line| line.contains("(not encrypted)"))
}

/// Whether a connection of two such users can come about and is plain. `from`: what the one wants that makes it.
fn expected(from: &str, to: &str) -> Option<bool> {
    match (from, to) {
        ("off", "require") | ("require", "off") => None,
        ("off", _) | (_, "off") | ("allow", "allow" | "prefer") => Some(true),
        _ => Some(false),
    }
}

#[test]
fn two_of_ours_meet_unless_one_wants_what_the_other_does_not_take() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let torrent = folder.path().join(sample.write_torrent(folder.path()));
    sample.write_payload(folder.path());
    for to in ALL {
        let (seed, address) = Instance::seed(&torrent, folder.path(), &["--encryption", to]);
        for from in ALL {
            let (output, peer) = (TestFolder::new(), address.to_string());
            let Some(plain) = expected(from, to) else { continue };
            let arguments = ["-v", "--no-listen", "--peer", &peer, "--encryption", from];
            let outcome = Instance::get(&torrent, output.path(), &arguments).program.finish(LIMIT);
            assert_eq!(outcome.code, Some(0), "{from} to {to}:\n{}", outcome.output);
            sample.assert_downloaded(output.path());
            assert_eq!(is_plain(&outcome.output), Some(plain), "{from} to {to}:\n{}", outcome.output);
        }
        seed.stop();
    }
}

#[test]
fn a_link_leads_to_a_seed_of_ours_that_takes_only_encrypted_connections() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let torrent = folder.path().join(sample.write_torrent(folder.path()));
    sample.write_payload(folder.path());
    let (_seed, address) = Instance::seed(&torrent, folder.path(), &["--encryption", "require"]);
    for from in ["allow", "prefer", "require"] {
        let (output, peer) = (TestFolder::new(), address.to_string());
        let arguments = ["-v", "--no-listen", "--peer", &peer, "--encryption", from];
        let outcome = Instance::get(link(&sample).as_ref(), output.path(), &arguments).program.finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "{from}:\n{}", outcome.output);
        sample.assert_downloaded(output.path());
    }
}

#[test]
fn a_peer_that_takes_only_plain_connections_is_found_by_who_prefers_the_others() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let torrent = folder.path().join(sample.write_torrent(folder.path()));
    let start: [fn(&Sample) -> ScriptedPeer; 2] = [ScriptedPeer::honest, whole];
    let (torrent, link) = (torrent.into_os_string(), link(&sample).into());
    for (start, source) in start.into_iter().zip([torrent, link]) {
        // It hears nonsense where a handshake should be, and closes.
        let (peer, output) = (start(&sample), TestFolder::new());
        let address = peer.address().to_string();
        let arguments = ["--no-listen", "--peer", &address, "--encryption", "prefer"];
        let outcome = Instance::get(source.as_ref(), output.path(), &arguments).program.finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "{source:?}:\n{}", outcome.output);
        sample.assert_downloaded(output.path());
        assert_eq!(peer.record().connections, 2, "one of each kind");
    }
}
