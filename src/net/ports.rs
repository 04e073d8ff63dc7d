//! Finding a port that is free for IPv4 and IPv6 at once.
//!
//! There is one socket for each family, because not every system offers one socket for both. A host that has
//! only one of the families listens with that one. The threads that accept connections are in
//! `peer/listener.rs`.

use super::{BindAddress, ListeningSocket};
use crate::text::reason;
use log::debug;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

/// The ports that we choose from. Many trackers of private torrents refuse 6881 to 6889, the ports that BitTorrent
/// programs once had in common, and some providers slow them down. These are of the dynamic range, 49152 to 65535
/// (RFC 6335), the part from which Linux takes no port for outgoing connections, so that none is in our way.
pub const USUAL_PORTS: RangeInclusive<u16> = 61_000..=65_535;
/// How many times the system is asked for a port. The one that it gives for IPv4 may be taken for IPv6.
const TRIES: usize = 16;

/// Which port to accept connections on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// This port of the usual ones, or the first after it that is free: after 65535 comes 61000. Any free port if
    /// there is none.
    From(u16),
    /// This port and no other. Zero means any free port.
    Exactly(u16),
}

/// Opens a port, and one socket for each family of addresses that this host has.
pub fn open(ports: Ports, bind_address: BindAddress) -> io::Result<(u16, Vec<ListeningSocket>)> {
    let sockets = match ports {
        Ports::From(first) => {
            let usual = (first..=*USUAL_PORTS.end()).chain(USUAL_PORTS.take_while(|port| *port < first));
            let mut sockets = usual.map(|port| open_one(port, bind_address)).filter(not_in_use);
            sockets.next().unwrap_or_else(|| open_any(bind_address))
        }
        Ports::Exactly(0) => open_any(bind_address),
        Ports::Exactly(port) => open_one(port, bind_address),
    }?;
    let port = match sockets.first() {
        Some(socket) => socket.address().port(),
        None => 0,
    };
    Ok((port, sockets))
}

fn open_any(bind_address: BindAddress) -> io::Result<Vec<ListeningSocket>> {
    let mut tries = std::iter::repeat_with(|| open_one(0, bind_address)).take(TRIES).filter(not_in_use);
    tries.next().unwrap_or_else(|| open_one(0, bind_address))
}

fn not_in_use(opened: &io::Result<Vec<ListeningSocket>>) -> bool {
    !matches!(opened, Err(error) if error.kind() == ErrorKind::AddrInUse)
}

/// Opens this port, or any if it is zero, at the bind address or at all addresses of the host.
fn open_one(port: u16, bind_address: BindAddress) -> io::Result<Vec<ListeningSocket>> {
    if let Some(ip) = bind_address.address() {
        return Ok(vec![
            ListeningSocket::open(SocketAddr::new(ip, port), bind_address)
                .map_err(|error| listen_error(port, &error))?,
        ]);
    }
    let four = ListeningSocket::open((Ipv4Addr::UNSPECIFIED, port).into(), bind_address);
    let port = match &four {
        Ok(socket) => socket.address().port(),
        Err(_) => port,
    };
    let six = ListeningSocket::open((Ipv6Addr::UNSPECIFIED, port).into(), bind_address);
    match (four, six) {
        (Err(error), _) | (_, Err(error)) if error.kind() == ErrorKind::AddrInUse => {
            Err(listen_error(port, &error))
        }
        (Err(error), Err(_)) => Err(listen_error(port, &error)),
        // A host that lacks one of the families is nothing unusual.
        (Ok(socket), Err(error)) | (Err(error), Ok(socket)) => {
            debug!("listening on {} only: {}", socket.address(), reason(&error));
            Ok(vec![socket])
        }
        (Ok(four), Ok(six)) => Ok(vec![four, six]),
    }
}

fn listen_error(port: u16, error: &io::Error) -> io::Error {
    let why = match error.kind() {
        ErrorKind::AddrInUse => "another program uses it (choose another port)".to_owned(),
        ErrorKind::PermissionDenied => "permission denied (choose a port above 1023)".to_owned(),
        ErrorKind::AddrNotAvailable => "no interface has the address".to_owned(),
        _ => reason(error),
    };
    io::Error::new(error.kind(), format!("cannot listen on port {port}: {why}"))
}
