//! The address of a tracker out of a torrent, and the request that is made of it.
//!
//! Nothing that is shown may act on a terminal or tell what stands before the host, which is a
//! password. An address that passes the check must become a request in one line.

#![no_main]

use femtotorrent::tracker::{Announce, Counts, Identity, NOT_LISTENING, TrackerAddress};
use femtotorrent_fuzz::only_shows;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let address = TrackerAddress::new(text);
    let site = address.site();
    assert!(only_shows(&site) && only_shows(address.host()));
    // At most the 200 characters of the scheme and of the host, and what is between them.
    assert!(!address.host().contains(['@', '/', '?', '#']) && site.chars().count() <= 403);
    match address.protocol() {
        Ok(_) => {
            let url = address.with_query(&announce().query());
            assert!(!url.contains(|character: char| character.is_whitespace() || character.is_control()));
            assert!(url.starts_with(address.secret_text().split('?').next().unwrap_or_default()));
            assert!(!url.contains('#') && url.contains("info_hash=") && url.len() < 4_096);
            if let Some(scrape) = address.scrape() {
                assert_eq!((scrape.site(), scrape.protocol()), (site, address.protocol()));
                assert!(scrape.path_and_query().contains("/scrape"));
            }
        }
        Err(error) => assert!(only_shows(&error.to_string())),
    }
});

fn announce() -> Announce {
    let identity = Identity {
        info_hash: femtotorrent::metainfo::InfoHash([0xff; 20]),
        peer_id: femtotorrent::wire::PeerId([0; 20]),
        port: NOT_LISTENING,
        key: 7,
        numwant: 80,
        encryption: Default::default(),
    };
    Announce { identity, counts: Counts::default(), event: None, tracker_id: Some(b"&#\n".to_vec()) }
}
