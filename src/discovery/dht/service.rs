//! The threads of the DHT, `dht-4` and `dht-6`: each has a socket, a node, and a queue of commands.
//!
//! A thread blocks on its socket until its node has something to do. Commands from other threads wait in the
//! queue; an empty packet from the socket to itself tells the thread to look at it. The node decides
//! everything; nothing here knows what is in a packet. A thread never waits for a coordinator: what an inbox
//! has no room for is offered again later.
//!
//! Waking by a packet needs no pipe and no poll, and works behind `--bind`; an empty packet from a
//! stranger costs a look at an empty queue.
//!
//! Where the run has uTP it shares the socket, and its packets are taken out before they come here
//! (`net/utp/mod.rs`). The socket has the same port number as the TCP port that peers connect to, if that is free for
//! UDP, or else any. Without a TCP port for peers the node asks and does not answer (BEP 43). Sending a packet waits
//! 50 ms at most, and a failure is only a line in the log. So a host that has IPv6 sockets but no way out over IPv6
//! loses nothing.

use super::bootstrap::{self, Schedule};
use super::node::{Node, NodeSettings, Output};
use super::saved_nodes::KnownNodes;
use super::shared::{Command, DhtShared, Port};
use crate::address::IpFamily;
use crate::message::Event;
use crate::metainfo::InfoHash;
use crate::net::tap::{Direction, Protocol, Seen};
use crate::strategy::Source;
use crate::text::reason;
use crate::thread::lock;
use crossbeam_channel::{Sender, TrySendError};
use log::debug;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The largest packet that we look at, and one byte more. A packet that fills all of it was cut, or is no
/// packet of the DHT.
const PACKET_BYTES: usize = 1501;
/// The most peers of one torrent that wait for room in an inbox.
const MAX_UNDELIVERED: usize = 200;
/// The time until they are offered again.
const OFFER_AGAIN: Duration = Duration::from_secs(1);
/// Each torrent tells of an interruption, and all of them notice it within so long.
const ONE_INTERRUPTION: Duration = Duration::from_secs(10);
/// The time between two writes of the file of nodes.
const SAVE_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// What a thread has for itself.
pub(super) struct Service {
    shared: Arc<DhtShared>,
    /// Which of the ports is its own.
    port: usize,
    node: Node,
    /// There are few, so a linear search is fast enough.
    recipients: Vec<Recipient>,
    schedule: Schedule,
    /// When an interruption last made it begin anew.
    began: Option<Instant>,
    save_at: Instant,
    /// When peers are offered again.
    offer_at: Option<Instant>,
    /// The last error of sending that was logged, so that the same one is not logged for each packet.
    logged_error: Option<ErrorKind>,
}

/// The coordinator that the peers of a torrent go to.
struct Recipient {
    info_hash: InfoHash,
    events: Sender<Event>,
    /// Peers for which there was no room.
    undelivered: Vec<SocketAddr>,
}

impl Service {
    /// The state that the thread at this port begins with, with the nodes of the last run.
    pub fn new(shared: &Arc<DhtShared>, port: usize, family: IpFamily, read_only: bool) -> Service {
        let now = Instant::now();
        let known = shared.saved.known(family);
        let settings = NodeSettings { family, read_only, id: known.id };
        let mut node = Node::new(settings, fastrand::Rng::new(), now);
        known.nodes.iter().for_each(|address| node.contact(*address, now));
        Service {
            shared: Arc::clone(shared),
            port,
            node,
            recipients: Vec::new(),
            schedule: Schedule::new(!known.nodes.is_empty(), now),
            began: None,
            save_at: now + SAVE_INTERVAL,
            offer_at: None,
            logged_error: None,
        }
    }

