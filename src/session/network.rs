//! What all runs of a process share: the bind address, the connector, the listening port, the DHT, the local
//! network, the rate limits, the limit of connections, the memory, and whose payload is checked.

use super::{Aim, Arrivals, CheckQueue, Job, MemoryPool, RoomBook, SessionError, Torrent, choice};
use crate::discovery::dht::Dht;
use crate::discovery::lan::Lan;
use crate::net::tap::Tap;
use crate::net::{Authorities, BindAddress, Outlet, OwnPorts, ServerClock, Throttle, Turnstile};
use crate::peer::{ConnectionCount, Connector, Listener, MAX_HALF_OPEN};
use crate::port_mapping::{MappingState, PortMapping};
use crate::storage::{Reservations, SharedFolders};
use crate::strategy::Encryption;
use crate::tracker::USER_AGENT;
use crate::wire::PeerId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// What the runs share, as the user's options set it up.
#[derive(Debug)]
pub struct Network {
    /// The address that all connections and packets leave from.
    pub bind_address: BindAddress,
    /// Whose certificates are believed.
    pub authorities: Authorities,
    /// What time web servers say it is.
    pub clock: ServerClock,
    /// Connects to peers.
    pub connector: Connector,
    /// Accepts incoming connections, if we listen.
    pub listener: Option<Listener>,
    /// The port at which it does, and the one that a gateway has for it.
    pub ports: OwnPorts,
    /// Has a gateway lead its port to ours, if that is wanted.
    pub port_mapping: Option<PortMapping>,
    /// Whether peers have come in from outside.
    pub arrivals: Arrivals,
    /// Our nodes of the DHT, if we take part in it.
    pub dht: Option<Dht>,
    /// Finds peers on the local network, if it is enabled.
    pub lan: Option<Lan>,
    /// Limits what all peers together may send us.
    pub down: Arc<Throttle>,
    /// Limits what we may send to all peers together.
    pub up: Arc<Throttle>,
    /// How many peers are connected in all, and may be.
    pub connections: ConnectionCount,
    /// The memory for pieces.
    pub memory: MemoryPool,
    /// Whose payload is checked now.
    pub checks: CheckQueue,
    /// What the torrents need on the disk, together.
    pub room: RoomBook,
    /// The folders that they are in.
    pub folders: SharedFolders,
    /// Which of them writes to which files.
    pub reservations: Reservations,
    /// The most tiers of trackers of a torrent that are asked side by side: each has threads of its own.
    pub most_tiers: usize,
    /// How many trackers are asked at once, for all torrents together.
    pub exchanges: Turnstile,
    /// As which program we present ourselves.
    pub name: ClientName,
    /// Whether connections to peers are encrypted.
    pub encryption: Encryption,
    /// Who sees what goes over the wire.
    pub tap: Tap,
}

/// As which program we present ourselves. Some trackers admit only programs that they know.
#[derive(Clone, Debug)]
pub struct ClientName {
    /// How our peer ID begins. What is beyond its 20 bytes is left out.
    pub peer_id_prefix: String,
    /// The `User-Agent` that trackers hear over HTTP.
    pub user_agent: String,
}

impl Default for ClientName {
    /// Our own name and version; in the peer ID in the style of BEP 20.
    fn default() -> ClientName {
        ClientName { peer_id_prefix: "-FM0100-".to_owned(), user_agent: USER_AGENT.to_owned() }
    }
}

impl ClientName {
    /// A peer ID for handshakes and announces: the prefix, then random characters.
    pub(super) fn peer_id(&self) -> PeerId {
        let prefix =
            self.peer_id_prefix.bytes().chain(std::iter::repeat_with(|| fastrand::alphanumeric() as u8));
        let mut id = [0; 20];
        id.iter_mut().zip(prefix).for_each(|(byte, given)| *byte = given);
        PeerId(id)
    }
}

impl Network {
    /// The way out to trackers.
    pub(super) fn outlet(&self) -> Outlet {
        Outlet {
            bind_address: self.bind_address,
            authorities: self.authorities.clone(),
            ports: self.ports.clone(),
            proxies: self.connector.proxies().clone(),
            clock: self.clock.clone(),
            tap: self.tap.clone(),
            exchanges: self.exchanges.clone(),
        }
    }

    /// Enters what this job writes to, if that is known already. To be called for each job in the order of the command,
    /// before the first one runs. `source` is what the user named it by, fit to print.
    pub fn reserve(&self, job: &Job, source: &str) {
        if let (Torrent::Whole(torrent), Aim::Download) = (&job.torrent, &job.aim)
            && let Ok(selection) = choice::selection(job, torrent, torrent.geometry)
        {
            self.reservations.enter(torrent.info_hash, &torrent.files, selection.as_ref(), source);
        }
    }

    /// Asks whether a node of the DHT is at this address of a peer: often there is, on the UDP port with the same number.
    /// Our own node is not asked.
    pub(super) fn look_for_node(&self, address: SocketAddr) {
        if let Some(dht) = self.dht.as_ref().filter(|_| !self.connector.leads_to_us(address)) {
            dht.contact(address);
        }
    }

    /// The error that there is no way to find peers, of a torrent that is private or not.
    pub(super) fn no_peer_source(&self, private: bool) -> SessionError {
        if private {
            return SessionError::NoOwnTracker;
        }
        SessionError::NoPeerSource { by_proxy: self.connector.proxies().for_all().is_some() }
    }

    /// Whether peers outside can reach us, in one line, if there is something to say about it.
    pub fn reach(&self) -> Option<String> {
        self.arrivals.line(self.ports.listening()?, self.mapping_state().as_ref(), Instant::now())
    }

    /// The same, if it has changed.
    pub(super) fn reach_news(&self) -> Option<String> {
        self.arrivals.news(self.ports.listening()?, self.mapping_state().as_ref(), Instant::now())
    }

    fn mapping_state(&self) -> Option<MappingState> {
        self.port_mapping.as_ref().map(PortMapping::state)
    }

    /// A network without a listener, without the DHT and the local network, and without limits. Trackers are
    /// the only source of peers.
    pub fn unlimited() -> Network {
        let throttle = || Arc::new(Throttle::unlimited());
        Network {
            bind_address: BindAddress::any(),
            authorities: Authorities::default(),
            clock: ServerClock::default(),
            connector: Connector::new(BindAddress::any(), MAX_HALF_OPEN),
            listener: None,
            ports: OwnPorts::default(),
            port_mapping: None,
            arrivals: Arrivals::default(),
            dht: None,
            lan: None,
            down: throttle(),
            up: throttle(),
            connections: ConnectionCount::at_most(usize::MAX, 1),
            memory: MemoryPool::new(u64::MAX),
            checks: CheckQueue::default(),
            room: RoomBook::default(),
            folders: SharedFolders::default(),
            reservations: Reservations::default(),
            most_tiers: usize::MAX,
            exchanges: Turnstile::default(),
            name: ClientName::default(),
            encryption: Encryption::default(),
            tap: Tap::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_is_the_prefix_and_chance() {
        let id = |prefix: &str| {
            ClientName { peer_id_prefix: prefix.to_owned(), ..ClientName::default() }.peer_id().0
        };
        assert!(ClientName::default().peer_id().0.starts_with(b"-FM0100-"));
        let (one, other) = (id("-TR4060-"), id("-TR4060-"));
        assert!(one.starts_with(b"-TR4060-") && one != other && one.iter().all(u8::is_ascii_graphic));
        assert!(id("") != id(""));
        assert_eq!(id("abcdefghijklmnopqrstuvwxyz"), *b"abcdefghijklmnopqrst");
    }
}
