//! The metadata of a magnet link, put together from what an honest peer and several others send.
//!
//! Whatever the others do, the honest peer is never blamed, memory stays within its bound, and once the honest peer
//! may answer alone the metadata is complete and right.

#![no_main]

use femtotorrent::magnet::{MetadataAssembly, Verdict};
use femtotorrent::metainfo::InfoHash;
use femtotorrent::piece::PeerKey;
use femtotorrent::wire::metadata::PIECE;
use femtotorrent_fuzz::Choices;
use libfuzzer_sys::fuzz_target;
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::sync::OnceLock;

const HONEST: PeerKey = PeerKey(0);
/// Three pieces, the last of them short.
const SIZE: usize = 2 * PIECE as usize + 100;

fn metadata() -> &'static (Vec<u8>, InfoHash) {
    static METADATA: OnceLock<(Vec<u8>, InfoHash)> = OnceLock::new();
    METADATA.get_or_init(|| {
        let bytes: Vec<u8> = (0..SIZE).map(|number| (number % 251) as u8).collect();
        let hash = InfoHash(Sha1::digest(&bytes).into());
        (bytes, hash)
    })
}

fn piece(number: u32) -> &'static [u8] {
    metadata().0.chunks(PIECE as usize).nth(number as usize).unwrap_or_default()
}

fuzz_target!(|bytes: &[u8]| {
    let (whole, hash) = metadata();
    let mut choices = Choices::new(bytes);
    let mut assembly = MetadataAssembly::new((*hash).into());
    let mut asked: BTreeMap<PeerKey, Vec<u32>> = BTreeMap::new();
    assembly.joined(HONEST, SIZE as u64).expect("a usual size");
    let mut complete = false;
    while !choices.is_over() && !complete {
        let key = PeerKey(choices.below(6).into());
        let theirs = asked.entry(key).or_default();
        match choices.below(8) {
            0 if key != HONEST => {
                theirs.clear();
                let sizes =
                    [SIZE as u64, SIZE as u64, SIZE as u64 + 1, 1, 0, 40 << 20, u64::from(choices.number())];
                let _ = assembly.joined(key, sizes[choices.below(7) as usize]);
            }
            1 if key != HONEST => {
                theirs.clear();
                assembly.left(key);
            }
            2 if key != HONEST => {
                let number = choices.number();
                theirs.retain(|asked| *asked != number);
                assembly.rejected(key, number);
            }
            3..=5 => theirs.extend(assembly.next(key)),
            _ => {
                let known = theirs.pop();
                let number = match known {
                    Some(number) => number,
                    None if key == HONEST => continue,
                    None => choices.number(),
                };
                let (lies, cuts) = (choices.below(3) == 0, choices.below(5) == 0);
                let mut bytes = piece(number).to_vec();
                let mut total = Some(SIZE as u64);
                if key != HONEST {
                    bytes.iter_mut().take(1).for_each(|byte| *byte ^= u8::from(lies));
                    bytes.truncate(if cuts { choices.number() as usize } else { usize::MAX });
                    total = choices.coin().then_some(u64::from(choices.number()));
                }
                match assembly.received(key, number, total, &bytes) {
                    Verdict::Kept => {}
                    Verdict::Complete => complete = true,
                    Verdict::Wrong(liars) => {
                        assert!(!liars.contains(&HONEST), "the honest one is blamed");
                        liars.iter().for_each(|liar| _ = asked.remove(liar));
                    }
                    Verdict::Broke(why) => {
                        assert!(key != HONEST, "{why}");
                        theirs.clear();
                        assembly.left(key);
                    }
                }
            }
        }
        let (there, needed) = assembly.progress();
        assert!(there <= needed);
    }
    // All others leave, and the honest one answers what it is asked and was asked.
    (1..6).for_each(|key| assembly.left(PeerKey(key)));
    let mut open = asked.remove(&HONEST).unwrap_or_default();
    for _ in 0..20 {
        open.extend(assembly.next(HONEST));
        let Some(number) = open.pop() else { break };
        let verdict = assembly.received(HONEST, number, Some(SIZE as u64), piece(number));
        assert!(!matches!(&verdict, Verdict::Broke(_)), "{verdict:?}");
        assert!(!matches!(&verdict, Verdict::Wrong(liars) if liars.contains(&HONEST)), "blamed in the end");
    }
    assert!(assembly.take().is_some_and(|found| found.info == *whole), "the metadata is not there");
});