    /// The life of the thread.
    pub fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let Some(port) = shared.ports.get(self.port) else { return };
        match self.serve(port) {
            Err(error) if error.kind() != ErrorKind::ConnectionAborted => {
                debug!("the DHT on {} has stopped: {}", port.socket.address(), reason(&error));
            }
            _ => {}
        }
        self.save(port.family);
    }

    fn serve(&mut self, port: &Port) -> io::Result<()> {
        let mut packet = [0; PACKET_BYTES];
        loop {
            let now = Instant::now();
            let commands = mem::take(&mut *port.commands());
            commands.into_iter().for_each(|command| self.obey(command, now));
            if self.node.next_deadline() <= now {
                self.node.tick(now);
            }
            self.do_chores(port.family, now);
            self.carry_out(port, now);
            port.known.store(self.node.known(), Ordering::Relaxed);
            match port.socket.receive(&mut packet, self.next_deadline())? {
                // An empty packet has woken us, or the time has come.
                Some((0, _)) | None => {}
                Some((PACKET_BYTES, from)) => {
                    debug!("{from}: ignored a packet that is too large for the DHT")
                }
                Some((length, from)) => {
                    let packet = packet.get(..length).unwrap_or_default();
                    self.shared.tap.tell(|| {
                        Seen::Packet(
                            Protocol::Dht,
                            Direction::In,
                            [port.socket.address(), from],
                            packet.to_vec(),
                        )
                    });
                    self.node.receive(packet, from, Instant::now());
                }
            }
        }
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Search(info_hash, announce, events) => {
                self.recipients.retain(|one| one.info_hash != info_hash);
                self.recipients.push(Recipient { info_hash, events, undelivered: Vec::new() });
                self.node.search(info_hash, announce, now);
            }
            Command::Announce(info_hash, [four, six]) => {
                let family = self.shared.ports.get(self.port).map(|port| port.family);
                let port = if family == Some(IpFamily::V4) { four } else { six };
                if self.recipients.iter().any(|one| one.info_hash == info_hash) {
                    self.node.search(info_hash, port, now);
                }
            }
            Command::Supply(info_hash, supply) => self.node.supply(info_hash, supply, now),
            Command::Look(info_hash, sights) => {
                let figures = self.node.search_figures(info_hash);
                let family = self.shared.ports.get(self.port).map(|port| port.family);
                let [four, six] = &mut *lock(&sights);
                *(if family == Some(IpFamily::V6) { six } else { four }) = figures;
            }
            Command::Interrupted(info_hash) => {
                self.begin_anew(now);
                self.node.interrupted(info_hash, now);
            }
            Command::Forget(info_hash, events) => {
                let ours = |one: &Recipient| one.info_hash == info_hash && one.events.same_channel(&events);
                if let Some(at) = self.recipients.iter().position(ours) {
                    self.recipients.swap_remove(at);
                    self.node.forget(info_hash);
                }
            }
            Command::ContactIfFewKnown(_) if !self.node.knows_few_nodes() => {}
            Command::Contact(address) | Command::ContactIfFewKnown(address) => {
                self.node.contact(address, now)
            }
        }
    }

    /// The host was suspended, or is in another network. Where few nodes are left, the search for them begins as that
    /// of a new run does: with those that were known, and after them the well-known hosts.
    fn begin_anew(&mut self, now: Instant) {
        if self.began.is_some_and(|then| now.saturating_duration_since(then) < ONE_INTERRUPTION) {
            return;
        }
        self.began = Some(now);
        self.node.look_again(now);
        let family = self.shared.ports.get(self.port).map(|port| port.family);
        if let Some(family) = family.filter(|_| self.node.knows_few_nodes()) {
            let known = self.shared.saved.known(family).nodes;
            known.iter().for_each(|address| self.node.contact(*address, now));
            self.schedule = Schedule::new(!known.is_empty(), now);
        }
    }

    /// Does what is due from time to time: asks for more nodes, saves the nodes, offers peers again.
    fn do_chores(&mut self, family: IpFamily, now: Instant) {
        if self.schedule.is_due(self.node.knows_few_nodes(), now) {
            bootstrap::ask(&self.shared, &self.shared.nodes);
        }
        if self.save_at <= now {
            self.save_at = now + SAVE_INTERVAL;
            self.save(family);
            self.shared.saved.write();
        }
        if self.offer_at.is_some_and(|offer_at| offer_at <= now) {
            self.offer_at = None;
            for recipient in &mut self.recipients {
                if !recipient.offer() {
                    self.offer_at = Some(now + OFFER_AGAIN);
                }
            }
        }
    }

    /// Does what the node has asked for.
    fn carry_out(&mut self, port: &Port, now: Instant) {
        while let Some(output) = self.node.next_output() {
            match output {
                Output::Send { to, packet } => {
                    self.shared.tap.tell(|| {
                        Seen::Packet(
                            Protocol::Dht,
                            Direction::Out,
                            [port.socket.address(), to],
                            packet.clone(),
                        )
                    });
                    let error = port.socket.send(to, &packet).err();
                    let kind = error.as_ref().map(io::Error::kind);
                    if let Some(error) = error.filter(|_| kind != self.logged_error) {
                        debug!("the DHT cannot send to {to}: {}", reason(&error));
                        self.logged_error = kind;
                    }
                }
                Output::Found { info_hash, peers } => {
                    let recipient = self.recipients.iter_mut().find(|one| one.info_hash == info_hash);
                    let Some(recipient) = recipient else { continue };
                    recipient.undelivered.extend(peers);
                    if !recipient.offer() {
                        self.offer_at.get_or_insert(now + OFFER_AGAIN);
                    }
                }
            }
        }
    }

    fn next_deadline(&self) -> Instant {
        let mut next = self.node.next_deadline().min(self.save_at);
        if let Some(offer_at) = self.offer_at {
            next = next.min(offer_at);
        }
        if self.node.knows_few_nodes() { next.min(self.schedule.next()) } else { next }
    }

    fn save(&self, family: IpFamily) {
        let known = KnownNodes { id: Some(self.node.id()), nodes: self.node.good_nodes() };
        self.shared.saved.update(family, known);
    }
}

