//! What a torrent that was accepted promises to all who read it.
//!
//! The storage and the workers check none of this again: they create the paths and trust the sizes.

use crate::only_shows;
use femtotorrent::metainfo::{MAX_FILES, MAX_FOLDER_DEPTH, MAX_PIECE_LENGTH, MAX_PIECES, Metainfo};
use femtotorrent::piece::BLOCK_LENGTH;
use std::collections::HashSet;
use std::path::{Component, Path};

/// Panics where the torrent breaks a promise.
pub fn hold_to_its_word(torrent: &Metainfo) {
    sizes(torrent);
    paths(torrent);
    assert!(only_shows(&torrent.name));
    let addresses = torrent.trackers.iter().flatten().chain(&torrent.web_seeds);
    for address in addresses.chain(torrent.nodes.iter().map(|(host, _)| host)) {
        assert!(only_shows(address) && !address.is_empty(), "{address:?}");
    }
    assert!(torrent.info_bytes().starts_with(b"d") && torrent.info_bytes().ends_with(b"e"));
}

/// The files follow one another, in version 2 with padding between them, and the pieces cut exactly what they hold.
fn sizes(torrent: &Metainfo) {
    let mut end = 0_u64;
    for file in &torrent.files {
        assert_eq!(file.offset, end);
        end = end.checked_add(file.length).expect("a sum that was checked");
    }
    let (cut, is_two) = (torrent.geometry, torrent.info_hash_v2.is_some());
    assert_eq!(end, cut.end());
    assert!(cut.total_size() > 0 && (1..=MAX_PIECE_LENGTH).contains(&cut.piece_length()));
    let counted = torrent.files.iter().filter(|file| !is_two || !file.padding).count();
    assert!(cut.piece_count() <= MAX_PIECES && counted <= MAX_FILES);
    assert!(torrent.piece_digest(cut.piece_count()).is_none() && cut.piece(cut.piece_count()).is_none());

    let (mut covered, mut total) = (0_u64, 0);
    for piece in cut.pieces() {
        assert!(torrent.piece_digest(piece.get()).is_some());
        let start = if is_two { u64::from(piece.get()) * u64::from(cut.piece_length()) } else { covered };
        assert_eq!(cut.offset(piece), start);
        total += u64::from(cut.length(piece));
        covered = start + u64::from(cut.length(piece));
        let last = cut.block_count(piece) - 1;
        let begin = last * BLOCK_LENGTH;
        let length = (cut.length(piece) - begin) as usize;
        assert!(cut.block(piece.get(), begin, length).is_some());
        assert!(cut.block(piece.get(), begin, length + 1).is_none());
    }
    assert_eq!((covered, total), (end, cut.total_size()));
}

/// Every path stays below the output folder, is no other file's, and leads through no file.
fn paths(torrent: &Metainfo) {
    fn written(torrent: &Metainfo) -> impl Iterator<Item = &Path> {
        torrent.files.iter().filter(|file| !file.padding).map(|file| &*file.path)
    }
    let mut files = HashSet::new();
    for path in written(torrent) {
        assert!(path.components().all(|element| matches!(element, Component::Normal(_))), "{path:?}");
        assert!(!path.as_os_str().as_encoded_bytes().contains(&0), "{path:?}");
        assert!((1..=MAX_FOLDER_DEPTH + 1).contains(&path.components().count()), "{path:?}");
        assert!(files.insert(path), "two files at {path:?}");
    }
    for path in written(torrent) {
        assert!(
            !path.ancestors().skip(1).any(|folder| files.contains(folder)),
            "{path:?} leads through a file"
        );
    }
}
