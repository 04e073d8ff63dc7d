//! The peers that are asked for the metadata, for the live view: made only when it has asked for them.

use super::search::{AskedPeer, MetadataSearch};
use crate::message::{Lull, PeerFlags, PeerKey, PeerReasons, PeerRecord, PeerState, Transport};
use crate::strategy::{Security, Source};
use std::time::Instant;

impl MetadataSearch<'_> {
    /// The peers that have greeted us, in the order in which they came.
    pub(super) fn peer_table(&self, now: Instant) -> Vec<PeerState> {
        let mut greeted: Vec<_> = self.peers.iter().filter(|(_, peer)| peer.is_greeted()).collect();
        greeted.sort_by_key(|(key, _)| **key);
        greeted.into_iter().map(|(key, peer)| self.peer_state(*key, peer, now)).collect()
    }

    /// Nothing is known of its pieces yet, and it is asked for none.
    fn peer_state(&self, key: PeerKey, peer: &AskedPeer, now: Instant) -> PeerState {
        let known = || self.dialer.candidates().source(peer.address);
        let has_metadata = self.context.assembly().is_source(key);
        PeerState {
            name: peer.address.to_string(),
            client: peer.greeting.map(|greeting| greeting.peer_id.client()).unwrap_or_default(),
            source: if peer.incoming { Some(Source::Incoming) } else { known() },
            encryption: peer.greeting.map_or(Security::Plain, |greeting| greeting.encryption),
            pieces: 0,
            of: 0,
            down_rate: 0.0,
            up_rate: 0.0,
            flags: PeerFlags {
                am_interested: false,
                am_choking: true,
                peer_interested: false,
                peer_choking: true,
            },
            in_flight: 0,
            depth: 0,
            snubs: 0,
            transport: match peer.greeting {
                Some(greeting) if greeting.is_utp => Transport::Utp,
                _ => Transport::Tcp,
            },
            why: PeerReasons { down: (!has_metadata).then_some(Lull::NothingSaid), up: None },
            record: PeerRecord {
                key,
                age: now.saturating_duration_since(peer.since),
                ..PeerRecord::default()
            },
        }
    }
}
