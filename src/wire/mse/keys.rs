//! What is made of the secret: the marks by which each side finds its place, and the keystreams.

use super::group::KEY_LENGTH;
use super::rc4::Rc4;
use crate::metainfo::InfoHash;
use sha1::{Digest, Sha1};

/// Bytes at the beginning of a keystream that are not used: they tell too much about the key.
const DROPPED: usize = 1024;

/// What a peer names a torrent by, so that only who has it knows which it is.
pub type TorrentMark = [u8; 20];

/// The mark of a torrent.
pub fn torrent_mark(info_hash: InfoHash) -> TorrentMark {
    hash(&[b"req2", &info_hash.0])
}

/// The secret of both sides.
pub struct Secret(pub [u8; KEY_LENGTH]);

impl Secret {
    /// What ends the initiator's pad.
    pub fn end_of_pad(&self) -> [u8; 20] {
        hash(&[b"req1", &self.0])
    }

    /// The mark, hidden; or the hidden one, shown.
    pub fn hide(&self, mut mark: TorrentMark) -> TorrentMark {
        mark.iter_mut().zip(hash(&[b"req3", &self.0])).for_each(|(byte, other)| *byte ^= other);
        mark
    }

    /// The keystream of what the initiator sends.
    pub fn of_initiator(&self, info_hash: InfoHash) -> Rc4 {
        self.keystream(b"keyA", info_hash)
    }

    /// The keystream of what the responder sends.
    pub fn of_responder(&self, info_hash: InfoHash) -> Rc4 {
        self.keystream(b"keyB", info_hash)
    }

    fn keystream(&self, name: &[u8], info_hash: InfoHash) -> Rc4 {
        Rc4::new(&hash(&[name, &self.0, &info_hash.0])).after(DROPPED)
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
