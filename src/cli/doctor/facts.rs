//! What was found out about a torrent, this host and the peers: values, and no sentences about what to do.
//!
//! Pure. `report` shows all of it, and `verdict` chooses what matters.

use crate::cli::exit::Exit;
use crate::message::{PeerError, Snapshot, Stall, Wait};
use crate::net::server_clock::{DOUBT, FAR_OFF};
use crate::tracker::Scrape;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The most addresses of peers that are remembered, and the most trackers.
const MOST_PEERS: usize = 10_000;
const MOST_TRACKERS: usize = 1_000;
const MOST_WEB_SEEDS: usize = 100;

/// All of it.
#[derive(Debug, Default)]
pub struct Facts {
    /// The clock of this host.
    pub clock: Clock,
    /// The host names that were looked up, and how many addresses each has, or why it has none.
    pub names: Vec<(String, Result<usize, String>)>,
    /// How many trackers there are to ask.
    pub trackers: usize,
    /// Each tracker's numbers of the torrent.
    pub scrapes: Vec<(String, Result<Scrape, String>)>,
    /// Our addresses of IPv4 and IPv6, where there is a way to the internet.
    pub routes: [Option<IpAddr>; 2],
    /// Nodes of the DHT over IPv4 and IPv6 that have answered. `None` where it is not asked.
    pub nodes: Option<[usize; 2]>,
    /// The port at which we listen.
    pub port: Option<u16>,
    /// Whether peers outside can reach us, as far as that is known.
    pub reach: Option<String>,
    /// The folder of the payload.
    pub folder: Folder,
    /// How many files may be open, and how many peers can be connected with that.
    pub open_files: u64,
    pub room_for: usize,
    /// What the trial has seen.
    pub seen: Seen,
    /// How it ended.
    pub end: End,
    /// Whether peers are connected in the open only.
    pub is_never_encrypted: bool,
    /// Whether only the torrent's own trackers may be asked.
    pub is_private: bool,
}

impl Facts {
    /// What said that a certificate is expired or not valid yet, and that, if nothing has shown that our clock is right.
    pub fn doubt_of_the_clock(&self) -> Option<(&str, &str)> {
        let of_web_seeds = self.seen.web_seeds.iter().map(|(name, said)| (name, said.as_ref().err()));
        let of_trackers = self.seen.trackers.iter().map(|(name, said)| (name, said.as_ref().err()));
        let mut said = of_trackers.chain(of_web_seeds).filter_map(|(name, why)| Some((&**name, &**why?)));
        said.find(|(_, why)| why.contains(DOUBT) && self.clock == Clock::Alone)
    }
}

/// The clock of this host beside another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// There was nothing to compare it with, and it may be right.
    #[default]
    Alone,
    /// It is so many seconds ahead of the clock of this host, or behind it if that is negative.
    Beside(i64, String),
    /// It is earlier than this, which has been already.
    Before(&'static str),
}

impl Clock {
    /// What the clock is by itself, at a time in seconds since 1970: the torrent may have a date, and this program has
    /// one.
    pub fn alone(now: u64, created: Option<u64>, built: u64) -> Clock {
        match created {
            _ if now < built => Clock::Before("this program was made"),
            Some(created) if created > now.saturating_add(FAR_OFF) => Clock::Before("the torrent was made"),
            _ => Clock::Alone,
        }
    }

    /// Whether it is wrong by more than a day.
    pub fn is_wrong(&self) -> bool {
        match self {
            Clock::Alone => false,
            Clock::Beside(ahead, _) => ahead.unsigned_abs() > FAR_OFF,
            Clock::Before(_) => true,
        }
    }
}

/// The folder of the payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folder {
    /// Its name, fit to print.
    pub name: String,
    /// Bytes a second that it takes, or why it takes none, with the exit code of that.
    pub speed: Option<Result<f64, (Exit, String)>>,
    /// What has its name is no folder.
    pub is_no_folder: bool,
    /// Bytes that are free.
    pub free: Option<u64>,
    /// Bytes that the payload still takes. `None` while that is not known.
    pub needed: Option<u64>,
    /// Why the longest file is too long for it, and the way out.
    pub too_long: Option<(String, String)>,
    /// Why `get` would not begin because of files that are there, with its exit code.
    pub foreign: Option<(Exit, String)>,
    /// Not all files that are there were read: that takes too long.
    pub is_unread: bool,
    /// The lock file of another process that downloads the torrent into it, fit to print.
    pub held: Option<String>,
}

