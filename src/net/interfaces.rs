//! The network interfaces of this host and their addresses, as the kernel lists them (rtnetlink(7)).
//!
//! One socket to the kernel is asked two questions: which interfaces there are, and which addresses. The answers are
//! messages of attributes, each with its length before it. Nothing of this leaves the host, and no file is read, so
//! it works where only a few folders can be seen. Elsewhere than on Linux there is no such list.

use std::net::IpAddr;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `eth0` or `tun0`.
    pub name: String,
    /// Its number. One that is removed and made again has another.
    pub index: u32,
    /// It can be used.
    pub is_up: bool,
    /// Other hosts beside us hear what is said to a group: it is no loopback, no tunnel, and knows multicast.
    pub has_neighbours: bool,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use kernel::interfaces;

/// There is no list.
///
/// # Errors
///
/// Always.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn interfaces() -> std::io::Result<Vec<Interface>> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod kernel {
    use super::Interface;
    use crate::address::read_ip;
    use rustix::net::AddressFamily;
    use socket2::{Domain, Socket, Type};
    use std::io::{self, ErrorKind, Read};
    use std::net::IpAddr;
    use std::time::Duration;

    // The kinds of messages, the flags of a question for a whole list, and the attributes (linux/netlink.h,
    // linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h).
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    const NEW_LINK: u16 = 16;
    const GET_LINK: u16 = 18;
    const NEW_ADDRESS: u16 = 20;
    const GET_ADDRESS: u16 = 22;
    const REQUEST_LIST: u16 = 0x301;
    const LINK_NAME: u16 = 3;
    const ADDRESS: u16 = 1;
    const LOCAL_ADDRESS: u16 = 2;
    /// The flag of an interface that is up (netdevice(7)).
    const UP: u32 = 1;
    /// Those of loopback, of a line to one other host such as a tunnel, and of one that knows multicast.
    const LOOPBACK: u32 = 0x8;
    const POINT_TO_POINT: u32 = 0x10;
    const MULTICAST: u32 = 0x1000;
    /// Bytes before the body of a message, and those of what is before the attributes in it.
    const HEADER: usize = 16;
    const LINK_HEADER: usize = 16;
    const ADDRESS_HEADER: usize = 8;
    /// The kernel puts no more into one answer.
    const MOST: usize = 32 * 1024;
    /// The kernel answers at once.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// All interfaces, in the kernel's order.
    ///
    /// # Errors
    ///
    /// What the system says: it has no descriptors, or no such list.
    pub fn interfaces() -> io::Result<Vec<Interface>> {
        let domain = Domain::from(i32::from(AddressFamily::NETLINK.as_raw()));
        let socket = Socket::new(domain, Type::DGRAM, None)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut found = Vec::new();
        list(&socket, GET_LINK, &mut |kind, body| found.extend(link(kind, body)))?;
        list(&socket, GET_ADDRESS, &mut |kind, body| {
            if let Some((index, ip)) = address(kind, body)
                && let Some(interface) = found.iter_mut().find(|one: &&mut Interface| one.index == index)
            {
                interface.addresses.push(ip);
            }
        })?;
        Ok(found)
    }

    /// Asks one question and gives each message of the answer, its kind and its body, to `each`.
    fn list(socket: &Socket, question: u16, each: &mut dyn FnMut(u16, &[u8])) -> io::Result<()> {
        // Length, kind, flags; a number and a sender, both zero; then a header whose family, zero, means both.
        let mut request = vec![0; HEADER + LINK_HEADER];
        let length = (request.len() as u32).to_ne_bytes();
        let head = length.into_iter().chain(question.to_ne_bytes()).chain(REQUEST_LIST.to_ne_bytes());
        request.iter_mut().zip(head).for_each(|(byte, given)| *byte = given);
        socket.send(&request)?;
        let mut buffer = vec![0; MOST];
        loop {
            let mut socket = socket;
            let read = socket.read(&mut buffer)?;
            let mut rest =
                buffer.get(..read).filter(|bytes| !bytes.is_empty()).ok_or(ErrorKind::UnexpectedEof)?;
            while let Some((kind, body, after)) = message(rest) {
                match kind {
                    DONE => return Ok(()),
                    ERROR => {
                        let number = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
                        return Err(io::Error::from_raw_os_error(number.saturating_neg()));
                    }
                    _ => each(kind, body),
                }
                rest = after;
            }
        }
    }

    /// The first message: its kind, its body, and what comes after it.
    fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let after = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, bytes.get(HEADER..length)?, after))
    }

    /// The attribute of this kind: its value.
    fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
        loop {
            let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
            let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
            let value = bytes.get(4..length)?;
            if kind == wanted {
                return Some(value);
            }
            bytes = bytes.get(length.next_multiple_of(4)..)?;
        }
    }

    fn number(bytes: &[u8], at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
    }

    fn link(kind: u16, body: &[u8]) -> Option<Interface> {
        let name = attribute(body.get(LINK_HEADER..)?, LINK_NAME).filter(|_| kind == NEW_LINK)?;
        let name = String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name)).into_owned();
        let flags = number(body, 8)?;
        let (is_up, index) = (flags & UP != 0, number(body, 4)?);
        let has_neighbours = flags & (MULTICAST | LOOPBACK | POINT_TO_POINT) == MULTICAST;
        Some(Interface { name, index, is_up, has_neighbours, addresses: Vec::new() })
    }

    /// An address, and the number of its interface. Where there is another end, that has an address here too.
    fn address(kind: u16, body: &[u8]) -> Option<(u32, IpAddr)> {
        let attributes = body.get(ADDRESS_HEADER..).filter(|_| kind == NEW_ADDRESS)?;
        let ours = attribute(attributes, LOCAL_ADDRESS).or_else(|| attribute(attributes, ADDRESS))?;
        Some((number(body, 4)?, read_ip(ours)?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn loopback_is_listed_with_its_number_and_its_addresses() {
            let all = interfaces().unwrap();
            let lo = all.iter().find(|one| one.addresses.contains(&[127, 0, 0, 1].into())).unwrap();
            assert!(lo.is_up && lo.index > 0 && !lo.name.is_empty() && !lo.has_neighbours, "{lo:?}");
            let same = all.iter().filter(|one| one.index == lo.index || one.name == lo.name);
            assert_eq!(same.count(), 1, "{all:?}");
        }

        #[test]
        fn the_address_of_the_other_end_of_a_tunnel_is_not_ours() {
            let mut body = vec![2, 32, 0, 0];
            body.extend(7_u32.to_ne_bytes());
            for (kind, ip) in [(ADDRESS, [10, 0, 0, 1]), (LOCAL_ADDRESS, [10, 0, 0, 2])] {
                body.extend([8_u16, kind].iter().flat_map(|number| number.to_ne_bytes()));
                body.extend(ip);
            }
            assert_eq!(address(NEW_ADDRESS, &body), Some((7, [10, 0, 0, 2].into())));
            assert_eq!(address(NEW_LINK, &body), None);
            // Cut anywhere, it is no address, or that of the other end, and nothing breaks.
            for length in 0..body.len() {
                assert!(
                    address(NEW_ADDRESS, &body[..length])
                        .is_none_or(|(_, ip)| ip != IpAddr::from([10, 0, 0, 2]))
                );
            }
            for length in [0_u16, 1, 3, u16::MAX] {
                let bytes = [&length.to_ne_bytes()[..], &9_u16.to_ne_bytes()].concat();
                assert_eq!(attribute(&bytes, ADDRESS), None);
            }
        }
    }
}
