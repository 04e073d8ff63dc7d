//! A scene in a few lines: who is there, on which lines, and when. Running it gives a report.

use crate::host::Host;
use crate::link::{Line, LineState};
use crate::real_host::RealHost;
use crate::report::Report;
use crate::stub::{Lies, Manners, Stub};
use crate::tracker::Manner;
use crate::web_server::{WebManners, WebServer};
use crate::world::{Happening, Resident, World};
use femtotorrent::metainfo::InfoHash;
use femtotorrent::piece::{Bitfield, Geometry};
use femtotorrent::strategy::{Approach, Encryption, PieceOrder, Supply};
use femtotorrent::swarm::{Limits, SeedGoals, Settings, UploadPolicy};
use femtotorrent::wire::PeerId;
use std::collections::HashSet;
use std::hash::Hasher;
use std::net::SocketAddr;
use std::time::Duration;

pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * 1024;
/// Bytes in a kilobyte and a megabyte, as rates are counted.
pub const KB: u64 = 1000;
pub const MB: u64 = 1_000_000;

const PORT: u16 = 6881;
pub const INFO_HASH: InfoHash = InfoHash([7; 20]);
/// The memory for pieces that the program takes by default.
const MEMORY: u64 = 32 * MIB;
/// A download that takes so many times its ideal, and this longer, does not end.
const PATIENCE_FACTOR: u32 = 30;
const PATIENCE: Duration = Duration::from_secs(600);
/// When all is done, this much time passes until the world is looked at.
const SETTLING: Duration = Duration::from_secs(5);

/// Milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Seconds.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a member of a scene runs.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A coordinator that has everything.
    Seed,
    /// A coordinator that has nothing yet; afterwards it seeds, or it leaves.
    Leecher { seeds: bool },
    /// A scripted seeder.
    Stub(Manners),
    /// A web server that the torrent names.
    WebServer(WebManners),
    /// Nothing: an address at which no host answers.
    Dead,
}

/// Where a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a network of its own.
    Anywhere,
    /// In this network, of 24 bits, with others.
    Network(u8),
    /// At a port of this host.
    Host(u8),
}

/// A host of a scene.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    kind: Kind,
    line: Line,
    joins: Duration,
    place: Place,
    /// It is there for the first time and away for the second, by turns.
    comes_and_goes: Option<(Duration, Duration)>,
    /// It takes and makes only connections that begin so.
    takes: Option<Approach>,
}

/// What a host asked for, and when it had everything.
pub struct Observed {
    /// When each tracker was announced to.
    pub asked: Vec<Vec<Duration>>,
    /// When the host said how well it is supplied with peers.
    pub supplies: Vec<(Duration, Supply)>,
    pub completed: Option<Duration>,
}

/// A swarm to be run.
#[derive(Clone, Debug)]
pub struct Scene {
    seed: u64,
    geometry: Geometry,
    max_peers: usize,
    memory: u64,
    download_limit: Option<u64>,
    reader: Option<u64>,
    members: Vec<Member>,
}

impl Member {
    fn new(kind: Kind) -> Member {
        let line = Line { up: MB, down: 12 * MB + 500 * KB, round_trip: ms(20), loss: 0.0, queue: None };
        Member {
            kind,
            line,
            joins: Duration::ZERO,
            place: Place::Anywhere,
            comes_and_goes: None,
            takes: None,
        }
    }

    /// A coordinator that has everything.
    pub fn seed() -> Member {
        Member::new(Kind::Seed)
    }

    /// A coordinator that has nothing and seeds when it has everything.
    pub fn leecher() -> Member {
        Member::new(Kind::Leecher { seeds: true })
    }

    /// A scripted seeder of good manners.
    pub fn stub() -> Member {
        Member::stub_that(Manners::default())
    }

    /// A scripted seeder.
    pub fn stub_that(manners: Manners) -> Member {
        Member::new(Kind::Stub(manners))
    }

    /// An address at which no host answers.
    pub fn dead() -> Member {
        Member::new(Kind::Dead)
    }

