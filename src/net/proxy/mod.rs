//! Proxies: servers that connect for us, so that the other side sees their address and not ours.
//!
//! In reading order: [`Proxy`] is one proxy, as the user writes it. [`Negotiation`] is what is said to it before a
//! connection leads further, bytes in and bytes out, in one of two languages: `socks5` (RFC 1928) or `http_connect`
//! (RFC 9110, section 9.3.6). [`ProxyError`] is why that failed, and whose fault it is. [`Proxies`] decides what goes
//! through which proxy: with `--proxy` everything does or does not go at all; proxies from the environment are for
//! web addresses alone (`environment`, with `no_proxy` for the exceptions).
//!
//! Nothing is looked up but the name of the proxy itself. Other names are for the proxy to look up: a name server
//! would learn from us whom we are about to ask.

mod environment;
mod error;
mod http_connect;
mod negotiation;
mod no_proxy;
mod socks5;
mod stand_ins;

pub use environment::{Proxies, WebProxies};
pub use error::{ProxyError, ProxyFault};
pub use negotiation::Negotiation;

use super::basic_auth;
use super::resolver::resolve;
use crate::metainfo::percent_decoded;
use crate::text::reason;
use crate::thread::lock;
use stand_ins::StandIns;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The port of a proxy that the environment names without one: curl's, for proxies of either kind.
const USUAL_PORT: u16 = 1080;
/// How long looking up the proxy's own name may take.
const NAME_DEADLINE: Duration = Duration::from_secs(10);
/// How long its addresses are good for.
const NAME_LIFE: Duration = Duration::from_secs(300);
/// How long it is not looked up again after that failed: many attempts may wait for it.
const NAME_PAUSE: Duration = Duration::from_secs(3);

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// SOCKS5, with names for the proxy to look up.
    Socks5,
    /// HTTP.
    Http,
}

/// Where a connection is to lead to in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This address.
    Address(SocketAddr),
    /// This port of the host of this name, which the proxy looks up.
    Name(String, u16),
}

impl Target {
    /// The host of a web address, without brackets, and a port.
    pub fn of(host: &str, port: u16) -> Target {
        match host.parse() {
            Ok(ip) => Target::Address(SocketAddr::new(ip, port)),
            Err(_) => Target::Name(host.to_owned(), port),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Address(address) => write!(out, "{address}"),
            Target::Name(host, port) => write!(out, "{host}:{port}"),
        }
    }
}

/// A user name and a password, as they are.
#[derive(Clone, PartialEq, Eq)]
struct Login {
    user: Vec<u8>,
    password: Vec<u8>,
}

/// The addresses of a proxy's name, or why there are none.
type Found = Result<Vec<SocketAddr>, String>;

/// One proxy, shared by all that goes through it.
pub struct Proxy {
    kind: ProxyKind,
    host: String,
    port: u16,
    login: Option<Login>,
    /// The value of the header `Proxy-Authorization`.
    basic: Option<String>,
    /// Its addresses, or why there are none, and until when that holds.
    known: Mutex<Option<(Found, Instant)>>,
    /// Which of them is tried first: the one after the last that failed.
    first: AtomicUsize,
    has_answered: AtomicBool,
    has_complained: AtomicBool,
    stand_ins: StandIns,
}

impl Proxy {
    /// A proxy as a user types it: `socks5h://[user:password@]host:port` or `http://…`. What is percent-encoded in the
    /// user name and the password is decoded.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words that do not repeat its password.
    pub fn typed(text: &str) -> Result<Proxy, String> {
        let Some((_, rest)) = text.split_once("://") else {
            return Err("expected socks5h://HOST:PORT or http://HOST:PORT".to_owned());
        };
        let proxy = Proxy::parse(text)?;
        let site = rest.trim_end_matches('/');
        let has_port = site.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if has_port { Ok(proxy) } else { Err("the port is missing, as in socks5h://HOST:1080".to_owned()) }
    }

