//! SOCKS5: its requests, and what its replies mean (RFC 1928), with a user name and a password (RFC 1929).
//!
//! Pure. The client offers ways to say who it is, the proxy chooses one, then comes the request, and its reply. Each
//! reply says in its first bytes how long it is, so that nothing behind it is taken for it.

use super::{Login, ProxyFault, Target};
use crate::address::write_ip;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_OF_THESE: u8 = 0xff;
/// The version of the exchange of a password.
const PASSWORD_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Which reply is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Which way to say who we are.
    Method,
    /// Whether the password is right.
    Verdict,
    /// Whether there is a connection.
    Connection,
}

/// What follows from a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The user name and the password are to be sent.
    Password,
    /// The request is to be sent.
    Request,
    /// The connection is there.
    Done,
}

/// The first bytes: how we can say who we are.
pub(super) fn hello(has_login: bool) -> Vec<u8> {
    match has_login {
        true => vec![VERSION, 2, NO_AUTHENTICATION, PASSWORD],
        false => vec![VERSION, 1, NO_AUTHENTICATION],
    }
}

/// The user name and the password, of which each has 255 bytes at most.
pub(super) fn password(login: &Login) -> Vec<u8> {
    let mut bytes = vec![PASSWORD_VERSION];
    for part in [&login.user, &login.password] {
        let part = part.get(..part.len().min(255)).unwrap_or_default();
        bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        bytes.extend(part);
    }
    bytes
}

/// The request for a connection. A name has 255 bytes at most.
pub(super) fn request(target: &Target) -> Vec<u8> {
    let mut bytes = vec![VERSION, CONNECT, 0];
    let port = match target {
        Target::Address(address) => {
            let ip = address.ip().to_canonical();
            bytes.push(if ip.is_ipv4() { IPV4 } else { IPV6 });
            write_ip(&mut bytes, ip);
            address.port()
        }
        Target::Name(host, port) => {
            let host = host.as_bytes().get(..host.len().min(255)).unwrap_or_default();
            bytes.extend([NAME, u8::try_from(host.len()).unwrap_or(u8::MAX)]);
            bytes.extend(host);
            *port
        }
    };
    bytes.extend(port.to_be_bytes());
    bytes
}

/// What follows from a reply of which so much has come, or `None` if there is more to come: it is asked again with each
/// byte. No reply has more than 262 bytes.
///
/// # Errors
///
/// It is none, or it is a refusal.
pub(super) fn reply(awaited: Awaited, has_login: bool, came: &[u8]) -> Result<Option<Next>, ProxyFault> {
    match (awaited, came) {
        (_, []) => Ok(None),
        (Awaited::Method | Awaited::Connection, [version, ..]) if *version != VERSION => {
            Err(ProxyFault::Nonsense("it does not speak SOCKS5"))
        }
        (Awaited::Method, [_, method, ..]) => match *method {
            NO_AUTHENTICATION => Ok(Some(Next::Request)),
            PASSWORD if has_login => Ok(Some(Next::Password)),
            NONE_OF_THESE if has_login => Err(ProxyFault::WrongPassword),
            NONE_OF_THESE | PASSWORD => Err(ProxyFault::WantsPassword),
            _ => Err(ProxyFault::Nonsense("it chose a method that was not offered")),
        },
        // Some proxies begin this reply with the version of SOCKS.
        (Awaited::Verdict, [version, ..]) if ![PASSWORD_VERSION, VERSION].contains(version) => {
            Err(ProxyFault::Nonsense("no answer to the password"))
        }
        (Awaited::Verdict, [_, 0, ..]) => Ok(Some(Next::Request)),
        (Awaited::Verdict, [_, _, ..]) => Err(ProxyFault::WrongPassword),
        (Awaited::Connection, [_, 7, ..]) => Err(ProxyFault::Useless(7)),
        (Awaited::Connection, [_, code, ..]) if *code != 0 => Err(ProxyFault::Refused(*code)),
        (Awaited::Connection, _) => bound_address(came),
        (Awaited::Method | Awaited::Verdict, [_]) => Ok(None),
    }
}

/// Reads the reply that there is a connection. It ends with an address that is of no use to us.
fn bound_address(came: &[u8]) -> Result<Option<Next>, ProxyFault> {
    let [_, _, _, kind, rest @ ..] = came else { return Ok(None) };
    let address = match (*kind, rest) {
        (IPV4, _) => 4,
        (IPV6, _) => 16,
        (NAME, [length, ..]) => 1 + usize::from(*length),
        (NAME, []) => return Ok(None),
        _ => return Err(ProxyFault::Nonsense("its reply has an unknown type of address")),
    };
    let length = 4 + address + 2;
    Ok((came.len() >= length).then_some(Next::Done))
}