    /// A leecher: it leaves when it has everything.
    pub fn leaves(self) -> Member {
        Member { kind: Kind::Leecher { seeds: false }, ..self }
    }

    /// A web server that the torrent names (BEP 19).
    pub fn web_server(manners: WebManners) -> Member {
        Member::new(Kind::WebServer(manners))
    }

    /// Bytes a second that it sends.
    pub fn up(self, up: u64) -> Member {
        Member { line: Line { up, ..self.line }, ..self }
    }

    /// Bytes a second that it receives.
    pub fn down(self, down: u64) -> Member {
        Member { line: Line { down, ..self.line }, ..self }
    }

    /// Its part of each round trip.
    pub fn round_trip(self, round_trip: Duration) -> Member {
        Member { line: Line { round_trip, ..self.line }, ..self }
    }

    /// The part of its blocks that is lost on the way and sent again.
    pub fn loss(self, loss: f64) -> Member {
        Member { line: Line { loss, ..self.line }, ..self }
    }

    /// As much waits in front of its downlink as comes in this time: what comes beyond that is dropped and sent again.
    pub fn queue(self, queue: Duration) -> Member {
        Member { line: Line { queue: Some(queue), ..self.line }, ..self }
    }

    /// It is in this network, of 24 bits, with others.
    pub fn in_network(self, number: u8) -> Member {
        Member { place: Place::Network(number), ..self }
    }

    /// It is at a port of this host, with others at other ports.
    pub fn at_host(self, number: u8) -> Member {
        Member { place: Place::Host(number), ..self }
    }

    /// When it is switched on.
    pub fn joins(self, joins: Duration) -> Member {
        Member { joins, ..self }
    }

    /// It is there for a while and away for a while, by turns.
    pub fn comes_and_goes(self, there: Duration, away: Duration) -> Member {
        Member { comes_and_goes: Some((there, away)), ..self }
    }

    /// It takes and makes only connections that begin so.
    pub fn takes_only(self, approach: Approach) -> Member {
        Member { takes: Some(approach), ..self }
    }

    /// What its user wants about encryption.
    fn encryption(&self) -> Encryption {
        match self.takes {
            None => Encryption::Allow,
            Some(Approach::Plain) => Encryption::Off,
            Some(Approach::Encrypted) => Encryption::Require,
        }
    }

    pub fn is_liar(&self) -> bool {
        matches!(self.kind, Kind::Stub(manners) if manners.lies != Lies::None)
            || matches!(self.kind, Kind::WebServer(manners) if manners.lies)
    }

    pub fn is_leecher(&self) -> bool {
        matches!(self.kind, Kind::Leecher { .. })
    }

    /// Where it is, as the host of this number.
    fn address(&self, number: usize) -> SocketAddr {
        let [high, low] = [(number / 200) as u8, (number % 200) as u8];
        match self.place {
            // So that no rule about neighbours applies.
            Place::Anywhere => SocketAddr::from(([50, high, low, 7], PORT)),
            Place::Network(network) => SocketAddr::from(([51, high, network, low], PORT)),
            Place::Host(host) => SocketAddr::from(([52, 1, host, 7], PORT + number as u16)),
        }
    }

    /// The bytes a second that it can give to others, on average.
    fn gives(&self) -> f64 {
        let share = self
            .comes_and_goes
            .map_or(1.0, |(there, away)| there.as_secs_f64() / (there + away).as_secs_f64());
        match self.kind {
            Kind::Dead => 0.0,
            Kind::Stub(manners) if manners.silent || manners.mute || manners.never_asks || self.is_liar() => {
                0.0
            }
            Kind::WebServer(manners) if manners.lies || manners.silent => 0.0,
            // Half of the time it sends nothing.
            Kind::Stub(manners) if manners.flaps.is_some() => self.line.up as f64 / 2.0,
            _ => self.line.up as f64 * share,
        }
    }
}

