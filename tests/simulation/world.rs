//! The simulated world: hosts, wires, trackers, and the order in which things happen.

use crate::clock::Clock;
use crate::host::{Action, End, Host};
use crate::link::{LineState, Pipe};
use crate::message::Segment;
use crate::tracker::{AskedTracker, Manner};
use femtotorrent::message::PeerError;
use femtotorrent::piece::{Block, Geometry, PieceIndex};
use femtotorrent::strategy::{Approach, Supply};
use femtotorrent::wire::PeerId;
use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes a second that every disk writes.
const DISK_RATE: u64 = 100_000_000;

/// What happens at some time.
pub enum Happening {
    /// A host is switched on, or off.
    Start(usize),
    Stop(usize),
    /// A timer of a host is due, unless it was set again since.
    Timer(usize),
    /// Somebody at the other end of this connection attempt hears it.
    Knock {
        from: End,
        to: usize,
    },
    /// The key exchange is over, and the handshake of this end has come to the other one.
    Handshake {
        from: End,
        to: usize,
    },
    /// A connection attempt failed.
    Unreachable(End, PeerError),
    /// Messages of this end have come to the other one.
    Arrive(End, Segment),
    /// The other end reads them.
    Deliver(End, Segment),
    /// What of this end was dropped on the way is sent again.
    SendAgain(End),
    /// The last byte of a block has left.
    BlockSent(End, Block),
    /// There is room on this connection again.
    HasRoom(End),
    /// A host may have to ask a tracker again.
    Announce(usize),
    /// The answer of its tracker of this number is there, in its life of this number.
    TrackerAnswer(usize, u32, usize),
    /// A piece is on the disk of a host, in its life of this number.
    Stored(usize, u32, PieceIndex),
    WriterEnded(usize, u32),
}

/// What the world knows of a host besides its line.
pub struct Resident {
    pub address: SocketAddr,
    pub peer_id: PeerId,
    pub is_on: bool,
    /// The tracker knows it. It never forgets.
    pub announced: bool,
    /// It is an address at which no host answers.
    pub is_dead: bool,
    /// It takes only connections that begin so.
    pub takes: Option<Approach>,
    /// It is a web server, and no tracker knows it.
    pub is_web_server: bool,
    /// How many times it was switched on.
    pub lives: u32,
    pub completed: Option<Duration>,
    timer: Option<Duration>,
    disk_free: Duration,
    /// Bytes a second that its disk takes, or whoever reads what it writes out.
    pub disk_rate: u64,
    /// The trackers that it asks.
    pub trackers: Vec<AskedTracker>,
    /// When it said how well it is supplied with peers.
    pub supplies: Vec<(Duration, Supply)>,
}

/// What is counted.
#[derive(Default)]
pub struct Tally {
    /// Bytes of blocks that were sent.
    pub sent: u64,
    /// Those of them that web servers have sent.
    pub sent_by_servers: u64,
    /// How many times each block came to each host.
    pub received: HashMap<(usize, Block), u32>,
    /// Pieces that were stored, and those of them that were there already.
    pub stored: u32,
    pub stored_again: u32,
    /// Of everything that was heard, with its time.
    pub trace: DefaultHasher,
}

/// A world.
pub struct World {
    pub clock: Clock<Happening>,
    pub geometry: Geometry,
    pub random: fastrand::Rng,
    /// The trackers of the torrent.
    pub manners: Vec<Manner>,
    pub hosts: Vec<Box<dyn Host>>,
    pub residents: Vec<Resident>,
    pub lines: Vec<LineState>,
    pub pipes: HashMap<End, Pipe>,
    pub tally: Tally,
}

impl Resident {
    pub fn new(address: SocketAddr, peer_id: PeerId) -> Resident {
        Resident {
            address,
            peer_id,
            is_on: false,
            announced: false,
            is_dead: false,
            takes: None,
            is_web_server: false,
            lives: 0,
            completed: None,
            timer: None,
            disk_free: Duration::ZERO,
            disk_rate: DISK_RATE,
            trackers: Vec::new(),
            supplies: Vec::new(),
        }
    }
}

