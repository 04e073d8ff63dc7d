//! What peers say, and what follows from it.

use super::Coordinator;
use super::download::Arrival;
use crate::message::{HangUp, News, Order, PeerKey};
use crate::piece::{Assembly, Bitfield, Block, PieceIndex, Span};
use crate::strategy::PeerPieces;
use crate::text::printable;
use crate::wire::extension::ExtensionHandshake;
use log::debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// BEP 6 has a peer name ten or so.
const MAX_ALLOWED_FAST: usize = 64;
/// So many bitfields that say nothing new are no accident.
const MAX_IDLE_BITFIELDS: u32 = 100;
/// So many refusals in a row, twice the deepest pipeline, are no accident.
const MAX_REFUSALS: u32 = 1000;

impl Coordinator<'_> {
    /// A peer said something.
    pub(super) fn heard(&mut self, key: PeerKey, news: Vec<News>) {
        let now = Instant::now();
        let (mut refused, mut refused_unchoked) = (false, false);
        let mut interest_changed = false;
        for news in news {
            match &news {
                News::Rejected(_) => {
                    refused = true;
                    refused_unchoked |= self.roster.get(key).is_some_and(|peer| peer.unchoked);
                }
                News::Unchoked => refused = false,
                _ => {}
            }
            match news {
                News::Blocks(span, assembly) => self.blocks_came(key, span, &assembly, now),
                News::Verified(piece, liars) => self.piece_verified(piece, &liars),
                News::Corrupt(assembly, suspects) => self.piece_was_wrong(&assembly, suspects),
                News::Choked => self.choked(key),
                News::Unchoked => self.unchoked(key, now),
                News::Has(piece) => self.has_one_more(key, piece),
                News::HasThese(pieces) => self.has(key, PeerPieces::Some(pieces)),
                News::HasTheseToo(pieces) => self.has_these_too(key, &pieces),
                News::HasAll => self.has(key, PeerPieces::All),
                News::Rejected(block) => self.rejected(key, block, now),
                News::AllowedFast(piece) => self.may_ask_while_choked(key, piece),
                News::Extensions(said) => self.extensions(key, &said),
                News::DhtNode(port) => self.has_dht_node(key, port),
                News::Others(others) => self.heard_of_others(key, &others, now),
                News::Late(block) => self.came_late(key, block),
                News::Interested(wants) => interest_changed |= self.interested(key, wants),
            }
        }
        if interest_changed {
            self.rechoke_soon(now);
        }
        if refused_unchoked && let Some(peer) = self.roster.get_mut(key) {
            peer.pipeline.refused(now);
        }
        if refused {
            self.leases.let_go(key);
            // Not at once: what it refused now it would refuse again.
            if let Some(peer) = self.roster.get_mut(key) {
                peer.starving = true;
            }
        } else {
            self.fill(key, now);
        }
    }

    fn blocks_came(&mut self, key: PeerKey, span: Span, assembly: &Arc<Assembly>, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        peer.pipeline.received(span.count, now);
        peer.last_block = now;
        peer.snubs = 0;
        peer.refusals = 0;
        if !peer.useful {
            peer.useful = true;
            self.candidates.proved(peer.dial.unwrap_or(peer.address));
        }
        let of_an_attempt_that_failed = self.leases.has_another(assembly);
        for block in span.blocks() {
            let length = u64::from(self.geometry.block_length(block));
            self.counters.received += length;
            if let Some(peer) = self.roster.get_mut(key) {
                peer.gives.add(length);
                if !of_an_attempt_that_failed {
                    peer.strike(block);
                }
            }
            match self.leases.receive(key, block, assembly) {
                Arrival::Useful { cancel } => {
                    self.counters.progress = now;
                    if let Some(other) = cancel {
                        self.cancel(other, block);
                    }
                }
                Arrival::Useless => self.counters.wasted += length,
            }
        }
    }

    fn cancel(&mut self, key: PeerKey, block: Block) {
        if let Some(peer) = self.roster.get_mut(key)
            && peer.strike(block)
        {
            peer.order(Order::Cancel(vec![block]));
        }
    }

    fn piece_verified(&mut self, piece: PieceIndex, liars: &[PeerKey]) {
        if self.pieces.verified(piece) {
            self.leases.close(piece);
            self.counters.verified_waiting += 1;
            self.forget_suspects(piece);
        }
        self.convict(liars);
    }

    /// Pieces are on disk. Only now do we have them, and only now do peers hear of them.
    pub(super) fn stored(&mut self, pieces: &[PieceIndex]) {
        let now = Instant::now();
        for piece in pieces {
            if self.pieces.store(*piece) {
                self.counters.progress = now;
                self.counters.verified_waiting = self.counters.verified_waiting.saturating_sub(1);
                self.tell_of(*piece);
            }
        }
        self.finish_if_complete();
        // Their memory is free again.
        self.fill_starving(now);
    }

    fn tell_of(&mut self, piece: PieceIndex) {
        for (_, peer) in self.roster.all_mut().filter(|(_, peer)| peer.greeting.is_some()) {
            // Also where it has the piece itself: a super-seed waits to hear what became of it (BEP 16).
            if !peer.is_seed() {
                peer.tell_of(piece);
            }
            if !peer.has.has(piece) {
                continue;
            }
            peer.wanted = peer.wanted.saturating_sub(1);
            if peer.wanted == 0 && peer.interested {
                peer.interested = false;
                peer.order(Order::Interested(false));
            }
        }
    }

    fn choked(&mut self, key: PeerKey) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        peer.unchoked = false;
        peer.refusals = 0;
        // With BEP 6 it refuses each request by itself; without, they are all forgotten.
        if peer.greeting.is_none_or(|greeting| !greeting.fast) {
            self.give_back_all(key);
        }
        self.leases.let_go(key);
    }

    fn unchoked(&mut self, key: PeerKey, now: Instant) {
        if let Some(peer) = self.roster.get_mut(key) {
            if peer.in_flight.is_empty() {
                // What it owes from before is not newer for this.
                peer.last_block = now;
            }
            peer.unchoked = true;
        }
    }

    fn rejected(&mut self, key: PeerKey, block: Block, now: Instant) {
        if let Some(peer) = self.roster.get_mut(key)
            && peer.strike(block)
        {
            peer.refusals += 1;
            if peer.refusals >= MAX_REFUSALS {
                self.let_go(key, HangUp::RejectsAll);
                return;
            }
            if !peer.unchoked {
                peer.allowed_fast.retain(|piece| *piece != block.piece);
            }
            self.leases.give_back(key, block);
            self.fill_starving_but(key, now);
        }
    }

    /// What came late is not on its way any more, in whichever attempt it was asked for.
    fn came_late(&mut self, key: PeerKey, block: Block) {
        if let Some(peer) = self.roster.get_mut(key)
            && peer.strike(block)
        {
            self.leases.give_back(key, block);
        }
    }

    /// Whether its interest in what we have is another than before.
    fn interested(&mut self, key: PeerKey, wants: bool) -> bool {
        self.roster.get_mut(key).is_some_and(|peer| std::mem::replace(&mut peer.wants_ours, wants) != wants)
    }

    fn may_ask_while_choked(&mut self, key: PeerKey, piece: PieceIndex) {
        if let Some(peer) = self.roster.get_mut(key)
            && peer.allowed_fast.len() < MAX_ALLOWED_FAST
            && !peer.allowed_fast.contains(&piece)
        {
            peer.allowed_fast.push(piece);
        }
    }

    fn has(&mut self, key: PeerKey, has: PeerPieces) {
        let wanted = self.pieces.wanted_of(&has);
        if let PeerPieces::Some(pieces) = &has {
            for piece in pieces.iter(self.geometry) {
                self.pieces.rarity_mut().gained(piece);
            }
        }
        let Some(peer) = self.roster.get_mut(key) else { return };
        let before = std::mem::replace(&mut peer.has, has);
        peer.wanted = wanted;
        self.super_seed_has(key, &before, Instant::now());
        self.tell_interest(key);
        self.allow_fast(key);
        self.part_from_seed(key);
    }

    /// Costs as much as so many `have`, and may come as often: where it says nothing new, it counts.
    fn has_these_too(&mut self, key: PeerKey, pieces: &Bitfield) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let new: Vec<PieceIndex> = pieces.iter(self.geometry).filter(|piece| !peer.has.has(*piece)).collect();
        peer.idle_bitfields += u32::from(new.is_empty());
        if peer.idle_bitfields > MAX_IDLE_BITFIELDS {
            self.let_go(key, HangUp::BitfieldFlood);
            return;
        }
        for piece in new {
            self.has_one_more(key, piece);
        }
    }

    fn has_one_more(&mut self, key: PeerKey, piece: PieceIndex) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let PeerPieces::Some(pieces) = &mut peer.has else { return };
        if pieces.length() == 0 {
            *pieces = Bitfield::none(self.geometry.piece_count());
        }
        if !pieces.insert(piece) {
            return;
        }
        self.pieces.rarity_mut().gained(piece);
        if self.pieces.wants(piece) {
            peer.wanted += 1;
            self.tell_interest(key);
        }
        self.super_seed_has_one_more(key, piece, Instant::now());
        self.part_from_seed(key);
    }

    fn tell_interest(&mut self, key: PeerKey) {
        if let Some(peer) = self.roster.get_mut(key)
            && peer.interested != (peer.wanted > 0)
        {
            peer.interested = peer.wanted > 0;
            peer.order(Order::Interested(peer.interested));
        }
    }

    fn extensions(&mut self, key: PeerKey, said: &ExtensionHandshake) {
        if let Some(peer) = self.roster.get_mut(key) {
            if let Some(client) = &said.client {
                debug!("{}: it says that it is {}", peer.address, printable(client));
            }
            if let Some(most) = said.request_queue {
                peer.pipeline.named_limit(most);
            }
            peer.upload_only = said.upload_only;
            if let Some(number) = said.pex {
                peer.pex = Some(number).filter(|number| *number != 0);
            }
            if let Some(ours) = said.your_address {
                self.external.vote(peer.address.ip(), ours);
                self.seen_from_outside();
            }
            if let Some(port) = said.port {
                self.listens(key, port);
            }
            self.part_from_seed(key);
        }
    }

    /// Only one a connection, so that nobody can have us ask a thousand ports.
    fn has_dht_node(&mut self, key: PeerKey, port: u16) {
        if let Some(peer) = self.roster.get_mut(key)
            && !std::mem::replace(&mut peer.named_dht_node, true)
        {
            (self.doors.dht_node)(SocketAddr::new(peer.address.ip(), port));
        }
    }
}
