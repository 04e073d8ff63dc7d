//! What one round of questions to a gateway has brought.

use crate::text::reason;
use std::io::{self, ErrorKind};
use std::net::IpAddr;

/// A port that is open, whatever the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The port outside for TCP.
    pub tcp: u16,
    /// The one for UDP; zero if there is none.
    pub udp: u16,
    /// The gateway's address outside, if it has said one that is believable.
    pub external: Option<IpAddr>,
    /// For how many seconds; zero is for ever.
    pub seconds: u32,
    /// The gateway's time, if it tells that.
    pub epoch: Option<u32>,
}

/// Why no port is open.
#[derive(Debug)]
pub enum Failure {
    /// Nobody answers.
    Silent,
    /// It refuses, for this reason.
    Refused(String),
    /// The thread is to end.
    Halted,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::ConnectionAborted => Failure::Halted,
            // No program has the port, or there is no way there.
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::TimedOut => Failure::Silent,
            _ => Failure::Refused(reason(&error)),
        }
    }
}
