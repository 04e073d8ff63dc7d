//! A piece that was wrong, and what becomes of the peers that sent it. `swarm/download/suspicions.rs` explains
//! which peers are convicted.

use crate::message::{HangUp, PeerKey, PieceChange};
use crate::piece::{Assembly, BLOCK_LENGTH, Suspects};
use crate::strategy::AttemptFailure;
use crate::swarm::Coordinator;
use log::{debug, info};
use std::net::IpAddr;
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
        if assembly.is_compared() {
            // Liars agree on what they send, so nothing is to be learned from that.
            self.suspicions.most_seem_to_lie();
            self.suspicions.not_comparable(piece, Vec::new());
        }
        info!("piece {} failed its hash check and will be downloaded again", piece.get());
        self.tell_pieces(PieceChange::Wrong, &[piece]);
        // Blocks of this attempt that are still on their way are of no use, and will be requested again.
        for (key, blocks) in self.requests.piece_failed(piece) {
            if let Some(peer) = self.roster.get(key) {
                peer.cancel(blocks, "its piece has failed its hash check");
            }
        }
        self.statistics.wasted(u64::from(self.geometry.length(piece)));
        let is_first = !self.suspicions.has_any();
        self.suspicions.failed(now);
        match suspects.senders().as_slice() {
            [only] if self.spare(*only, piece, is_first, now) => {}
            [only] => self.ban(*only, now),
            several => {
                // A web seed is known by its key.
                let of_peer = |key: &PeerKey| self.roster.get(*key).filter(|peer| !peer.is_web_seed());
                let address = |key: &PeerKey| Some((*key, of_peer(key)?.address));
                let addresses: Vec<_> = several.iter().filter_map(address).collect();
                self.suspicions.suspect(piece, suspects.clone(), addresses);
                self.blame(several);
            }
        }
        self.retry(piece, None, now);
        self.fill_hungry(None, now);
    }

    /// One of these peers lied, at least. What they owe us of other pieces they need not send: it might be as wrong. And
    /// what is open may be wrong as well, so it waits until it is known who lied.
    fn blame(&mut self, senders: &[PeerKey]) {
        self.requests.hold_back(true);
        for key in senders {
            let blocks = self.requests.take_back_shared(*key);
            if let Some(peer) = self.roster.get_mut(*key) {
                peer.download.trust.suspected();
                peer.cancel(blocks, "it may have sent a wrong block");
            }
        }
    }

    /// Bans the peers that sent wrong blocks of a piece that has verified now.
    pub(in crate::swarm) fn convict(&mut self, convicted: &[PeerKey], now: Instant) {
        convicted.iter().for_each(|key| self.ban(*key, now));
        self.suspicions.convicted();
    }

    /// Disconnects a peer that sent wrong data, and neither connects to its address nor accepts it again. What it has
    /// sent of other pieces is fetched from others.
    fn ban(&mut self, key: PeerKey, now: Instant) {
        let is_web_seed = self.ban_web_seed(key);
        let liar = if is_web_seed { None } else { self.ban_address(key, now) };
        if liar.is_none() && !is_web_seed {
            return;
        }
        self.disconnect(key, HangUp::WrongData);
        self.refuse(key);
        liar.into_iter().for_each(|liar| self.disconnect_neighbours(liar));
    }

    /// What a peer has sent of open pieces is fetched from others.
    fn refuse(&mut self, key: PeerKey) {
        for (piece, assembly) in self.requests.sent_by(key) {
            let dropped = self.environment.refuse(&assembly, key);
            self.statistics.wasted(dropped.len() as u64 * u64::from(BLOCK_LENGTH));
            self.requests.refuse(piece, key, &dropped);
        }
    }

    /// Bans the address of a peer. `None` if it is not known any more.
    fn ban_address(&mut self, key: PeerKey, now: Instant) -> Option<IpAddr> {
        let peer = self.roster.get(key);
        let address = peer.map(|peer| peer.address).or_else(|| self.suspicions.address_of(key))?;
        info!("{address}: banned, {}", HangUp::WrongData);
        let dial = peer.map_or(address, |peer| peer.best_address());
        self.dialer.failed(dial, AttemptFailure::Banned, now);
        self.dialer.candidates_mut().ban(address.ip());
        Some(address.ip())
    }

    /// Disconnects the peers at a liar's address, or in its network if several lied there, that have never sent
    /// anything that was right. They may come again if nobody else sends.
    fn disconnect_neighbours(&mut self, liar: IpAddr) {
        let candidates = self.dialer.candidates();
        let is_one = |peer: &crate::swarm::peers::Peer| {
            let is_named = candidates.is_named(peer.best_address());
            !peer.leaving
                && !peer.download.trust.has_sent_good()
                && !is_named
                && candidates.is_neighbour(liar, peer.address.ip())
        };
        let neighbours: Vec<PeerKey> =
            self.roster.peers().filter(|(_, peer)| is_one(peer)).map(|(key, _)| key).collect();
        for key in neighbours {
            if let Some(peer) = self.roster.get(key) {
                debug!("{}: {}", peer.address, HangUp::NearLiars);
            }
            self.disconnect(key, HangUp::NearLiars);
            self.refuse(key);
        }
    }
}
