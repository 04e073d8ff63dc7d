//! What can be wrong with an announce to the tracker.
//!
//! Pure.

use super::report::{Fault, TRACKERS};
use crate::metainfo::{InfoHash, percent_decoded};

/// The parameters without which an announce makes no sense.
const NEEDED: [&str; 6] = ["info_hash", "peer_id", "port", "uploaded", "downloaded", "left"];

/// Whether this target asks how many have the torrent, and announces nothing (BEP 48).
pub fn is_scrape(target: &str) -> bool {
    target
        .split('?')
        .next()
        .is_some_and(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with("scrape")))
}

/// What is wrong with this target of a GET for this torrent.
pub fn fault(target: &str, info_hash: &InfoHash) -> Option<Fault> {
    let wrong = |text: String| Some(Fault::new("bad announce", TRACKERS, text));
    let Some((_, query)) = target.split_once('?') else {
        return wrong(
            "it has no query: after the address comes '?', then the parameters with '&' between them."
                .to_owned(),
        );
    };
    let value = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    if let Some(missing) = NEEDED.into_iter().find(|name| value(name).is_none()) {
        return wrong(format!("'{missing}' is missing. Needed are {}.", NEEDED.join(", ")));
    }
    let hash = value("info_hash").unwrap_or_default();
    let bytes = percent_decoded(hash);
    if bytes == info_hash.0 {
        let id = percent_decoded(value("peer_id").unwrap_or_default());
        return match id.len() {
            20 => None,
            length => wrong(format!("the peer ID has {length} bytes, and 20 are needed.")),
        };
    }
    wrong(if hash.eq_ignore_ascii_case(&info_hash.to_string()) {
        "the info_hash is sent as hexadecimal digits. It is the 20 raw bytes, each that is no letter or digit written as % \
         and its two digits."
            .to_owned()
    } else if bytes.len() == 20 {
        "the info_hash is that of another torrent.".to_owned()
    } else {
        format!("the info_hash has {} bytes once its % are undone, and 20 are needed.", bytes.len())
    })
}
