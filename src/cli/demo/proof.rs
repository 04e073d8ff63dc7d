//! The proof that the demo's download is right, which believes nothing that the download says.

use crate::cli::exit::{CommandFailure, Exit};
use crate::piece::{Geometry, PieceDigest, PieceIndex};
use crate::text::reason;
use std::path::Path;

/// Checks the file independently of the download: the digest of each piece, then each byte.
pub(super) fn verify(
    file: &Path,
    geometry: Geometry,
    digests: &[PieceDigest],
    payload: &[u8],
) -> Result<(), CommandFailure> {
    let bytes = std::fs::read(file).map_err(|error| {
        (Exit::CANNOT_OPEN, format!("cannot read {}: {}", file.display(), reason(&error)))
    })?;
    let pieces = bytes.chunks(geometry.piece_length() as usize);
    let wrong: Vec<PieceIndex> = geometry
        .pieces()
        .zip(digests.iter().zip(pieces))
        .filter(|(_, (digest, piece))| **digest != PieceDigest::sha1_of(piece))
        .map(|(piece, _)| piece)
        .collect();
    match wrong.first() {
        None if bytes == payload => Ok(()),
        None => Err((Exit::NOT_VERIFIED, format!("{} is not what the seeders have", file.display()))),
        Some(piece) => {
            Err((Exit::NOT_VERIFIED, format!("piece {} of {} is wrong", piece.get(), file.display())))
        }
    }
}
