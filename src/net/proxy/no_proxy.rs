//! The exceptions from a proxy: `no_proxy`, as curl reads it since 7.86.
//!
//! Pure. A list with commas or blanks between its parts. A part is a host and all below it, with or without a dot in
//! front, or an address, or a network (`10.0.0.0/8`). A star alone means all hosts. A port behind a part restricts it
//! to that port, as in other programs. Names are not looked up: they are for the proxy.

use std::net::IpAddr;

/// Which hosts are asked without the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NoProxy {
    all: bool,
    parts: Vec<(Part, Option<u16>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Host(String),
    /// An address, and how many of its bits count.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Reads the list. What makes no sense in it means nothing.
    pub fn parse(list: &str) -> NoProxy {
        let parts = list.split([',', ' ', '\t']).filter(|part| !part.is_empty());
        NoProxy { all: list.trim() == "*", parts: parts.filter_map(part).collect() }
    }

    /// Whether this port of the host is asked without the proxy. `host` has no brackets.
    pub fn has(&self, host: &str, port: u16) -> bool {
        let ip: Option<IpAddr> = host.parse().ok();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_it = |(part, only): &(Part, Option<u16>)| {
            only.is_none_or(|only| only == port)
                && match (part, ip) {
                    (Part::Network(network, bits), Some(ip)) => is_in(ip, *network, *bits),
                    (Part::Host(known), None) => {
                        let above = host.strip_suffix(known.as_str());
                        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
                    }
                    _ => false,
                }
        };
        self.all || self.parts.iter().any(is_it)
    }
}

/// What one part of the list means.
fn part(text: &str) -> Option<(Part, Option<u16>)> {
    if let Some(network) = network(text) {
        return Some((network, None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    if let Some(network) = network(host) {
        return Some((network, port));
    }
    let host = host.trim_matches('.').to_ascii_lowercase();
    (!host.is_empty()).then_some((Part::Host(host), port))
}

/// An address, with the bits that count behind a slash or without.
fn network(text: &str) -> Option<Part> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let ip: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
    Some(Part::Network(ip, bits))
}

fn is_in(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            (ip.to_bits() ^ network.to_bits()).checked_shr(32 - bits.min(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            (ip.to_bits() ^ network.to_bits()).checked_shr(128 - bits.min(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exceptions_are_those_of_curl() {
        for (list, inside, outside) in [
            (
                "example.com",
                &["example.com", "EXAMPLE.com.", "www.example.com"][..],
                &["nonexample.com", "com"][..],
            ),
            (".example.com", &["example.com", "a.b.example.com"], &["example.com.org"]),
            ("a.example, b.example\tc.example.", &["a.example", "b.example", "x.c.example"], &["d.example"]),
            ("*", &["anything.example", "1.2.3.4", "::1"], &[]),
            ("*.example.com", &[], &["www.example.com"]),
            ("a,*", &["a"], &["b.example"]),
            ("127.0.0.1", &["127.0.0.1"], &["127.0.0.2", "a.127.0.0.1", "localhost"]),
            ("10.0.0.0/8,192.168.1.128/25", &["10.255.0.1", "192.168.1.200"], &["11.0.0.1", "192.168.1.1"]),
            ("0.0.0.0/0", &["1.2.3.4"], &["::1", "host.example"]),
            ("[::1],2001:db8::/32", &["::1", "2001:db8:1::5"], &["::2", "2001:db9::1"]),
            ("10.0.0.0/33,10.0.0.0/x, ,/8,:", &[], &["10.0.0.1"]),
            ("", &[], &["example.com", "127.0.0.1"]),
        ] {
            let list = NoProxy::parse(list);
            inside.iter().for_each(|host| assert!(list.has(host, 80), "{host} {list:?}"));
            outside.iter().for_each(|host| assert!(!list.has(host, 80), "{host} {list:?}"));
        }
        let list = NoProxy::parse("a.example:8080,1.2.3.4:80,[::1]:80");
        for (host, port) in [("x.a.example", 8080), ("1.2.3.4", 80), ("::1", 80)] {
            assert!(list.has(host, port) && !list.has(host, port + 1), "{host}");
        }
    }
}
