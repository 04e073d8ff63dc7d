//! A multicast group: hosts on the local network that all receive what one of them sends.
//!
//! Everything stays in this network: packets are sent with a lifetime of one hop, so no router forwards them.
//! Several programs on one host share the port of a group. All calls run on the thread of the caller: one
//! thread receives, and any thread may send or [hang up](Group::hang_up).

use super::interfaces::{Interface, interfaces};
use super::{BindAddress, UdpPort};
use crate::address::IpFamily;
use socket2::{InterfaceIndexOrAddress, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Instant;

/// The most interfaces through which we are in a group.
const MAX_INTERFACES: usize = 8;

/// A group that we are in, through one interface of this host or several.
#[derive(Debug)]
pub struct Group {
    receiver: UdpPort,
    /// One for each interface: sockets of their own, because the receiver is bound to the group's address and not to
    /// the one that everything leaves by.
    senders: Vec<UdpPort>,
    /// The interfaces. None where there is one alone, which the user or the system has chosen.
    through: Vec<LocalNetwork>,
    /// The group's address, with the interface if it is IPv6 and the user named an address.
    group: SocketAddr,
    /// The source address of our packets, when we joined.
    our_address: IpAddr,
    bind_address: BindAddress,
}

/// A network that this host is in: the number of the interface, and our addresses of one family there, of which there
/// is one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LocalNetwork {
    index: u32,
    addresses: Vec<IpAddr>,
}

impl Group {
    /// Joins a group through each interface that has neighbours, so that a tunnel which everything else leaves by does
    /// not hide them. Where the user named what everything leaves by, or there is no such interface, as
    /// [`join`](Self::join).
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_everywhere(group: SocketAddr, bind_address: BindAddress) -> io::Result<Group> {
        let is_free = bind_address.address().is_none() && bind_address.interface().is_none();
        let all = if is_free && bind_address.reaches(group) { interfaces() } else { Ok(Vec::new()) };
        let mut through = local_networks(&all.unwrap_or_default(), IpFamily::of(group.ip()));
        let mut senders = Vec::new();
        through.retain(|network| {
            let network = network.clone();
            let open = move || sender(group, bind_address, Some(&network));
            let port = open().and_then(|socket| UdpPort::over(socket, bind_address, open));
            port.map(|port| senders.push(port)).is_ok()
        });
        let Some(our_address) = through.first().and_then(|network| network.addresses.first()).copied() else {
            return Group::join(group, bind_address);
        };
        let networks = through.clone();
        let open = move || receiver(group, bind_address, &networks);
        let receiver = UdpPort::over(open()?, bind_address, open)?;
        Ok(Group { receiver, senders, through, group, our_address, bind_address })
    }

    /// Joins a group through the interface that the user named or that has the bind address, or through one
    /// that the system chooses if there is none.
    ///
    /// # Errors
    ///
    /// What the system says: the host does not have the family or has no route to the group, or another
    /// program has the port for itself.
    pub fn join(group: SocketAddr, bind_address: BindAddress) -> io::Result<Group> {
        if !bind_address.reaches(group) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let group = match (group, bind_address.address()) {
            (SocketAddr::V6(six), Some(IpAddr::V6(ip))) => {
                SocketAddrV6::new(*six.ip(), six.port(), 0, interface_of(ip)?).into()
            }
            _ => group,
        };
        let open = move || receiver(group, bind_address, &[]);
        let receiver = UdpPort::over(open()?, bind_address, open)?;
        let open = move || sender(group, bind_address, None);
        let senders = vec![UdpPort::over(open()?, bind_address, open)?];
        let our_address = match bind_address.address() {
            Some(ip) => ip,
            None => bind_address.udp(group)?.local_addr()?.ip(),
        };
        Ok(Group { receiver, senders, through: Vec::new(), group, our_address, bind_address })
    }

    /// The addresses of this host in the networks of the group.
    pub fn our_addresses(&self) -> Vec<IpAddr> {
        if self.through.is_empty() {
            return vec![self.our_address()];
        }
        self.through.iter().flat_map(|network| network.addresses.iter().copied()).collect()
    }

    /// The address of this host, as the other hosts of the first network see it.
    pub fn our_address(&self) -> IpAddr {
        // An interface may have come back with another one.
        let now = self.bind_address.interface().map(|device| device.address(IpFamily::of(self.group.ip())));
        now.and_then(Result::ok).unwrap_or(self.our_address)
    }

    /// The same of each network, with the port that we send from.
    pub fn sends_from(&self) -> Vec<SocketAddr> {
        let first = |network: &LocalNetwork| network.addresses.first().copied();
        let ours = self.through.iter().filter_map(first).chain([self.our_address()]);
        ours.zip(&self.senders).map(|(ip, sender)| SocketAddr::new(ip, sender.address().port())).collect()
    }

    /// The group's address, at which we receive.
    pub fn address(&self) -> SocketAddr {
        self.group
    }

