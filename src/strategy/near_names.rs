//! Host names that mean something near by, or an address in disguise.
//!
//! Behind a proxy we see no address of a name. So what can be known of a name itself is judged: the proxy may be on
//! this host or in our network, and would do for a stranger what we would not.

use std::net::{IpAddr, Ipv4Addr};

/// Names that are never looked up in the public tree, or lead into one network: RFC 6761, 6762 (with its appendix G),
/// 8375, and `.internal`, under which clouds keep their metadata.
const NEAR: [&str; 9] =
    ["local", "internal", "lan", "home", "home.arpa", "corp", "intranet", "private", "localdomain"];

/// The address that the host of a web address is or means on every system. `host` may have brackets.
///
/// An IPv4 address has many spellings (`127.1`, `0x7f.1`, `2130706433`), and what asks for a name may know them all.
pub fn literal(host: &str) -> Option<IpAddr> {
    let host = plain(host);
    match host == "localhost" || host.ends_with(".localhost") {
        true => Some(Ipv4Addr::LOCALHOST.into()),
        false => host.parse().ok().or_else(|| odd_ipv4(&host).map(IpAddr::from)),
    }
}

/// Whether the name means a host in the network of whoever looks it up. So does every name without a dot.
pub fn is_near_name(host: &str) -> bool {
    let host = plain(host);
    let is_below = |domain: &&str| {
        let above = host.strip_suffix(*domain);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    !host.contains(['.', ':']) || NEAR.iter().any(is_below)
}

fn plain(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

/// An IPv4 address of one to four numbers, decimal, octal or hexadecimal, of which the last one fills the rest.
fn odd_ipv4(host: &str) -> Option<Ipv4Addr> {
    let numbers: Option<Vec<u32>> = host.split('.').take(5).map(number).collect();
    let numbers = numbers?;
    let (last, first) = numbers.split_last()?;
    let rest = 32_u32.checked_sub(8 * u32::try_from(first.len()).ok()?).filter(|rest| *rest > 0)?;
    if rest < 32 && *last >> rest != 0 || first.iter().any(|number| *number > 255) {
        return None;
    }
    let high = first.iter().fold(0_u32, |high, number| high << 8 | number);
    let high = if first.is_empty() { 0 } else { high.checked_shl(rest)? };
    Some(Ipv4Addr::from_bits(high | last))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    // `0x` alone is zero to some.
    if digits.is_empty() && radix == 16 {
        return Some(0);
    }
    is_number.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "0x7f000001",
            "0x7F.1",
            "017700000001",
            "2130706433",
            "0177.0.0.1",
            "127.0.0.1.",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
        ] {
            assert_eq!(literal(host), Some(Ipv4Addr::LOCALHOST.into()), "{host}");
        }
        assert_eq!(literal("[::1]"), Some("::1".parse().unwrap()));
        assert_eq!(literal("0x"), Some(Ipv4Addr::UNSPECIFIED.into()));
        for host in [
            "example.com",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.2.65536.1",
            "4294967296",
            "09",
            "",
            "1..1",
            "a.1",
            "+1",
        ] {
            assert_eq!(literal(host), None, "{host}");
        }
    }

    #[test]
    fn names_of_local_networks_are_known() {
        for host in
            ["router", "printer.local", "Metadata.Google.Internal.", "nas.home.arpa", "fritz.lan", "local"]
        {
            assert!(is_near_name(host), "{host}");
        }
        for host in ["example.com", "local.example.com", "mylocal.net", "a.notlocal", "[2001:db8::1]"] {
            assert!(!is_near_name(host), "{host}");
        }
    }
}