impl Scene {
    /// A torrent of this size, and chance from this seed.
    pub fn new(seed: u64, payload: u64, piece_length: u64) -> Scene {
        let geometry = Geometry::new(payload, piece_length as u32).unwrap();
        let (max_peers, memory, members) = (50, MEMORY, Vec::new());
        Scene { seed, geometry, max_peers, memory, download_limit: None, reader: None, members }
    }

    /// So many hosts of one kind.
    pub fn with(mut self, count: usize, member: Member) -> Scene {
        self.members.extend(std::iter::repeat_n(member, count));
        self
    }

    /// The most peers that a coordinator takes: by default 50.
    pub fn max_peers(self, max_peers: usize) -> Scene {
        Scene { max_peers, ..self }
    }

    /// The memory for pieces that a coordinator takes: by default what the program takes.
    pub fn memory(self, memory: u64) -> Scene {
        Scene { memory, ..self }
    }

    /// The download limit that the user sets: of what is asked for, since nothing here holds back what comes.
    pub fn download_limit(self, bytes: u64) -> Scene {
        Scene { download_limit: Some(bytes), ..self }
    }

    /// Every leecher writes the payload out, and its reader takes so many bytes a second.
    pub fn read_at(self, bytes: u64) -> Scene {
        Scene { reader: Some(bytes), ..self }
    }

    /// How long the slowest leecher needs where no bandwidth is wasted and no time is lost: the well-known bound of
    /// a swarm as a fluid. Everything has to leave the seeds once, to pass each downlink, and to be sent to
    /// every leecher by somebody.
    pub fn ideal(&self) -> Duration {
        let payload = self.geometry.total_size() as f64;
        let leechers = || self.members.iter().filter(|member| member.is_leecher());
        let of_seeds: f64 =
            self.members.iter().filter(|member| !member.is_leecher()).map(Member::gives).sum();
        let of_leechers: f64 = leechers().map(Member::gives).sum();
        let slowest = leechers().map(|member| member.line.down).min().unwrap_or(u64::MAX);
        let slowest = slowest.min(self.reader.unwrap_or(u64::MAX));
        let all = payload * leechers().count() as f64 / (of_seeds + of_leechers);
        Duration::from_secs_f64((payload / of_seeds).max(payload / slowest as f64).max(all))
    }

    /// Lets the swarm live until every leecher has everything, or until it is clear that this will not be.
    pub fn run(&self) -> Report {
        let limit = self.ideal() * PATIENCE_FACTOR + PATIENCE;
        let mut world = self.world(limit);
        let leechers: Vec<usize> =
            (0..self.members.len()).filter(|host| self.members[*host].is_leecher()).collect();
        let is_done = |world: &World| leechers.iter().all(|host| world.residents[*host].completed.is_some());
        world.run(limit, is_done);
        let ended = is_done(&world);
        let end = world.clock.passed();
        world.run(end + SETTLING, |_| false);
        let time_of =
            |host: &usize| world.residents[*host].completed.map(|at| at - self.members[*host].joins);
        let times: Vec<Option<Duration>> = leechers.iter().map(time_of).collect();
        let most_copies = world.tally.received.values().max().copied().unwrap_or(0);
        let received: u64 = (world.tally.received.iter())
            .map(|((_, block), times)| u64::from(self.geometry.block_length(*block)) * u64::from(*times))
            .sum();
        let banned: HashSet<SocketAddr> = world.hosts.iter().flat_map(|host| host.banned()).collect();
        let is_banned = |(number, _): &(usize, &Member)| banned.contains(&world.residents[*number].address);
        let (liars, honest) = (self.members.iter().enumerate())
            .filter(is_banned)
            .partition::<Vec<_>, _>(|(_, member)| member.is_liar());
        Report {
            failures: world.hosts.iter().map(|host| host.failures()).sum(),
            most_held: world.hosts.iter().map(|host| host.most_held()).max().unwrap_or(0),
            liars_banned: liars.len(),
            honest_banned: honest.len(),
            times,
            ended,
            ideal: self.ideal(),
            payload: self.geometry.total_size() * leechers.len() as u64,
            sent: world.tally.sent,
            sent_by_servers: world.tally.sent_by_servers,
            cuts: world.hosts.iter().map(|host| host.cuts()).sum(),
            received,
            most_copies,
            stored: world.tally.stored,
            stored_again: world.tally.stored_again,
            expected_pieces: self.geometry.piece_count() * leechers.len() as u32,
            owed: world.hosts.iter().map(|host| host.owed()).sum(),
            waiting: world.hosts.iter().map(|host| host.waiting()).sum(),
            trace: world.tally.trace.finish(),
        }
    }

