//! The distributed hash table (DHT) of BEP 5: every client keeps a part of the addresses of all torrents'
//! peers.
//!
//! A *node* is a client's part in it: a UDP port and an ID of 160 bits. A torrent has such an ID too, its
//! info-hash. The peers of a torrent are kept by the nodes whose IDs are closest to it, so a client that
//! looks for peers walks through the network to these nodes, asks them, and announces itself there. No node
//! knows all others, and none is special.
//!
//! There are two networks, one of IPv4 and one of IPv6 (BEP 32). Each has a thread with a socket, `dht-4` and
//! `dht-6`.
//!
//! In reading order: `id` and `addresses` say what a node is, `packet` what nodes say to each other. `table`
//! has the nodes that we know, and `lookup` is one walk. [`Node`] is what a node does; it has neither socket
//! nor clock. `service` has the threads, `bootstrap` the nodes to begin with, and `saved_nodes` what is kept
//! from one run to the next.

mod addresses;
mod bootstrap;
mod external;
mod host_names;
mod id;
mod lookup;
mod node;
pub mod packet;
mod peer_store;
mod rate_limits;
mod samples;
mod saved_nodes;
mod service;
mod shared;
mod table;
mod tokens;

pub use addresses::Contact;
pub use bootstrap::ROUTERS;
pub use id::{Distance, NodeId};
pub use node::{Node, NodeSettings, Output, SearchFigures};
pub use saved_nodes::{KnownNodes, SavedNodes};

use crate::address::IpFamily;
use crate::discovery::STACK_BYTES;
use crate::message::{Event, SourceSight};
use crate::metainfo::InfoHash;
use crate::net::tap::Tap;
use crate::net::{BindAddress, UdpPort, Utp};
use crate::strategy::Supply;
use crate::text::reason;
use crate::thread::{self, lock};
use crossbeam_channel::Sender;
use log::debug;
use service::Service;
use shared::{Command, DhtShared, Port, SearchSights};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

/// How to take part in the DHT.
#[derive(Clone, Debug)]
pub struct DhtOptions {
    /// The address that everything leaves by.
    pub bind_address: BindAddress,
    /// The UDP port to take if it is free; zero is any.
    pub port: u16,
    /// Ask and do not answer (BEP 43): no other node can reach us.
    pub read_only: bool,
    /// Nodes to begin with, each a host name or an address, and a port.
    pub nodes: Vec<(String, u16)>,
    /// Begin with the well-known hosts too.
    pub routers: bool,
    /// The folder that keeps the nodes from one run to the next, in a file `dht`. Created when needed.
    pub saved: Option<PathBuf>,
    /// Whether that file is written, too.
    pub saves: bool,
    /// Who sees the packets.
    pub tap: Tap,
    /// What shares the ports, if anything does.
    pub utp: Option<Utp>,
}

/// How many of a torrent's `nodes` are asked: twice as many as BEP 5 has a torrent name. It takes time to
/// look host names up, and those of the well-known hosts must not wait for a thousand others.
const MAX_OF_A_TORRENT: usize = 16;

/// Takes part in the DHT until it is dropped, for all torrents of a run.
#[derive(Debug)]
pub struct Dht {
    shared: Arc<DhtShared>,
    threads: Vec<JoinHandle<()>>,
}

/// A torrent whose peers are searched for, until this is dropped.
#[derive(Debug)]
pub struct DhtSearch {
    shared: Arc<DhtShared>,
    info_hash: InfoHash,
    events: Sender<Event>,
    sights: SearchSights,
}

impl Dht {
    /// Opens a socket for each family that the host and the bind address have, and begins to look for nodes.
    ///
    /// # Errors
    ///
    /// What the system says if there is a socket for neither family, or a thread cannot be started.
    pub fn start(options: DhtOptions) -> io::Result<Dht> {
        let mut ports = Vec::new();
        let mut failure = None;
        for family in IpFamily::BOTH {
            match UdpPort::open(family, options.port, options.bind_address) {
                Ok(socket) => {
                    let socket = Arc::new(socket);
                    options.utp.iter().for_each(|utp| utp.share(&socket));
                    ports.push(Port::new(family, socket));
                }
                Err(error) => {
                    debug!("no DHT of {family:?}: {}", reason(&error));
                    failure = Some(error);
                }
            }
        }
        if let Some(error) = failure.filter(|_| ports.is_empty()) {
            return Err(error);
        }
        let mut nodes = options.nodes;
        if options.routers {
            nodes.extend(ROUTERS.map(|(host, port)| (host.to_owned(), port)));
        }
        let mut saved = SavedNodes::read(options.saved.as_deref());
        if !options.saves {
            saved.write_nothing();
        }
        let (host_names, tap) = (Default::default(), options.tap);
        let shared = Arc::new(DhtShared { ports, saved, host_names, nodes, tap });
        // If a thread cannot be started, dropping this ends the threads that were.
        let mut dht = Dht { shared, threads: Vec::new() };
        for (index, port) in dht.shared.ports.iter().enumerate() {
            let name = if port.family == IpFamily::V4 { "dht-4" } else { "dht-6" };
            let service = Service::new(&dht.shared, index, port.family, options.read_only);
            dht.threads.push(thread::spawn(name, STACK_BYTES, move || service.run())?);
        }
        Ok(dht)
    }

