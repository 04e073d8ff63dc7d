//! Finding peers on the local network (BEP 14).
//!
//! A host that has a torrent announces it to all hosts on its network by multicast, and receives their
//! announces.
//!
//! Threads: `lan-4` and `lan-6` each block on the socket of a multicast group, or until there is one, and `lan` waits
//! until the next announce is due. None of them ever waits for a coordinator. After an interruption `lan` joins the
//! groups anew: the host may have had no network before, or another one.
//!
//! Any host nearby can send anything. So all that a packet can do is to tell us one address, that of its
//! sender, for torrents that we take part in. A limited number of such packets a second counts. Nothing is
//! answered. Of two hosts, the one that starts later announces while the other one listens, and the one that
//! hears the announce connects to its sender.

mod meeting_place;
mod search_packet;

use meeting_place::MeetingPlace;
pub use search_packet::{MAX_HASHES, SearchPacket};

use super::STACK_BYTES;
use crate::address::is_local;
use crate::message::{Event, SourceSight};
use crate::metainfo::InfoHash;
use crate::net::tap::{Direction, Protocol, Seen, Tap};
use crate::net::{BindAddress, Group};
use crate::strategy::{Source, Supply, TokenBucket};
use crate::text::reason;
use crate::thread;
use crate::thread::lock;
use crossbeam_channel::Sender;
use log::debug;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The multicast groups (BEP 14, "Multicast groups"), and their threads.
const GROUPS: [(SocketAddr, &str); 2] = [
    (SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 192, 152, 143)), PORT), "lan-4"),
    (SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f)), PORT), "lan-6"),
];
const PORT: u16 = 6771;
/// The time until a torrent is announced again (BEP 14, "Announce").
const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// The time between two packets of announces, whatever they are for (BEP 14, "Announce").
const BETWEEN_PACKETS: Duration = Duration::from_secs(60);
/// How long a new torrent waits so that others can share its packet: a run starts with all of its torrents.
const BATCHING_DELAY: Duration = Duration::from_millis(100);
/// Each torrent tells of an interruption, and all of them notice it within so long.
const ONE_INTERRUPTION: Duration = Duration::from_secs(10);
/// Packets that may tell us of a peer, a second and at once, for each family. A hundred hosts that each have
/// ten packets' worth of torrents send four a second.
const MAX_PACKETS: u32 = 50;
/// The largest packet that we look at, and one byte more.
const PACKET_BYTES: usize = 1501;

/// Announces on the local network what we have and receives what others have, until it is dropped.
#[derive(Debug)]
pub struct Lan {
    shared: Arc<LanShared>,
    threads: Vec<JoinHandle<()>>,
}

/// A torrent that is announced on the local network, until this is dropped.
#[derive(Debug)]
pub struct LanRegistration {
    shared: Arc<LanShared>,
    info_hash: InfoHash,
    events: Sender<Event>,
}

/// What the threads share.
#[derive(Debug)]
struct LanShared {
    /// The groups that we may be in.
    places: Vec<MeetingPlace>,
    /// The port that peers connect to.
    port: u16,
    /// It is in each packet that we send, so that we recognize our own packets.
    cookie: String,
    /// Who sees the packets.
    tap: Tap,
    torrents: Mutex<TorrentList>,
    /// There is a new torrent, or the end has come.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct TorrentList {
    /// There are few, so a linear search is fast enough.
    torrents: Vec<AnnouncedTorrent>,
    is_closed: bool,
    /// The groups are to be joined anew, and when that was last said.
    joins_anew: bool,
    interrupted: Option<Instant>,
}

#[derive(Debug)]
struct AnnouncedTorrent {
    info_hash: InfoHash,
    events: Sender<Event>,
    /// When it was announced last.
    announced: Option<Instant>,
    /// When it is to be announced.
    due: Instant,
    /// How many times it was announced before its time.
    early: u32,
    /// How many announces of it were heard.
    heard: u32,
}

impl Lan {
    /// Begins to receive, and to announce that peers can connect to us at this port. If that is zero, nothing
    /// is announced. The packets are seen at `tap`.
    ///
    /// It is no error if the host can join no group, because it has no network or another program has the
    /// port for itself. It then finds no peers here.
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub fn start(bind_address: BindAddress, port: u16, tap: Tap) -> io::Result<Lan> {
        let possible = GROUPS.into_iter().filter(|(address, _)| bind_address.reaches(*address));
        let places = possible.map(|(address, thread)| {
            let join = move || Group::join_everywhere(address, bind_address);
            MeetingPlace::new(address, thread, join)
        });
        Lan::start_at(places.collect(), port, tap)
    }

