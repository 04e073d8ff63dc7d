//! What whoever watches hears of the peers that are asked for the metadata. Nothing of this is made while nobody
//! watches.

use super::FetchEnd;
use super::search::{AskedPeer, MetadataSearch};
use crate::message::{Greeting, HangUp, Notice, OtherEnd, PeerError, PeerKey};
use std::net::SocketAddr;

impl MetadataSearch<'_> {
    /// Handshakes were exchanged with a peer.
    pub(super) fn tell_connected(&self, key: PeerKey, greeting: Greeting) {
        if let Some(peer) = self.peers.get(&key).filter(|_| self.environment.is_watched()) {
            self.environment.tell(Notice::Connected(self.other_end(peer), greeting));
        }
    }

    /// The search ends without the metadata.
    pub(super) fn ended(&self, end: FetchEnd) -> FetchEnd {
        self.tell_all_gone();
        end
    }

    fn other_end(&self, peer: &AskedPeer) -> OtherEnd {
        let AskedPeer { address, incoming, .. } = *peer;
        let source = self.dialer.candidates().source(address).filter(|_| !incoming);
        OtherEnd { address, incoming, source }
    }

    /// Tells whoever watches that this connection is over.
    pub(super) fn tell_gone(&self, peer: &AskedPeer, why: PeerError) {
        if self.environment.is_watched() {
            let end = self.other_end(peer);
            self.environment.tell(match peer.is_greeted() {
                true => Notice::Gone(end, why),
                false => Notice::NotConnected(end, why),
            });
        }
    }

    /// The same of one that never came about.
    pub(super) fn tell_not_connected(&self, address: SocketAddr, why: PeerError) {
        if self.environment.is_watched() {
            let source = self.dialer.candidates().source(address);
            self.environment.tell(Notice::NotConnected(OtherEnd { address, incoming: false, source }, why));
        }
    }

    /// The search is over, and with it all connections that are left.
    pub(super) fn tell_all_gone(&self) {
        let greeted = self.peers.values().filter(|peer| peer.is_greeted());
        greeted.for_each(|peer| self.tell_gone(peer, PeerError::HungUp(HangUp::Released)));
    }
}
