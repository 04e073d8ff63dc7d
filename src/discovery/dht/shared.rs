//! What the threads of the DHT share, and what the others of the program have them do: each port has a queue of commands.

use super::host_names::HostNames;
use super::node::SearchFigures;
use super::saved_nodes::SavedNodes;
use crate::address::IpFamily;
use crate::message::Event;
use crate::metainfo::InfoHash;
use crate::net::UdpPort;
use crate::net::tap::Tap;
use crate::strategy::Supply;
use crate::thread::lock;
use crossbeam_channel::Sender;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard};

/// The most commands that wait. Torrents are few, but a stranger can name any number of nodes. What a search
/// cannot do without is accepted beyond this.
const MAX_COMMANDS: usize = 256;

/// What a thread is to do.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// Search for the peers of this torrent, and announce this port.
    Search(InfoHash, Option<u16>, Sender<Event>),
    /// Announce these ports for this torrent from now on, over IPv4 and over IPv6.
    Announce(InfoHash, [Option<u16>; 2]),
    /// How well this torrent is supplied with peers.
    Supply(InfoHash, Supply),
    /// The host was suspended, or has another address: search for this torrent anew, and for nodes where few are known.
    Interrupted(InfoHash),
    /// Somebody wants to see how the search for this torrent stands.
    Look(InfoHash, SearchSights),
    /// End the search whose peers go to this inbox.
    Forget(InfoHash, Sender<Event>),
    /// A node may be there.
    Contact(SocketAddr),
    /// A node may be there. It is to be asked only if few others are known.
    ContactIfFewKnown(SocketAddr),
}

/// How the search for one torrent stood when somebody last looked, for each family.
pub(super) type SearchSights = Arc<Mutex<[Option<SearchFigures>; 2]>>;

/// What the threads share.
#[derive(Debug)]
pub(super) struct DhtShared {
    pub ports: Vec<Port>,
    pub saved: SavedNodes,
    pub host_names: Arc<HostNames>,
    /// Hosts and ports that are asked while few nodes are known.
    pub nodes: Vec<(String, u16)>,
    /// Who sees the packets.
    pub tap: Tap,
}

/// The socket of a family, and what its thread is to do.
#[derive(Debug)]
pub(super) struct Port {
    pub family: IpFamily,
    pub socket: Arc<UdpPort>,
    /// How many others its node knows: those that have answered.
    pub known: AtomicUsize,
    commands: Mutex<VecDeque<Command>>,
}

impl Port {
    pub fn new(family: IpFamily, socket: Arc<UdpPort>) -> Port {
        Port { family, socket, known: AtomicUsize::new(0), commands: Mutex::default() }
    }

    /// Its queue, locked.
    pub fn commands(&self) -> MutexGuard<'_, VecDeque<Command>> {
        lock(&self.commands)
    }

    fn tell(&self, command: &Command) {
        let mut commands = self.commands();
        let wanted = match command {
            Command::Contact(node) | Command::ContactIfFewKnown(node) => {
                self.family.has(*node) && commands.len() < MAX_COMMANDS
            }
            Command::Supply(..) | Command::Look(..) => commands.len() < MAX_COMMANDS,
            Command::Search(..) | Command::Announce(..) | Command::Interrupted(_) | Command::Forget(..) => {
                true
            }
        };
        if wanted {
            commands.push_back(command.clone());
            // If there was an earlier command, the thread has been woken already.
            if commands.len() == 1 {
                self.socket.wake();
            }
        }
    }
}

impl DhtShared {
    /// Gives a command to the threads that it is for.
    pub fn tell(&self, command: &Command) {
        self.ports.iter().for_each(|port| port.tell(command));
    }
}