    /// Sends this to all hosts of the group.
    ///
    /// # Errors
    ///
    /// What the system says, mostly that there is no route, if that holds for all networks.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        let sent = self.senders.iter().map(|sender| sender.send(self.group, packet));
        sent.reduce(io::Result::or).unwrap_or(Ok(()))
    }

    /// As [`UdpPort::receive`]. We receive our own packets too.
    ///
    /// # Errors
    ///
    /// As [`UdpPort::receive`].
    pub fn receive(&self, into: &mut [u8], until: Instant) -> io::Result<Option<(usize, SocketAddr)>> {
        self.receiver.receive(into, until)
    }

    /// Wakes the thread that waits. No thread can wait again.
    pub fn hang_up(&self) {
        self.receiver.hang_up();
    }
}

/// A port that asks a group, or one device, and hears what comes back to it alone: it is in no group itself. Everything
/// leaves by this address, and goes no further than the network that the address is in.
///
/// # Errors
///
/// What the system says, mostly that this host does not have the address.
pub fn asking_port(from: Ipv4Addr, bind_address: BindAddress) -> io::Result<UdpPort> {
    let open = move || {
        let socket = bind_address.socket(IpFamily::V4, Type::DGRAM)?;
        socket.set_multicast_if_v4(&from)?;
        socket.set_multicast_ttl_v4(1)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        Ok(socket)
    };
    UdpPort::over(open()?, bind_address, open)
}

/// The networks of this family that have neighbours, not too many.
fn local_networks(interfaces: &[Interface], family: IpFamily) -> Vec<LocalNetwork> {
    let with_neighbours = interfaces.iter().filter(|one| one.is_up && one.has_neighbours);
    let networks = with_neighbours.map(|one| {
        let addresses = one.addresses.iter().copied().filter(|ip| IpFamily::of(*ip) == family);
        LocalNetwork { index: one.index, addresses: addresses.collect() }
    });
    networks.filter(|network| !network.addresses.is_empty()).take(MAX_INTERFACES).collect()
}

/// A socket that is in the group, through these networks or, if there are none, as the user or the system chooses.
fn receiver(group: SocketAddr, bind_address: BindAddress, through: &[LocalNetwork]) -> io::Result<Socket> {
    let socket = bind_address.socket(IpFamily::of(group.ip()), Type::DGRAM)?;
    socket.set_reuse_address(true)?;
    // Linux shares the port with the option above. Other systems need this one.
    let _ = socket.set_reuse_port(true);
    let interface = bind_address.interface().map(|device| device.index().ok_or(ErrorKind::NetworkDown));
    let interface = interface.transpose()?;
    match group {
        SocketAddr::V4(four) => {
            // Otherwise it would also receive what comes through an interface on which another program
            // joined the group.
            let _ = socket.set_multicast_all_v4(false);
            let join = |network: &LocalNetwork| {
                socket.join_multicast_v4_n(four.ip(), &InterfaceIndexOrAddress::Index(network.index))
            };
            match interface {
                _ if !through.is_empty() => {
                    through.iter().map(join).reduce(io::Result::or).unwrap_or(Ok(()))?;
                }
                Some(index) => {
                    socket.join_multicast_v4_n(four.ip(), &InterfaceIndexOrAddress::Index(index))?;
                }
                None => socket.join_multicast_v4(four.ip(), &source_v4(bind_address))?,
            }
        }
        SocketAddr::V6(six) => {
            socket.set_only_v6(true)?;
            let _ = socket.set_multicast_all_v6(false);
            let join = |network: &LocalNetwork| socket.join_multicast_v6(six.ip(), network.index);
            let chosen = || socket.join_multicast_v6(six.ip(), interface.unwrap_or(six.scope_id()));
            through.iter().map(join).reduce(io::Result::or).unwrap_or_else(chosen)?;
        }
    }
    // Bound to the group's address and not to all of ours, so that what a host sends to us alone does not
    // arrive here.
    socket.bind(&group.into())?;
    Ok(socket)
}

/// A socket that sends to the group, in this network or, if there is none, as the user or the system chooses.
fn sender(
    group: SocketAddr,
    bind_address: BindAddress,
    through: Option<&LocalNetwork>,
) -> io::Result<Socket> {
    let socket = bind_address.socket(IpFamily::of(group.ip()), Type::DGRAM)?;
    let from: SocketAddr = match group {
        SocketAddr::V4(_) => {
            let here = through.and_then(|network| network.addresses.first());
            let ip = if let Some(IpAddr::V4(ip)) = here { *ip } else { source_v4(bind_address) };
            socket.set_multicast_if_v4(&ip)?;
            socket.set_multicast_ttl_v4(1)?;
            socket.set_multicast_loop_v4(true)?;
            (ip, 0).into()
        }
        SocketAddr::V6(six) => {
            socket.set_only_v6(true)?;
            if bind_address.interface().is_none() {
                socket.set_multicast_if_v6(through.map_or(six.scope_id(), |network| network.index))?;
            }
            socket.set_multicast_hops_v6(1)?;
            socket.set_multicast_loop_v6(true)?;
            let ip =
                if let Some(IpAddr::V6(ip)) = bind_address.address() { ip } else { Ipv6Addr::UNSPECIFIED };
            SocketAddrV6::new(ip, 0, 0, six.scope_id()).into()
        }
    };
    socket.bind(&from.into())?;
    Ok(socket)
}

