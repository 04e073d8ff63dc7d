//! The connections of one port, and which of them a packet is for.
//!
//! Everything here runs on the thread that receives at the port (`udp_port.rs`), but for connections that are begun or
//! given up. A packet finds its connection by where it comes from and by the id that it names. One that finds none is
//! a request for a new connection, or is told that there is none, as often as [`RESETS`] a second and no more.

use super::link::{Key, Link, Sender};
use super::pace::Pace;
use super::strangers::Strangers;
use super::timers::Timers;
use super::{Acceptor, LONGEST_SLEEP};
use crate::net::half_open::Bell;
use crate::net::udp_port::Diversion;
use crate::net::{PeerStream, UdpPort};
use crate::strategy::TokenBucket;
use crate::strategy::utp::{Conversation, EarlyMemory};
use crate::thread::lock;
use crate::wire::utp::{Header, Kind, Packet, looks_like_utp};
use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

/// The most connections of a port, those included that have ended and still send.
const MOST_CONNECTIONS: usize = 4096;
/// Packets of no connection that are answered in a second.
const RESETS: u32 = 20;
/// Connections whose time has come that are looked at in one go. The packets that have come are taken in between.
const DUE_AT_ONCE: usize = 64;

/// What uTP has at one port.
pub(super) struct Table {
    port: Arc<UdpPort>,
    timers: Arc<Timers<Link>>,
    acceptor: Acceptor,
    /// For what comes before it can be used.
    memory: Arc<EarlyMemory>,
    inside: Mutex<Inside>,
    /// A connection was forgotten.
    forgotten: Condvar,
}

struct Inside {
    links: HashMap<Key, Arc<Link>>,
    /// Those for which packets have come and that are yet to be seen to.
    touched: Vec<(Key, Arc<Link>)>,
    strangers: Strangers,
    pace: Pace,
    resets: TokenBucket,
    last_number: u64,
}

// A port asks for this of whoever takes its packets, and nobody prints it: all connections would be linked to be printed.
impl fmt::Debug for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Table").finish_non_exhaustive()
    }
}

impl Table {
    pub(super) fn at(port: &Arc<UdpPort>, acceptor: &Acceptor) -> Arc<Table> {
        let table = Arc::new(Table {
            port: Arc::clone(port),
            timers: Arc::default(),
            acceptor: acceptor.clone(),
            memory: Arc::default(),
            inside: Mutex::new(Inside {
                links: HashMap::new(),
                touched: Vec::new(),
                strangers: Strangers::default(),
                pace: Pace::new(Instant::now()),
                resets: TokenBucket::new(RESETS, Instant::now()),
                last_number: 0,
            }),
            forgotten: Condvar::new(),
        });
        let diversion: Arc<dyn Diversion> = table.clone();
        port.divert(Arc::downgrade(&diversion));
        table
    }

    pub(super) fn port(&self) -> &Arc<UdpPort> {
        &self.port
    }

    /// Asks for a connection. `bell` rings when there is one, or will be none.
    ///
    /// # Errors
    ///
    /// There are too many.
    pub(super) fn connect(&self, to: SocketAddr, bell: Weak<Bell>) -> io::Result<(Key, Arc<Link>)> {
        let now = Instant::now();
        let mut inside = self.lock();
        if inside.links.len() >= MOST_CONNECTIONS {
            return Err(io::Error::other("too many connections over uTP"));
        }
        // Two ids in a row, of which neither is in use with this address.
        let free = |id: &u16| {
            [id.wrapping_sub(1), *id, id.wrapping_add(1)]
                .iter()
                .all(|id| !inside.links.contains_key(&(to, *id)))
        };
        let ids = std::iter::repeat_with(|| fastrand::u16(..)).take(16);
        let Some(id) = ids.into_iter().find(free) else { return Err(ErrorKind::AddrInUse.into()) };
        let conversation = Conversation::connect(id, fastrand::u16(..), now);
        let (key, link) = self.add(&mut inside, (to, conversation.ids().0), conversation, Some(bell));
        drop(inside);
        link.send(Sender::Own);
        Ok((key, link))
    }

    /// Forgets a connection that has not come about.
    pub(super) fn give_up(&self, key: Key, link: &Arc<Link>) {
        self.remove(key, link);
    }

    fn add(
        &self,
        inside: &mut Inside,
        key: Key,
        conversation: Conversation,
        bell: Option<Weak<Bell>>,
    ) -> (Key, Arc<Link>) {
        inside.last_number = inside.last_number.wrapping_add(1);
        let (way, conversation) = ((&self.port, &self.timers), conversation.sharing(&self.memory));
        let link = Link::new(inside.last_number, key.0, conversation, way, bell);
        inside.links.insert(key, Arc::clone(&link));
        (key, link)
    }

    /// Forgets a connection, but not another one that has come to its place since.
    fn remove(&self, key: Key, link: &Arc<Link>) {
        let mut inside = self.lock();
        link.forget();
        if inside.links.get(&key).is_some_and(|there| Arc::ptr_eq(there, link)) {
            inside.strangers.remove(key);
            inside.links.remove(&key);
        }
        self.forgotten.notify_all();
    }

