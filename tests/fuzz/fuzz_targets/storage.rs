//! The payload of an earlier run, opened again with any bytes in what that run left beside it.
//!
//! The first byte says what the payload holds. What stands in the files beside it costs at most a check: no byte of the
//! payload is changed by opening it, and a piece that is said to be there is there.

#![no_main]

use femtotorrent::storage::{Options, Storage};
use femtotorrent_fuzz::{Choices, Ground, PIECE_LENGTH, scratch, with_payload};
use libfuzzer_sys::fuzz_target;
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
    let options = Options { overwrite: choices.coin(), ..Options::default() };
    // Half of the inputs begin as a marker does, so that the fuzzer need not guess the hash.
    let begins = choices.coin();
    let rest = choices.bytes(usize::MAX);
    let hash = ground.metainfo.info_hash.to_string();
    let head = format!("An unfinished download.\ninfo-hash {hash}\n");
    let left = [if begins { head.as_bytes() } else { b"" }, rest].concat();
    let marker = folder.join(format!(".payload.bin.{}.femtotorrent", &hash[..8]));
    fs::write(&marker, &left).expect("room for a small file");

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
    let _ = fs::remove_file(&marker);
});