    /// The same as programs take it from the environment: without a scheme it is HTTP, without a port 1080.
    ///
    /// # Errors
    ///
    /// As [`Proxy::typed`].
    pub fn parse(text: &str) -> Result<Proxy, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "socks5h" | "socks5" => ProxyKind::Socks5,
            "http" => ProxyKind::Http,
            "https" => {
                return Err("proxies over TLS are not supported (http:// and socks5h:// are)".to_owned());
            }
            _ => return Err("only http:// and socks5h:// proxies are supported".to_owned()),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (given, site) = match authority.rsplit_once('@') {
            Some((given, site)) => (Some(given), site),
            None => (None, authority),
        };
        let (host, port) = host_and_port(site).ok_or("the host or the port is malformed")?;
        let login = given.map(|given| {
            let (user, password) = given.split_once(':').unwrap_or((given, ""));
            Login { user: percent_decoded(user), password: percent_decoded(password) }
        });
        if login.as_ref().is_some_and(|Login { user, password }| user.len() > 255 || password.len() > 255) {
            return Err("the user name or the password is longer than 255 bytes".to_owned());
        }
        let (_, basic) = basic_auth::split(&format!("http://{authority}"));
        Ok(Proxy {
            kind,
            host,
            port,
            login,
            basic,
            known: Mutex::default(),
            first: AtomicUsize::new(0),
            has_answered: AtomicBool::new(false),
            has_complained: AtomicBool::new(false),
            stand_ins: StandIns::default(),
        })
    }

    /// What it speaks.
    pub fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// What it gets to know who we are: the value of the header `Proxy-Authorization`.
    pub fn authorization(&self) -> Option<&str> {
        self.basic.as_deref()
    }

    /// Its host and port, for messages.
    pub fn name(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Its addresses, the one that is to be tried first in front. The name is looked up where that was not done within
    /// the last minutes, which may take seconds.
    ///
    /// # Errors
    ///
    /// The name has no address.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, ProxyError> {
        let mut known = lock(&self.known);
        let now = Instant::now();
        let found = match known.as_ref().filter(|(_, until)| now < *until) {
            Some((found, _)) => found.clone(),
            None => {
                let found = resolve(&self.host, self.port, NAME_DEADLINE).map_err(|error| reason(&error));
                let life = if found.is_ok() { NAME_LIFE } else { NAME_PAUSE };
                known.insert((found, Instant::now() + life)).0.clone()
            }
        };
        match found {
            Ok(mut addresses) if !addresses.is_empty() => {
                let first = self.first.load(Ordering::Relaxed) % addresses.len();
                addresses.rotate_left(first);
                Ok(addresses)
            }
            Ok(_) => Err(self.error(ProxyFault::Unreachable("the host has no address".to_owned()))),
            Err(why) => Err(self.error(ProxyFault::Unreachable(why))),
        }
    }

    /// An address of it led nowhere, so the next one is tried first from now on.
    pub fn address_failed(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }

    /// The error that this fault of it is.
    pub fn error(&self, fault: ProxyFault) -> ProxyError {
        ProxyError { proxy: self.name(), kind: self.kind, target: None, fault }
    }

    /// It did not answer in time. Where it has answered before, what it connects to is to blame.
    pub fn silent(&self) -> ProxyError {
        let is_alive = self.has_answered.load(Ordering::Relaxed);
        self.error(if is_alive { ProxyFault::NoConnection } else { ProxyFault::Silent })
    }

    /// Notes what came of a negotiation. Returns whether the user should hear of it: the first failure of the proxy
    /// itself after it had worked, or ever.
    pub fn note(&self, outcome: Result<(), &ProxyError>) -> bool {
        match outcome {
            Err(error) if error.is_of_the_proxy() => !self.has_complained.swap(true, Ordering::Relaxed),
            _ => {
                self.has_answered.store(true, Ordering::Relaxed);
                self.has_complained.store(false, Ordering::Relaxed);
                false
            }
        }
    }

    /// An address that stands for a host of this name: only the proxy may look it up, and peers are known by their
    /// addresses. [`Proxy::target`] knows what it stands for.
    pub fn stand_in(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.stand_ins.of(host, port)
    }

    /// What the proxy is to connect to for a peer at this address.
    pub fn target(&self, address: SocketAddr) -> Target {
        match self.stand_ins.name(address) {
            Some(host) => Target::Name(host, address.port()),
            None => Target::Address(address),
        }
    }
}

