//! What whoever watches hears of the peers and the web seeds: who is connected, who has gone, and why. Nothing of
//! this is made while nobody watches.

use crate::message::{Greeting, HangUp, Notice, OtherEnd, PeerError, PeerKey};
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use crate::swarm::peers::peer::PeerKind;
use std::net::SocketAddr;

/// One whose end is to be told.
pub(in crate::swarm) enum Watched {
    /// A peer with which handshakes were exchanged.
    Peer(OtherEnd),
    /// One that has not come so far.
    Stranger(OtherEnd),
    /// A web seed.
    WebSeed(String),
}

impl Coordinator<'_> {
    /// Who this is, if somebody watches.
    pub(in crate::swarm) fn watched(&self, key: PeerKey) -> Option<Watched> {
        if !self.environment.is_watched() {
            return None;
        }
        self.roster.get(key).map(|peer| self.known_as(peer))
    }

    fn known_as(&self, peer: &Peer) -> Watched {
        let end = OtherEnd {
            address: peer.address,
            incoming: peer.is_incoming(),
            source: peer.dial.and_then(|dial| self.dialer.candidates().source(dial)),
        };
        match &peer.kind {
            PeerKind::WebSeed(host) => Watched::WebSeed(host.clone()),
            _ if peer.greeting.is_some() => Watched::Peer(end),
            _ => Watched::Stranger(end),
        }
    }

    /// Handshakes were exchanged with a peer.
    pub(in crate::swarm) fn tell_connected(&mut self, key: PeerKey, greeting: Greeting) {
        if let Some(Watched::Stranger(end)) = self.watched(key) {
            self.environment.tell(Notice::Connected(end, greeting));
        }
    }

    /// A connection is over, for this reason.
    pub(in crate::swarm) fn tell_gone(&mut self, who: Option<Watched>, why: PeerError) {
        let notice = match who {
            Some(Watched::Peer(end)) => Notice::Gone(end, why),
            Some(Watched::Stranger(end)) => Notice::NotConnected(end, why),
            Some(Watched::WebSeed(host)) => Notice::WebSeedGone(host, why),
            None => return,
        };
        self.environment.tell(notice);
    }

    /// No connection to this address came about, for this reason.
    pub(in crate::swarm) fn tell_not_connected(&mut self, address: SocketAddr, why: PeerError) {
        if self.environment.is_watched() {
            let source = self.dialer.candidates().source(address);
            let end = OtherEnd { address, incoming: false, source };
            self.environment.tell(Notice::NotConnected(end, why));
        }
    }

    /// This web seed is asked.
    pub(in crate::swarm) fn tell_asked(&mut self, host: String) {
        if self.environment.is_watched() {
            self.environment.tell(Notice::WebSeedAsked(host));
        }
    }

    /// The run is over, and with it all connections.
    pub(in crate::swarm) fn tell_all_gone(&mut self) {
        if self.environment.is_watched() {
            let all: Vec<Watched> = self.roster.all().map(|(_, peer)| self.known_as(peer)).collect();
            all.into_iter().for_each(|one| self.tell_gone(Some(one), PeerError::HungUp(HangUp::Released)));
        }
    }
}
