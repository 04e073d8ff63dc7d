//! A small torrent with its payload on the disk, for targets that need something to serve and to verify.

use femtotorrent::metainfo::Metainfo;
use femtotorrent::piece::{BLOCK_LENGTH, Geometry, PieceDigest, PieceIndex};
use femtotorrent::storage::{Check, Payload, ServedPieces, digests_of};
use sha1::{Digest, Sha1};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Pieces of the torrent.
pub const PIECES: u32 = 5;
/// Bytes of a piece: three blocks.
pub const PIECE_LENGTH: u32 = 3 * BLOCK_LENGTH;
/// The last piece is cut in its second block.
const TOTAL: u32 = PIECES * PIECE_LENGTH - PIECE_LENGTH / 2;

/// A torrent of one file, and what is served of it.
pub struct Ground {
    pub metainfo: Arc<Metainfo>,
    pub geometry: Geometry,
    pub payload: Vec<u8>,
    pub served: Arc<ServedPieces>,
}

impl Ground {
    /// The one of this process. It lies in a folder of its own below that for temporary files.
    pub fn get() -> &'static Ground {
        static GROUND: OnceLock<Ground> = OnceLock::new();
        GROUND.get_or_init(Ground::lay)
    }

    fn lay() -> Ground {
        let payload: Vec<u8> = (0..TOTAL).map(|number| (number % 251) as u8).collect();
        let metainfo = Arc::new(Metainfo::parse(torrent(&payload)).expect("a good torrent"));
        let geometry = Geometry::new(metainfo.geometry.total_size(), metainfo.geometry.piece_length())
            .expect("some pieces");
        let folder = scratch("ground");
        std::fs::write(folder.join("payload.bin"), &payload).expect("room for a small file");
        let served = with_payload(&metainfo, geometry, |payload| {
            // The last piece is not there.
            ServedPieces::open(&folder, payload, 4, Check::Always, &|_, _| true)
                .expect("a folder that was just made")
        });
        Ground { metainfo, geometry, payload, served }
    }

    /// The bytes of a piece.
    pub fn piece(&self, piece: PieceIndex) -> &[u8] {
        let start = self.geometry.offset(piece) as usize;
        &self.payload[start..start + self.geometry.length(piece) as usize]
    }

    /// The digest of a piece.
    pub fn digest(&self, piece: PieceIndex) -> PieceDigest {
        self.metainfo.piece_digest(piece.get()).expect("a digest for each piece")
    }
}

/// Calls `act` with what the storage has to know of a torrent.
pub fn with_payload<T>(
    metainfo: &Arc<Metainfo>,
    geometry: Geometry,
    act: impl FnOnce(&Payload<'_>) -> T,
) -> T {
    act(&Payload {
        name: &metainfo.name,
        output_name: None,
        info_hash: metainfo.info_hash,
        files: &metainfo.files,
        geometry,
        digests: &digests_of(metainfo),
        selection: None,
        cache: None,
    })
}

/// A torrent of one file with this content.
fn torrent(payload: &[u8]) -> Vec<u8> {
    let digests: Vec<u8> = payload.chunks(PIECE_LENGTH as usize).flat_map(Sha1::digest).collect();
    let (length, count) = (payload.len(), digests.len());
    let head = format!(
        "d4:infod6:lengthi{length}e4:name11:payload.bin12:piece lengthi{PIECE_LENGTH}e6:pieces{count}:"
    );
    [head.as_bytes(), &digests, b"ee"].concat()
}

/// A folder of this process for a target's files. Several processes may fuzz at once. The scripts that run targets name a
/// place in memory for it (`TMPDIR`) and remove it.
pub fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("femtotorrent-fuzz-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    folder
}
