//! A piece that was wrong, and what becomes of the peers that sent it. `swarm/download/bans.rs` explains
//! which peers are convicted.

use crate::message::{HangUp, Order, PeerKey};
use crate::piece::{Assembly, Suspects};
use crate::strategy::AttemptFailure;
use crate::swarm::Coordinator;
use log::info;
use std::sync::Arc;
use std::time::Instant;

impl Coordinator<'_> {
    /// A piece is complete and does not have its digest.
    pub(in crate::swarm) fn piece_failed(
        &mut self,
        assembly: &Arc<Assembly>,
        suspects: Suspects,
        now: Instant,
    ) {
        let piece = assembly.piece();
        if self.requests.is_outdated(assembly) || !self.pieces.discard(piece) {
            return;
        }
        info!("piece {} did not verify and is fetched again", piece.get());
        // Blocks of this attempt that are still on their way are of no use, and will be requested again.
        for (key, blocks) in self.requests.piece_failed(piece) {
            if let Some(peer) = self.roster.get(key) {
                peer.order(Order::Cancel(blocks));
            }
        }
        self.statistics.wasted(u64::from(self.geometry.length(piece)));
        match suspects.senders().as_slice() {
            [only] => self.ban(*only, now),
            several => {
                let address = |key: &PeerKey| Some((*key, self.roster.get(*key)?.address));
                let addresses: Vec<_> = several.iter().filter_map(address).collect();
                self.bans.suspect(piece, suspects, addresses);
            }
        }
        self.fill_hungry(None, now);
    }

    /// Bans the peers that sent wrong blocks of a piece that has verified now.
    pub(in crate::swarm) fn convict(&mut self, convicted: &[PeerKey], now: Instant) {
        convicted.iter().for_each(|key| self.ban(*key, now));
        self.bans.convicted();
    }

    /// Disconnects a peer that sent wrong data, and neither connects to its address nor accepts it again.
    fn ban(&mut self, key: PeerKey, now: Instant) {
        let peer = self.roster.get(key);
        let Some(address) = peer.map(|peer| peer.address).or_else(|| self.bans.address_of(key)) else {
            return;
        };
        info!("{address}: banned, {}", HangUp::WrongData);
        let dial = peer.map_or(address, |peer| peer.best_address());
        self.dialer.failed(dial, AttemptFailure::Banned, now);
        self.bans.ban(address.ip());
        self.disconnect(key, HangUp::WrongData);
    }
}
