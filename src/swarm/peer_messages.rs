//! What peers say, and what follows from it.

use super::Coordinator;
use super::download::Arrival;
use crate::message::{HangUp, News, PeerKey};
use crate::piece::{Assembly, BLOCK_LENGTH, Bitfield, Block, PieceIndex, Span};
use crate::strategy::PeerPieces;
use crate::text::printable;
use crate::wire::extension::ExtensionHandshake;
use log::debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// The most pieces of a peer's allowed-fast set that we keep. By BEP 6 a set has about ten.
const MAX_ALLOWED_FAST: usize = 64;
/// As much as most peers are first asked for. How fast that came is forgotten afterwards.
const FIRST_BYTES: u64 = 16 * BLOCK_LENGTH as u64;
/// Rejections in a row after which a peer is disconnected: twice the deepest pipeline is no accident.
const MAX_REJECTIONS: u32 = 1000;

impl Coordinator<'_> {
    /// A peer said something: everything that one read brought, in order.
    pub(super) fn heard(&mut self, key: PeerKey, news: Vec<News>, now: Instant) {
        let (mut rejected, mut rejected_unchoked) = (false, false);
        for news in news {
            match &news {
                // What we have canceled is rejected, too (BEP 6). That says nothing about the peer.
                News::Rejected(block) if self.requests.is_owed_by(key, *block) => {
                    rejected = true;
                    rejected_unchoked |= self.roster.get(key).is_some_and(|peer| !peer.flags.peer_choking);
                }
                News::Unchoked => rejected = false,
                _ => {}
            }
            let is_small_talk = matches!(news, News::ExtensionHandshake(_) | News::DhtPort(_) | News::Pex(_));
            if !is_small_talk && let Some(peer) = self.roster.get_mut(key) {
                peer.has_spoken = true;
            }
            self.hear(key, news, now);
        }
        let Some(peer) = self.roster.get_mut(key) else { return };
        peer.download.must_speak_by = None;
        if rejected_unchoked {
            peer.download.pipeline.rejected(now);
        }
        if rejected {
            // Ask for nothing now: it would reject that again.
            peer.download.starving = true;
            self.requests.release_exclusive(key);
        } else {
            self.fill(key, now);
        }
    }

    fn hear(&mut self, key: PeerKey, news: News, now: Instant) {
        // A peer that we have let go may go on telling its pieces, such as a seed to a seed. Each would cost a step in
        // vain.
        if news.is_of_pieces() && self.roster.get(key).is_none_or(|peer| peer.leaving) {
            return;
        }
        let told = match &news {
            News::Have(_) | News::DontHave(_) => 1,
            News::HaveMany(pieces) => u32::try_from(pieces.len()).unwrap_or(u32::MAX),
            _ => 0,
        };
        if let Some(peer) = self.roster.get_mut(key).filter(|_| told > 0) {
            peer.told_pieces = peer.told_pieces.saturating_add(told);
        }
        match news {
            News::Blocks(span, assembly) => self.blocks_came(key, span, &assembly, now),
            News::Verified(piece, convicted) => self.piece_verified(piece, &convicted, now),
            News::Corrupt(assembly, suspects) => self.piece_failed(&assembly, suspects, now),
            News::Choked => self.choked(key, now),
            News::Unchoked => self.unchoked(key, now),
            News::Have(piece) => self.gained_pieces(key, [piece], now),
            News::HaveMany(pieces) => self.gained_pieces(key, pieces, now),
            News::DontHave(piece) => self.lost_piece(key, piece, now),
            News::ReadsOn => {
                self.roster.get_mut(key).into_iter().for_each(|peer| peer.download.last_block = now);
            }
            News::Bitfield(pieces) => self.has_pieces(key, PeerPieces::Some(pieces), now),
            News::AnotherBitfield(pieces) => self.another_bitfield(key, &pieces, now),
            News::HaveAll => self.has_pieces(key, PeerPieces::All, now),
            News::Rejected(block) => self.rejected(key, block, now),
            News::AllowedFast(piece) => self.allowed_fast(key, piece),
            News::ExtensionHandshake(handshake) => self.extensions(key, &handshake, now),
            News::DhtPort(port) => self.dht_node(key, port),
            News::Pex(others) => self.heard_pex(key, &others, now),
            News::LateBlock(block) => self.late_block(key, block, now),
            News::Interested(interested) => self.interested(key, interested, now),
        }
    }

    fn blocks_came(&mut self, key: PeerKey, span: Span, assembly: &Arc<Assembly>, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        peer.download.standing.delivered();
        self.heard_of_inquiry(span.piece, now);
        let bytes = span.blocks().map(|block| u64::from(self.geometry.block_length(block))).sum();
        self.peer_sent(key, span.count, bytes, now);
        let (mut is_useful, mut wasted) = (false, 0);
        for block in span.blocks() {
            let arrival = self.requests.received(key, block, assembly);
            let length = u64::from(self.geometry.block_length(block));
            // The last block of the piece may have come by another peer whose worker told it first.
            let is_part = matches!(arrival, Arrival::Useless) && assembly.is_verified();
            self.statistics.received(length, is_part || matches!(arrival, Arrival::Useful { .. }), now);
            match arrival {
                Arrival::Useful { cancel } => {
                    is_useful = true;
                    cancel.into_iter().flatten().for_each(|other| self.cancel(other, block));
                }
                Arrival::Useless if is_part => self.prove(&[key]),
                Arrival::Useless => wasted += length,
            }
        }
        self.peer_wasted(key, wasted);
        if is_useful {
            self.web_seed_sent(key);
        }
        self.take_back_forgotten(key, now);
    }

    /// A block came when it was of no use any more. It is not on its way any longer, whichever attempt at its piece
    /// it was requested for.
    fn late_block(&mut self, key: PeerKey, block: Block, now: Instant) {
        let bytes = u64::from(self.geometry.block_length(block));
        self.heard_of_inquiry(block.piece, now);
        self.requests.not_taken(key, block);
        self.statistics.received(bytes, false, now);
        self.peer_sent(key, 1, bytes, now);
        self.peer_wasted(key, bytes);
        if self.requests.is_exclusive(block.piece) {
            // It is asked of the next juror.
            self.fill_hungry(Some(key), now);
        }
    }

    /// So many bytes that a peer has sent were of no use.
    fn peer_wasted(&mut self, key: PeerKey, bytes: u64) {
        if let Some(peer) = self.roster.get_mut(key).filter(|_| bytes > 0) {
            peer.download.total.wasted = peer.download.total.wasted.saturating_add(bytes);
        }
    }

    /// A peer sent blocks, of use or not: it is there, and this fast.
    fn peer_sent(&mut self, key: PeerKey, blocks: u32, bytes: u64, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let download = &mut peer.download;
        download.pipeline.received(blocks, now);
        download.last_block = now;
        download.overtaken = false;
        download.snubs = 0;
        download.rejections = 0;
        download.rate.add(bytes);
        download.total.bytes = download.total.bytes.saturating_add(bytes);
        if download.pipeline.is_guess() {
            download.first_pace = download.pipeline.rate();
        } else if download.total.bytes > FIRST_BYTES {
            download.first_pace = 0.0;
        }
        if !std::mem::replace(&mut download.useful, true) && !peer.is_web_seed() {
            self.dialer.candidates_mut().proved_useful(peer.best_address());
        }
    }

    /// Tells a peer that we no longer need a block. The table of requests has forgotten the request.
    pub(super) fn cancel(&self, key: PeerKey, block: Block) {
        if let Some(peer) = self.roster.get(key) {
            peer.cancel(vec![block], "it has come from another peer");
        }
    }

    fn rejected(&mut self, key: PeerKey, block: Block, now: Instant) {
        if !self.requests.rejected(key, block) {
            return;
        }
        let Some(peer) = self.roster.get_mut(key) else { return };
        peer.download.rejections += 1;
        if peer.download.rejections >= MAX_REJECTIONS {
            self.disconnect(key, HangUp::RejectsAll);
            return;
        }
        if peer.flags.peer_choking {
            peer.download.allowed_fast.retain(|piece| *piece != block.piece);
        }
        self.fill_hungry(Some(key), now);
    }

    fn interested(&mut self, key: PeerKey, interested: bool, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        if std::mem::replace(&mut peer.flags.peer_interested, interested) != interested {
            let after = now.saturating_duration_since(peer.since);
            _ = peer.upload.interested_after.get_or_insert(after);
            self.slots.rechoke_soon(now);
        }
    }

    fn allowed_fast(&mut self, key: PeerKey, piece: PieceIndex) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let allowed = &mut peer.download.allowed_fast;
        if allowed.len() < MAX_ALLOWED_FAST && !allowed.contains(&piece) {
            allowed.push(piece);
        }
    }

    fn has_pieces(&mut self, key: PeerKey, pieces: PeerPieces, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        if let PeerPieces::Some(pieces) = &pieces {
            self.pieces.rarity_mut().gained_all(pieces);
        }
        peer.wanted = self.pieces.wanted_of(&pieces);
        let before = std::mem::replace(&mut peer.pieces, pieces);
        self.super_seed_has_pieces(key, &before, now);
        if let Some(peer) = self.roster.get_mut(key) {
            peer.tell_interest();
        }
        self.send_allowed_fast(key);
        self.part_from_seed(key, now);
    }

    /// A bitfield that is not the first. It costs us as much as many `have` messages, so there is a bound for
    /// them where they are read.
    ///
    /// A peer that had nothing and now has everything is taken for a seed from the beginning: that takes no step for
    /// each piece, now or when it leaves.
    fn another_bitfield(&mut self, key: PeerKey, pieces: &Bitfield, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        if pieces.is_full() && matches!(&peer.pieces, PeerPieces::Some(before) if before.count() == 0) {
            return self.has_pieces(key, PeerPieces::All, now);
        }
        // Most of a flood says nothing new, so what is new is found 64 pieces at a time.
        let PeerPieces::Some(before) = &peer.pieces else { return };
        let new = pieces.without(before);
        self.gained_pieces(key, new.iter(self.geometry), now);
    }

    /// A peer has these pieces now. Nearly always that is one. What follows from each alone is a step or two: a peer
    /// may tell of a million.
    pub(super) fn gained_pieces(
        &mut self,
        key: PeerKey,
        gained: impl IntoIterator<Item = PieceIndex>,
        now: Instant,
    ) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let PeerPieces::Some(pieces) = &mut peer.pieces else { return };
        if pieces.length() == 0 {
            *pieces = Bitfield::none(self.geometry.piece_count());
        }
        let mut new = Vec::new();
        for piece in gained {
            if pieces.insert(piece) {
                self.pieces.rarity_mut().gained(piece);
                peer.wanted += u32::from(self.pieces.wants(piece));
                new.extend(self.super_seed.is_some().then_some(piece));
            }
        }
        peer.tell_interest();
        new.into_iter().for_each(|piece| self.super_seed_gained_piece(key, piece, now));
        self.part_from_seed(key, now);
    }

    /// A peer does not have this piece any more (BEP 54). What it owes us of it is asked of others, and we do not
    /// wait for a reject, which only some clients send.
    pub(super) fn lost_piece(&mut self, key: PeerKey, piece: PieceIndex, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        let was_seed = matches!(peer.pieces, PeerPieces::All);
        if was_seed {
            // Only the pieces of those that lack some count for rarity.
            let all = Bitfield::all(self.geometry.piece_count());
            self.pieces.rarity_mut().gained_all(&all);
            peer.pieces = PeerPieces::Some(all);
        }
        let PeerPieces::Some(pieces) = &mut peer.pieces else { return };
        if !pieces.remove(piece) {
            return;
        }
        self.pieces.rarity_mut().lost(piece);
        peer.download.allowed_fast.retain(|allowed| *allowed != piece);
        if self.pieces.wants(piece) {
            peer.wanted = peer.wanted.saturating_sub(1);
            peer.tell_interest();
        }
        if was_seed {
            self.super_seed_has_pieces(key, &PeerPieces::All, now);
        } else {
            self.super_seed_lost_piece(key, piece);
        }
        let owed: Vec<Block> = self.requests.owed_by(key).filter(|block| block.piece == piece).collect();
        if !owed.is_empty() {
            owed.into_iter().for_each(|block| _ = self.requests.rejected(key, block));
            self.requests.release_exclusive(key);
            self.fill_hungry(Some(key), now);
        }
    }

    fn extensions(&mut self, key: PeerKey, handshake: &ExtensionHandshake, now: Instant) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        peer.worker.speaks(handshake);
        if let Some(client) = &handshake.client {
            debug!("{}: client is {}", peer.address, printable(client));
            peer.messages.client = Some(client.as_str().into());
        }
        if let Some(limit) = handshake.request_queue {
            peer.download.pipeline.set_queue_limit(limit);
        }
        // What a later handshake does not mention stays as it was (BEP 10).
        peer.flags.upload_only = handshake.upload_only.unwrap_or(peer.flags.upload_only);
        let encrypted = &mut peer.messages.prefers_encryption;
        *encrypted = handshake.prefers_encryption.unwrap_or(*encrypted);
        if let Some(id) = handshake.pex {
            // Zero takes the extension back (BEP 10).
            peer.messages.pex_id = Some(id).filter(|id| *id != 0);
        }
        if let Some(ours) = handshake.your_address {
            self.dialer.vote(peer.address.ip(), ours);
        }
        if let Some(port) = handshake.port {
            self.listens(key, port);
        }
        if let Some(peer) = self.roster.get(key)
            && peer.prefers_encryption()
            && let Some(address) = peer.dial
        {
            self.dialer.candidates_mut().prefers_encryption(address);
        }
        self.part_from_seed(key, now);
    }

    /// A peer may name one node for each connection, so that it cannot make us send packets to a thousand
    /// ports.
    fn dht_node(&mut self, key: PeerKey, port: u16) {
        let Some(peer) = self.roster.get_mut(key) else { return };
        if !std::mem::replace(&mut peer.messages.named_dht_node, true) {
            self.environment.dht_node(SocketAddr::new(peer.address.ip(), port));
        }
    }
}