    /// Lets the swarm live for so long, and looks at what its first host asked of these trackers.
    pub fn observe(&self, manners: &[Manner], time: Duration) -> Observed {
        let mut world = self.world(time);
        world.manners = manners.to_vec();
        world.run(time, |_| false);
        let host = &mut world.residents[0];
        let asked = host.trackers.drain(..).map(|tracker| tracker.asked).collect();
        Observed { asked, supplies: std::mem::take(&mut host.supplies), completed: host.completed }
    }

    /// The world in which that swarm lives, for so long at most.
    fn world(&self, limit: Duration) -> World {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut world = World::new(self.geometry, random.fork());
        for (number, member) in self.members.iter().enumerate() {
            let address = member.address(number);
            let mut peer_id = PeerId(*b"-SIM000-000000000000");
            peer_id.0[8..16].copy_from_slice(&random.u64(..).to_be_bytes());
            let mut resident = Resident::new(address, peer_id);
            resident.is_dead = matches!(member.kind, Kind::Dead);
            resident.takes = member.takes;
            resident.disk_rate = self.reader.unwrap_or(resident.disk_rate);
            resident.is_web_server = matches!(member.kind, Kind::WebServer(_));
            world.residents.push(resident);
            world.lines.push(LineState::new(member.line));
            world.hosts.push(self.host(member, peer_id, address.port(), random.fork()));
            let mut at = member.joins;
            world.clock.at(at, Happening::Start(number));
            while let Some((there, away)) = member.comes_and_goes.filter(|_| at < limit) {
                world.clock.at(at + there, Happening::Stop(number));
                at += there + away;
                world.clock.at(at, Happening::Start(number));
            }
        }
        world
    }

    fn host(&self, member: &Member, peer_id: PeerId, port: u16, random: fastrand::Rng) -> Box<dyn Host> {
        let pieces = self.geometry.piece_count();
        let (stored, seeds) = match member.kind {
            Kind::Seed => (Bitfield::all(pieces), true),
            Kind::Leecher { seeds } => (Bitfield::none(pieces), seeds),
            Kind::Stub(manners) => return Box::new(Stub::new(self.geometry, peer_id, port, manners)),
            Kind::WebServer(manners) => {
                return Box::new(WebServer::new(self.geometry, member.line.round_trip, manners));
            }
            Kind::Dead => return Box::new(Stub::new(self.geometry, peer_id, port, Manners::default())),
        };
        let seeding = seeds.then_some(SeedGoals::default());
        let settings = Settings {
            geometry: self.geometry,
            info_hash: INFO_HASH,
            peer_id,
            port: Some(PORT),
            pex: true,
            encryption: member.encryption(),
            download_limit: self.download_limit,
            limits: Limits {
                max_peers: self.max_peers,
                memory: self.memory,
                timeout: None,
                idle_before: Duration::ZERO,
            },
            uploads: UploadPolicy { limit: None, seeding, super_seeding: false },
        };
        let numbered = self.members.iter().enumerate();
        let servers = numbered.filter(|(_, member)| matches!(member.kind, Kind::WebServer(_)));
        let servers = servers.map(|(number, member)| member.address(number)).collect();
        let order = PieceOrder { is_stream: self.reader.is_some(), ..PieceOrder::default() };
        Box::new(RealHost::new(settings, stored, order, servers, random))
    }
}
