//! What the live view shows, as the coordinator knows it: made at a tick, and only if somebody has asked for it.
//!
//! One look costs some steps for each connection and each open piece, and for the map of the pieces one for every 64 of
//! them (`download/piece_map/survey.rs`).

mod peers;

use super::Coordinator;
use super::peers::Peer;
use super::web_seeds::Server;
use crate::message::{Lull, OpenPieceSight, PeerKey, PieceSight, Sight, SourceSight};
use crate::strategy::{PeerPieces, Source};
use crate::text::{excerpt, size};
use std::time::Instant;

/// The most open pieces that are told.
const MOST_OPEN: usize = 256;
/// The most peers that are named of each.
const MOST_NAMED: usize = 8;
/// The most characters of what is wrong with a web seed.
const MOST_SAID: usize = 200;

impl Coordinator<'_> {
    /// All that is known for one look.
    pub fn sight(&mut self, now: Instant) -> Sight {
        let pieces = self.piece_sight();
        let mut sources = self.web_seed_sights(now);
        if self.settings.pex {
            sources.push(self.pex_sight());
        }
        Sight {
            snapshot: self.snapshot(now),
            peers: self.peer_table(now),
            pieces,
            stored: self.pieces.stored().clone(),
            sources,
        }
    }

    fn piece_sight(&mut self) -> PieceSight {
        let is_whole = |peer: &Peer| matches!(peer.pieces, PeerPieces::All);
        let seeds = self.roster.greeted().filter(|(_, peer)| is_whole(peer)).count();
        // There are never more connections than fit.
        let seeds = u32::try_from(seeds).unwrap_or(u32::MAX);
        let buckets = self.pieces.survey(seeds);
        let copies = (self.copies() * 1000.0) as u32;
        let open = self.requests.open_pieces().take(MOST_OPEN).map(|(piece, open)| OpenPieceSight {
            index: piece.get(),
            blocks: open.block_counts(),
            availability: u32::from(self.pieces.rarity().availability(piece)).saturating_add(seeds),
            from: open.askers().into_iter().take(MOST_NAMED).filter_map(|key| self.name_of(key)).collect(),
        });
        let open = open.collect();
        let (count, length) = (self.geometry.piece_count(), self.geometry.piece_length());
        PieceSight { count, length, buckets, open, copies }
    }

    fn name_of(&self, key: PeerKey) -> Option<String> {
        self.roster.get(key).map(Peer::name)
    }

    fn web_seed_sights(&self, now: Instant) -> Vec<SourceSight> {
        let sight = |server: &Server| {
            let (peer, trouble) = (server.worker().and_then(|key| self.roster.get(key)), server.trouble());
            let last = match (peer, trouble) {
                (Some(peer), _) if peer.flags.peer_choking => Lull::Rests.to_string(),
                (_, Some(trouble)) => excerpt(trouble, MOST_SAID),
                (Some(peer), None) => format!("{}/s", size(peer.download.rate.per_second() as u64)),
                (None, None) => "not asked now".to_owned(),
            };
            SourceSight {
                kind: "web seed",
                name: server.seed.host(),
                last,
                is_trouble: trouble.is_some(),
                next: server.rests_for(now),
            }
        };
        self.roster.web_seeds().all().map(sight).collect()
    }

    /// What peers have told of other peers (BEP 11).
    fn pex_sight(&self) -> SourceSight {
        let speaking = self.roster.greeted().filter(|(_, peer)| peer.messages.pex_id.is_some()).count();
        let known = self.dialer.candidates().count_from(|source| matches!(source, Source::Pex(_)));
        SourceSight {
            kind: "PEX",
            name: format!("{speaking} of the connected peers"),
            last: format!("{known} addresses known from them"),
            is_trouble: false,
            next: None,
        }
    }
}
