//! The distributed hash table of BEP 5: every client keeps a part of the addresses of all torrents.
//!
//! Two networks, one of IPv4 and one of IPv6 (BEP 32), and for each a thread with its socket, `dht-4` and
//! `dht-6`. What a node does is decided in [`Node`], which has neither socket nor clock; the threads are in
//! `service`, where to begin in `bootstrap`, and what is kept from one run to the next in `saved`.

mod addresses;
mod answers;
mod bootstrap;
mod external;
mod id;
mod lookup;
mod node;
pub mod packet;
mod peer_store;
mod queries;
mod rate_limits;
mod saved_nodes;
mod searches;
mod service;
mod table;
mod tokens;

pub use addresses::Contact;
pub use id::{Distance, NodeId};
pub use node::{Node, Output, Settings};

use crate::address::IpFamily;
use crate::discovery::spawn;
use crate::message::Event;
use crate::metainfo::InfoHash;
use crate::net::{BindAddress, UdpPort};
use bootstrap::ROUTERS;
use crossbeam_channel::Sender;
use log::debug;
use saved_nodes::Saved;
use service::{Command, Desk, Door, Service};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

/// How to take part in the DHT.
#[derive(Clone, Debug)]
pub struct DhtOptions {
    /// The address that everything leaves by.
    pub bind_address: BindAddress,
    /// The UDP port to take where it is free; zero is any.
    pub port: u16,
    /// Ask and do not answer (BEP 43): nobody can reach us.
    pub read_only: bool,
    /// Nodes to begin with, each a name or an address, and a port.
    pub nodes: Vec<(String, u16)>,
    /// Begin with the well-known hosts too.
    pub routers: bool,
    /// The folder that keeps the nodes from one run to the next, in a file `dht`. Created when needed.
    pub saved: Option<PathBuf>,
}

/// Nodes of a torrent that are asked, twice what BEP 5 has one name. Names take time to be looked up, and
/// those of the well-known hosts must not wait for a thousand others.
const MAX_OF_A_TORRENT: usize = 16;

/// Takes part in the DHT until it is dropped, for all torrents of a run.
#[derive(Debug)]
pub struct Dht {
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
}

/// A torrent whose peers are searched for, until this is dropped.
#[derive(Debug)]
pub struct Search {
    desk: Arc<Desk>,
    info_hash: InfoHash,
    events: Sender<Event>,
}

impl Dht {
    /// Opens a socket for each family that the host and the bind_address have, and begins to look for nodes.
    ///
    /// # Errors
    ///
    /// What the system says where there is a socket for neither family, or no thread.
    pub fn start(options: DhtOptions) -> io::Result<Dht> {
        let mut doors = Vec::new();
        let mut failure = None;
        for family in IpFamily::BOTH {
            match UdpPort::open(family, options.port, options.bind_address) {
                Ok(port) => doors.push(Door::new(family, port)),
                Err(error) => {
                    debug!("no DHT of {family:?}: {error}");
                    failure = Some(error);
                }
            }
        }
        if let Some(error) = failure.filter(|_| doors.is_empty()) {
            return Err(error);
        }
        let mut nodes = options.nodes;
        if options.routers {
            nodes.extend(ROUTERS.map(|(host, port)| (host.to_owned(), port)));
        }
        let saved = Saved::read(options.saved.as_deref());
        let desk = Arc::new(Desk { doors, saved, names: Default::default(), nodes });
        // Where a thread cannot be started, dropping this ends those that are.
        let mut dht = Dht { desk, threads: Vec::new() };
        for (index, door) in dht.desk.doors.iter().enumerate() {
            let name = if door.family == IpFamily::V4 { "dht-4" } else { "dht-6" };
            let service = Service::new(&dht.desk, index, door.family, options.read_only);
            dht.threads.push(spawn(name, Box::new(move || service.run()))?);
        }
        Ok(dht)
    }

    /// Searches for peers of this torrent, and sends them as [`Event::Found`], until the search is dropped.
    /// Says that peers come in at the port `announce`, where there is one. Where a torrent is searched for
    /// twice, the later search counts.
    pub fn search(&self, info_hash: InfoHash, announce: Option<u16>, events: Sender<Event>) -> Search {
        self.desk.tell(&Command::Search(info_hash, announce, events.clone()));
        Search { desk: Arc::clone(&self.desk), info_hash, events }
    }

    /// Somebody says that a node is there: a peer, of itself.
    pub fn contact(&self, address: SocketAddr) {
        self.desk.tell(&Command::Contact(address));
    }

    /// Somebody says that nodes are there, by names or addresses: a torrent. Names are looked up, and asked
    /// where few nodes are known.
    pub fn contact_names(&self, nodes: &[(String, u16)]) {
        bootstrap::ask(&self.desk, nodes.get(..MAX_OF_A_TORRENT).unwrap_or(nodes));
    }

    /// The UDP port of this family: peers are told of it so that they find the node.
    pub fn port(&self, family: IpFamily) -> Option<u16> {
        let door = self.desk.doors.iter().find(|door| door.family == family)?;
        Some(door.port.address().port())
    }
}

impl Drop for Dht {
    fn drop(&mut self) {
        self.desk.doors.iter().for_each(|door| door.port.hang_up());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.desk.saved.write();
        self.desk.names.close();
    }
}

impl Search {
    /// Peers are wanted: looks for them earlier than it would.
    pub fn need_peers(&self) {
        self.desk.tell(&Command::NeedPeers(self.info_hash));
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.desk.tell(&Command::Forget(self.info_hash, self.events.clone()));
    }
}

#[cfg(test)]
mod tests;
