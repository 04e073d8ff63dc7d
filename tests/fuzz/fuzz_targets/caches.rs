//! What stands in the files that we keep between runs: the port and the nodes of the distributed hash table. And the
//! user name and the password in an address.
//!
//! Whatever is read can be used: the port is one of the usual ones, and the nodes are within their bound.

#![no_main]

use femtotorrent::address::IpFamily;
use femtotorrent::cli::saved_port::SavedPort;
use femtotorrent::discovery::dht::SavedNodes;
use femtotorrent::net::{USUAL_PORTS, basic_auth};
use femtotorrent_fuzz::{scratch, spelled_out};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| scratch("caches"))
}

fuzz_target!(|bytes: &[u8]| {
    let folder = folder();
    for bytes in [bytes.to_vec(), spelled_out(bytes)] {
        fs::write(folder.join("port"), &bytes).expect("room for a small file");
        fs::write(folder.join("dht"), &bytes).expect("room for a small file");
        assert!(USUAL_PORTS.contains(&SavedPort::read(Some(folder)).port()));
        let nodes = SavedNodes::read(Some(folder));
        for family in IpFamily::BOTH {
            let known = nodes.known(family);
            assert!(known.nodes.len() <= 200 && known.nodes.iter().all(|node| family.has(*node)));
            nodes.update(family, known);
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let (address, authorization) = basic_auth::split(&text);
    match authorization {
        None => assert_eq!(address, text),
        Some(value) => {
            assert!(address.len() < text.len() && value.starts_with("Basic "));
            assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
});
