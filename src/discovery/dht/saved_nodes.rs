//! The nodes that we knew in the last run, in a file.
//!
//! A node that begins by asking them needs no well-known host. The file has about 5 KB of bencode: a
//! dictionary for each family, with our node ID there and the addresses of the nodes. It is only a hint. All
//! that we believe of it is that a node may be at an address. So a file that is missing, broken, or written
//! by an attacker costs only the time of asking nodes that do not answer. It is read by the thread that
//! starts the DHT. The threads of the DHT write it every 15 minutes, and the DHT's end once more.
//!
//! It is `dht` in `$XDG_CACHE_HOME/femtotorrent`: `{"4": {"id", "nodes"}, "6": {...}}`, the nodes as compact
//! addresses. Two runs at once leave one whole file (`storage/cache_file.rs`).

use super::addresses::could_be_a_node;
use super::id::NodeId;
use crate::address::{IpFamily, read_compact_list, write_compact};
use crate::bencode::{Item, Value};
use crate::storage::CacheFile;
use crate::text::reason;
use crate::thread::lock;
use log::debug;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;

/// Nodes of one family that are kept: more than a lookup ever asks.
const MAX_NODES: usize = 200;
/// The most bytes of the file that are read. Both families fit in them several times over.
const MAX_BYTES: u64 = 64 * 1024;
/// With fewer nodes than this, what was known before is worth more.
const ENOUGH: usize = 8;

/// What is known of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownNodes {
    /// Our node ID.
    pub id: Option<NodeId>,
    /// Nodes that answered.
    pub nodes: Vec<SocketAddr>,
}

/// The file, and what it is to hold.
#[derive(Debug)]
pub struct SavedNodes {
    /// Where it is. `None` if nothing is to be kept.
    file: Option<CacheFile>,
    known: Mutex<[KnownNodes; 2]>,
}

impl SavedNodes {
    /// What the file in this folder says. Nothing if there is no such file, or it cannot be read.
    pub fn read(folder: Option<&Path>) -> SavedNodes {
        let file = folder.map(|folder| CacheFile::new(folder, "dht"));
        let bytes = match file.as_ref().map(|file| file.read(MAX_BYTES)) {
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => {
                debug!("no saved DHT nodes: {}", reason(&error));
                Vec::new()
            }
            None => Vec::new(),
        };
        SavedNodes { file, known: Mutex::new(IpFamily::BOTH.map(|family| parse(&bytes, family))) }
    }

    /// From now on the file stays as it is.
    pub fn write_nothing(&mut self) {
        self.file = None;
    }

    /// What was known of this family.
    pub fn known(&self, family: IpFamily) -> KnownNodes {
        let known = lock(&self.known);
        known.get(index(family)).cloned().unwrap_or_default()
    }

    /// What is known of this family now, for the next [`write`](Self::write). Too few nodes do not replace
    /// more.
    pub fn update(&self, family: IpFamily, mut known: KnownNodes) {
        known.nodes.truncate(MAX_NODES);
        let mut all = lock(&self.known);
        if let Some(before) = all.get_mut(index(family))
            && (known.nodes.len() >= ENOUGH || known.nodes.len() >= before.nodes.len())
        {
            *before = known;
        }
    }

    /// Writes the file, and creates its folder if that is missing. A reader sees either the whole old file or
    /// the whole new one. A failure is only logged, since it does no harm.
    pub fn write(&self) {
        let Some(file) = &self.file else { return };
        let all = lock(&self.known);
        if all.iter().all(|known| known.nodes.is_empty()) {
            return;
        }
        let mut families = Vec::new();
        for (family, known) in IpFamily::BOTH.into_iter().zip(all.iter()) {
            let mut nodes = Vec::new();
            known.nodes.iter().for_each(|node| write_compact(&mut nodes, *node));
            let mut entries = vec![("nodes", Item::Bytes(nodes))];
            if let Some(NodeId(id)) = known.id {
                entries.push(("id", Item::from(&id[..])));
            }
            families.push((key(family), Item::dictionary(entries)));
        }
        let bytes = Item::dictionary(families).encode();
        if let Err(error) = file.write(&bytes) {
            debug!("cannot save the DHT nodes in {}: {}", file.path().display(), reason(&error));
        }
    }
}

fn index(family: IpFamily) -> usize {
    usize::from(family == IpFamily::V6)
}

fn key(family: IpFamily) -> &'static str {
    if family == IpFamily::V4 { "4" } else { "6" }
}