impl World {
    /// An empty world in which this torrent is shared.
    pub fn new(geometry: Geometry, random: fastrand::Rng) -> World {
        World {
            clock: Clock::new(),
            geometry,
            random,
            manners: vec![Manner::HttpMinimum(1)],
            hosts: Vec::new(),
            residents: Vec::new(),
            lines: Vec::new(),
            pipes: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Lets time pass until `end`, or until `enough`.
    pub fn run(&mut self, end: Duration, enough: impl Fn(&World) -> bool) {
        while !enough(self)
            && let Some(happening) = self.clock.next(end)
        {
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.clock.now();
        match happening {
            Happening::Start(host) => self.start(host),
            Happening::Stop(host) => self.stop(host),
            Happening::Timer(host) if self.residents[host].timer == Some(self.clock.passed()) => {
                self.residents[host].timer = None;
                let actions = self.hosts[host].wake(now);
                self.carry_out(host, actions);
            }
            Happening::Timer(_) => {}
            Happening::Knock { from, to } => self.knock(from, to),
            Happening::Handshake { from, to } => self.handshake(from, to),
            Happening::Unreachable(end, why) => {
                let was_open = self.pipes.remove(&end).is_some_and(|pipe| !pipe.closed);
                if was_open {
                    let actions = self.hosts[end.host].unreachable(end.key, why, now);
                    self.carry_out(end.host, actions);
                }
            }
            Happening::Arrive(from, segment) => self.arrive(from, segment),
            Happening::Deliver(from, segment) => self.deliver_late(from, segment),
            Happening::SendAgain(from) => self.send_again(from),
            Happening::BlockSent(end, block) => self.block_sent(end, block),
            Happening::HasRoom(end) => self.wants_to_send(end),
            Happening::Announce(host) => self.announce(host),
            Happening::TrackerAnswer(host, life, number) if self.residents[host].lives == life => {
                self.tracker_answers(host, number);
            }
            Happening::Stored(host, life, piece) if self.residents[host].lives == life => {
                let (new, actions) = self.hosts[host].stored(piece, now);
                self.tally.stored += 1;
                self.tally.stored_again += u32::from(!new);
                self.carry_out(host, actions);
            }
            Happening::WriterEnded(host, life) if self.residents[host].lives == life => {
                let actions = self.hosts[host].writer_ended(now);
                self.carry_out(host, actions);
            }
            Happening::TrackerAnswer(..) | Happening::Stored(..) | Happening::WriterEnded(..) => {}
        }
    }

    fn start(&mut self, host: usize) {
        let resident = &mut self.residents[host];
        resident.announced = !resident.is_web_server;
        if resident.is_dead {
            return;
        }
        resident.is_on = true;
        resident.lives += 1;
        let actions = self.hosts[host].start(self.clock.now());
        self.carry_out(host, actions);
    }

    fn stop(&mut self, host: usize) {
        let resident = &mut self.residents[host];
        resident.is_on = false;
        // What it was about to write is lost.
        resident.lives += 1;
        self.hosts[host].stop();
        self.close_all(host);
    }

    fn close_all(&mut self, host: usize) {
        let mut ends: Vec<End> = self.pipes.keys().filter(|end| end.host == host).copied().collect();
        ends.sort();
        ends.into_iter().for_each(|end| self.close(end));
    }

    /// Does what a host wants done.
    pub fn carry_out(&mut self, host: usize, actions: Vec<Action>) {
        let passed = self.clock.passed();
        for action in actions {
            let end = |key| End { host, key };
            match action {
                Action::Dial(key, address) => self.dial(end(key), address),
                Action::Send(key, segment) => self.send(end(key), segment),
                Action::Upload(key) => self.wants_to_send(end(key)),
                Action::Close(key) => self.close(end(key)),
                Action::Write(piece) => {
                    let resident = &mut self.residents[host];
                    let nanoseconds =
                        u64::from(self.geometry.length(piece)) * 1_000_000_000 / resident.disk_rate;
                    resident.disk_free = resident.disk_free.max(passed) + Duration::from_nanos(nanoseconds);
                    self.clock.at(resident.disk_free, Happening::Stored(host, resident.lives, piece));
                }
                Action::FinishWriting => {
                    let resident = &self.residents[host];
                    self.clock.at(resident.disk_free, Happening::WriterEnded(host, resident.lives));
                }
                Action::AskTrackers => self.ask_trackers(host),
                Action::Supply(supply) => self.supplied(host, supply),
                Action::Complete => self.residents[host].completed = Some(passed),
                Action::Ended => {
                    self.residents[host].is_on = false;
                    self.close_all(host);
                }
            }
        }
        self.set_timer(host);
    }

    /// Sets the timer of a host, which may have another by now.
    pub fn set_timer(&mut self, host: usize) {
        let Some(due) = self.hosts[host].next_timer() else { return };
        let due = self.clock.since_start(due);
        let resident = &mut self.residents[host];
        if resident.timer.is_none_or(|before| due < before) {
            resident.timer = Some(due.max(self.clock.passed()));
            self.clock.at(due, Happening::Timer(host));
        }
    }

    /// Connects: one round trip for TCP, and half of one for the first bytes to come. A key exchange takes a round
    /// trip more; it is simulated only with hosts that do not take both.
    fn dial(&mut self, from: End, address: SocketAddr) {
        let to = self.residents.iter().position(|resident| resident.address == address);
        let Some(to) = to.filter(|to| !self.residents[*to].is_dead) else {
            // Nothing ever comes back. The host gives up when it likes.
            self.pipes.insert(from, Pipe::default());
            return;
        };
        let latency = (self.lines[from.host].line.round_trip + self.lines[to].line.round_trip) / 2;
        self.pipes.insert(from, Pipe::new(latency, None));
        self.clock.after(latency * 3, Happening::Knock { from, to });
    }

    fn knock(&mut self, from: End, to: usize) {
        let Some(latency) = self.pipes.get(&from).filter(|pipe| !pipe.closed).map(|pipe| pipe.latency) else {
            return;
        };
        if !self.residents[to].is_on || to == from.host {
            let why = if to == from.host {
                PeerError::Ourselves
            } else {
                PeerError::Connect(io::ErrorKind::ConnectionRefused.into())
            };
            return self.clock.after(latency, Happening::Unreachable(from, why));
        }
        let Some(takes) = self.residents[to].takes else { return self.handshake(from, to) };
        // The end that calls decides how to begin when the connection is there.
        let (began, actions) = self.hosts[from.host].begin(from.key, self.clock.now());
        match began {
            Some(began) if began != takes => {
                self.clock.after(latency, Happening::Unreachable(from, PeerError::Closed));
            }
            Some(Approach::Plain) => self.handshake(from, to),
            Some(Approach::Encrypted) => self.clock.after(latency * 2, Happening::Handshake { from, to }),
            None => {}
        }
        self.carry_out(from.host, actions);
    }

    fn handshake(&mut self, from: End, to: usize) {
        let Some(latency) = self.pipes.get(&from).filter(|pipe| !pipe.closed).map(|pipe| pipe.latency) else {
            return;
        };
        let caller = &self.residents[from.host];
        // Each connection leaves from a port of its own.
        let port = 40_000 + (from.key.0 % 20_000) as u16;
        let (address, peer_id) = (SocketAddr::new(caller.address.ip(), port), caller.peer_id);
        let (key, actions) = self.hosts[to].incoming(address, peer_id, self.clock.now());
        match key {
            Some(key) => self.join(from, End { host: to, key }, latency),
            None => self.clock.after(latency, Happening::Unreachable(from, PeerError::Closed)),
        }
        self.carry_out(to, actions);
    }

    fn join(&mut self, one: End, two: End, latency: Duration) {
        if let Some(pipe) = self.pipes.get_mut(&one) {
            pipe.other = Some(two);
        }
        self.pipes.insert(two, Pipe::new(latency, Some(one)));
    }
}