impl Recipient {
    /// Offers the waiting peers to the coordinator. False if its inbox is full.
    fn offer(&mut self) -> bool {
        if self.undelivered.is_empty() {
            return true;
        }
        match self.events.try_send(Event::Found(Source::Dht, mem::take(&mut self.undelivered))) {
            Err(TrySendError::Full(Event::Found(_, peers))) => {
                self.undelivered = peers;
                self.undelivered.truncate(MAX_UNDELIVERED);
                false
            }
            // If the torrent has ended, its search is about to end too.
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::dht::saved_nodes::SavedNodes;
    use crate::net::{BindAddress, UdpPort};

    const SECOND: Duration = Duration::from_secs(1);

    /// The nodes that are asked by the name of their address: those of the schedule.
    fn take_asked(service: &Service) -> Vec<SocketAddr> {
        let commands = mem::take(&mut *service.shared.ports[0].commands());
        let contacts = commands.into_iter().filter_map(|command| match command {
            Command::Contact(address) => Some(address),
            _ => None,
        });
        contacts.collect()
    }

    /// Where packets go to.
    fn take_sent(service: &mut Service) -> Vec<SocketAddr> {
        let outputs = std::iter::from_fn(|| service.node.next_output());
        let sent = outputs.filter_map(|output| match output {
            Output::Send { to, .. } => Some(to),
            Output::Found { .. } => None,
        });
        sent.collect()
    }

    #[test]
    fn in_another_network_nodes_are_searched_for_as_at_the_start_and_once_for_all_torrents() {
        let port = UdpPort::open(IpFamily::V4, 0, BindAddress::only([127, 0, 0, 1].into())).unwrap();
        let [known, router] = [[192, 0, 2, 7], [192, 0, 2, 9]].map(|ip| SocketAddr::from((ip, 6881)));
        let saved = SavedNodes::read(None);
        saved.update(IpFamily::V4, KnownNodes { id: None, nodes: vec![known] });
        let shared = Arc::new(DhtShared {
            ports: vec![Port::new(IpFamily::V4, Arc::new(port))],
            saved,
            host_names: Arc::default(),
            nodes: vec![(router.ip().to_string(), router.port())],
            tap: Default::default(),
        });
        let start = Instant::now();
        let mut service = Service::new(&shared, 0, IpFamily::V4, false);
        let mut asked = 0;
        for second in 0..3_000 {
            let now = start + SECOND * second;
            service.node.tick(now);
            service.do_chores(IpFamily::V4, now);
            asked += take_asked(&service).len();
        }
        assert_eq!(asked, 10, "at longer and longer distances");
        take_sent(&mut service);
        for torrent in 0..3 {
            let now = start + SECOND * 3_000;
            service.obey(Command::Interrupted(InfoHash([torrent; 20])), now);
            service.do_chores(IpFamily::V4, now);
        }
        assert_eq!((take_sent(&mut service), take_asked(&service)), (vec![known], vec![]));
        let asked: Vec<u32> = (3_000..3_030)
            .filter(|second| {
                service.do_chores(IpFamily::V4, start + SECOND * *second);
                take_asked(&service) == [router]
            })
            .collect();
        assert_eq!(asked, [3_002, 3_007, 3_017]);
    }
}
