//! What programs that are not ours have written under names of their own making is found.

use std::path::Path;

use crate::LIMIT;
use crate::foreign::Leecher;
use crate::payload::Payload;
use crate::support::instance::Instance;
use crate::support::program::Program;

fn assert_found(payload: &Payload, output: &Path) {
    let torrent = payload.torrent();
    let arguments = ["verify".as_ref(), torrent.as_os_str(), "-d".as_ref(), output.as_os_str()];
    let outcome = Program::start(arguments).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
}

#[test]
fn odd_names_are_found_as_libtorrent_writes_them() {
    let payload = Payload::odd_names();
    let (_seed, address) = Instance::seed(&payload.torrent(), &payload.complete(), &[]);
    let leecher = Leecher::libtorrent(&payload, &[address]);
    leecher.wait_until_complete();
    assert_found(&payload, leecher.output());
}

#[test]
fn odd_names_are_found_as_transmission_writes_them() {
    let payload = Payload::odd_names();
    let leecher = Leecher::transmission(&payload);
    let peer = leecher.address().to_string();
    let _seed = Instance::seed(&payload.torrent(), &payload.complete(), &["--peer", &peer]);
    leecher.wait_until_complete();
    assert_found(&payload, leecher.output());
}
