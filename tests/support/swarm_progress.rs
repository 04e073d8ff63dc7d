//! Watches a swarm from outside, on the disk: how much of a payload is in the folders of the others.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// A swarm that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(180);

/// Waits until each piece of a single-file payload stands in at least one of the copies.
///
/// A copy may not be there yet, and may have holes. What a program still holds in memory counts only
/// when it is written, so this is late rather than early. Panics where it takes too long.
pub fn wait_until_one_copy_is_out(original: &Path, piece_length: u64, copies: &[PathBuf]) {
    let original = File::open(original).unwrap();
    let length = original.metadata().unwrap().len();
    let deadline = Instant::now() + LIMIT;
    let mut missing: Vec<u64> = (0..length.div_ceil(piece_length)).collect();
    while !missing.is_empty() {
        assert!(Instant::now() < deadline, "pieces {missing:?} of the payload are in no copy");
        let copies: Vec<File> = copies.iter().filter_map(|copy| File::open(copy).ok()).collect();
        missing.retain(|piece| {
            let begin = piece * piece_length;
            let mut here = vec![0; usize::try_from(piece_length.min(length - begin)).unwrap()];
            let mut there = here.clone();
            original.read_exact_at(&mut here, begin).unwrap();
            !copies.iter().any(|copy| copy.read_exact_at(&mut there, begin).is_ok() && here == there)
        });
        // No program announces what it has on the disk, so there is nothing to block on.
        thread::sleep(Duration::from_millis(50));
    }
}
