//! Finding peers on the local network (BEP 14).
//!
//! Whoever has a torrent says so to everybody near, by multicast, and hears the others say it. Threads:
//! `lan-4` and `lan-6` each block on what their group says, and `lan` on what is to be said next. Anybody
//! near can send anything, so: a packet makes us know one address, its own, of torrents that we take part
//! in, and only so many a second. Nothing is answered, because whoever we hear of we connect to.

mod search_packet;

pub use search_packet::{MAX_HASHES, SearchPacket};

use super::spawn;
use crate::address::is_local;
use crate::message::Event;
use crate::metainfo::InfoHash;
use crate::net::{BindAddress, Group};
use crate::strategy::Source;
use crossbeam_channel::Sender;
use log::debug;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Where everybody meets (BEP 14, "Multicast groups"), and their threads.
const MEETINGS: [(SocketAddr, &str); 2] = [
    (SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 192, 152, 143)), PORT), "lan-4"),
    (SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f)), PORT), "lan-6"),
];
const PORT: u16 = 6771;
/// How long it takes until a torrent is announced again (BEP 14, "Announce").
const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How long it takes from one packet of announces to the next, whatever they are for (BEP 14, "Announce").
const BETWEEN_PACKETS: Duration = Duration::from_secs(60);
/// How long a new torrent waits for others to be announced with it: a run starts with all of its torrents.
const COMPANY: Duration = Duration::from_millis(100);
/// Packets a second that tell us of a peer, of each family. A hundred hosts with ten packets of torrents
/// each send four.
const MAX_PACKETS: u32 = 50;
/// The largest packet that is looked at, and one byte.
const PACKET_BYTES: usize = 1501;

/// Says on the local network what we have and hears what others have, until it is dropped.
#[derive(Debug)]
pub struct Lan {
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
}

/// A torrent that is announced on the local network, until this is dropped.
#[derive(Debug)]
pub struct LanRegistration {
    desk: Arc<Desk>,
    info_hash: InfoHash,
    events: Sender<Event>,
}

/// A group that we are in.
#[derive(Debug)]
struct Meeting {
    group: Group,
    /// What everybody calls it.
    address: SocketAddr,
    /// Who listens there.
    thread: &'static str,
}

/// What the threads share.
#[derive(Debug)]
struct Desk {
    meetings: Vec<Meeting>,
    /// The port that peers come in at.
    port: u16,
    /// In each packet of ours, so that we know them from those of others.
    cookie: String,
    list: Mutex<List>,
    /// There is a new torrent, or the end has come.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct List {
    /// Few, so that looking at all of them is nothing.
    torrents: Vec<Torrent>,
    is_closed: bool,
}

#[derive(Debug)]
struct Torrent {
    info_hash: InfoHash,
    events: Sender<Event>,
    /// When it is to be announced.
    due: Instant,
}

impl Lan {
    /// Begins to listen, and to say that peers find us at this port. Where that is zero nothing is said.
    ///
    /// A host that can be in no group, for want of a network or because a program has the port for
    /// itself, is no error: it finds nobody.
    ///
    /// # Errors
    ///
    /// Where a thread cannot be started.
    pub fn start(bind_address: BindAddress, port: u16) -> io::Result<Lan> {
        let cookie = format!("{:x}", fastrand::u32(..));
        let mut meetings = Vec::new();
        for (address, thread) in MEETINGS {
            match Group::join(address, bind_address) {
                Ok(group) => meetings.push(Meeting { group, address, thread }),
                Err(error) => debug!("no peers are found through {address}: {error}"),
            }
        }
        let desk = Arc::new(Desk { meetings, port, cookie, list: Mutex::default(), changed: Condvar::new() });
        // Where a thread cannot be started, dropping this ends those that are.
        let mut lan = Lan { desk, threads: Vec::new() };
        for (index, meeting) in lan.desk.meetings.iter().enumerate() {
            let desk = Arc::clone(&lan.desk);
            let listen = move || desk.meetings.get(index).map_or((), |meeting| desk.listen(&meeting.group));
            lan.threads.push(spawn(meeting.thread, Box::new(listen))?);
        }
        if port != 0 && !lan.threads.is_empty() {
            let desk = Arc::clone(&lan.desk);
            lan.threads.push(spawn("lan", Box::new(move || desk.speak()))?);
        }
        Ok(lan)
    }

