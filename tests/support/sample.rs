//! A payload that is made up from a number, and the torrent that describes it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use femtotorrent::metainfo::Metainfo;
use femtotorrent::piece::BLOCK_LENGTH;
use femtotorrent::piece::merkle::{self, BlockHash, Node, Subtree};
use sha1::{Digest, Sha1};

/// A payload in memory and its torrent.
#[derive(Clone)]
pub struct Sample {
    /// The whole payload, padding included.
    pub payload: Vec<u8>,
    /// Bytes in every piece but the last.
    pub piece_length: u32,
    /// The torrent as a file holds it.
    pub torrent: Vec<u8>,
    files: Vec<(String, u64, bool)>,
}

impl Sample {
    /// One file, named `payload.bin`, of this many bytes.
    pub fn single(length: usize, piece_length: u32) -> Sample {
        Sample::named("payload.bin", length, piece_length)
    }

    /// Eight pieces of four blocks, the last block short.
    pub fn small() -> Sample {
        Sample::single(8 * 4 * BLOCK_LENGTH as usize - 100, 4 * BLOCK_LENGTH)
    }

    /// One file of this name and length. Its bytes follow from its length.
    pub fn named(name: &str, length: usize, piece_length: u32) -> Sample {
        let mut payload = vec![0; length];
        fastrand::Rng::with_seed(length as u64).fill(&mut payload);
        let info = format!("6:lengthi{length}e4:name{}:{name}", name.len());
        Sample::build(payload, piece_length, &info, vec![(name.to_owned(), length as u64, false)])
    }

    /// One file of version 2 (BEP 52), of this many bytes in pieces of two blocks.
    pub fn of_version_two(length: usize) -> Sample {
        let mut payload = vec![0; length];
        fastrand::Rng::with_seed(length as u64).fill(&mut payload);
        let piece_length = 2 * BLOCK_LENGTH;
        let digest = |piece: &[u8]| {
            let mut hash = BlockHash::default();
            hash.update(piece);
            hash.node(1)
        };
        let layer: Vec<Node> = payload.chunks(piece_length as usize).map(digest).collect();
        let mut tree = Subtree::default();
        layer.iter().for_each(|node| tree.push(*node));
        let root = tree.root(merkle::levels(layer.len() as u64), merkle::padding(1));
        let layer = layer.as_flattened();
        let torrent = [
            format!("d4:infod9:file treed7:payloadd0:d6:lengthi{length}e11:pieces root32:").as_bytes(),
            &root,
            format!("eee12:meta versioni2e4:name7:payload12:piece lengthi{piece_length}ee").as_bytes(),
            b"12:piece layersd32:",
            &root,
            format!("{}:", layer.len()).as_bytes(),
            layer,
            b"ee",
        ]
        .concat();
        Sample { payload, piece_length, torrent, files: vec![("payload".to_owned(), length as u64, false)] }
    }

    /// Files below a folder named `many`, with these paths and lengths; an empty path is padding.
    pub fn multi(files: &[(&str, usize)], piece_length: u32) -> Sample {
        let mut payload = Vec::new();
        let mut random = fastrand::Rng::with_seed(files.len() as u64);
        let mut list = String::new();
        let mut known = Vec::new();
        for (path, length) in files {
            let start = payload.len();
            payload.resize(start + length, 0);
            let path = if path.is_empty() {
                list.push_str(&format!("d4:attr1:p6:lengthi{length}e4:path"));
                format!(".pad/{length}")
            } else {
                random.fill(&mut payload[start..]);
                list.push_str(&format!("d6:lengthi{length}e4:path"));
                (*path).to_owned()
            };
            let elements: String =
                path.split('/').map(|element| format!("{}:{element}", element.len())).collect();
            list.push_str(&format!("l{elements}ee"));
            known.push((format!("many/{path}"), *length as u64, path.starts_with(".pad/")));
        }
        Sample::build(payload, piece_length, &format!("5:filesl{list}e4:name4:many"), known)
    }

