//! Orphans: pieces that were begun and that nobody may be asked for now. Those who have them choke us, or have left.
//!
//! What has come of an orphan takes memory that other peers could fill, or other torrents. But a choke is ordinary: most
//! peers are back after ten seconds or thirty, and what was given up has to come again. Nobody knows which it will be. So
//! an orphan that is in the way is kept for as long as its blocks took to come, and then given up. Waiting in vain costs
//! no more than was at stake, and giving up too early costs no more than the wait before it.

use crate::message::PeerKey;
use crate::piece::{BLOCK_LENGTH, PieceIndex};
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use std::time::{Duration, Instant};

/// The longest that an orphan is kept while its memory is needed.
const MOST_PATIENCE: Duration = Duration::from_secs(60);

/// The orphans of a torrent, and since when they are.
#[derive(Debug, Default)]
pub struct Orphans(Vec<(PieceIndex, Instant)>);

impl Orphans {
    /// These are the orphans now.
    fn are(&mut self, pieces: &[PieceIndex], now: Instant) {
        self.0.retain(|(piece, _)| pieces.contains(piece));
        for piece in pieces {
            if !self.0.iter().any(|(known, _)| known == piece) {
                self.0.push((*piece, now));
            }
        }
    }

    /// The one that loses least, of those that were kept as long as they are worth.
    fn overdue(&self, worth: impl Fn(PieceIndex) -> Duration, now: Instant) -> Option<PieceIndex> {
        let worth = self.0.iter().map(|(piece, since)| (*piece, *since, worth(*piece)));
        let overdue = worth.filter(|(_, since, worth)| now.saturating_duration_since(*since) >= *worth);
        overdue.min_by_key(|(_, _, worth)| *worth).map(|(piece, _, _)| piece)
    }
}

impl Coordinator<'_> {
    /// Gives up an orphan, if its memory is needed and it was kept long enough. When no memory is left, it would keep
    /// the connected peers, or other torrents, from sending what they have.
    pub(in crate::swarm) fn give_up_orphan(&mut self, now: Instant) {
        let has_source = |piece| {
            let mut peers = self.roster.all();
            peers.any(|(_, peer)| peer.may_be_asked().is_some_and(|allowed| allowed.allows(piece)))
        };
        let orphans: Vec<PieceIndex> = self.requests.idle().filter(|piece| !has_source(*piece)).collect();
        self.orphans.are(&orphans, now);
        if orphans.is_empty() || !(self.is_short_of_pieces() || self.environment.is_memory_wanted()) {
            return;
        }
        if let Some(piece) = self.orphans.overdue(|piece| self.time_of(piece), now) {
            log::debug!("piece {} is given up for now: no peer can be asked for it", piece.get());
            self.give_up(piece, now);
        }
    }

    /// Whether a peer could send a piece that cannot be opened.
    fn is_short_of_pieces(&self) -> bool {
        // In a stream an orphan would only be opened again: its place in the window is of no use to another.
        let could_send =
            |(_, peer): (PeerKey, &Peer)| peer.download.starving && peer.may_be_asked().is_some();
        !self.pieces.is_stream() && !self.pieces.has_room() && self.roster.all().any(could_send)
    }

    /// About as long as the blocks of an open piece took to come: none, if nobody has sent enough to know a rate.
    fn time_of(&self, piece: PieceIndex) -> Duration {
        let seconds = f64::from(self.requests.received_of(piece)) / self.blocks_per_second();
        if seconds.is_nan() || seconds.is_infinite() {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(seconds).unwrap_or(MOST_PATIENCE).min(MOST_PATIENCE)
    }

    /// Gives up what has come of an open piece.
    pub(in crate::swarm) fn give_up(&mut self, piece: PieceIndex, now: Instant) {
        let Some(given_up) = self.requests.give_up(piece) else { return };
        for (key, blocks) in given_up.owed {
            if let Some(peer) = self.roster.get(key) {
                peer.cancel(blocks, "the memory of this piece is needed");
            }
        }
        self.statistics.wasted(u64::from(given_up.received) * u64::from(BLOCK_LENGTH));
        // Workers may hold the assembly for long, so its memory is freed and not only its last reference.
        self.environment.abandon(&given_up.assembly);
        self.pieces.discard(piece);
        self.give_memory_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::Geometry;

    #[test]
    fn the_orphan_that_loses_least_goes_first_and_none_before_it_has_waited_for_its_worth() {
        let now = Instant::now();
        let geometry = Geometry::new(1 << 20, 1 << 16).unwrap();
        let pieces = [0, 1, 2].map(|number| geometry.piece(number).unwrap());
        let worth = |piece: PieceIndex| Duration::from_secs([20, 8, 15][piece.slot()]);
        let mut orphans = Orphans::default();
        orphans.are(&pieces, now);
        let at = |orphans: &Orphans, seconds| orphans.overdue(worth, now + Duration::from_secs(seconds));
        assert_eq!(at(&orphans, 7), None);
        assert_eq!(at(&orphans, 8), Some(pieces[1]));
        orphans.are(&[pieces[0], pieces[2]], now + Duration::from_secs(9));
        assert_eq!((at(&orphans, 14), at(&orphans, 30)), (None, Some(pieces[2])));
        // One that came back in between begins anew.
        orphans.are(&pieces, now + Duration::from_secs(30));
        assert_eq!((at(&orphans, 37), at(&orphans, 38)), (Some(pieces[2]), Some(pieces[1])));
    }
}