    /// Announces this torrent now and then, and sends who else has it as [`Event::Found`], until the
    /// registration is dropped. Where a torrent is registered twice, the later one counts.
    pub fn announce(&self, info_hash: InfoHash, events: Sender<Event>) -> LanRegistration {
        let torrent = Torrent { info_hash, events: events.clone(), due: Instant::now() + COMPANY };
        let mut list = self.desk.list();
        list.torrents.retain(|torrent| torrent.info_hash != info_hash);
        list.torrents.push(torrent);
        drop(list);
        self.desk.changed.notify_all();
        LanRegistration { desk: Arc::clone(&self.desk), info_hash, events }
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.desk.list().is_closed = true;
        self.desk.changed.notify_all();
        self.desk.meetings.iter().for_each(|meeting| meeting.group.hang_up());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for LanRegistration {
    fn drop(&mut self) {
        let ours = |one: &Torrent| one.info_hash == self.info_hash && one.events.same_channel(&self.events);
        self.desk.list().torrents.retain(|torrent| !ours(torrent));
    }
}

impl Desk {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread that hears what others say.
    fn listen(&self, group: &Group) {
        let mut packet = [0; PACKET_BYTES];
        let (mut second, mut heard) = (Instant::now(), 0);
        loop {
            let (length, from) = match group.hear(&mut packet, Instant::now() + INTERVAL) {
                Ok(Some(packet)) => packet,
                Ok(None) => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => return,
                Err(error) => return debug!("no more peers are found on the local network: {error}"),
            };
            if second.elapsed() >= Duration::from_secs(1) {
                (second, heard) = (Instant::now(), 0);
            }
            if heard < MAX_PACKETS
                && length < PACKET_BYTES
                && is_near(from.ip(), group.ours())
                && self.hear(packet.get(..length).unwrap_or_default(), from)
            {
                heard += 1;
            }
        }
    }

    /// Tells the coordinators whose torrents this packet names. Whether there is one.
    fn hear(&self, packet: &[u8], mut from: SocketAddr) -> bool {
        let Some(packet) = SearchPacket::from_wire(packet) else {
            debug!("{from}: what it says on the local network is no announce");
            return false;
        };
        if packet.cookie.eq_ignore_ascii_case(self.cookie.as_bytes()) {
            return false;
        }
        from.set_port(packet.port);
        let mut is_ours = false;
        let list = self.list();
        for torrent in list.torrents.iter().filter(|one| packet.info_hashes.contains(&one.info_hash)) {
            // A full inbox hears it the next time.
            let _ = torrent.events.try_send(Event::Found(Source::Lan, vec![from]));
            is_ours = true;
        }
        is_ours
    }

    /// The life of the thread that says what we have.
    fn speak(&self) {
        let mut next_packet = Instant::now();
        let mut list = self.list();
        while !list.is_closed {
            let now = Instant::now();
            let first_due = list.torrents.iter().map(|torrent| torrent.due).min();
            let until = first_due.map_or(now + INTERVAL, |due| due.max(next_packet));
            if now < until {
                let waited = self.changed.wait_timeout(list, until - now);
                list = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            next_packet = now + BETWEEN_PACKETS;
            let info_hashes = list.take_due(now);
            drop(list);
            self.say(&info_hashes);
            list = self.list();
        }
    }

    fn say(&self, info_hashes: &[InfoHash]) {
        for Meeting { group, address, .. } in &self.meetings {
            let packet = SearchPacket::to_wire(*address, self.port, info_hashes, &self.cookie);
            if let Err(error) = group.say(&packet) {
                debug!("cannot announce through {address}: {error}");
            }
        }
    }
}

impl List {
    /// The torrents that are to be announced now, as many as one packet takes, those first that have waited
    /// longest. They are due again later.
    fn take_due(&mut self, now: Instant) -> Vec<InfoHash> {
        let mut info_hashes = Vec::new();
        while info_hashes.len() < MAX_HASHES
            && let Some(torrent) = self.torrents.iter_mut().min_by_key(|torrent| torrent.due)
            && torrent.due <= now
        {
            torrent.due = now + INTERVAL;
            info_hashes.push(torrent.info_hash);
        }
        info_hashes
    }
}

/// Whether a packet from there can come from our own network: its address is one that is used in no other
/// place, or it starts as ours does. We must not be made to connect to anybody in the world.
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
