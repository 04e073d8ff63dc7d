//! A network interface ("device") that everything leaves by, such as the `tun0` of a tunnel.
//!
//! A socket is bound to it by the system (`SO_BINDTODEVICE`, socket(7)), before it is connected or bound to an
//! address. From then on nothing that it sends leaves by another interface, and nothing that comes in by another one
//! reaches it. Where the interface is removed, such a socket can send nothing any more, so it fails closed. That holds
//! for good: an interface that is made again under the same name has another number, and the sockets of the former one
//! are dead. So those that live long are opened anew ([`UdpPort`](super::UdpPort), the listening sockets, the
//! [`Group`](super::Group)), and connections are made again.
//!
//! Linux lets everyone do it since version 5.7, and before only root. Where the system does not, that is an error:
//! to bind to the addresses of the interface instead would let packets leave by another one that routes them.

use super::interfaces::{Interface, interfaces};
use crate::address::IpFamily;
use crate::text::{printable, reason};
use log::warn;
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a thread waits at a socket that may have lost its interface before it looks.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A network interface by its name, whether there is one or not.
#[derive(Debug)]
pub struct Device {
    name: String,
    /// Its number when we last looked; zero where there was none.
    last_seen: AtomicU32,
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        self.name == other.name
    }
}

impl Eq for Device {}

impl Device {
    /// The interface of this name, which is to be one that everything can leave by.
    ///
    /// # Errors
    ///
    /// There is none, it is down or has no address, or the system does not let us bind to it.
    pub(super) fn named(name: &str) -> io::Result<Device> {
        let error = |kind, why| Err(io::Error::new(kind, why));
        let all = match interfaces() {
            Ok(all) => all,
            Err(why) if why.kind() == ErrorKind::Unsupported => {
                let why =
                    "this system does not let a program bind to an interface (give one of its addresses)";
                return error(ErrorKind::Unsupported, why.to_owned());
            }
            Err(why) => {
                return error(why.kind(), format!("cannot list the network interfaces: {}", reason(&why)));
            }
        };
        let Some(found) = all.iter().find(|one| one.name == name) else {
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            let why = format!(
                "this host has no network interface '{}' now (it has {}; start the tunnel first, or give an \
                 address of this host)",
                printable(name),
                names.join(", ")
            );
            return error(ErrorKind::NotFound, why);
        };
        if !found.is_up {
            let why =
                format!("the network interface {name} is down (bring it up first: ip link set {name} up)");
            return error(ErrorKind::NetworkDown, why);
        }
        if !found.addresses.iter().any(is_of_use) {
            let why = format!("the network interface {name} has no address yet (wait until it has one)");
            return error(ErrorKind::AddrNotAvailable, why);
        }
        let device = Device { name: name.to_owned(), last_seen: AtomicU32::new(found.index) };
        let probe = Socket::new(Domain::for_address(([0; 4], 0).into()), Type::DGRAM, None)?;
        device.bind(&probe).map_err(|why| match why.kind() {
            ErrorKind::PermissionDenied => {
                let reason = format!(
                    "this system lets only root bind to the network interface {name} (Linux 5.7 lets everyone; give \
                     the address of the interface instead)"
                );
                io::Error::new(why.kind(), reason)
            }
            _ => why,
        })?;
        Ok(device)
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// From now on the socket sends and receives by this interface alone.
    pub(super) fn bind(&self, socket: &Socket) -> io::Result<()> {
        bind(socket, &self.name).map_err(|why| match Errno::from_io_error(&why) {
            Some(Errno::NODEV) => self.is_gone(),
            _ => io::Error::new(why.kind(), format!("cannot use {}: {}", self.name, reason(&why))),
        })
    }

    /// What the system lists under this name, if it is there and up. The first who learns that it has gone or come
    /// back says so.
    fn look(&self) -> io::Result<Interface> {
        let found = interfaces()?.into_iter().find(|one| one.name == self.name && one.is_up);
        let index =
            found.as_ref().filter(|one| one.addresses.iter().any(is_of_use)).map_or(0, |one| one.index);
        let before = self.last_seen.swap(index, Ordering::Relaxed);
        match (before, index, &found) {
            (0, 0, _) => {}
            (_, 0, _) => warn!("{} is gone: nothing is sent until it is back", self.name),
            (before, now, Some(found)) if before != now => {
                let addresses: Vec<String> =
                    found.addresses.iter().filter(|ip| is_of_use(ip)).map(IpAddr::to_string).collect();
                warn!("{} is back, with {}", self.name, addresses.join(", "));
            }
            _ => {}
        }
        found.ok_or_else(|| self.is_gone())
    }

    /// Its number now. `None` where it is gone, down, or has no address.
    pub(super) fn index(&self) -> Option<u32> {
        let _ = self.look();
        Some(self.last_seen.load(Ordering::Relaxed)).filter(|index| *index != 0)
    }

    /// An address of it that packets of this family leave from.
    ///
    /// # Errors
    ///
    /// It is gone or has none. Without this question the system would put the address of another interface on what
    /// leaves by this one.
    pub(super) fn address(&self, family: IpFamily) -> io::Result<IpAddr> {
        let addresses = self.look()?.addresses;
        let found = addresses.into_iter().find(|ip| IpFamily::of(*ip) == family && is_of_use(ip));
        found.ok_or_else(|| {
            let why = format!("the network interface {} has no address of {}", self.name, family.name());
            io::Error::new(ErrorKind::NetworkUnreachable, why)
        })
    }

    /// Whether this socket, which was bound to the interface, still is. Else it can send nothing any more.
    pub(super) fn has(&self, socket: &SockRef<'_>) -> bool {
        is_bound(socket, &self.name)
    }

    fn is_gone(&self) -> io::Error {
        io::Error::new(ErrorKind::NetworkDown, format!("the network interface {} is gone", self.name))
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind(socket: &Socket, name: &str) -> io::Result<()> {
    socket.bind_device(Some(name.as_bytes()))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_bound(socket: &SockRef<'_>, name: &str) -> bool {
    matches!(socket.device(), Ok(Some(bound)) if bound == name.as_bytes())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind(_: &Socket, _: &str) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_bound(_: &SockRef<'_>, _: &str) -> bool {
    false
}

/// Whether more than the neighbours can be reached from here.
fn is_of_use(ip: &IpAddr) -> bool {
    !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
