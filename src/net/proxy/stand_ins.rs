//! Addresses that stand for names of peers.
//!
//! Peers are known by their addresses everywhere. A peer whose name only the proxy may look up gets one that no host
//! has, from the range that routers discard (RFC 6666), and is connected to by its name.

use crate::address::{is_stand_in, stand_in};
use crate::thread::lock;
use std::net::SocketAddr;
use std::sync::Mutex;

/// Names that get an address. A magnet link may name any number of peers.
const MAX_NAMES: usize = 256;

/// The names that have an address, in the order in which they got it.
#[derive(Default)]
pub(super) struct StandIns(Mutex<Vec<String>>);

impl StandIns {
    /// The address for this port of the host of this name: the same each time. `None` where there are too many.
    pub fn of(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let mut names = lock(&self.0);
        let at = match names.iter().position(|name| name == host) {
            Some(at) => at,
            None if names.len() < MAX_NAMES => {
                names.push(host.to_owned());
                names.len() - 1
            }
            None => return None,
        };
        Some(SocketAddr::new(stand_in(at), port))
    }

    /// The name that this address stands for, if it does.
    pub fn name(&self, address: SocketAddr) -> Option<String> {
        if !is_stand_in(address.ip()) {
            return None;
        }
        let names = lock(&self.0);
        (0..names.len()).find(|at| stand_in(*at) == address.ip()).and_then(|at| names.get(at).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_address_and_the_address_that_name_and_there_are_not_too_many() {
        let known = StandIns::default();
        let one = known.of("a.example", 80).unwrap();
        let two = known.of("b.example", 80).unwrap();
        assert_eq!(
            (known.of("a.example", 80), known.of("a.example", 81).map(|at| at.ip())),
            (Some(one), Some(one.ip()))
        );
        assert_ne!(one, two);
        assert_eq!(
            (known.name(one).as_deref(), known.name(two).as_deref()),
            (Some("a.example"), Some("b.example"))
        );
        for stranger in ["1.2.3.4:80", "[100::fff]:80", "[::1]:80"] {
            assert_eq!(known.name(stranger.parse().unwrap()), None, "{stranger}");
        }
        let more = (0..2 * MAX_NAMES).filter(|number| known.of(&number.to_string(), 1).is_some()).count();
        assert_eq!(more, MAX_NAMES - 2);
    }
}
