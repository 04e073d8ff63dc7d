//! Where a node that knows nobody begins: hosts that everybody knows, those that the user or a torrent
//! names.
//!
//! Names are looked up on a short thread of their own, `dht-names`, because the system's resolver takes
//! its time: no other thread waits for it. What it finds becomes commands for the threads of the DHT.
//!
//! The nodes of the last time are asked at once. Two seconds later, or at once where there are none, come
//! the nodes of `--dht-node` and the well-known hosts, at all of their addresses; and again, at growing
//! distances, for as long as a family knows fewer than eight nodes. The `nodes` of a torrent go the same
//! way once. Peers that the user or a link named, and PORT messages (BEP 5), name a node too.

use super::service::{Command, Desk};
use crate::discovery::spawn;
use crate::net::resolve;
use crate::text::printable;
use log::{debug, warn};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Hosts that are always there.
pub(super) const ROUTERS: [(&str, u16); 3] =
    [("dht.libtorrent.org", 25401), ("dht.transmissionbt.com", 6881), ("router.bt.ouinet.work", 6881)];

/// How long a name may take.
const NAME_DEADLINE: Duration = Duration::from_secs(10);
/// Names that wait to be looked up. A torrent could name a million.
const MAX_NAMES: usize = 64;
/// Addresses of one name that are asked.
const MAX_ADDRESSES: usize = 16;
/// How long the end waits for the name that is being looked up.
const FAREWELL: Duration = Duration::from_millis(500);

/// How long it takes from one time that everybody is asked to the next, as long as that brings no nodes.
const FIRST_DISTANCE: Duration = Duration::from_secs(5);
const LONGEST_DISTANCE: Duration = Duration::from_secs(15 * 60);
/// How long the nodes of the last time have to answer before the others are asked.
const HEAD_START: Duration = Duration::from_secs(2);

/// When to ask next.
#[derive(Debug)]
pub(super) struct Schedule {
    next: Instant,
    distance: Duration,
}

impl Schedule {
    /// At once, or a little later where there are nodes to be asked first.
    pub fn new(has_others: bool, now: Instant) -> Schedule {
        let head_start = if has_others { HEAD_START } else { Duration::ZERO };
        Schedule { next: now + head_start, distance: FIRST_DISTANCE }
    }

    /// Whether to ask now. If so, the next time is farther away than this one was from the last.
    pub fn is_due(&mut self, is_thin: bool, now: Instant) -> bool {
        if !is_thin {
            *self = Schedule { next: now + FIRST_DISTANCE, distance: FIRST_DISTANCE };
            return false;
        }
        if now < self.next {
            return false;
        }
        self.next = now + self.distance;
        self.distance = (self.distance * 2).min(LONGEST_DISTANCE);
        true
    }

    /// When to ask, if no nodes come.
    pub fn next(&self) -> Instant {
        self.next
    }
}

/// Names to be looked up.
#[derive(Debug, Default)]
pub(super) struct Names {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(String, u16)>,
    is_running: bool,
    is_closed: bool,
}

impl Names {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks up no more names, and waits a moment for the one that is being looked up.
    pub fn close(&self) {
        self.state().is_closed = true;
        let _ = self.ended.wait_timeout_while(self.state(), FAREWELL, |state| state.is_running);
    }

    /// Looks up one name. Whether there may be another.
    fn look_up_next(&self, desk: &Weak<Desk>) -> bool {
        let (host, port) = {
            let mut state = self.state();
            match state.waiting.pop_front().filter(|_| !state.is_closed) {
                Some(name) => name,
                None => {
                    state.is_running = false;
                    self.ended.notify_all();
                    return false;
                }
            }
        };
        match resolve(&host, port, NAME_DEADLINE) {
            Ok(found) => {
                let Some(desk) = desk.upgrade() else { return true };
                found.into_iter().take(MAX_ADDRESSES).for_each(|one| desk.tell(&Command::ContactIfThin(one)));
            }
            Err(error) => debug!("cannot find the DHT node {}: {error}", printable(&host)),
        }
        true
    }
}

/// Has these nodes asked: what is an address at once, what is a name when its addresses are found.
pub(super) fn ask(desk: &Arc<Desk>, nodes: &[(String, u16)]) {
    let mut state = desk.names.state();
    for node in nodes {
        if let Ok(ip) = node.0.parse::<IpAddr>() {
            desk.tell(&Command::Contact(SocketAddr::new(ip, node.1)));
        } else if state.waiting.len() < MAX_NAMES && !state.waiting.contains(node) {
            state.waiting.push_back(node.clone());
        }
    }
    if state.waiting.is_empty() || state.is_running || state.is_closed {
        return;
    }
    // The resolver may take longer than the DHT lasts, and must not keep its sockets open.
    let (names, asking) = (Arc::clone(&desk.names), Arc::downgrade(desk));
    let life = move || while names.look_up_next(&asking) {};
    match spawn("dht-names", Box::new(life)) {
        Ok(_) => state.is_running = true,
        Err(error) => warn!("cannot start a thread: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_asked_at_growing_distances_until_there_are_nodes() {
        let start = Instant::now();
        let mut schedule = Schedule::new(false, start);
        let mut asked = Vec::new();
        for second in 0..10_000 {
            if schedule.is_due(true, start + Duration::from_secs(second)) {
                asked.push(second);
            }
        }
        assert_eq!(asked[..9], [0, 5, 15, 35, 75, 155, 315, 635, 1275]);
        assert_eq!(asked[9..11], [1275 + 900, 1275 + 1800]);
        let then = start + Duration::from_secs(20_000);
        assert!(!schedule.is_due(false, then));
        assert!(!schedule.is_due(true, then + Duration::from_secs(4)));
        assert!(schedule.is_due(true, then + Duration::from_secs(5)));
        assert!(schedule.is_due(true, then + Duration::from_secs(10)));
    }

    #[test]
    fn the_nodes_of_the_last_time_come_first() {
        let start = Instant::now();
        let mut schedule = Schedule::new(true, start);
        assert!(!schedule.is_due(true, start));
        assert!(schedule.is_due(true, schedule.next()));
    }
}
