//! A peer is asked first for what nobody else has.
//!
//! Where peers give slowly and seeds are few, what the seeds send is all that is new to the swarm. If a seed sends
//! blocks of pieces that others have already, the others soon have nothing left that somebody lacks, and stand idle
//! until the seed has sent something new. So as long as there are pieces that only seeds have, a seed is asked for
//! those: first for blocks of such a piece that is open, then for one that opens now. Likewise a partial peer is asked
//! for the pieces that no other partial peer has. An open piece that others have is left to them, and comes from such
//! a peer when nothing is rare any more, or when there is no memory for another piece.

use super::probation::Scope;
use super::requests::{PieceSource, Within};
use crate::message::{Lease, PeerKey};
use crate::piece::PieceIndex;
use crate::strategy::PeerPieces;
use crate::swarm::Coordinator;
use crate::swarm::peers::Restriction;
use std::time::Instant;

impl Coordinator<'_> {
    /// The next blocks to request of a peer that has what no other has besides seeds. `None` where it has no such piece,
    /// where the user wants an order, and beside web seeds, which leave the single pieces to the peers.
    pub(super) fn next_that_no_other_has(
        &mut self,
        key: PeerKey,
        scope: &Scope,
        most: u32,
        now: Instant,
    ) -> Option<Lease> {
        let may_choose = scope.first == Within::Shared
            && scope.opens == Some(PieceSource::Anyone)
            && self.pieces.is_rarest_first()
            && self.roster.web_seeds().running() == 0;
        let partial_peers_have_some = self.pieces.rarity().copies() > 0.0;
        if !may_choose || !partial_peers_have_some {
            return None;
        }
        let Restriction::Has(pieces) = self.roster.get(key)?.may_be_asked()? else { return None };
        // A partial peer counts itself.
        let rare = u16::from(matches!(pieces, PeerPieces::Some(_)));
        let is_rare =
            |piece: &PieceIndex| self.pieces.rarity().availability(*piece) <= rare && pieces.has(*piece);
        let mut these: Vec<PieceIndex> = self.requests.shared().filter(is_rare).collect();
        if these.is_empty() {
            let piece = self.pieces.rarity().of_availability(rare, pieces)?;
            self.pieces.open_one_of([piece])?;
            self.begin(piece, key, PieceSource::Anyone, now);
            these.push(piece);
        }
        self.lease(key, &Within::These(these), most)
    }
}