/// The address that packets of IPv4 are to leave from.
fn source_v4(bind_address: BindAddress) -> Ipv4Addr {
    if let Some(IpAddr::V4(ip)) = bind_address.address() { ip } else { Ipv4Addr::UNSPECIFIED }
}

/// The number of the interface that has this address.
fn interface_of(ip: Ipv6Addr) -> io::Result<u32> {
    let found = interfaces()?.into_iter().find(|one| one.addresses.contains(&ip.into()));
    found.map(|one| one.index).ok_or_else(|| ErrorKind::AddrNotAvailable.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Duration;

    const GROUP: &str = "239.192.152.143";

    fn loopback(ip: [u8; 4]) -> BindAddress {
        BindAddress::only(ip.into())
    }

    /// A UDP port that no other program has while the socket lives.
    fn free() -> (UdpSocket, u16) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, port)
    }

    #[test]
    fn all_hosts_of_a_group_receive_what_one_sends_and_where_it_comes_from() {
        let (_kept, port) = free();
        let group = SocketAddr::new(GROUP.parse().unwrap(), port);
        let members = [[127, 0, 0, 1], [127, 0, 0, 1], [127, 0, 0, 2]]
            .map(|ip| Group::join(group, loopback(ip)).unwrap());
        members[2].send(b"hello").unwrap();
        for member in &members {
            let mut packet = [0; 9];
            let far = Instant::now() + Duration::from_secs(20);
            let (length, from) = member.receive(&mut packet, far).unwrap().unwrap();
            assert_eq!(&packet[..length], b"hello");
            assert_eq!(from.ip(), IpAddr::from([127, 0, 0, 2]));
            assert_eq!(members[2].our_address(), from.ip());
        }
    }

    #[test]
    fn what_is_sent_to_this_host_alone_is_not_received() {
        let (stranger, port) = free();
        let group = SocketAddr::new(GROUP.parse().unwrap(), port);
        let member = Group::join(group, loopback([127, 0, 0, 1])).unwrap();
        stranger.send_to(b"lie", ("127.0.0.3", port)).unwrap();
        member.send(b"truth").unwrap();
        let mut packet = [0; 9];
        let far = Instant::now() + Duration::from_secs(20);
        assert_eq!(member.receive(&mut packet, far).unwrap().unwrap().0, 5);
        assert_eq!(&packet[..5], b"truth");
    }

    #[test]
    fn an_address_that_is_not_ours_or_of_the_other_family_is_in_no_group() {
        let [four, six] = ["239.192.152.143:6771", "[ff15::efc0:988f]:6771"].map(|one| one.parse().unwrap());
        for (group, ip) in [(four, "192.0.2.77"), (four, "::1"), (six, "127.0.0.1"), (six, "2001:db8::1")] {
            Group::join(group, BindAddress::only(ip.parse().unwrap())).unwrap_err();
        }
    }

    #[test]
    fn a_group_is_joined_through_each_interface_with_neighbours_and_no_tunnel_hides_them() {
        let one = |index: u32, is_up, has_neighbours, ips: &[&str]| {
            let addresses = ips.iter().map(|ip| ip.parse().unwrap()).collect();
            Interface { name: format!("if{index}"), index, is_up, has_neighbours, addresses }
        };
        let mut all = vec![
            one(1, true, false, &["127.0.0.1", "::1"]),
            one(2, true, true, &["192.168.1.7", "fe80::7"]),
            one(3, false, true, &["192.168.2.7"]),
            one(4, true, false, &["10.8.0.2"]),
            one(5, true, true, &["fe80::9", "2001:db8::9"]),
        ];
        let indices = |all: &[Interface], family| {
            local_networks(all, family).iter().map(|network| network.index).collect::<Vec<_>>()
        };
        assert_eq!(indices(&all, IpFamily::V4), [2]);
        assert_eq!(indices(&all, IpFamily::V6), [2, 5]);
        assert_eq!(local_networks(&all, IpFamily::V6)[1].addresses.len(), 2);
        all.extend((10..99).map(|index| one(index, true, true, &["192.168.9.9"])));
        assert_eq!(indices(&all, IpFamily::V4).len(), MAX_INTERFACES);
    }

    #[test]
    fn what_the_user_bound_to_is_the_only_way_to_a_group() {
        let group = SocketAddr::new(GROUP.parse().unwrap(), free().1);
        let ours = Group::join_everywhere(group, loopback([127, 0, 0, 3])).unwrap();
        assert_eq!(ours.our_addresses(), [IpAddr::from([127, 0, 0, 3])]);
        assert_eq!(ours.sends_from().iter().map(SocketAddr::ip).collect::<Vec<_>>(), ours.our_addresses());
    }

    #[test]
    fn the_interface_of_an_address_has_a_number() {
        if std::path::Path::new("/proc/net/if_inet6").exists() && UdpSocket::bind("[::1]:0").is_ok() {
            assert!(interface_of(Ipv6Addr::LOCALHOST).unwrap() > 0);
        }
        interface_of("2001:db8::1".parse().unwrap()).unwrap_err();
    }
}
