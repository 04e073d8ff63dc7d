//! The address that everything leaves by ("bind address").
//!
//! A user who gives one (`--bind`) has a reason, mostly a tunnel, and would rather have no connection than
//! one that bypasses it. So this fails closed: each socket is bound before it connects. If the host does not
//! have the address (any more), or the target is of the other family, there is an error and never a
//! connection from another address. The sockets of the HTTP library ([`http`](super::http)), the DHT and the
//! local network are bound in the same way.
//!
//! Host names are looked up by the system's resolver, which asks its name servers over the system's routes.
//! So a lookup tells a name server which host we look for, whatever the bind address is.

use crate::address::{IpFamily, canonical};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// The address that everything leaves by, if the user named one (`--bind`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindAddress(BindChoice);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BindChoice {
    /// The system chooses one for each target.
    #[default]
    Any,
    /// The system chooses one of this family for each target.
    Family(IpFamily),
    /// This address.
    Only(IpAddr),
}

impl BindAddress {
    /// The system chooses for each target.
    pub fn any() -> BindAddress {
        BindAddress(BindChoice::Any)
    }

    /// This address and no other.
    pub fn only(ip: IpAddr) -> BindAddress {
        BindAddress(BindChoice::Only(ip.to_canonical()))
    }

    /// The same, restricted to one family. `None` if nothing can leave by it then.
    pub fn of_family(self, family: IpFamily) -> Option<BindAddress> {
        match self.0 {
            BindChoice::Any => Some(BindAddress(BindChoice::Family(family))),
            _ => (self.family() == Some(family)).then_some(self),
        }
    }

    /// The same without a restriction to one family: as for a proxy, which is no tracker.
    pub(super) fn of_any_family(self) -> BindAddress {
        if let BindChoice::Family(_) = self.0 { BindAddress::any() } else { self }
    }

    /// The family that everything leaves by; `None` if it may be both.
    pub fn family(&self) -> Option<IpFamily> {
        match self.0 {
            BindChoice::Any => None,
            BindChoice::Family(family) => Some(family),
            BindChoice::Only(ip) => Some(IpFamily::of(ip)),
        }
    }

    /// The address, if the user named one.
    pub fn address(&self) -> Option<IpAddr> {
        if let BindChoice::Only(ip) = self.0 { Some(ip) } else { None }
    }

    /// Checks that connections can leave by the address. Call it once, before anything is started.
    ///
    /// # Errors
    ///
    /// This host does not have the address, or no connection can leave by such an address.
    pub fn check(&self) -> io::Result<()> {
        let Some(ip) = self.address() else { return Ok(()) };
        if ip.is_unspecified() || ip.is_multicast() {
            let why = format!("{ip} is no address of one network interface (give one that this host has)");
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        if matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
            let why = format!("{ip} means nothing without its interface (give another address of this host)");
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        bound(ip, Type::STREAM).map(drop)
    }

    /// Whether a connection to `to` can leave by the address at all: both are IPv4, or both IPv6.
    pub fn reaches(&self, to: SocketAddr) -> bool {
        self.family().is_none_or(|family| family.has(canonical(to)))
    }

    /// Connects to `to`.
    ///
    /// # Errors
    ///
    /// What the system says, [`ErrorKind::TimedOut`] after `deadline`, and [`ErrorKind::AddrNotAvailable`] if
    /// this host does not have the address, or the target is of the other family.
    pub fn connect(&self, to: SocketAddr, deadline: Duration) -> io::Result<TcpStream> {
        self.check_reach(to)?;
        let Some(ip) = self.address() else { return TcpStream::connect_timeout(&to, deadline) };
        let socket = bound(ip, Type::STREAM)?;
        socket.connect_timeout(&canonical(to).into(), deadline)?;
        Ok(socket.into())
    }

    /// Begins to connect to `to`, and does not wait for what comes of it.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), without a deadline.
    pub(super) fn begin(&self, to: SocketAddr) -> io::Result<Socket> {
        let to = canonical(to);
        self.check_reach(to)?;
        let socket = match self.address() {
            Some(ip) => bound(ip, Type::STREAM)?,
            None => Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?,
        };
        socket.set_nonblocking(true)?;
        match socket.connect(&to.into()) {
            Err(error) if !is_under_way(&error) => Err(error),
            _ => Ok(socket),
        }
    }

    /// A UDP socket that sends to `to`, and gets only packets that come from there.
    ///
    /// # Errors
    ///
    /// What the system says, which includes at once that there is no way to `to`. As
    /// [`connect`](Self::connect) if this host does not have the address, or the target is of the other
    /// family.
    pub fn udp(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        let to = canonical(to);
        self.check_reach(to)?;
        let ip = self.address().unwrap_or_else(|| IpFamily::of(to.ip()).unspecified());
        let socket = bound(ip, Type::DGRAM)?;
        socket.connect(&to.into())?;
        Ok(socket.into())
    }

    fn check_reach(&self, to: SocketAddr) -> io::Result<()> {
        if self.reaches(to) {
            return Ok(());
        }
        let from = self.address().map_or_else(|| "the other family".to_owned(), |ip| ip.to_string());
        let why = format!("{to} cannot be reached from {from}, which everything is to leave by");
        Err(io::Error::new(ErrorKind::AddrNotAvailable, why))
    }
}

/// Whether a connection is being made: what the system says where it would have to wait for that.
fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) || error.kind() == ErrorKind::WouldBlock
}

