//! The table of the peers, and why each of them sends nothing.

use crate::message::{Lull, PeerFlags, PeerKey, PeerReasons, PeerRecord, PeerState, Transport};
use crate::strategy::{PeerPieces, Security, Source};
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use crate::text::excerpt;
use std::time::{Duration, Instant};

/// The most characters of what a peer calls its program that are shown.
const MAX_CLIENT: usize = 24;

impl Coordinator<'_> {
    /// How each peer and each web seed stands, in the order in which they came.
    pub fn peer_table(&self, now: Instant) -> Vec<PeerState> {
        let patience = self.patience();
        self.roster.senders().map(|(key, peer)| self.peer_state(key, peer, patience, now)).collect()
    }

    fn peer_state(&self, key: PeerKey, peer: &Peer, patience: Duration, now: Instant) -> PeerState {
        let client = peer.messages.client.as_deref().map(|name| excerpt(name, MAX_CLIENT));
        let of_id = || peer.peer_id().map(|id| id.client()).unwrap_or_default();
        let source = match peer.is_incoming() {
            true => Some(Source::Incoming),
            false => peer.dial.and_then(|address| self.dialer.candidates().source(address)),
        };
        let up = (!peer.is_web_seed()).then(|| match peer.flags.peer_interested {
            true => self.slots.reason(key, self.is_seeding()),
            false => "it wants nothing",
        });
        PeerState {
            name: peer.name(),
            client: client.unwrap_or_else(of_id),
            source,
            encryption: peer.greeting.map_or(Security::Plain, |greeting| greeting.encryption),
            pieces: match &peer.pieces {
                PeerPieces::All => self.geometry.piece_count(),
                PeerPieces::Some(pieces) => pieces.count(),
            },
            of: self.geometry.piece_count(),
            down_rate: peer.download.rate.per_second(),
            up_rate: peer.upload.rate.per_second(),
            flags: PeerFlags {
                am_interested: peer.flags.am_interested,
                am_choking: !self.slots.is_unchoked(key),
                peer_interested: peer.flags.peer_interested,
                peer_choking: peer.flags.peer_choking,
            },
            in_flight: self.requests.count(key),
            depth: peer.download.pipeline.depth(),
            snubs: peer.download.snubs,
            transport: match peer.greeting {
                _ if peer.is_web_seed() => Transport::Http,
                Some(greeting) if greeting.is_utp => Transport::Utp,
                _ => Transport::Tcp,
            },
            why: PeerReasons { down: self.lull(key, peer, patience, now), up },
            record: PeerRecord {
                key,
                age: now.saturating_duration_since(peer.since),
                received: peer.download.total.bytes,
                wasted: peer.download.total.wasted,
                sent: peer.upload.total,
            },
        }
    }

    /// Why a peer sends us nothing now. After `patience` without a block it is silent.
    fn lull(&self, key: PeerKey, peer: &Peer, patience: Duration, now: Instant) -> Option<Lull> {
        let download = &peer.download;
        let silence = now.saturating_duration_since(download.last_block);
        let owes = self.requests.count(key) > 0;
        let sends = owes && silence < patience;
        Some(if !self.is_downloading() {
            Lull::NothingWanted
        } else if !peer.has_spoken && !peer.is_web_seed() {
            Lull::NothingSaid
        } else if peer.wanted == 0 {
            Lull::HasNothing
        } else if !owes && self.is_under_inquiry(key, now) {
            Lull::Suspect
        } else if download.standing.rests(now) {
            Lull::ChokesInVain
        } else if peer.flags.peer_choking && peer.is_web_seed() {
            Lull::Rests
        } else if peer.flags.peer_choking && !sends {
            Lull::Chokes(now.saturating_duration_since(peer.flags.choking_since))
        } else if self.is_disk_behind() {
            // It may be sending, and is not silent: we take nothing.
            Lull::SlowDisk
        } else if sends {
            return None;
        } else if owes {
            Lull::Silent(silence, download.snubs)
        } else if download.overtaken {
            Lull::Overtaken
        } else if download.left_out {
            Lull::LeftToFaster
        } else if !self.pieces.has_room() {
            Lull::NoMemory
        } else {
            Lull::NothingFree
        })
    }
}