impl Folder {
    /// The bytes that the payload needs and those that are free, if these are too few.
    pub fn shortage(&self) -> Option<(u64, u64)> {
        self.needed.zip(self.free).filter(|(needed, free)| needed > free)
    }
}

/// How the trial ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum End {
    /// A piece came and was right, after this time.
    Came(Duration),
    /// The payload is empty: there is nothing to come.
    Empty,
    /// None came in time, for this reason if one is known.
    Nothing(Option<Stall>),
    /// It could not go on, for this reason.
    Failed(Exit, String),
    /// The user has ended it.
    #[default]
    Interrupted,
}

/// What the trial has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// What each tracker said last to our announces: how many peers it named, or why none.
    pub trackers: Vec<(String, Result<usize, String>)>,
    /// What the web seeds said: that they are asked, or why no more.
    pub web_seeds: Vec<(String, Result<(), String>)>,
    /// What became of each peer.
    peers: HashMap<SocketAddr, Meeting>,
    /// The last state of the run.
    pub snapshot: Snapshot,
    /// The most peers that had everything at one time.
    pub seeds: usize,
    /// The most addresses that were known at one time, of which not all need have been tried.
    pub known: usize,
    /// The largest part of the pieces that a connected peer had: so many, of so many.
    pub best: Option<(u32, u32)>,
    /// The most copies of the torrent that the connected peers had together.
    pub copies: Option<f64>,
    /// So many of the connected peers choked us, of so many.
    pub choking: (usize, usize),
}

/// What became of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Handshakes were exchanged, in the open.
    Plain,
    /// The same, behind a key exchange.
    Encrypted,
    /// Its host refused the connection.
    Refused,
    /// It did not answer.
    Silent,
    /// It took the connection, and did not answer the handshake.
    Mute,
    /// This host has no way to its address.
    NoRoute,
    /// It has another torrent.
    OtherTorrent,
    /// It closed the connection before it had said anything.
    Closed,
    /// The proxy did not lead to it.
    Proxy,
    /// It is this very program, or it failed in another way.
    Other,
}

impl Meeting {
    /// What the end of a connection whose handshakes were not exchanged says.
    pub fn failed(error: &PeerError) -> Meeting {
        match error {
            PeerError::OtherTorrent => Meeting::OtherTorrent,
            PeerError::TimedOut(Wait::Connection) => Meeting::Silent,
            PeerError::TimedOut(Wait::Handshake) => Meeting::Mute,
            PeerError::Proxy(_) => Meeting::Proxy,
            PeerError::Connect(error) if error.kind() == ErrorKind::ConnectionRefused => Meeting::Refused,
            PeerError::Connect(error) if error.kind() == ErrorKind::TimedOut => Meeting::Silent,
            _ if error.is_no_route() => Meeting::NoRoute,
            _ if error.is_by_the_peer() => Meeting::Closed,
            _ => Meeting::Other,
        }
    }

    fn is_greeted(self) -> bool {
        matches!(self, Meeting::Plain | Meeting::Encrypted)
    }
}

impl Seen {
    /// This became of the peer. One that was greeted once can be reached, whatever comes later, and an attempt that we
    /// broke off says less than the one before.
    pub fn met(&mut self, address: SocketAddr, meeting: Meeting) {
        let has_room = self.peers.len() < MOST_PEERS;
        match self.peers.get_mut(&address) {
            Some(known) if known.is_greeted() && !meeting.is_greeted() => {}
            Some(_) if meeting == Meeting::Other => {}
            Some(known) => *known = meeting,
            None if has_room => _ = self.peers.insert(address, meeting),
            None => {}
        }
    }

    /// A tracker said this.
    pub fn heard(&mut self, tracker: String, said: Result<usize, String>) {
        let has_room = self.trackers.len() < MOST_TRACKERS;
        match self.trackers.iter_mut().find(|(known, _)| *known == tracker) {
            // It is asked over both families, and one that knows us over one of them is a good tracker.
            Some((_, known)) if known.is_ok() && said.is_err() => {}
            Some((_, known)) => {
                *known = known.as_ref().ok().copied().max(said.as_ref().ok().copied()).map_or(said, Ok)
            }
            None if has_room => self.trackers.push((tracker, said)),
            None => {}
        }
    }

    /// This web seed is asked, or is asked no more for this reason.
    pub fn asked(&mut self, web_seed: String, said: Result<(), String>) {
        let has_room = self.web_seeds.len() < MOST_WEB_SEEDS;
        match self.web_seeds.iter_mut().find(|(known, _)| *known == web_seed) {
            Some((_, known)) => *known = said,
            None if has_room => self.web_seeds.push((web_seed, said)),
            None => {}
        }
    }

