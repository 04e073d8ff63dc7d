//! What everything leaves by ("bind address"): an address of this host, or one of its network interfaces.
//!
//! A user who names one (`--bind`) has a reason, mostly a tunnel, and would rather have no connection than
//! one that bypasses it. So this fails closed: each socket is bound before it connects. If the host does not
//! have the address or the interface (any more), or the target is of another family, there is an error and
//! never a connection by another way. The sockets of the HTTP library ([`http`](super::http)), the DHT, the
//! local network and the listener are bound in the same way. `device.rs` has more on interfaces.
//!
//! Host names are looked up by the system's resolver, which asks its name servers over the system's routes.
//! So a lookup tells a name server which host we look for, whatever the bind address is.

use super::device::Device;
use crate::address::{IpFamily, Reach, canonical};
use crate::text::reason;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// What everything leaves by, if the user named something (`--bind`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindAddress {
    choice: BindChoice,
    /// Only targets of this family are reached.
    family: Option<IpFamily>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BindChoice {
    /// The system chooses an address for each target.
    #[default]
    Any,
    /// This address.
    Only(IpAddr),
    /// This interface, by whichever addresses it has. There is one in a process, and it is never dropped.
    Device(&'static Device),
}

impl BindAddress {
    /// The system chooses for each target.
    pub fn any() -> BindAddress {
        BindAddress::default()
    }

    /// This address and no other.
    pub fn only(ip: IpAddr) -> BindAddress {
        let ip = ip.to_canonical();
        BindAddress { choice: BindChoice::Only(ip), family: Some(IpFamily::of(ip)) }
    }

    /// The network interface of this name and no other. To be called once in a process.
    ///
    /// # Errors
    ///
    /// This host has no such interface, it is down or has no address, or the system does not let us bind to it. The
    /// error says what to do.
    pub fn device(name: &str) -> io::Result<BindAddress> {
        let device = Box::leak(Box::new(Device::named(name)?));
        Ok(BindAddress { choice: BindChoice::Device(device), family: None })
    }

    /// The same, restricted to one family. `None` if nothing can leave by it then.
    pub fn of_family(self, family: IpFamily) -> Option<BindAddress> {
        let fits = self.family.is_none_or(|own| own == family);
        fits.then_some(BindAddress { family: Some(family), ..self })
    }

    /// The same without a restriction to one family: as for a proxy, which is no tracker.
    pub(super) fn of_any_family(self) -> BindAddress {
        match self.choice {
            BindChoice::Only(_) => self,
            _ => BindAddress { family: None, ..self },
        }
    }

    /// The family that everything leaves by; `None` if it may be both.
    pub fn family(&self) -> Option<IpFamily> {
        self.family
    }

    /// The address, if the user named one.
    pub fn address(&self) -> Option<IpAddr> {
        if let BindChoice::Only(ip) = self.choice { Some(ip) } else { None }
    }

    /// Whether the user named a network interface.
    pub fn is_an_interface(&self) -> bool {
        self.interface().is_some()
    }

    /// The network interface, if the user named one.
    pub(super) fn interface(&self) -> Option<&'static Device> {
        if let BindChoice::Device(device) = self.choice { Some(device) } else { None }
    }

    /// Checks that connections can leave by the address. Call it once, before anything is started.
    ///
    /// # Errors
    ///
    /// This host does not have the address, or no connection can leave by such an address.
    pub fn check(&self) -> io::Result<()> {
        let Some(ip) = self.address() else { return Ok(()) };
        if ip.is_unspecified() || ip.is_multicast() {
            let why =
                format!("{ip} is not the address of a network interface (give one of this host's addresses)");
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        if matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
            let why = format!("{ip} is ambiguous without its interface (give another address of this host)");
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        self.bound(IpFamily::of(ip), Type::STREAM).map(drop)
    }

    /// Whether `at` is an address of this host at which a listener that is bound so hears. Sends nothing.
    pub fn is_here(&self, at: SocketAddr) -> bool {
        let at = canonical(at);
        if let Some(only) = self.address() {
            return only == at.ip();
        }
        // To connect a socket for packets is to choose a route. What leads to this host leaves by the very
        // address that it goes to.
        let leaves_by = || self.udp(at).and_then(|socket| socket.local_addr());
        Reach::of(at.ip()) == Reach::Host || leaves_by().is_ok_and(|from| from.ip() == at.ip())
    }

    /// Whether a connection to `to` can leave by it at all: both are IPv4, or both IPv6.
    pub fn reaches(&self, to: SocketAddr) -> bool {
        self.family().is_none_or(|family| family.has(canonical(to)))
    }

    /// Connects to `to`.
    ///
    /// # Errors
    ///
    /// What the system says, [`ErrorKind::TimedOut`] after `deadline`, [`ErrorKind::AddrNotAvailable`] if this
    /// host does not have the address, or the target is of the other family, and [`ErrorKind::NetworkDown`] if
    /// this host does not have the interface now.
    pub fn connect(&self, to: SocketAddr, deadline: Duration) -> io::Result<TcpStream> {
        let socket = self.socket_for(to, Type::STREAM)?;
        socket
            .connect_timeout(&canonical(to).into(), deadline)
            .map_err(|error| self.in_plain_words(error, to))?;
        Ok(socket.into())
    }

    /// Begins to connect to `to`, and does not wait for what comes of it.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), without a deadline.
    pub(super) fn begin(&self, to: SocketAddr) -> io::Result<Socket> {
        let socket = self.socket_for(to, Type::STREAM)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&canonical(to).into()) {
            Err(error) if !is_under_way(&error) => Err(self.in_plain_words(error, to)),
            _ => Ok(socket),
        }
    }

    /// A UDP socket that sends to `to`, and gets only packets that come from there.
    ///
    /// # Errors
    ///
    /// What the system says, which includes at once that there is no way to `to`. As
    /// [`connect`](Self::connect) if this host does not have the address or the interface, or the target is of
    /// the other family.
    pub fn udp(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.socket_for(to, Type::DGRAM)?;
        socket.connect(&canonical(to).into()).map_err(|error| self.in_plain_words(error, to))?;
        Ok(socket.into())
    }

    /// A new socket that is not bound to an address yet, and leaves by the interface if the user named one.
    pub(super) fn socket(&self, family: IpFamily, kind: Type) -> io::Result<Socket> {
        let protocol = if kind == Type::DGRAM { Protocol::UDP } else { Protocol::TCP };
        let domain = if family == IpFamily::V4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, kind, Some(protocol))?;
        if let Some(device) = self.interface() {
            device.bind(&socket)?;
        }
        Ok(socket)
    }

    /// A socket with which to go to `to`.
    fn socket_for(&self, to: SocketAddr, kind: Type) -> io::Result<Socket> {
        let to = canonical(to);
        if !self.reaches(to) {
            return Err(self.out_of_reach(to));
        }
        let family = IpFamily::of(to.ip());
        if let Some(device) = self.interface() {
            device.address(family)?;
        }
        self.bound(family, kind)
    }

    /// That there is no way from the address that the user named to this one.
    fn out_of_reach(&self, to: SocketAddr) -> io::Error {
        let from = self.address().map_or_else(|| "the other family".to_owned(), |ip| ip.to_string());
        let why = format!("{to} cannot be reached from {from} (--bind)");
        io::Error::new(ErrorKind::AddrNotAvailable, why)
    }

    /// Linux calls the argument invalid where the way to `to` is not one of the address of this host alone.
    fn in_plain_words(&self, error: io::Error, to: SocketAddr) -> io::Error {
        match error.kind() == ErrorKind::InvalidInput && self.address().is_some() {
            true => self.out_of_reach(canonical(to)),
            false => error,
        }
    }

    /// A socket at a port that the system chooses. Where the user named nothing, the address is left to it too.
    fn bound(&self, family: IpFamily, kind: Type) -> io::Result<Socket> {
        let socket = self.socket(family, kind)?;
        if let Some(ip) = self.address() {
            socket.bind(&SocketAddr::from((ip, 0)).into()).map_err(|error| {
                let why = match error.kind() {
                    ErrorKind::AddrNotAvailable => "no interface has it".to_owned(),
                    _ => reason(&error),
                };
                io::Error::new(error.kind(), format!("cannot use the address {ip}: {why}"))
            })?;
        }
        Ok(socket)
    }
}

