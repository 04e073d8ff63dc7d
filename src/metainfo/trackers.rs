//! Where a torrent says to ask for peers and data: trackers, web seeds, DHT nodes.
//!
//! A download needs none of these, so an address that cannot be read is left out, and the torrent is not
//! refused.

use crate::bencode::{Dictionary, Value};
use crate::text::is_hidden;
use std::collections::HashSet;

/// How many web seeds, and how many DHT nodes, are kept. No honest torrent has this many.
pub(super) const MAX_ADDRESSES: usize = 200;

/// How many trackers are kept. Lists of several hundred are handed round, of which one may be alive.
pub(super) const MAX_TRACKERS: usize = 1_000;

/// The announce addresses by tier (BEP 12). `announce` counts only if `announce-list` has no address that is
/// asked over HTTP or UDP. Old clients, which do not know `announce-list`, use it too.
pub(super) fn tiers(torrent: Dictionary) -> Vec<Vec<String>> {
    let mut seen = HashSet::new();
    let list = torrent.get("announce-list").and_then(Value::list);
    let mut tiers: Vec<Vec<String>> = list
        .into_iter()
        .flat_map(|list| list.iter())
        .map(|tier| addresses(tier, &mut seen, MAX_TRACKERS))
        .filter(|tier| !tier.is_empty())
        .collect();
    let known = |address: &String| ["http", "udp:"].iter().any(|scheme| address.starts_with(scheme));
    if !tiers.iter().flatten().any(known) {
        let announce = torrent.get("announce").map(|announce| addresses(announce, &mut seen, MAX_TRACKERS));
        tiers.extend(announce.filter(|tier| !tier.is_empty()));
    }
    tiers
}

/// The web seeds of `url-list`, which is a list or a single string (BEP 19).
pub(super) fn web_seeds(torrent: Dictionary) -> Vec<String> {
    torrent
        .get("url-list")
        .map(|list| addresses(list, &mut HashSet::new(), MAX_ADDRESSES))
        .unwrap_or_default()
}

/// The DHT nodes, pairs of host and port (BEP 5, "torrent file extensions").
pub(super) fn nodes(torrent: Dictionary) -> Vec<(String, u16)> {
    let list = torrent.get("nodes").and_then(Value::list);
    list.into_iter().flat_map(|list| list.iter()).filter_map(node).take(MAX_ADDRESSES).collect()
}

fn node(value: Value) -> Option<(String, u16)> {
    let mut pair = value.list()?.iter();
    let host = address(pair.next()?)?;
    let port = u16::try_from(pair.next()?.unsigned()?).ok()?;
    (port != 0).then_some((host, port))
}

/// The addresses in a list or a lone string that were not seen before, so many in all.
fn addresses(value: Value, seen: &mut HashSet<String>, most: usize) -> Vec<String> {
    let list = value.list().map(|list| list.iter());
    let lone = value.bytes().map(|_| value);
    let mut kept = Vec::new();
    for address in list.into_iter().flatten().chain(lone).filter_map(address) {
        if seen.len() < most && seen.insert(address.clone()) {
            kept.push(address);
        }
    }
    kept
}

fn address(value: Value) -> Option<String> {
    usable(value.bytes()?)
}

/// An address as text. `None` if it is empty or has a character that no address can have.
pub(super) fn usable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    (!text.is_empty() && !text.chars().any(is_hidden)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Dictionary<'_> {
        Value::parse(bytes).unwrap().dictionary().unwrap()
    }

    #[test]
    fn the_list_takes_precedence_over_the_lone_address() {
        let torrent = parsed(b"d8:announce1:x13:announce-listll1:a8:http://be0:l1: ei7el1:c1:aeee");
        assert_eq!(tiers(torrent), [vec!["a", "http://b"], vec!["c"]]);
        assert_eq!(tiers(parsed(b"d8:announce1:x13:announce-listlleee")), [["x"]]);
        assert_eq!(tiers(parsed(b"d8:announce1:xe")), [["x"]]);
        assert!(tiers(parsed(b"d8:announcei1e13:announce-listi2ee")).is_empty());
    }

    #[test]
    fn beside_a_list_that_we_cannot_use_the_lone_address_is_the_last_tier() {
        let torrent = parsed(b"d8:announce8:http://x13:announce-listll7:wss://aeee");
        assert_eq!(tiers(torrent), [["wss://a"], ["http://x"]]);
        let torrent = parsed(b"d8:announce8:http://x13:announce-listll7:udp://aeee");
        assert_eq!(tiers(torrent), [["udp://a"]]);
    }

    #[test]
    fn in_a_flat_list_each_address_is_a_tier() {
        assert_eq!(tiers(parsed(b"d13:announce-listl1:a1:bee")), [["a"], ["b"]]);
    }

    #[test]
    fn an_address_with_a_control_character_is_left_out() {
        assert!(tiers(parsed(b"d8:announce3:a\rbe")).is_empty());
        assert!(tiers(parsed(b"d8:announce2:\xffbe")).is_empty());
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let list: String = (0..5_000).map(|number| format!("l4:{number:04}e")).collect();
        assert_eq!(tiers(parsed(format!("d13:announce-listl{list}ee").as_bytes())).len(), MAX_TRACKERS);
        let list: String = (0..5_000).map(|number| format!("4:{number:04}")).collect();
        assert_eq!(web_seeds(parsed(format!("d8:url-listl{list}ee").as_bytes())).len(), MAX_ADDRESSES);
    }

    #[test]
    fn web_seeds_are_a_list_or_a_string() {
        assert_eq!(web_seeds(parsed(b"d8:url-listl1:a1:bee")), ["a", "b"]);
        assert_eq!(web_seeds(parsed(b"d8:url-list1:ae")), ["a"]);
        assert!(web_seeds(parsed(b"d8:url-list0:e")).is_empty());
    }

    #[test]
    fn nodes_have_a_host_and_a_port() {
        let torrent = parsed(b"d5:nodesll9:127.0.0.1i8080eel1:ai0eel1:bi65536eel1:cei1eee");
        assert_eq!(nodes(torrent), [("127.0.0.1".to_owned(), 8080)]);
    }
}
