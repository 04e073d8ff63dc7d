//! The trackers of a simulated torrent, and when each host asks them: the tier that decides it is the program's
//! own. They know everyone that has ever joined and forget no one.

use crate::world::{Happening, World};
use femtotorrent::chance;
use femtotorrent::strategy::Supply;
use femtotorrent::tracker::{Answer, Tier, TrackerAddress};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a tracker takes to answer.
const DELAY: Duration = Duration::from_millis(100);
/// Peers in an answer. It stands for all sources of peers, so it names more than trackers do.
const NAMES: usize = 1000;

/// What a tracker says about when to come back. Its interval is the common half hour.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Over HTTP, and it names no min interval.
    Http,
    /// Over HTTP, with a min interval of so many minutes.
    HttpMinimum(u32),
    /// Over UDP.
    Udp,
}

impl Manner {
    fn address(self) -> TrackerAddress {
        TrackerAddress::new(match self {
            Manner::Http | Manner::HttpMinimum(_) => "http://tracker.example/announce",
            Manner::Udp => "udp://tracker.example:6969/announce",
        })
    }

    fn answer(self) -> Answer {
        let text = match self {
            Manner::HttpMinimum(minutes) => format!("d8:intervali1800e12:min intervali{}ee", 60 * minutes),
            Manner::Http | Manner::Udp => "d8:intervali1800ee".to_owned(),
        };
        Answer::parse(text.as_bytes()).unwrap()
    }
}

/// A tracker as one host asks it.
pub struct AskedTracker {
    manner: Manner,
    tier: Tier,
    /// An announce is under way.
    is_asking: bool,
    /// When it was announced to.
    pub asked: Vec<Duration>,
}

impl AskedTracker {
    /// A tracker that is due now.
    pub fn new(manner: Manner, now: Instant, random: &mut fastrand::Rng) -> AskedTracker {
        let tier = Tier::new(vec![manner.address()], now, random).unwrap();
        AskedTracker { manner, tier, is_asking: false, asked: Vec::new() }
    }
}

impl World {
    /// A host begins to ask the trackers of its torrent.
    pub fn ask_trackers(&mut self, host: usize) {
        let now = self.clock.now();
        let trackers = self.manners.iter().map(|manner| AskedTracker::new(*manner, now, &mut self.random));
        self.residents[host].trackers = trackers.collect();
        self.announce(host);
    }

    /// A host says how well it is supplied with peers.
    pub fn supplied(&mut self, host: usize, supply: Supply) {
        let passed = self.clock.passed();
        self.residents[host].supplies.push((passed, supply));
        self.residents[host].trackers.iter_mut().for_each(|tracker| tracker.tier.supply(supply));
        self.announce(host);
    }

    /// Announces to the trackers that are due, and comes back when the next one is.
    pub fn announce(&mut self, host: usize) {
        let (now, passed) = (self.clock.now(), self.clock.passed());
        let resident = &mut self.residents[host];
        if !resident.is_on {
            return;
        }
        for (number, tracker) in resident.trackers.iter_mut().enumerate().filter(|(_, one)| !one.is_asking) {
            match tracker.tier.due() {
                Some(due) if due <= now => {
                    tracker.is_asking = true;
                    tracker.asked.push(passed);
                    self.clock.after(DELAY, Happening::TrackerAnswer(host, resident.lives, number));
                }
                Some(due) => self.clock.at(self.clock.since_start(due), Happening::Announce(host)),
                None => {}
            }
        }
    }

    /// The answer of a tracker is there.
    pub fn tracker_answers(&mut self, host: usize, number: usize) {
        let now = self.clock.now();
        let others = self.residents.iter().enumerate();
        let others = others.filter(|(other, resident)| *other != host && resident.announced);
        let mut addresses: Vec<SocketAddr> = others.map(|(_, resident)| resident.address).collect();
        chance::shuffle(&mut addresses, &mut self.random);
        addresses.truncate(NAMES);
        if let Some(tracker) = self.residents[host].trackers.get_mut(number) {
            tracker.is_asking = false;
            tracker.tier.answered(&tracker.manner.answer(), now);
        }
        let actions = self.hosts[host].found(addresses, now);
        self.carry_out(host, actions);
        self.announce(host);
    }
}
