//! The last messages, in words, for the live view: all of them, and those of each peer, which are its history.
//!
//! The lines are those of a trace (`cli/trace/mod.rs`), and come on its thread, as long as they are wanted.

use super::lines::LastLines;
use crate::cli::trace::{Line, Lines};
use crate::metainfo::InfoHash;
use crate::net::tap::Tap;
use crate::text::{excerpt, fixed};
use crate::thread::lock;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The most lines that are kept of all peers together.
const MOST_LINES: usize = 2000;
/// The most that are kept of one.
const MOST_OF_A_PEER: usize = 100;
/// The most peers whose lines are kept.
const MOST_PEERS: usize = 1000;
/// What tells that an address is that of a peer we speak with, and not that of a node of the DHT or a tracker, of which
/// there may be thousands.
const BEGINNINGS: [&str; 3] = ["connected", "joined", "handshake"];
/// The most characters of a line.
const LONGEST: usize = 500;

/// What was collected of them.
pub struct WireRing {
    tap: Tap,
    inside: Arc<Mutex<Inside>>,
    /// While they are collected.
    lines: Option<Lines>,
}

/// What is kept.
struct Inside {
    /// Lines begin with the seconds since then.
    began: Instant,
    /// With the torrent that each is about; trackers and nodes of the DHT do not say.
    last: VecDeque<(Option<InfoHash>, Arc<str>)>,
    /// By the addresses of the peers.
    peers: HashMap<String, History>,
    /// How many lines there were in all.
    count: u64,
}

/// What was said to one peer, and by it.
struct History {
    last: LastLines,
    /// The number of its latest line.
    latest: u64,
}

impl WireRing {
    /// Nothing yet, of what is seen at this door. Lines begin with the seconds since `began`.
    pub fn new(tap: Tap, began: Instant) -> WireRing {
        WireRing { tap, inside: Arc::new(Mutex::new(Inside::new(began))), lines: None }
    }

    /// From now on messages are collected, or are not. Those that are there stay.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn collect(&mut self, wanted: bool) -> io::Result<()> {
        if !wanted {
            self.lines = None;
        } else if self.lines.is_none() {
            let told = Arc::clone(&self.inside);
            self.lines = Some(Lines::of(&self.tap, move |at, line| lock(&told).add(at, line))?);
        }
        Ok(())
    }

    /// Whether they are collected.
    pub fn collects(&self) -> bool {
        self.lines.is_some()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        let mut inside = lock(&self.inside);
        let began = inside.began;
        *inside = Inside::new(began);
    }

    /// The last messages, the oldest first: where a torrent is given, without those of peers of others.
    pub fn last(&self, of: Option<InfoHash>) -> Vec<String> {
        lock(&self.inside).last(of)
    }

    /// Those to and from the peer at this address.
    pub fn history(&self, address: &str) -> Vec<String> {
        lock(&self.inside).peers.get(address).map(|history| history.last.to_vec()).unwrap_or_default()
    }
}

impl Inside {
    fn new(began: Instant) -> Inside {
        Inside { began, last: VecDeque::new(), peers: HashMap::new(), count: 0 }
    }

    fn add(&mut self, at: Instant, line: &Line) {
        let seconds = fixed(at.saturating_duration_since(self.began).as_secs_f64(), 3);
        let short = line.short();
        let text = |text: String| Arc::<str>::from(excerpt(&text, LONGEST));
        self.count += 1;
        if self.peers.contains_key(&line.peer) || BEGINNINGS.contains(&line.message.as_str()) {
            self.add_to_history(&line.peer, text(format!("{seconds} {short}")));
        }
        let words = text(format!("{seconds} {:<21} {short}", line.peer));
        while self.last.len() >= MOST_LINES && self.last.pop_front().is_some() {}
        self.last.push_back((line.torrent, words));
    }

    fn last(&self, of: Option<InfoHash>) -> Vec<String> {
        let is_shown = |torrent: Option<InfoHash>| of.is_none() || torrent.is_none() || torrent == of;
        let shown = self.last.iter().filter(|(torrent, _)| is_shown(*torrent));
        shown.map(|(_, line)| line.as_ref().to_owned()).collect()
    }

