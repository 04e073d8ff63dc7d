//! Whether peers outside can reach us: whether one has come in, and otherwise what the gateway did about it.
//!
//! No one can tell from inside whether a port can be reached. So what is said is what was seen: a peer with an
//! address of the internet that connected to us and knew the torrent. All runs of a process share this.

use crate::address::Reach;
use crate::port_mapping::MappingState;
use crate::thread::lock;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// When nobody has connected from outside for this long, the user hears of it even if no gateway has said a word.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts those that come in from outside, and remembers what was said about it.
#[derive(Debug)]
pub struct Arrivals {
    since: Instant,
    from_outside: AtomicUsize,
    said: Mutex<Option<String>>,
}

impl Default for Arrivals {
    /// From now on.
    fn default() -> Arrivals {
        Arrivals { since: Instant::now(), from_outside: AtomicUsize::default(), said: Mutex::default() }
    }
}

impl Arrivals {
    /// A peer at this address has connected to us.
    pub fn came(&self, from: IpAddr) {
        if Reach::of(from) == Reach::Internet {
            self.from_outside.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How it stands at the port at which we listen, in one line. `None` if there is nothing to say: nobody came, no
    /// gateway has answered, and it is early.
    pub fn line(&self, port: u16, mapping: Option<&MappingState>, now: Instant) -> Option<String> {
        self.words(self.from_outside.load(Ordering::Relaxed), port, mapping, now)
    }

    /// The same, if it is news. That more peers came is news when they are ten times as many.
    pub fn news(&self, port: u16, mapping: Option<&MappingState>, now: Instant) -> Option<String> {
        let count = self.from_outside.load(Ordering::Relaxed);
        let roughly = count.checked_ilog10().map_or(0, |digits| 10_usize.saturating_pow(digits));
        let news = self.words(roughly, port, mapping, now)?;
        let is_new = lock(&self.said).replace(news.clone()) != Some(news);
        if is_new { self.words(count, port, mapping, now) } else { None }
    }

    fn words(&self, count: usize, port: u16, mapping: Option<&MappingState>, now: Instant) -> Option<String> {
        let is_late = now.saturating_duration_since(self.since) >= PATIENCE;
        line(count, port, mapping.and_then(MappingState::sentence), is_late)
    }
}

fn line(count: usize, port: u16, mapping: Option<String>, is_late: bool) -> Option<String> {
    match (count, mapping) {
        (0, Some(mapping)) => Some(format!("nobody has connected from outside yet; {mapping}")),
        (0, None) => is_late.then(|| {
            format!(
                "nobody has connected from outside yet (behind a router, forward port {port} to this host)"
            )
        }),
        (count, _) => Some(format!("reachable: {count} connected from outside")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port_mapping::{Mapped, Way};

    fn mapped() -> MappingState {
        let gateway = [192, 168, 1, 1].into();
        MappingState::Mapped(Mapped { way: Way::Upnp, gateway, tcp: 61_234, udp: 61_234, external: None })
    }

    #[test]
    fn only_a_peer_with_an_address_of_the_internet_came_from_outside() {
        let (arrivals, now) = (Arrivals::default(), Instant::now());
        for near in ["127.0.0.1", "192.168.1.7", "10.0.0.1", "::1", "fe80::1", "100.64.0.9"] {
            arrivals.came(near.parse().unwrap());
        }
        assert_eq!(arrivals.line(7, None, now), None);
        let late = arrivals.line(7, Some(&MappingState::NoGateway), now + PATIENCE);
        let forward = "nobody has connected from outside yet (behind a router, forward port 7 to this host)";
        assert_eq!(late.as_deref(), Some(forward));
        let yet = "nobody has connected from outside yet; port 61234 is mapped by UPnP at 192.168.1.1";
        assert_eq!(arrivals.line(7, Some(&mapped()), now).as_deref(), Some(yet));
        arrivals.came("1.2.3.4".parse().unwrap());
        let came = "reachable: 1 connected from outside";
        assert_eq!(arrivals.line(7, Some(&mapped()), now).as_deref(), Some(came));
        assert_eq!(arrivals.line(7, None, now).as_deref(), Some(came));
    }

    #[test]
    fn news_is_told_once_and_growing_numbers_at_growing_distances() {
        let (arrivals, now) = (Arrivals::default(), Instant::now());
        assert_eq!(arrivals.news(7, Some(&MappingState::Asking), now), None);
        assert!(arrivals.news(7, Some(&mapped()), now).is_some());
        assert_eq!(arrivals.news(7, Some(&mapped()), now), None);
        let told = (0..250).filter(|_| {
            arrivals.came("2a00::1".parse().unwrap());
            arrivals.news(7, Some(&mapped()), now).is_some()
        });
        assert_eq!(told.count(), 3);
    }
}