fn parse(bytes: &[u8], family: IpFamily) -> KnownNodes {
    let part = Value::parse(bytes).ok().and_then(Value::dictionary).and_then(|all| all.get(key(family)));
    let part = part.and_then(Value::dictionary);
    let get = |key: &str| part.and_then(|part| part.get(key)).and_then(Value::bytes).unwrap_or_default();
    let nodes = read_compact_list(get("nodes"), family);
    KnownNodes {
        id: get("id").try_into().ok().map(NodeId),
        // An IPv4-mapped address in the list for IPv6 is an IPv4 one.
        nodes: nodes.filter(|node| family.has(*node) && could_be_a_node(*node)).take(MAX_NODES).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::NewFolder;
    use std::fs;

    fn nodes(count: usize) -> Vec<SocketAddr> {
        (1..=count).map(|port| SocketAddr::from(([192, 0, 2, 1], u16::try_from(port).unwrap()))).collect()
    }

    #[test]
    fn what_is_written_is_read_the_next_time() {
        let folder = NewFolder::somewhere();
        let place = folder.0.join("in/a/folder");
        let saved = SavedNodes::read(Some(&place));
        assert_eq!(saved.known(IpFamily::V4), KnownNodes::default());
        saved.write();
        assert!(!place.exists(), "nothing is known, so nothing is written");
        let four = KnownNodes { id: Some(NodeId([7; 20])), nodes: nodes(20) };
        let six = KnownNodes { id: None, nodes: vec!["[2001:db8::1]:6881".parse().unwrap()] };
        saved.update(IpFamily::V4, four.clone());
        saved.update(IpFamily::V6, six.clone());
        saved.write();
        let again = SavedNodes::read(Some(&place));
        assert_eq!((again.known(IpFamily::V4), again.known(IpFamily::V6)), (four, six));
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
    }

    #[test]
    fn a_few_nodes_do_not_replace_many() {
        let saved = SavedNodes::read(None);
        let known = |count| KnownNodes { id: None, nodes: nodes(count) };
        for (update, kept) in [(3, 3), (50, 50), (7, 50), (8, 8), (1_000, MAX_NODES)] {
            saved.update(IpFamily::V4, known(update));
            assert_eq!(saved.known(IpFamily::V4), known(kept));
        }
        saved.write();
    }

    #[test]
    fn those_who_only_look_write_nothing() {
        let folder = NewFolder::somewhere();
        let mut saved = SavedNodes::read(Some(&folder.0));
        saved.update(IpFamily::V4, KnownNodes { id: Some(NodeId([7; 20])), nodes: nodes(3) });
        saved.write_nothing();
        saved.write();
        assert!(!folder.0.exists());
    }

    #[test]
    fn no_cut_and_no_flipped_bit_breaks_the_reader() {
        let folder = NewFolder::somewhere();
        let saved = SavedNodes::read(Some(&folder.0));
        saved.update(IpFamily::V4, KnownNodes { id: Some(NodeId([7; 20])), nodes: nodes(3) });
        saved.write();
        let whole = fs::read(folder.0.join("dht")).unwrap();
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end], IpFamily::V4), KnownNodes::default());
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&bytes, IpFamily::V4).nodes.iter().all(|node| could_be_a_node(*node)));
        }
    }

    #[test]
    fn of_one_family_only_its_own_addresses_are_read() {
        let mapped = [&b"d1:6d5:nodes18:"[..], &[0; 10], &[255, 255, 192, 0, 2, 1, 0, 80], b"ee"].concat();
        assert_eq!(parse(&mapped, IpFamily::V6).nodes, []);
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_no_error_and_read_in_part_only() {
        let folder = NewFolder::somewhere();
        fs::create_dir_all(folder.0.join("dht")).unwrap();
        let saved = SavedNodes::read(Some(&folder.0));
        assert_eq!(saved.known(IpFamily::V4), KnownNodes::default());
        saved.update(IpFamily::V4, KnownNodes { id: None, nodes: nodes(9) });
        saved.write();
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
        let nodes = "0".repeat(6 * 5_000);
        let large = format!("d1:4d5:nodes{}:{nodes}ee", nodes.len());
        assert_eq!(parse(large.as_bytes(), IpFamily::V4).nodes.len(), MAX_NODES);
        assert_eq!(parse(b"d1:4d2:id3:abc5:nodes7:aaaabb1ee", IpFamily::V4).id, None);
    }
}