    fn add_to_history(&mut self, peer: &str, text: Arc<str>) {
        if !self.peers.contains_key(peer) {
            if self.peers.len() >= MOST_PEERS {
                // The one that was silent for longest.
                let oldest = self.peers.iter().min_by_key(|(_, history)| history.latest);
                let oldest = oldest.map(|(peer, _)| peer.clone());
                oldest.into_iter().for_each(|peer| _ = self.peers.remove(&peer));
            }
            let none = History { last: LastLines::new(MOST_OF_A_PEER), latest: 0 };
            self.peers.insert(peer.to_owned(), none);
        }
        if let Some(history) = self.peers.get_mut(peer) {
            history.latest = self.count;
            history.last.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tap::{Direction, Seen};
    use std::time::Duration;

    fn line(peer: &str, meaning: &str) -> Line {
        Line::event(peer.to_owned(), "handshake", meaning.to_owned())
    }

    #[test]
    fn each_peer_has_its_history_and_all_have_bounds() {
        let began = Instant::now();
        let mut inside = Inside::new(began);
        for number in 0..5000_u32 {
            let peer = format!("10.0.{}.{}:1", number / 2 / 256, number / 2 % 256);
            inside.add(began + Duration::from_millis(1500), &line(&peer, "\x1b[2J\n"));
        }
        (0..300).for_each(|number| inside.add(began, &line("10.1.0.1:1", &number.to_string())));
        assert_eq!(inside.last(None).len(), MOST_LINES);
        assert_eq!(inside.peers.len(), MOST_PEERS);
        let history = inside.peers["10.1.0.1:1"].last.to_vec();
        assert_eq!(history.len(), MOST_OF_A_PEER);
        assert!(history[99].starts_with("0.000   handshake") && history[99].ends_with("299"));
        assert!(!inside.peers.contains_key("10.0.0.0:1"), "it was silent for longest");
        let first = &inside.last(None)[0];
        assert!(first.starts_with("1.500 ") && !first.contains(['\x1b', '\n']), "{first}");
        // Nodes of the DHT have no history, however many there are.
        let node = |number: u32| format!("10.9.0.1:{number}");
        let packet = |number| Line::event(node(number), "dht answer", String::new());
        (0..5000).for_each(|number| inside.add(began, &packet(number)));
        assert!(inside.peers.contains_key("10.1.0.1:1") && !inside.peers.contains_key(&node(4999)));
        inside.add(began, &Line::event("10.1.0.1:1".to_owned(), "choke", String::new()));
        assert!(inside.peers["10.1.0.1:1"].last.to_vec()[99].contains(" choke"));
        inside.add(began, &line("10.1.0.1:1", &"x".repeat(100_000)));
        assert!(inside.last(None).iter().all(|line| line.chars().count() <= LONGEST + 1));
    }

    #[test]
    fn of_several_torrents_the_messages_of_the_one_that_is_shown_are_and_those_of_no_torrent() {
        let mut inside = Inside::new(Instant::now());
        let (one, other) = (InfoHash([1; 20]), InfoHash([2; 20]));
        for (torrent, meaning) in [(Some(one), "of one"), (Some(other), "of another"), (None, "of none")] {
            let mut line = line("10.1.0.1:1", meaning);
            line.torrent = torrent;
            inside.add(inside.began, &line);
        }
        let ends = |of| -> Vec<String> {
            let lines = inside.last(of).into_iter();
            lines.map(|line| line.rsplit_once("of ").map(|(_, end)| end.to_owned()).unwrap()).collect()
        };
        assert_eq!(ends(Some(one)), ["one", "none"]);
        assert_eq!(ends(Some(other)), ["another", "none"]);
        assert_eq!(ends(None), ["one", "another", "none"]);
    }

    #[test]
    fn it_collects_while_it_is_there_and_the_door_is_closed_behind_it() {
        let tap = Tap::switch();
        let tell = |meaning: &str| {
            let (site, meaning) = ("udp://a:1".to_owned(), meaning.to_owned());
            tap.tell(|| Seen::Server { site, direction: Direction::In, message: "announce", meaning });
        };
        tell("before");
        let mut ring = WireRing::new(tap.clone(), Instant::now());
        assert!(!tap.is_open());
        ring.collect(true).unwrap();
        assert!(tap.is_open() && ring.collects());
        tell("5 peers");
        let deadline = Instant::now() + Duration::from_secs(60);
        while ring.last(None).is_empty() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let lines = ring.last(None);
        assert!(lines.len() == 1 && lines[0].ends_with("5 peers"), "{lines:?}");
        ring.collect(false).unwrap();
        assert!(!tap.is_open() && ring.last(None) == lines, "what is there stays");
        ring.clear();
        assert!(ring.last(None).is_empty());
    }
}
