//! An address on the web, who sent us there, and what its server may hear of us.

use super::redirect;
use crate::address::Reach;
use crate::net::basic_auth;
use crate::strategy::OnWordOf;
use crate::text::printable;
use std::fmt;
use std::net::SocketAddr;

/// An address on the web. One that was redirected to can be asked again, on the word of the server that did it.
#[derive(Clone, PartialEq, Eq)]
pub struct Site {
    /// Without user name and password.
    pub(super) address: String,
    /// What its server gets in place of them.
    pub(super) authorization: Option<String>,
    pub(super) word: OnWordOf,
}

impl Site {
    /// An address on somebody's word. A user name and a password in it are sent to its server and to no other.
    pub fn new(address: &str, word: OnWordOf) -> Site {
        let (address, authorization) = basic_auth::split(&redirect::escaped(address));
        Site { address, authorization, word }
    }

    /// Where the server of this one, at the address `from`, redirects us to.
    pub(super) fn redirected(self, next: &str, from: Option<SocketAddr>) -> Site {
        let (next, given) = basic_auth::split(next);
        let keeps = redirect::is_same_server(&self.address, &next);
        // Behind a proxy we do not see who redirects us, so it counts as far away.
        let reach = from.map_or(Reach::Internet, |from| Reach::of(from.ip()));
        Site {
            address: next,
            authorization: given.or(self.authorization.filter(|_| keeps)),
            word: OnWordOf::Server(reach),
        }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&printable(&basic_auth::without_secrets(&self.address)))
    }
}
