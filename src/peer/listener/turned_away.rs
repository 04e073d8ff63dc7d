//! Why an incoming connection goes to no coordinator, and whether that is the peer's doing.

use crate::message::HangUp;
use crate::wire::mse::MseFault;
use std::fmt;

/// Why an incoming connection is not passed on to a coordinator.
#[derive(Clone, Copy, Debug)]
pub(super) enum TurnedAway {
    /// It took too long over its handshake.
    NoHandshake,
    /// The peer closed it before its handshake was complete.
    Closed,
    /// It broke before the handshake was complete.
    Lost,
    /// Its first bytes are those of another protocol.
    NotBitTorrent,
    /// It begins in the open, and the user wants none of that.
    NotEncrypted,
    /// It broke the rules of the key exchange, or wants a kind of encryption that the user does not.
    KeyExchange(MseFault),
    /// More key exchanges were begun than we compute.
    TooManyKeyExchanges,
    /// It exchanged keys for one torrent and wants another.
    OtherTorrent,
    /// No run of ours has this torrent.
    UnknownTorrent,
    /// The coordinator has more to do than it can.
    Busy,
    /// The run of this torrent has just ended.
    TorrentEnded,
    /// We hung up.
    HungUp(HangUp),
}

impl TurnedAway {
    /// Whether the peer, and not we, made it end.
    pub(super) fn is_in_vain(self) -> bool {
        !matches!(
            self,
            TurnedAway::Busy
                | TurnedAway::TooManyKeyExchanges
                | TurnedAway::TorrentEnded
                | TurnedAway::HungUp(HangUp::NotAccepting | HangUp::HandedOver)
        )
    }
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TurnedAway::NoHandshake => out.write_str("no handshake in 10 s"),
            TurnedAway::Closed => out.write_str("closed before the handshake was complete"),
            TurnedAway::Lost => out.write_str("connection lost before the handshake was complete"),
            TurnedAway::NotBitTorrent => out.write_str("not a BitTorrent handshake"),
            TurnedAway::NotEncrypted => out.write_str("not encrypted"),
            TurnedAway::KeyExchange(fault) => write!(out, "bad key exchange: {fault}"),
            TurnedAway::TooManyKeyExchanges => out.write_str("too many other key exchanges at once"),
            TurnedAway::OtherTorrent => out.write_str("the keys were exchanged for another torrent"),
            TurnedAway::UnknownTorrent => {
                out.write_str("asks for a torrent that is not here (wrong info-hash?)")
            }
            TurnedAway::Busy => out.write_str("the torrent is too busy"),
            TurnedAway::TorrentEnded => out.write_str("the torrent has just ended"),
            TurnedAway::HungUp(why) => write!(out, "{why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_network_is_charged_for_what_others_or_we_did() {
        for (why, is_in_vain) in [
            (TurnedAway::NoHandshake, true),
            (TurnedAway::Closed, true),
            (TurnedAway::NotBitTorrent, true),
            (TurnedAway::UnknownTorrent, true),
            (TurnedAway::HungUp(HangUp::TooManyHandshakes), true),
            (TurnedAway::Busy, false),
            // Somebody else took the pace of all.
            (TurnedAway::TooManyKeyExchanges, false),
            (TurnedAway::TorrentEnded, false),
            (TurnedAway::HungUp(HangUp::NotAccepting), false),
        ] {
            assert_eq!(why.is_in_vain(), is_in_vain, "{why}");
        }
    }
}
