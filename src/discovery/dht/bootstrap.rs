//! Where a node begins that knows no other: the well-known hosts, and hosts that the user or a torrent names.
//!
//! Host names are looked up one after the other on a short-lived thread of their own, `dht-names`, because
//! the system's resolver takes its time and no other thread should wait for it. The addresses that it finds
//! become commands for the threads of the DHT.
//!
//! The nodes of the last run are asked at once. Two seconds later, or at once if there are none, the nodes of
//! `--dht-node` and the well-known hosts are asked, at all of their addresses. They are asked again after 5,
//! 10, 20 s and so on up to 15 minutes, for as long as a family knows fewer than eight nodes. All of that begins
//! anew when the host was suspended or is in another network. The `nodes` of a torrent are asked in the same way,
//! once. A peer that the user or a link named may run a node at the same port, and a PORT message (BEP 5) names one
//! too.

use super::host_names::HostNames;
use super::shared::{Command, DhtShared};
use crate::discovery::STACK_BYTES;
use crate::net::{NO_NAME_SERVER, resolve};
use crate::text::{printable, reason};
use crate::thread::{self, caught};
use log::{debug, warn};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Hosts that are always there.
pub const ROUTERS: [(&str, u16); 3] =
    [("dht.libtorrent.org", 25401), ("dht.transmissionbt.com", 6881), ("router.bt.ouinet.work", 6881)];

/// How long looking up a host name may take.
const NAME_DEADLINE: Duration = Duration::from_secs(10);
/// Addresses of one host that are asked.
const MAX_ADDRESSES: usize = 16;

/// The time until all hosts are asked again, while few nodes are known: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const MAX_WAIT: Duration = Duration::from_secs(15 * 60);
/// How long the nodes of the last run have to answer before the others are asked.
const HEAD_START: Duration = Duration::from_secs(2);

/// When to ask next.
#[derive(Debug)]
pub(super) struct Schedule {
    next: Instant,
    /// The wait between that time and the one after it.
    wait: Duration,
}

impl Schedule {
    /// The first time is now, or a little later if other nodes are asked first.
    pub fn new(has_others: bool, now: Instant) -> Schedule {
        let head_start = if has_others { HEAD_START } else { Duration::ZERO };
        Schedule { next: now + head_start, wait: FIRST_WAIT }
    }

    /// Whether to ask now. If so, the wait until the next time is longer than the last one was.
    pub fn is_due(&mut self, knows_few_nodes: bool, now: Instant) -> bool {
        if !knows_few_nodes {
            *self = Schedule { next: now + FIRST_WAIT, wait: FIRST_WAIT };
            return false;
        }
        if now < self.next {
            return false;
        }
        self.next = now + self.wait;
        self.wait = (self.wait * 2).min(MAX_WAIT);
        true
    }

    /// When to ask next, if too few nodes are known by then.
    pub fn next(&self) -> Instant {
        self.next
    }
}

/// Looks up the names that wait, one after the other.
fn look_up_all(names: &HostNames, shared: &Weak<DhtShared>) {
    while let Some((host, port)) = names.next() {
        match resolve(&host, port, NAME_DEADLINE) {
            Ok(found) => {
                names.state().trouble = None;
                let Some(shared) = shared.upgrade() else { continue };
                let found = found.into_iter().take(MAX_ADDRESSES);
                found.for_each(|one| shared.tell(&Command::ContactIfFewKnown(one)));
            }
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::TimedOut => NO_NAME_SERVER.to_owned(),
                    _ => reason(&error),
                };
                let trouble = format!("cannot look up the DHT node {}: {why}", printable(&host));
                debug!("{trouble}");
                names.state().trouble = Some(trouble);
            }
        }
    }
}

/// Has these nodes asked: addresses at once, host names once their addresses are found.
pub(super) fn ask(shared: &Arc<DhtShared>, nodes: &[(String, u16)]) {
    let mut state = shared.host_names.state();
    for node in nodes {
        if let Ok(ip) = node.0.parse::<IpAddr>() {
            shared.tell(&Command::Contact(SocketAddr::new(ip, node.1)));
        } else {
            state.add(node);
        }
    }
    if !state.wants_a_thread() {
        return;
    }
    // The resolver may take longer than the DHT exists, and must not keep its sockets open.
    let (host_names, asking) = (Arc::clone(&shared.host_names), Arc::downgrade(shared));
    let life = move || {
        if caught(|| look_up_all(&host_names, &asking)).is_err() {
            host_names.state().is_running = false;
        }
    };
    match thread::spawn("dht-names", STACK_BYTES, life) {
        Ok(_) => state.is_running = true,
        // They wait, and are looked up when we ask for nodes again.
        Err(error) if !std::mem::replace(&mut state.is_warned, true) => {
            warn!("cannot look up the names of DHT nodes now: {}", reason(&error))
        }
        Err(error) => debug!("cannot look up the names of DHT nodes now: {}", reason(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_hosts_are_asked_after_growing_waits_until_there_are_nodes() {
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
    fn the_nodes_of_the_last_run_come_first() {
        let start = Instant::now();
        let mut schedule = Schedule::new(true, start);
        assert!(!schedule.is_due(true, start));
        assert!(schedule.is_due(true, schedule.next()));
    }
}
