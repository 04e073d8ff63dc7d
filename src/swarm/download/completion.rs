//! A piece on its last stretch: it verifies, it is stored, and the peers hear of it.

use crate::message::{Notice, PeerKey, PieceChange};
use crate::piece::PieceIndex;
use crate::swarm::{Coordinator, Phase};
use std::time::Instant;

impl Coordinator<'_> {
    /// A piece has its digest and is on its way to the disk. The peers that had sent wrong blocks of it
    /// before are convicted.
    pub(in crate::swarm) fn piece_verified(
        &mut self,
        piece: PieceIndex,
        convicted: &[PeerKey],
        now: Instant,
    ) {
        let mut senders = self.requests.senders(piece);
        if let ([alone], false) = (senders.as_slice(), self.suspicions.may_be_compared(piece)) {
            self.suspicions.was_right(*alone);
        }
        if self.pieces.verified(piece) {
            self.requests.close(piece);
            self.statistics.verified();
            // Those who had sent it before, and nothing wrong, are cleared.
            senders.extend(self.suspicions.verified(piece));
        }
        senders.retain(|sender| !convicted.contains(sender));
        self.prove(&senders);
        self.convict(convicted, now);
        self.release_held_back(now);
    }

    /// Pieces are on disk. Only now do we have them, and only now do peers hear of them.
    pub(in crate::swarm) fn stored(&mut self, pieces: &[PieceIndex], now: Instant) {
        for piece in pieces {
            if self.pieces.store(*piece) {
                self.statistics.stored(now);
                self.tell_have(*piece);
            }
        }
        self.tell_pieces(PieceChange::Stored, pieces);
        self.finish_if_complete(now);
        // The memory of these pieces is free again.
        self.give_memory_back(now);
        self.fill_hungry(None, now);
    }

    /// The writer was told to finish, and found that another program has changed these pieces. They are
    /// fetched again, of whoever is still there or can be reached.
    pub(in crate::swarm) fn lost(&mut self, pieces: &[PieceIndex], now: Instant) {
        pieces.iter().for_each(|piece| _ = self.pieces.lose(*piece));
        self.tell_pieces(PieceChange::Lost, pieces);
        if self.phase == Phase::Finishing {
            self.phase = Phase::Downloading;
        }
        self.statistics.lost(now);
        for (_, peer) in self.roster.all_mut().filter(|(_, peer)| peer.is_introduced()) {
            peer.wanted = self.pieces.wanted_of(&peer.pieces);
            peer.tell_interest();
        }
        self.finish_if_complete(now);
        self.fill_hungry(None, now);
    }

    /// Tells whoever watches what has become of these pieces.
    pub(in crate::swarm) fn tell_pieces(&mut self, change: PieceChange, pieces: &[PieceIndex]) {
        if self.environment.is_watched() {
            self.environment.tell(Notice::Pieces(change, pieces.to_vec()));
        }
    }

    fn tell_have(&mut self, piece: PieceIndex) {
        // What has left through a stream we do not have.
        let is_kept = !self.pieces.is_stream();
        for (_, peer) in self.roster.all_mut().filter(|(_, peer)| peer.is_introduced()) {
            // Even if it has the piece itself: a super-seed waits to hear where its piece went (BEP 16).
            if is_kept && !peer.is_seed() && !peer.is_web_seed() {
                peer.tell_have(piece);
            }
            if peer.pieces.has(piece) {
                peer.wanted = peer.wanted.saturating_sub(1);
                if peer.wanted == 0 {
                    peer.tell_interest();
                }
            }
        }
    }
}