    /// The run stands like this.
    pub fn stands(&mut self, snapshot: Snapshot) {
        self.seeds = self.seeds.max(snapshot.seeds);
        self.known = self.known.max(snapshot.known);
        let more = |known: f64| snapshot.copies.map_or(known, |copies| copies.max(known));
        self.copies = self.copies.map(more).or(snapshot.copies);
        self.snapshot = snapshot;
    }

    /// How many peers this became of.
    pub fn count(&self, meeting: Meeting) -> usize {
        self.peers.values().filter(|one| **one == meeting).count()
    }

    /// How many were found, or came to us.
    pub fn found(&self) -> usize {
        self.tried().max(self.known)
    }

    /// How many were tried or came to us.
    pub fn tried(&self) -> usize {
        self.peers.len()
    }

    /// How many were greeted.
    pub fn greeted(&self) -> usize {
        self.count(Meeting::Plain) + self.count(Meeting::Encrypted)
    }

    /// Whether a peer of IPv4 was greeted, and one of IPv6.
    pub fn greeted_families(&self) -> [bool; 2] {
        let has = |is_v6| {
            self.peers.iter().any(|(address, meeting)| address.is_ipv6() == is_v6 && meeting.is_greeted())
        };
        [has(false), has(true)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_was_greeted_once_can_be_reached() {
        let mut seen = Seen::default();
        let address = "192.0.2.1:1".parse().unwrap();
        for meeting in [Meeting::Closed, Meeting::Encrypted, Meeting::Silent] {
            seen.met(address, meeting);
        }
        for meeting in [Meeting::Silent, Meeting::Refused, Meeting::Other] {
            seen.met("[2001:db8::1]:1".parse().unwrap(), meeting);
        }
        assert_eq!(seen.count(Meeting::Refused), 1);
        assert_eq!((seen.tried(), seen.greeted(), seen.count(Meeting::Encrypted)), (2, 1, 1));
        assert_eq!(seen.greeted_families(), [true, false]);
    }

    #[test]
    fn a_tracker_that_has_answered_over_one_family_is_a_good_one() {
        let mut seen = Seen::default();
        let bad = || Err("silent".to_owned());
        for said in [bad(), Ok(3), bad(), Ok(2)] {
            seen.heard("t".to_owned(), said);
        }
        seen.heard("u".to_owned(), bad());
        assert_eq!(seen.trackers, [("t".to_owned(), Ok(3)), ("u".to_owned(), bad())]);
    }

    #[test]
    fn the_most_copies_count_since_peers_go() {
        let mut seen = Seen::default();
        for copies in [None, Some(0.5), Some(2.25), None, Some(0.0)] {
            seen.stands(Snapshot { copies, ..Snapshot::default() });
        }
        assert_eq!(seen.copies, Some(2.25));
    }

    #[test]
    fn what_strangers_send_is_remembered_up_to_a_bound() {
        let mut seen = Seen::default();
        for number in 0..=MOST_PEERS as u32 {
            seen.met(SocketAddr::new(IpAddr::from(number.to_be_bytes()), 1), Meeting::Silent);
        }
        (0..=MOST_TRACKERS).for_each(|number| seen.heard(number.to_string(), Ok(0)));
        (0..=MOST_WEB_SEEDS).for_each(|number| seen.asked(number.to_string(), Ok(())));
        let counts = (seen.tried(), seen.trackers.len(), seen.web_seeds.len());
        assert_eq!(counts, (MOST_PEERS, MOST_TRACKERS, MOST_WEB_SEEDS));
    }

    #[test]
    fn a_clock_cannot_be_earlier_than_what_has_been() {
        let alone = |now, created| Clock::alone(now, created, 1_000_000);
        assert_eq!(alone(999_999, None), Clock::Before("this program was made"));
        assert_eq!(alone(1_000_000, Some(1_000_001 + FAR_OFF)), Clock::Before("the torrent was made"));
        assert_eq!(alone(1_000_000, Some(1_000_000 + FAR_OFF)), Clock::Alone);
        for (ahead, is_wrong) in [(0, false), (-86_400, false), (86_401, true), (-400 * 86_400, true)] {
            assert_eq!(Clock::Beside(ahead, "t".to_owned()).is_wrong(), is_wrong);
        }
    }
}