    fn start_at(places: Vec<MeetingPlace>, port: u16, tap: Tap) -> io::Result<Lan> {
        let cookie = format!("{:x}", fastrand::u32(..));
        let torrents = Mutex::default();
        let shared = Arc::new(LanShared { places, port, cookie, tap, torrents, changed: Condvar::new() });
        shared.places.iter().for_each(MeetingPlace::join);
        // If a thread cannot be started, dropping this ends the threads that were.
        let mut lan = Lan { shared, threads: Vec::new() };
        for (index, place) in lan.shared.places.iter().enumerate() {
            let shared = Arc::clone(&lan.shared);
            let receive = move || shared.places.get(index).map_or((), |place| shared.receive_all(place));
            lan.threads.push(thread::spawn(place.thread, STACK_BYTES, receive)?);
        }
        let shared = Arc::clone(&lan.shared);
        lan.threads.push(thread::spawn("lan", STACK_BYTES, move || shared.announce_all())?);
        Ok(lan)
    }

    /// Announces this torrent every five minutes, and sends the peers that also have it as [`Event::Found`],
    /// until the registration is dropped. If a torrent is registered twice, the later registration counts.
    pub fn announce(&self, info_hash: InfoHash, events: Sender<Event>) -> LanRegistration {
        let due = Instant::now() + BATCHING_DELAY;
        let torrent =
            AnnouncedTorrent { info_hash, events: events.clone(), announced: None, due, early: 0, heard: 0 };
        let mut list = self.shared.list();
        list.torrents.retain(|torrent| torrent.info_hash != info_hash);
        list.torrents.push(torrent);
        drop(list);
        self.shared.changed.notify_all();
        LanRegistration { shared: Arc::clone(&self.shared), info_hash, events }
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.shared.list().is_closed = true;
        self.shared.changed.notify_all();
        self.shared.places.iter().for_each(MeetingPlace::leave);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl LanRegistration {
    /// How well the torrent is supplied with peers. If nobody sends us anything, it is announced before its
    /// time, at growing distances: a packet may have been lost.
    pub fn supply(&self, supply: Supply) {
        if supply == Supply::Nobody {
            self.change(AnnouncedTorrent::hurry);
        }
    }

    /// The host was suspended, or has another address: the groups are joined anew, and the torrent is announced at
    /// once.
    pub fn interrupted(&self) {
        self.shared.list().interrupted(Instant::now());
        self.change(|torrent| (torrent.due, torrent.early) = (Instant::now(), 0));
    }

    /// How it stands.
    pub fn sight(&self, now: Instant) -> SourceSight {
        let groups = self.shared.places.iter().filter(|place| place.group().is_some()).count();
        let list = self.shared.list();
        let ours = list.torrents.iter().find(|one| one.info_hash == self.info_hash);
        let heard = ours.map_or(0, |ours| ours.heard);
        let announces = self.shared.port != 0 && groups > 0;
        let last =
            if groups > 0 { format!("{heard} announces heard") } else { "no network to join".to_owned() };
        SourceSight {
            kind: "LAN",
            name: format!("{groups} multicast groups"),
            last,
            is_trouble: groups == 0,
            next: ours.filter(|_| announces).map(|ours| ours.due.saturating_duration_since(now)),
        }
    }

    fn change(&self, change: impl Fn(&mut AnnouncedTorrent)) {
        self.shared.list().torrents.iter_mut().filter(|one| one.info_hash == self.info_hash).for_each(change);
        self.shared.changed.notify_all();
    }
}

impl AnnouncedTorrent {
    /// Brings the next announce forward, unless it is before its time already.
    fn hurry(&mut self) {
        let wait = BETWEEN_PACKETS.saturating_mul(2_u32.saturating_pow(self.early));
        if let Some(announced) = self.announced
            && self.due == announced + INTERVAL
            && wait < INTERVAL
        {
            self.due = announced + wait;
            self.early += 1;
        }
    }
}

impl Drop for LanRegistration {
    fn drop(&mut self) {
        let ours =
            |one: &AnnouncedTorrent| one.info_hash == self.info_hash && one.events.same_channel(&self.events);
        self.shared.list().torrents.retain(|torrent| !ours(torrent));
    }
}

impl LanShared {
    fn list(&self) -> MutexGuard<'_, TorrentList> {
        lock(&self.torrents)
    }

    /// The life of a thread that receives what others announce.
    fn receive_all(&self, place: &MeetingPlace) {
        let mut bucket = TokenBucket::new(MAX_PACKETS, Instant::now());
        while let Some(group) = self.wait_for_group(place) {
            self.receive_from(&group, &mut bucket);
            place.has_ended(&group);
        }
    }

    /// The group, once we are in it. `None` at the end.
    fn wait_for_group(&self, place: &MeetingPlace) -> Option<Arc<Group>> {
        let mut list = self.list();
        while !list.is_closed {
            if let Some(group) = place.group() {
                return Some(group);
            }
            list = self.changed.wait_timeout(list, INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    /// Receives what others announce, until we leave the group.
    fn receive_from(&self, group: &Group, bucket: &mut TokenBucket) {
        let mut packet = [0; PACKET_BYTES];
        loop {
            let (length, from) = match group.receive(&mut packet, Instant::now() + INTERVAL) {
                Ok(Some(packet)) => packet,
                Ok(None) => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => return,
                Err(error) => {
                    return debug!("local discovery has stopped: {}", reason(&error));
                }
            };
            let now = Instant::now();
            let packet = packet.get(..length).unwrap_or_default();
            if bucket.has(1, now)
                && length < PACKET_BYTES
                && group.our_addresses().into_iter().any(|ours| is_near(from.ip(), ours))
                && self.receive(packet, from)
            {
                bucket.take(now);
                self.tap.tell(|| {
                    Seen::Packet(Protocol::Lan, Direction::In, [group.address(), from], packet.to_vec())
                });
            }
        }
    }

    /// Tells the coordinators whose torrents this packet names. Returns whether there is one. The peer's
    /// address is the source of the packet with the port in it; a link-local address keeps its interface.
    fn receive(&self, packet: &[u8], mut from: SocketAddr) -> bool {
        let Some(packet) = SearchPacket::from_wire(packet) else {
            debug!("{from}: not a local announce");
            return false;
        };
        if packet.cookie.eq_ignore_ascii_case(self.cookie.as_bytes()) {
            return false;
        }
        from.set_port(packet.port);
        let mut is_ours = false;
        let mut list = self.list();
        for torrent in list.torrents.iter_mut().filter(|one| packet.info_hashes.contains(&one.info_hash)) {
            // If the inbox is full, the peer is found again with its next announce.
            let _ = torrent.events.try_send(Event::Found(Source::Lan, vec![from]));
            torrent.heard = torrent.heard.saturating_add(1);
            is_ours = true;
        }
        is_ours
    }

    /// The life of the thread that announces what we have.
    fn announce_all(&self) {
        let mut next_packet = Instant::now();
        let mut list = self.list();
        while !list.is_closed {
            if std::mem::take(&mut list.joins_anew) {
                drop(list);
                self.places.iter().for_each(MeetingPlace::join);
                list = self.list();
                // Those who receive wait for this. Nothing was said in this network yet.
                self.changed.notify_all();
                next_packet = Instant::now();
                continue;
            }
            let now = Instant::now();
            let first_due = list.torrents.iter().map(|torrent| torrent.due).min().filter(|_| self.port != 0);
            let until = first_due.map_or(now + INTERVAL, |due| due.max(next_packet));
            if now < until {
                let waited = self.changed.wait_timeout(list, until - now);
                list = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            next_packet = now + BETWEEN_PACKETS;
            let info_hashes = list.take_due(now);
            drop(list);
            self.announce(&info_hashes);
            list = self.list();
        }
    }

    fn announce(&self, info_hashes: &[InfoHash]) {
        for (address, group) in self.places.iter().filter_map(|place| Some((place.address, place.group()?))) {
            let packet = SearchPacket::to_wire(address, self.port, info_hashes, &self.cookie);
            for from in group.sends_from() {
                self.tap
                    .tell(|| Seen::Packet(Protocol::Lan, Direction::Out, [from, address], packet.clone()));
            }
            if let Err(error) = group.send(&packet) {
                debug!("cannot announce on {address}: {}", reason(&error));
            }
        }
    }
}

impl TorrentList {
    /// The groups are to be joined anew, once for all torrents.
    fn interrupted(&mut self, now: Instant) {
        let is_same = |then| now.saturating_duration_since(then) < ONE_INTERRUPTION;
        if !self.interrupted.is_some_and(is_same) {
            (self.interrupted, self.joins_anew) = (Some(now), true);
        }
    }

    /// The torrents to announce now, as many as fit into one packet, those that have waited longest first.
    /// They are due again after [`INTERVAL`].
    fn take_due(&mut self, now: Instant) -> Vec<InfoHash> {
        let mut info_hashes = Vec::new();
        while info_hashes.len() < MAX_HASHES
            && let Some(torrent) = self.torrents.iter_mut().min_by_key(|torrent| torrent.due)
            && torrent.due <= now
        {
            (torrent.announced, torrent.due) = (Some(now), now + INTERVAL);
            info_hashes.push(torrent.info_hash);
        }
        info_hashes
    }
}

/// Whether a packet from this address can come from our own network: the address is local, or its first 24
/// bits (IPv4) or 64 bits (IPv6) are those of ours. The latter is needed because hosts on a local network may
/// have public addresses, as they mostly do with IPv6. Without this check a forged source could make us
/// connect to any host in the world.
fn is_near(from: IpAddr, ours: IpAddr) -> bool {
    match (from, ours) {
        (IpAddr::V4(four), IpAddr::V4(ours)) => {
            is_local(from) || four.octets().starts_with(ours.octets().get(..3).unwrap_or_default())
        }
        (IpAddr::V6(six), IpAddr::V6(ours)) => {
            is_local(from) || six.segments().starts_with(ours.segments().get(..4).unwrap_or_default())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
