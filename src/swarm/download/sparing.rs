//! A peer that has sent a wrong piece, and that nobody can replace.
//!
//! Who sends a wrong piece alone is banned. But an old torrent may have one seed left, whose disk has lost a bit, whose
//! memory flips one now and then, or whose router rewrites what looks like an address. All other pieces of such a seed
//! are right, and mostly the wrong one is, too, when it comes again. So a peer that has pieces of which no other
//! connected peer has a copy is spared once after each piece of its that was right, and if nobody has lied before: it
//! is asked for all others first, and for the wrong one when nothing else is left to ask it for. Thus a liar that
//! nobody can replace costs two pieces, and one more for each right one that it sends.

use crate::message::PeerKey;
use crate::piece::PieceIndex;
use crate::strategy::PeerPieces;
use crate::swarm::Coordinator;
use log::info;
use std::time::Instant;

impl Coordinator<'_> {
    /// Spares the only sender of a wrong piece, if it is one that should be. `is_first`: no piece was wrong before.
    pub(super) fn spare(&mut self, key: PeerKey, piece: PieceIndex, is_first: bool, now: Instant) -> bool {
        if !self.has_what_nobody_else_has(key) {
            return false;
        }
        let Some(peer) = self.roster.get_mut(key) else { return false };
        let trust = &mut peer.download.trust;
        if !(is_first || trust.has_sent_good()) || !trust.spared() {
            return false;
        }
        let address = peer.address;
        peer.download.kept_for_last.push(piece);
        info!(
            "{address}: piece {} was wrong; it is not banned, as no other peer has all that it has",
            piece.get()
        );
        self.lost_piece(key, piece, now);
        true
    }

    /// Peers that were spared, and for which nothing else is left, are asked for what was wrong.
    pub(in crate::swarm) fn ask_again_for_wrong_pieces(&mut self, now: Instant) {
        let is_due = |key: PeerKey| {
            let of_it = self.roster.get(key).filter(|peer| !peer.download.kept_for_last.is_empty());
            of_it.is_some_and(|peer| peer.wanted == 0) && self.requests.count(key) == 0
        };
        let due: Vec<PeerKey> = self.roster.peers().map(|(key, _)| key).filter(|key| is_due(*key)).collect();
        for key in due {
            let Some(peer) = self.roster.get_mut(key) else { continue };
            let pieces = std::mem::take(&mut peer.download.kept_for_last);
            self.gained_pieces(key, pieces, now);
        }
    }

    /// Whether this peer has pieces that we lack and of which none of the others that are connected has a copy.
    fn has_what_nobody_else_has(&self, key: PeerKey) -> bool {
        let is_other_seed =
            |(other, has): (PeerKey, &PeerPieces)| other != key && matches!(has, PeerPieces::All);
        if self.roster.senders().map(|(other, peer)| (other, &peer.pieces)).any(is_other_seed) {
            return false;
        }
        let Some(peer) = self.roster.get(key).filter(|peer| !peer.is_web_seed() && !peer.leaving) else {
            return false;
        };
        // A partial peer counts itself.
        let rare = u16::from(matches!(peer.pieces, PeerPieces::Some(_)));
        self.pieces.rarity().of_availability(rare, &peer.pieces).is_some()
    }
}