/// A socket that is bound to this address, at a port that the system chooses.
fn bound(ip: IpAddr, kind: Type) -> io::Result<Socket> {
    let from = SocketAddr::from((ip, 0));
    let protocol = if kind == Type::DGRAM { Protocol::UDP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(from), kind, Some(protocol))?;
    socket.bind(&from.into()).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrNotAvailable => "this host does not have it".to_owned(),
            _ => error.to_string(),
        };
        io::Error::new(error.kind(), format!("cannot leave by the address {ip}: {why}"))
    })?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const WAIT: Duration = Duration::from_secs(20);

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[test]
    fn a_connection_leaves_by_the_address_that_was_named() {
        let (listener, to) = listener();
        let bind_address = BindAddress::only("127.0.0.2".parse().unwrap());
        bind_address.check().unwrap();
        let ours = bind_address.connect(to, WAIT).unwrap();
        let (_, from) = listener.accept().unwrap();
        assert_eq!(from, ours.local_addr().unwrap());
        assert_eq!(Some(from.ip()), bind_address.address());
    }

    #[test]
    fn an_ipv4_target_in_ipv6_notation_is_reached_by_ipv4() {
        let (listener, to) = listener();
        let to = SocketAddr::new(format!("::ffff:{}", to.ip()).parse().unwrap(), to.port());
        let bind_address = BindAddress::only("::ffff:127.0.0.2".parse().unwrap());
        let _ours = bind_address.connect(to, WAIT).unwrap();
        assert_eq!(Some(listener.accept().unwrap().1.ip()), bind_address.address());
    }

    #[test]
    fn without_the_address_there_is_no_connection() {
        let (listener, to) = listener();
        listener.set_nonblocking(true).unwrap();
        for ip in ["192.0.2.1", "2001:db8::1", "::1"] {
            let bind_address = BindAddress::only(ip.parse().unwrap());
            let error = bind_address.connect(to, WAIT).unwrap_err();
            assert!(error.to_string().contains(ip), "{error}");
            assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn packets_leave_by_the_address_that_was_named_or_not_at_all() {
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        there.set_read_timeout(Some(WAIT)).unwrap();
        let to = there.local_addr().unwrap();
        for ip in ["192.0.2.1", "2001:db8::1", "::1"] {
            let error = BindAddress::only(ip.parse().unwrap()).udp(to).unwrap_err();
            assert!(error.to_string().contains(ip), "{error}");
        }
        let written_as_six = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), to.port());
        for to in [to, written_as_six] {
            BindAddress::only([127, 0, 0, 2].into()).udp(to).unwrap().send(b"x").unwrap();
            assert_eq!(there.recv_from(&mut [0]).unwrap().1.ip(), IpAddr::from([127, 0, 0, 2]));
            BindAddress::any().udp(to).unwrap().send(b"x").unwrap();
            assert_eq!(there.recv_from(&mut [0]).unwrap().1.ip(), IpAddr::from([127, 0, 0, 1]));
        }
    }

    #[test]
    fn one_family_is_a_part_of_any_address_and_all_or_nothing_of_a_named_one() {
        let (_listener, to) = listener();
        let four = BindAddress::any().of_family(IpFamily::V4).unwrap();
        let six = BindAddress::any().of_family(IpFamily::V6).unwrap();
        assert!(four.reaches(to) && !six.reaches(to) && four.connect(to, WAIT).is_ok());
        for error in [six.connect(to, WAIT).unwrap_err(), six.udp(to).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        }
        let named = BindAddress::only([127, 0, 0, 2].into());
        assert_eq!((named.of_family(IpFamily::V4), named.of_family(IpFamily::V6)), (Some(named), None));
        assert_eq!((four.of_family(IpFamily::V4), four.of_family(IpFamily::V6)), (Some(four), None));
    }

    #[test]
    fn an_address_that_this_host_does_not_have_is_refused_beforehand() {
        for ip in ["192.0.2.1", "2001:db8::1", "0.0.0.0", "::", "224.0.0.1", "fe80::1"] {
            let error = BindAddress::only(ip.parse().unwrap()).check().unwrap_err();
            assert!(error.to_string().contains(ip), "{error}");
        }
        BindAddress::any().check().unwrap();
    }
}
