//! What peers say before the metadata is there and only the swarm can understand, and the memory for it.
//!
//! The longest bitfield has 250 KB, and thirty such peers would take as much memory as all else. Hardly any torrent has
//! so many pieces. So each peer has a little, and all of one link together share the rest, with the part of a long
//! message that has come so far. For whom nothing is left is disconnected, and may come again.

use crate::wire::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that each peer may have: the bitfield of a torrent with a hundred thousand pieces, and what may follow it.
const EACH: usize = 32 * 1024;
/// Bytes that all of them share beyond these: eight of the longest bitfields, each as it comes and as it is kept.
const SHARED: usize = 4 * 1024 * 1024;

/// How much of what they share is taken.
#[derive(Debug, Default)]
pub struct KeptMemory(AtomicUsize);

/// What one peer said.
#[derive(Debug)]
pub(super) struct KeptFrames {
    frames: Vec<u8>,
    /// The bytes of the longest message that has come, or is coming.
    coming: usize,
    /// Taken of what all share.
    taken: usize,
    memory: Arc<KeptMemory>,
}

impl KeptFrames {
    pub(super) fn new(memory: Arc<KeptMemory>) -> KeptFrames {
        KeptFrames { frames: Vec::new(), coming: 0, taken: 0, memory }
    }

    /// How many bytes are kept.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Keeps this. Whether there is memory for it.
    pub(super) fn keep(&mut self, message: &Message<'_>) -> bool {
        message.write_to(&mut self.frames);
        self.has_room()
    }

    /// A message of so many bytes is coming. Whether there is memory for it.
    pub(super) fn is_coming(&mut self, bytes: usize) -> bool {
        self.coming = self.coming.max(bytes);
        self.has_room()
    }

    /// All that was kept.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.frames)
    }

    fn has_room(&mut self) -> bool {
        let all = self.frames.len().saturating_add(self.coming);
        let more = all.saturating_sub(EACH).saturating_sub(self.taken);
        let shared = &self.memory.0;
        let fits = more == 0 || shared.fetch_add(more, Ordering::Relaxed).saturating_add(more) <= SHARED;
        if fits {
            self.taken = self.taken.saturating_add(more);
        } else {
            shared.fetch_sub(more, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for KeptFrames {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_a_little_and_all_share_the_rest() {
        let memory = Arc::<KeptMemory>::default();
        let bitfield = vec![0xff; 250_000];
        let say = |kept: &mut KeptFrames| {
            kept.is_coming(bitfield.len()) && kept.keep(&Message::Bitfield(&bitfield))
        };
        let mut peers: Vec<_> = (0..30).map(|_| KeptFrames::new(Arc::clone(&memory))).collect();
        let heard = peers.iter_mut().filter_map(|peer| say(peer).then_some(())).count();
        assert_eq!(heard, 8);
        let mut usual = KeptFrames::new(Arc::clone(&memory));
        assert!(usual.is_coming(12_500) && usual.keep(&Message::Bitfield(&[0xff; 12_500])));
        assert_eq!(usual.take().len(), 12_505);
        drop(peers);
        assert_eq!(memory.0.load(Ordering::Relaxed), 0);
        assert!(say(&mut KeptFrames::new(memory)));
    }
}
