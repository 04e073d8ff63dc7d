//! Magnet links, and parameters behind a good info-hash.
//!
//! Whatever is kept must be within its bounds, and nothing but the name may act on a terminal.

#![no_main]

use femtotorrent::metainfo::Magnet;
use femtotorrent_fuzz::only_shows;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let good = format!("magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a{text}");
    for text in [text, good.as_str()] {
        match Magnet::parse(text) {
            Ok(magnet) => {
                assert!(Magnet::is_one(text));
                for list in [&magnet.trackers, &magnet.web_seeds, &magnet.peers] {
                    assert!(list.len() <= 200 && list.iter().all(|address| only_shows(address)));
                }
                for peer in &magnet.peers {
                    let (host, port) = peer.rsplit_once(':').expect("a host and a port");
                    assert!(!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0));
                }
                assert!(magnet.selected.iter().all(|range| range.start() <= range.end()));
            }
            Err(error) => assert!(only_shows(&error.to_string())),
        }
    }
});
