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

/// Counts those that come in from outside, and remembers what was said about it.
#[derive(Debug, Default)]
pub struct Arrivals {
    from_outside: AtomicUsize,
    said: Mutex<Option<String>>,
}

impl Arrivals {
    /// A peer at this address has connected to us.
    pub fn came(&self, from: IpAddr) {
        if Reach::of(from) == Reach::Internet {
            self.from_outside.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How it stands, in one line. `None` if there is nothing to say: nobody came, and no gateway has answered.
    pub fn line(&self, mapping: Option<&MappingState>) -> Option<String> {
        line(self.from_outside.load(Ordering::Relaxed), mapping)
    }

    /// The same, if it is news. That more peers came is news when they are ten times as many.
    pub fn news(&self, mapping: Option<&MappingState>) -> Option<String> {
        let count = self.from_outside.load(Ordering::Relaxed);
        let news = line(count.checked_ilog10().map_or(0, |digits| 10_usize.saturating_pow(digits)), mapping)?;
        let is_new = lock(&self.said).replace(news.clone()) != Some(news);
        if is_new { line(count, mapping) } else { None }
    }
}

fn line(count: usize, mapping: Option<&MappingState>) -> Option<String> {
    match (count, mapping) {
        (0, Some(mapping)) => {
            let mapping = mapping.sentence()?;
            Some(format!("nobody has connected from outside yet; {mapping}"))
        }
        (0, None) => None,
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
        let arrivals = Arrivals::default();
        for near in ["127.0.0.1", "192.168.1.7", "10.0.0.1", "::1", "fe80::1", "100.64.0.9"] {
            arrivals.came(near.parse().unwrap());
        }
        assert_eq!(arrivals.line(None), None);
        let yet = "nobody has connected from outside yet; port 61234 is mapped by UPnP at 192.168.1.1";
        assert_eq!(arrivals.line(Some(&mapped())).as_deref(), Some(yet));
        arrivals.came("1.2.3.4".parse().unwrap());
        let came = "reachable: 1 connected from outside";
        assert_eq!(arrivals.line(Some(&mapped())).as_deref(), Some(came));
        assert_eq!(arrivals.line(None).as_deref(), Some(came));
    }

    #[test]
    fn news_is_told_once_and_growing_numbers_at_growing_distances() {
        let arrivals = Arrivals::default();
        assert_eq!(arrivals.news(Some(&MappingState::Asking)), None);
        assert!(arrivals.news(Some(&mapped())).is_some());
        assert_eq!(arrivals.news(Some(&mapped())), None);
        let told = (0..250).filter(|_| {
            arrivals.came("2a00::1".parse().unwrap());
            arrivals.news(Some(&mapped())).is_some()
        });
        assert_eq!(told.count(), 3);
    }
}