    /// Searches for peers of this torrent, and sends them as [`Event::Found`], until the search is dropped.
    /// Announces that peers can connect to us at the port `announce`, if there is one. If a torrent is
    /// searched for twice, the later search counts.
    pub fn search(&self, info_hash: InfoHash, announce: Option<u16>, events: Sender<Event>) -> DhtSearch {
        self.shared.tell(&Command::Search(info_hash, announce, events.clone()));
        DhtSearch { shared: Arc::clone(&self.shared), info_hash, events, sights: Arc::default() }
    }

    /// Asks whether a node is at this address: a peer said that its node is there.
    pub fn contact(&self, address: SocketAddr) {
        self.shared.tell(&Command::Contact(address));
    }

    /// Asks whether nodes are at these hosts and ports: a torrent said so. Host names are looked up; their
    /// nodes are asked only if we know few others.
    pub fn contact_names(&self, nodes: &[(String, u16)]) {
        bootstrap::ask(&self.shared, nodes.get(..MAX_OF_A_TORRENT).unwrap_or(nodes));
    }

    /// How many nodes of this family have answered and are kept. `None` if there is no socket of it.
    pub fn known(&self, family: IpFamily) -> Option<usize> {
        let port = self.shared.ports.iter().find(|port| port.family == family)?;
        Some(port.known.load(Ordering::Relaxed))
    }

    /// The UDP port of this family. We tell it to peers, so that they can reach our node.
    pub fn port(&self, family: IpFamily) -> Option<u16> {
        let port = self.shared.ports.iter().find(|port| port.family == family)?;
        Some(port.socket.address().port())
    }
}

impl Drop for Dht {
    fn drop(&mut self) {
        self.shared.ports.iter().for_each(|port| port.socket.hang_up());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.shared.saved.write();
        self.shared.host_names.close();
    }
}

impl DhtSearch {
    /// Announces from now on that peers can connect to us at these ports, over IPv4 and over IPv6. If they are new,
    /// the torrent is looked up and announced at once.
    pub fn announce(&self, ports: [Option<u16>; 2]) {
        self.shared.tell(&Command::Announce(self.info_hash, ports));
    }

    /// How well the torrent is supplied with peers, which decides when the next lookup runs. To be told again
    /// now and then.
    pub fn supply(&self, supply: Supply) {
        self.shared.tell(&Command::Supply(self.info_hash, supply));
    }

    /// Why no peers come from the DHT, where it knows no node.
    pub fn trouble(&self) -> Option<String> {
        let is_alone = self.shared.ports.iter().all(|port| port.known.load(Ordering::Relaxed) == 0);
        let trouble = || {
            let unknown = self.shared.host_names.trouble();
            unknown.unwrap_or_else(|| "no node of the DHT has answered yet (is UDP blocked?)".to_owned())
        };
        is_alone.then(trouble)
    }

    /// How it stands over IPv4 and over IPv6, as far as there are sockets: as it was at the last call, since the threads
    /// of the DHT are asked for what is told at the next. Never waits.
    pub fn sights(&self, now: Instant) -> Vec<SourceSight> {
        self.shared.tell(&Command::Look(self.info_hash, Arc::clone(&self.sights)));
        let [four, six] = *lock(&self.sights);
        let sight = |port: &Port| {
            let nodes = port.known.load(Ordering::Relaxed);
            let (family, figures) = if port.family == IpFamily::V6 { ("IPv6", six) } else { ("IPv4", four) };
            let figures = figures.unwrap_or_default();
            let trouble = (nodes == 0).then(|| self.trouble()).flatten();
            SourceSight {
                kind: "DHT",
                name: format!("{family}, {nodes} nodes"),
                is_trouble: trouble.is_some(),
                last: trouble.unwrap_or_else(|| figures.to_string()),
                next: figures.next.map(|next| next.saturating_duration_since(now)),
            }
        };
        self.shared.ports.iter().map(sight).collect()
    }

    /// The host was suspended, or has another address: the next lookup runs at once.
    pub fn interrupted(&self) {
        self.shared.tell(&Command::Interrupted(self.info_hash));
    }
}

impl Drop for DhtSearch {
    fn drop(&mut self) {
        self.shared.tell(&Command::Forget(self.info_hash, self.events.clone()));
    }
}

#[cfg(test)]
mod tests;
