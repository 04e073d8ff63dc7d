//! The payload of an earlier run, opened again with any bytes in what that run left beside it.
//!
//! The first byte says what the payload holds. What stands in the files beside it costs at most a check: no byte of the
//! payload is changed by opening it, and a piece that is said to be there is there.

#![no_main]

use femtotorrent::metainfo::InfoHash;
use femtotorrent::storage::{Existing, Options, Storage};
use femtotorrent_fuzz::{Choices, Ground, PIECE_LENGTH, PIECES, scratch, with_payload};
use libfuzzer_sys::fuzz_target;
use sha1::{Digest, Sha1};
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| scratch("storage"))
}

fuzz_target!(|bytes: &[u8]| {
    let (ground, folder) = (Ground::get(), folder());
    let mut choices = Choices::new(bytes);
    let payload = folder.join("payload.bin");
    let holds = match choices.below(5) {
        0 => Vec::new(),
        1 => ground.payload.clone(),
        2 => ground.payload[..PIECE_LENGTH as usize + 5].to_vec(),
        3 => vec![0; ground.payload.len()],
        _ => b"foreign".to_vec(),
    };
    fs::write(&payload, &holds).expect("room for a small file");
    let existing = match choices.below(3) {
        0 => Existing::Keep,
        1 => Existing::Continue,
        _ => Existing::Overwrite,
    };
    let options = Options { existing, ..Options::default() };
    let hash = ground.metainfo.info_hash;
    let marker = format!(".payload.bin.{}.femtotorrent", &hash.to_string()[..8]);
    let part = folder.join(format!("{marker}-part"));
    let paths = [folder.join(format!("{marker}-resume")), folder.join(marker)];
    // Half of the inputs begin as such a file does, so that the fuzzer need not guess the hash.
    let (is_resume, begins) = (choices.coin(), choices.coin());
    let rest = choices.bytes(usize::MAX);
    let left = match (is_resume, begins) {
        (_, false) => rest.to_vec(),
        (false, true) => [format!("An unfinished download.\ninfo-hash {hash}\n").as_bytes(), rest].concat(),
        (true, true) => resume_file(hash, rest),
    };
    // What stands in the part file is the same, as far as it can be: it is cut into slots.
    fs::write(&part, rest).expect("room for a small file");
    for (path, holds) in paths.iter().zip([is_resume, !is_resume]) {
        match holds {
            true => fs::write(path, &left).expect("room for a small file"),
            false => _ = fs::remove_file(path),
        }
    }

    let opened = with_payload(&ground.metainfo, ground.geometry, |payload| {
        Storage::open(folder, payload, options, &|_, _| true)
    });
    let now = fs::read(&payload).expect("the payload stays where it is");
    assert!(now == holds, "opening has changed the payload");
    match opened {
        Ok((_storage, there)) => {
            for piece in there.iter(ground.geometry) {
                let start = ground.geometry.offset(piece) as usize;
                assert!(now.get(start..).is_some_and(|rest| rest.starts_with(ground.piece(piece))));
            }
        }
        Err(error) => _ = error.to_string(),
    }
});

/// A resume file of the torrent with the right checksum, which says this.
fn resume_file(hash: InfoHash, says: &[u8]) -> Vec<u8> {
    // The file and the part file.
    let numbers = [PIECE_LENGTH, PIECES, 2].map(u32::to_be_bytes);
    let content = [b"femtoRS\x01", &hash.0[..], numbers.as_flattened(), says].concat();
    let checksum = Sha1::digest(&content);
    [&content[..], &checksum[..]].concat()
}