/// As the user would write it, without the password.
impl fmt::Display for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.kind == ProxyKind::Http { "http" } else { "socks5h" };
        write!(out, "{scheme}://{}", self.name())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Proxy({self})")
    }
}

/// What connecting to a proxy may fail with: the system's reason is the proxy's fault.
pub(in crate::net) fn unreachable(proxy: &Proxy, error: &io::Error) -> ProxyError {
    proxy.error(match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ProxyFault::Silent,
        _ => ProxyFault::Unreachable(reason(error)),
    })
}

/// A host, without brackets, and a port.
fn host_and_port(site: &str) -> Option<(String, u16)> {
    let (host, port) = match site.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            host.parse::<IpAddr>().ok()?;
            (host, behind.strip_prefix(':').or(behind.is_empty().then_some(""))?)
        }
        None => site.split_once(':').unwrap_or((site, "")),
    };
    let port = if port.is_empty() { USUAL_PORT } else { port.parse().ok().filter(|port| *port > 0)? };
    let is_host = !host.is_empty() && host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_graphic());
    is_host.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_as_it_is_typed_and_shown_without_its_password() {
        for (text, shown, login) in [
            ("socks5h://me:p%40ss@h.example:9050", "socks5h://h.example:9050", Some(("me", "p@ss"))),
            ("SOCKS5://[::1]:9050", "socks5h://[::1]:9050", None),
            ("http://me@1.2.3.4:3128/", "http://1.2.3.4:3128", Some(("me", ""))),
        ] {
            let proxy = Proxy::typed(text).unwrap();
            assert_eq!(
                (proxy.to_string(), format!("{proxy:?}")),
                (shown.to_owned(), format!("Proxy({shown})"))
            );
            let expected = login
                .map(|(user, password): (&str, &str)| Login { user: user.into(), password: password.into() });
            assert!(proxy.login == expected, "{text}");
        }
        assert_eq!(Proxy::parse("h.example").unwrap().to_string(), "http://h.example:1080");
        assert_eq!(Proxy::parse("socks5://h").unwrap().to_string(), "socks5h://h:1080");
        assert_eq!(Proxy::parse("http://a:b@h:1").unwrap().authorization(), Some("Basic YTpi"));
    }

    #[test]
    fn what_is_no_proxy_is_refused_with_a_reason_that_has_no_password_in_it() {
        for (text, expected) in [
            ("h.example:1080", "expected socks5h"),
            ("socks5h://h.example", "port is missing"),
            ("socks5h://me:secret@[::1]", "port is missing"),
            ("socks4a://me:secret@h:1", "only http:// and socks5h://"),
            ("https://me:secret@h:1", "over TLS"),
            ("http://me:secret@:1", "malformed"),
            ("http://h:0", "malformed"),
            ("http://h:66000", "malformed"),
            ("http://[1", "malformed"),
            ("http://[no]:1", "malformed"),
            ("http://a b:1", "malformed"),
            (&format!("socks5h://{}:secret@h:1", "a".repeat(256)), "longer than 255"),
        ] {
            let error = Proxy::typed(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_that_failed_is_tried_last() {
        let proxy = Proxy::typed("http://127.0.0.1:9").unwrap();
        let given = ["127.0.0.1:9", "127.0.0.2:9", "127.0.0.3:9"].map(|text| text.parse().unwrap());
        *lock(&proxy.known) = Some((Ok(given.to_vec()), Instant::now() + NAME_LIFE));
        assert_eq!(proxy.addresses().unwrap(), given);
        proxy.address_failed();
        assert_eq!(proxy.addresses().unwrap()[0], given[1]);
    }

    #[test]
    fn the_user_hears_once_of_a_proxy_that_fails_and_again_after_it_has_worked() {
        let proxy = Proxy::typed("http://127.0.0.1:9").unwrap();
        let silent = proxy.silent();
        assert!(silent.is_of_the_proxy() && proxy.note(Err(&silent)) && !proxy.note(Err(&silent)));
        assert!(!proxy.note(Ok(())));
        assert!(!proxy.silent().is_of_the_proxy(), "it has answered before");
        assert!(proxy.note(Err(&silent)));
    }
}
