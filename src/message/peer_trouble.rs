//! Why the connections that we made failed, in words for the user: a download that stalls and a search that
//! finds nothing show the last reason, unless an earlier one says more.

use super::{HangUp, PeerError};
use crate::strategy::AttemptFailure;
use std::net::SocketAddr;

/// The reason to show.
#[derive(Debug, Default)]
pub struct PeerTrouble {
    sentence: Option<String>,
    /// The peer was reached, and will not be tried again.
    is_of_no_use: bool,
    /// It names a way out, and no peer has been greeted since.
    has_hint: bool,
}

impl PeerTrouble {
    /// A connection to this address ended, or never came about. `greeted`: the handshakes had been exchanged. `hint`
    /// says what the user can do.
    ///
    /// An address that this host has no route to says little, and so does our own: it counts only while nothing else
    /// went wrong. And most addresses do not answer, so that one of these does not hide a way out.
    pub fn note(&mut self, address: SocketAddr, why: &PeerError, greeted: bool, hint: Option<&'static str>) {
        let says_little = why.is_no_route() || matches!(why, PeerError::Ourselves);
        let says_more = !says_little && (hint.is_some() || !self.has_hint);
        if says_more || self.sentence.is_none() {
            let hint_too = match hint {
                Some(hint) => format!("; {hint}"),
                // What most clients do where the info-hash in our handshake means nothing to them.
                None if why.is_by_the_peer() && !greeted => " (it may not have this torrent)".to_owned(),
                None => String::new(),
            };
            self.sentence = Some(format!("{address}: {why}{hint_too}"));
            let is_liar = matches!(why, PeerError::HungUp(HangUp::WrongData));
            self.is_of_no_use = is_liar || why.failure(greeted, false) == AttemptFailure::Banned;
            self.has_hint = hint.is_some();
        }
    }

    /// A peer was greeted: what it was that kept others from it, it does not concern all.
    pub fn greeted(&mut self) {
        self.has_hint = false;
    }

    /// Whether the reason is that of a peer that was reached and is of no use.
    pub fn is_of_no_use(&self) -> bool {
        self.is_of_no_use
    }

    /// The reason, if something went wrong.
    pub fn sentence(&self) -> Option<String> {
        self.sentence.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, ErrorKind};

    fn refused(kind: ErrorKind) -> PeerError {
        PeerError::Connect(io::Error::from(kind))
    }

    #[test]
    fn an_address_without_a_route_hides_no_better_reason_and_nor_does_our_own() {
        let mut trouble = PeerTrouble::default();
        let address = "192.0.2.7:1".parse().unwrap();
        trouble.note(address, &refused(ErrorKind::NetworkUnreachable), false, None);
        assert!(trouble.sentence().is_some());
        trouble.note(address, &PeerError::Closed, false, None);
        trouble.note(address, &refused(ErrorKind::NetworkUnreachable), false, None);
        trouble.note(address, &PeerError::Ourselves, false, None);
        let closed = format!("{address}: closed the connection (it may not have this torrent)");
        assert_eq!(trouble.sentence(), Some(closed));
        // One that knew the info-hash has the torrent.
        trouble.note(address, &PeerError::Closed, true, None);
        assert_eq!(trouble.sentence(), Some(format!("{address}: closed the connection")));
    }

    #[test]
    fn a_way_out_is_not_hidden_by_addresses_that_do_not_answer_until_a_peer_is_greeted() {
        let mut trouble = PeerTrouble::default();
        let address = "192.0.2.7:1".parse().unwrap();
        trouble.note(address, &refused(ErrorKind::ConnectionRefused), false, None);
        trouble.note(address, &PeerError::Closed, false, Some("try the door"));
        trouble.note(address, &refused(ErrorKind::ConnectionRefused), false, None);
        let shown = Some(format!("{address}: closed the connection; try the door"));
        assert_eq!(trouble.sentence(), shown);
        trouble.greeted();
        assert_eq!(trouble.sentence(), shown);
        trouble.note(address, &refused(ErrorKind::ConnectionRefused), false, None);
        assert!(!trouble.sentence().unwrap().contains("door") && !trouble.is_of_no_use());
        trouble.note(address, &PeerError::OtherTorrent, false, None);
        assert!(trouble.is_of_no_use(), "it was reached");
        trouble.note(address, &refused(ErrorKind::ConnectionRefused), false, None);
        trouble.note(address, &PeerError::HungUp(HangUp::WrongData), true, None);
        assert!(trouble.is_of_no_use(), "it was reached");
    }
}