/// Whether a connection is being made: what the system says where it would have to wait for that.
fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) || error.kind() == ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Group, ListeningSocket, UdpPort, interfaces};
    use socket2::SockRef;
    use std::net::TcpListener;
    use std::time::Instant;

    const WAIT: Duration = Duration::from_secs(20);

    /// The loopback interface, where the system lets us bind to one.
    fn loopback() -> Option<BindAddress> {
        let all = interfaces().unwrap_or_default();
        let one = all.iter().find(|one| one.addresses.contains(&[127, 0, 0, 1].into()))?;
        match BindAddress::device(&one.name) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
            bound => Some(bound.unwrap()),
        }
    }

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
    fn from_the_address_of_this_host_alone_no_other_is_reached() {
        let (here, there) = (BindAddress::only([127, 0, 0, 1].into()), "192.0.2.1:9".parse().unwrap());
        let errors = [
            here.connect(there, WAIT).unwrap_err(),
            here.begin(there).unwrap_err(),
            here.udp(there).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
            assert_eq!(error.to_string(), "192.0.2.1:9 cannot be reached from 127.0.0.1 (--bind)");
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
            assert_eq!(
                error.to_string().contains("without its interface"),
                ip.starts_with("fe80"),
                "{error}"
            );
        }
        BindAddress::any().check().unwrap();
    }

    #[test]
    fn everything_goes_by_the_interface_that_was_named() {
        let Some(bind_address) = loopback() else { return };
        let device = bind_address.interface().unwrap();
        let is_bound = |socket: SockRef<'_>| device.has(&socket);
        let (listener, to) = listener();
        let ours = bind_address.connect(to, WAIT).unwrap();
        assert!(is_bound(SockRef::from(&ours)));
        assert_eq!(listener.accept().unwrap().1, ours.local_addr().unwrap());
        assert!(is_bound(SockRef::from(&bind_address.begin(to).unwrap())));
        assert!(is_bound(SockRef::from(&bind_address.udp(to).unwrap())));
        let accepting = ListeningSocket::open("127.0.0.1:0".parse().unwrap(), bind_address).unwrap();
        let peer = BindAddress::any().connect(accepting.address(), WAIT).unwrap();
        let (accepted, from) = accepting.accept().unwrap();
        assert_eq!(from, peer.local_addr().unwrap());
        // How long the listening socket waits is no deadline for the peer.
        assert_eq!(accepted.read_timeout().unwrap(), None);
        let port = UdpPort::open(IpFamily::V4, 0, bind_address).unwrap();
        port.wake();
        let woken = port.receive(&mut [0], Instant::now() + WAIT).unwrap().unwrap();
        assert_eq!((woken.0, woken.1.port()), (0, port.address().port()));
        let group = SocketAddr::from(([239, 192, 152, 143], port.address().port()));
        drop(port);
        let member = Group::join(group, bind_address).unwrap();
        member.send(b"hello").unwrap();
        assert_eq!(member.receive(&mut [0; 9], Instant::now() + WAIT).unwrap().unwrap().0, 5);
        assert_eq!(member.our_address(), IpAddr::from([127, 0, 0, 1]));
        let four = bind_address.of_family(IpFamily::V4).unwrap();
        assert!(four.reaches(to) && four.interface() == Some(device));
        assert_eq!(four.of_family(IpFamily::V6), None);
    }

    #[test]
    fn what_is_no_interface_is_refused_with_the_names_of_those_that_there_are() {
        for name in ["tun77", "", "../lo", "localhost", "a-name-that-no-interface-can-have", "lo\n"] {
            let error = BindAddress::device(name).unwrap_err();
            let first = interfaces().unwrap_or_default().into_iter().map(|one| one.name).next();
            assert!(error.to_string().contains(&first.unwrap_or_default()), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
