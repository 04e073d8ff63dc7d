//! Wrong pieces, and whom to blame for them.
//!
//! A piece that one peer sent alone convicts that peer. One that several sent is fetched again, from one
//! peer alone; when it verifies, the blocks that differ between the two attempts convict their senders,
//! who may have left by then and are banned by their address.

use crate::message::{HangUp, Order, PeerKey};
use crate::piece::{Assembly, Block, PieceIndex, Suspects};
use crate::strategy::Failure;
use crate::swarm::Coordinator;
use log::info;
use std::sync::Arc;
use std::time::Instant;

/// So many failed attempts at one piece are remembered. Each convicts its liars when the piece verifies.
const MAX_SUSPECTS: usize = 4;
/// So many addresses are remembered from which nobody may connect to us any more.
const MAX_LIARS: usize = 1000;

impl Coordinator<'_> {
    /// A piece is complete and does not have its digest.
    pub(in crate::swarm) fn piece_was_wrong(&mut self, assembly: &Arc<Assembly>, suspects: Suspects) {
        let piece = assembly.piece();
        if self.leases.has_another(assembly) || !self.pieces.miss(piece) {
            return;
        }
        self.leases.close(piece);
        info!("piece {} did not verify and is fetched again", piece.get());
        // What is still to come of this attempt is of no use, and its blocks will be asked for again.
        for (_, peer) in self.roster.all_mut() {
            let useless: Vec<Block> =
                peer.in_flight.iter().filter(|block| block.piece == piece).copied().collect();
            if !useless.is_empty() {
                peer.in_flight.retain(|block| block.piece != piece);
                peer.order(Order::Cancel(useless));
            }
        }
        self.counters.wasted += u64::from(self.geometry.length(piece));
        match suspects.everybody().as_slice() {
            [only] => self.ban(PeerKey(*only), HangUp::WrongData),
            several => {
                let places = several.iter().filter_map(|sender| {
                    let key = PeerKey(*sender);
                    Some((key, self.roster.get(key)?.address))
                });
                self.suspect_places.extend(places);
                let known = self.suspects.entry(piece).or_default();
                if known.len() < MAX_SUSPECTS {
                    known.push(suspects);
                }
            }
        }
        self.fill_starving(Instant::now());
    }

    /// The piece verified: what its failed attempts were made of is of no use any more.
    pub(in crate::swarm) fn forget_suspects(&mut self, piece: PieceIndex) {
        self.suspects.remove(&piece);
    }

    /// Bans those who sent wrong blocks of a piece that has verified now.
    pub(in crate::swarm) fn convict(&mut self, liars: &[PeerKey]) {
        for liar in liars {
            self.ban(*liar, HangUp::WrongData);
        }
        if self.suspects.is_empty() {
            self.suspect_places.clear();
        }
    }

    /// Hangs up on a peer that did harm and never connects to it again.
    fn ban(&mut self, key: PeerKey, why: HangUp) {
        let here = self.roster.get(key).map(|peer| peer.address);
        let Some(address) = here.or_else(|| self.suspect_places.get(&key).copied()) else { return };
        info!("{address}: banned, {why}");
        let dial = self.roster.get(key).and_then(|peer| peer.dial).unwrap_or(address);
        self.candidates.failed(dial, Failure::Never, Instant::now(), &mut self.random);
        if self.liars.len() < MAX_LIARS {
            self.liars.insert(address.ip());
        }
        self.let_go(key, why);
    }
}