    /// Ends all connections, and waits until then for their ends.
    pub(super) fn finish(&self, end: Instant) {
        let links: Vec<Arc<Link>> = self.lock().links.values().cloned().collect();
        links.iter().filter(|link| !link.is_stranger()).for_each(|link| link.shut_down());
        let left = end.saturating_duration_since(Instant::now());
        let is_busy = |inside: &mut Inside| inside.links.values().any(|link| !link.is_stranger());
        let waited = self.forgotten.wait_timeout_while(self.lock(), left, is_busy);
        let (inside, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let late: Vec<Arc<Link>> = inside.links.values().cloned().collect();
        drop(inside);
        late.iter().filter(|link| !link.is_stranger()).for_each(|link| link.reset());
    }

    /// Somebody asks for a connection.
    fn asked(&self, packet: &Packet<'_>, from: SocketAddr, now: Instant) {
        if !self.acceptor.is_there() {
            return self.refuse(packet, from, now);
        }
        let forgotten = {
            let mut inside = self.lock();
            if inside.links.len() >= MOST_CONNECTIONS {
                return;
            }
            let Some(conversation) = Conversation::accept(packet, fastrand::u16(..), now) else { return };
            let key = (from, conversation.ids().0);
            let (key, link) = self.add(&mut inside, key, conversation, None);
            link.touch();
            inside.touched.push((key, link));
            let forgotten = inside.strangers.add(key);
            forgotten.and_then(|key| Some((key, Arc::clone(inside.links.get(&key)?))))
        };
        forgotten.into_iter().for_each(|(key, link)| self.remove(key, &link));
    }

    /// There is no such connection. The answer is no longer than what it answers.
    fn refuse(&self, packet: &Packet<'_>, from: SocketAddr, now: Instant) {
        if packet.header.kind == Kind::Reset || !self.lock().resets.take(now) {
            return;
        }
        let header = Header {
            kind: Kind::Reset,
            timestamp: 0,
            timestamp_difference: 0,
            window: 0,
            acknowledgement: packet.header.sequence,
            ..packet.header
        };
        let mut bytes = Vec::new();
        Packet { header, selective: None, payload: &[] }.write(&mut bytes);
        let _ = self.port.send_now(from, &bytes);
    }

    /// The connection that a packet is for. One that says that there is none may name either of its ids.
    fn find(inside: &Inside, header: &Header, from: SocketAddr) -> Option<(Key, Arc<Link>)> {
        let id = header.connection_id;
        let ids = match header.kind {
            Kind::Syn => [id.wrapping_add(1); 3],
            Kind::Reset => [id, id.wrapping_add(1), id.wrapping_sub(1)],
            _ => [id; 3],
        };
        let is_meant = |link: &Link| {
            header.kind != Kind::Reset || {
                let (ours, theirs) = link.ids();
                [ours, theirs].contains(&id)
            }
        };
        ids.into_iter().find_map(|id| {
            let link = inside.links.get(&(from, id)).filter(|link| is_meant(link))?;
            Some(((from, id), Arc::clone(link)))
        })
    }

    /// Sees to a connection for which packets came or whose time has come.
    fn see_to(&self, key: Key, link: &Arc<Link>, now: Instant) {
        link.settle();
        if link.is_finished(now) {
            return self.remove(key, link);
        }
        if !link.is_proven() || !link.introduce() {
            return;
        }
        // The handshake of BitTorrent is the next thing.
        self.lock().strangers.remove(key);
        self.acceptor.accept(PeerStream::over_utp(Arc::clone(link)), link.address());
    }

    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.lock().links.len()
    }

    /// How many requests for connections were looked at, and connections begun.
    #[cfg(test)]
    pub(super) fn begun(&self) -> u64 {
        self.lock().last_number
    }

    #[cfg(test)]
    pub(super) fn due(&self) -> usize {
        self.timers.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        lock(&self.inside)
    }
}

impl Diversion for Table {
    fn take(&self, bytes: &[u8], from: SocketAddr) -> bool {
        if !looks_like_utp(bytes) {
            return false;
        }
        let Ok(packet) = Packet::read(bytes) else { return true };
        let now = Instant::now();
        let found = {
            let mut inside = self.lock();
            if packet.header.kind == Kind::Syn && !inside.pace.may_ask(from.ip(), now) {
                return true;
            }
            let found = Table::find(&inside, &packet.header, from);
            if let Some((key, link)) = &found
                && !link.touch()
            {
                inside.touched.push((*key, Arc::clone(link)));
            }
            found
        };
        match found {
            Some((_, link)) => link.take(&packet, now),
            None if packet.header.kind == Kind::Syn => self.asked(&packet, from, now),
            None => self.refuse(&packet, from, now),
        }
        true
    }

    fn settle(&self) -> Option<Instant> {
        let touched = std::mem::take(&mut self.lock().touched);
        let now = Instant::now();
        touched.iter().for_each(|(key, link)| self.see_to(*key, link, now));
        for _ in 0..DUE_AT_ONCE {
            let Some(link) = self.timers.next(now) else { break };
            let key = (link.address(), link.ids().0);
            if link.is_stranger() {
                // It has had its answer, and is told nothing on a timer.
                self.remove(key, &link);
                continue;
            }
            link.came_due(now);
            self.see_to(key, &link, now);
        }
        self.timers.sleep(now + LONGEST_SLEEP)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // The timers and the connections know each other.
        let links = std::mem::take(&mut self.lock().links);
        links.values().for_each(|link| link.forget());
    }
}
