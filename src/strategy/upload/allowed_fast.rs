//! The allowed-fast set: the pieces that a peer may request even while we choke it (BEP 6, "Allowed Fast").
//!
//! Peers unchoke those that upload to them. A peer that has no piece yet cannot upload, so it would have to
//! wait for an optimistic unchoke. To shorten that, every peer gets a few pieces for nothing. Which ones
//! follows from the torrent and the peer's address alone: all clients give it the same few, so it gets no
//! more by asking many of them.

use crate::metainfo::InfoHash;
use sha1::{Digest, Sha1};
use std::net::Ipv4Addr;

/// The first `k` pieces of the set of the peer at `ip`, in the order in which BEP 6 ("Allowed Fast Set
/// Generation") finds them; all pieces if the torrent has no more than `k`. BEP 6 defines no set for IPv6.
pub fn allowed_fast(ip: Ipv4Addr, info_hash: InfoHash, piece_count: u32, k: usize) -> Vec<u32> {
    if k as u64 >= u64::from(piece_count) {
        return (0..piece_count).collect();
    }
    // The last byte of the address does not count, so that the hosts of one network share one set.
    let [a, b, c, _] = ip.octets();
    let mut digest = Sha1::new().chain_update([a, b, c, 0]).chain_update(info_hash.0).finalize();
    let mut set = Vec::with_capacity(k);
    // Bounded, since the last pieces are rarely hit if `k` is close to the number of pieces.
    for _ in 0..k.saturating_mul(32) {
        for four in digest.chunks_exact(4) {
            let number = four.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
            let piece = number % piece_count;
            if set.len() < k && !set.contains(&piece) {
                set.push(piece);
            }
        }
        if set.len() == k {
            break;
        }
        digest = Sha1::digest(digest);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const IP: Ipv4Addr = Ipv4Addr::new(80, 4, 4, 200);

    #[test]
    fn the_examples_of_bep_6() {
        let nine = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508];
        assert_eq!(allowed_fast(IP, InfoHash([0xaa; 20]), 1313, 7), nine[..7]);
        assert_eq!(allowed_fast(IP, InfoHash([0xaa; 20]), 1313, 9), nine);
    }

    #[test]
    fn hosts_of_one_network_share_a_set_and_others_do_not() {
        let set = |ip: [u8; 4]| allowed_fast(ip.into(), InfoHash([1; 20]), 10_000, 10);
        assert_eq!(set([1, 2, 3, 4]), set([1, 2, 3, 200]));
        assert_ne!(set([1, 2, 3, 4]), set([1, 2, 4, 4]));
    }

    #[test]
    fn in_a_torrent_of_any_size_there_are_k_distinct_pieces_or_all() {
        for piece_count in 0..60 {
            for k in 0..=piece_count as usize + 2 {
                let set = allowed_fast(IP, InfoHash([7; 20]), piece_count, k);
                assert_eq!(set.len(), k.min(piece_count as usize));
                assert!(set.iter().all(|piece| *piece < piece_count));
                assert_eq!(set.iter().collect::<HashSet<_>>().len(), set.len());
            }
        }
        assert_eq!(allowed_fast(IP, InfoHash([7; 20]), 3, usize::MAX).len(), 3);
        assert_eq!(allowed_fast(IP, InfoHash([7; 20]), u32::MAX, 10).len(), 10);
    }
}
