//! A payload of random bytes and its torrent: one file, named `bench.bin`.

use std::error::Error;

use sha1::{Digest, Sha1};

/// The payload, and what describes it.
pub struct Payload {
    /// The whole payload.
    pub bytes: Vec<u8>,
    /// The torrent as a file holds it (BEP 3), without a tracker.
    pub metainfo: Vec<u8>,
    /// The torrent's identity.
    pub info_hash: [u8; 20],
}

impl Payload {
    /// This many bytes, the same in each run.
    ///
    /// # Errors
    ///
    /// Where a piece does not fit into memory.
    pub fn new(size: usize, piece_length: u32) -> Result<Payload, Box<dyn Error>> {
        let mut bytes = vec![0; size];
        fastrand::Rng::with_seed(1).fill(&mut bytes);
        let pieces = bytes.chunks(usize::try_from(piece_length)?);
        let digests: Vec<u8> = pieces.flat_map(|piece| <[u8; 20]>::from(Sha1::digest(piece))).collect();
        let head = format!(
            "d6:lengthi{size}e4:name9:bench.bin12:piece lengthi{piece_length}e6:pieces{}:",
            digests.len()
        );
        let info = [head.as_bytes(), &digests, b"e"].concat();
        let info_hash = Sha1::digest(&info).into();
        Ok(Payload { bytes, metainfo: [b"d4:info", info.as_slice(), b"e"].concat(), info_hash })
    }
}