    fn build(payload: Vec<u8>, piece_length: u32, info: &str, files: Vec<(String, u64, bool)>) -> Sample {
        let digests: Vec<u8> = payload.chunks(piece_length as usize).flat_map(Sha1::digest).collect();
        let head = format!("d4:infod{info}12:piece lengthi{piece_length}e6:pieces{}:", digests.len());
        let torrent = [head.as_bytes(), &digests, b"ee"].concat();
        Sample { payload, piece_length, torrent, files }
    }

    /// The same with a tracker.
    pub fn with_tracker(mut self, url: &str) -> Sample {
        self.torrent.splice(1..1, format!("8:announce{}:{url}", url.len()).into_bytes());
        self
    }

    /// The same with a web seed.
    pub fn with_web_seed(mut self, url: &str) -> Sample {
        let end = self.torrent.len() - 1;
        self.torrent.splice(end..end, format!("8:url-list{}:{url}", url.len()).into_bytes());
        self
    }

    /// The same as a private torrent (BEP 27), which is another torrent.
    pub fn private(mut self) -> Sample {
        let end = self.torrent.len() - 2;
        self.torrent.splice(end..end, *b"7:privatei1e");
        self
    }

    /// The same with a node of the DHT (BEP 5).
    pub fn with_node(mut self, node: SocketAddr) -> Sample {
        let (end, host) = (self.torrent.len() - 1, node.ip().to_string());
        let nodes = format!("5:nodesll{}:{host}i{}eee", host.len(), node.port());
        self.torrent.splice(end..end, nodes.into_bytes());
        self
    }

    /// The torrent as the program reads it.
    pub fn metainfo(&self) -> Metainfo {
        Metainfo::parse(self.torrent.clone()).unwrap()
    }

    /// The torrent's name: the name of its only file or of the folder of its files.
    pub fn name(&self) -> &str {
        self.files[0].0.split('/').next().unwrap()
    }

    /// The identity of the torrent.
    pub fn info_hash(&self) -> [u8; 20] {
        self.metainfo().info_hash.0
    }

    /// How many pieces there are.
    pub fn pieces(&self) -> u32 {
        self.payload.len().div_ceil(self.piece_length as usize) as u32
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        let pieces = self.payload.chunks(self.piece_length as usize);
        pieces.map(|piece| piece.len().div_ceil(BLOCK_LENGTH as usize)).sum()
    }

    /// These bytes of a piece. Panics where there are none.
    pub fn block(&self, index: u32, begin: u32, length: u32) -> &[u8] {
        let start = index as usize * self.piece_length as usize + begin as usize;
        &self.payload[start..start + length as usize]
    }

    /// Writes the torrent into a folder.
    pub fn write_torrent(&self, folder: &Path) -> String {
        let path = folder.join("sample.torrent");
        fs::write(&path, &self.torrent).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes the payload into a folder, as a finished download leaves it.
    pub fn write_payload(&self, folder: &Path) {
        let mut start = 0;
        for (path, length, padding) in &self.files {
            let bytes = &self.payload[start..start + *length as usize];
            start += *length as usize;
            if !padding {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }

    /// Panics unless the folder holds the payload, byte for byte, and nothing else.
    pub fn assert_downloaded(&self, folder: &Path) {
        let mut start = 0;
        for (path, length, padding) in &self.files {
            let bytes = &self.payload[start..start + *length as usize];
            start += *length as usize;
            if *padding {
                assert!(!folder.join(path).exists(), "{path} is padding and was written");
            } else {
                assert!(fs::read(folder.join(path)).unwrap() == bytes, "{path} differs");
            }
        }
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let known = self.files.iter().any(|(path, ..)| path.split('/').next() == Some(&name));
            assert!(known || name.ends_with(".torrent"), "{name} is left over");
        }
    }
}
