//! The address of a tracker, and which part of it may be shown.
//!
//! Pure. Addresses come from torrents, so they may contain anything.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::address::IpFamily;
use crate::metainfo::percent_decoded;
use crate::net::proxy::{Proxies, Proxy};
use crate::strategy::{OnWordOf, Question};

use super::error::{TrackerError, excerpt};
use super::secrets::Secrets;

/// The most bytes of an address. Real ones have fewer than 200. The limit keeps the request line within what
/// servers accept (8 KiB is common) and what our buffer holds.
const MAX_ADDRESS: usize = 2_048;

/// What we say of ourselves in an announce. An address that says it already would speak for us: take us out of
/// another torrent, or claim that we have uploaded what we have not.
const OURS: [&[u8]; 7] = [b"info_hash", b"peer_id", b"port", b"uploaded", b"downloaded", b"left", b"event"];

/// The address of a tracker as a torrent or the user gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerAddress {
    text: String,
    word: OnWordOf,
    scheme: String,
    host: String,
}

/// A protocol of trackers that this program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// BEP 3 over HTTP or HTTPS.
    Http,
    /// BEP 15.
    Udp,
}

impl TrackerAddress {
    /// An address that a torrent or a magnet link names. [`protocol`](Self::protocol) says whether it can be
    /// used.
    pub fn new(text: &str) -> TrackerAddress {
        TrackerAddress::named_by(OnWordOf::Torrent, text)
    }

    /// An address that the user typed.
    pub fn typed(text: &str) -> TrackerAddress {
        TrackerAddress::named_by(OnWordOf::User, text)
    }

    fn named_by(word: OnWordOf, text: &str) -> TrackerAddress {
        let text = text.trim();
        // A fragment is never sent: it is for the program that shows a page.
        let text = text.split_once('#').map_or(text, |(sent, _)| sent);
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        TrackerAddress {
            text: text.to_owned(),
            word,
            scheme: excerpt(scheme.to_ascii_lowercase()),
            host: excerpt(host),
        }
    }

    /// The protocol that the address names.
    ///
    /// # Errors
    ///
    /// What is wrong with the address, or that we do not speak its protocol.
    pub fn protocol(&self) -> Result<Protocol, TrackerError> {
        if self.text.len() > MAX_ADDRESS {
            return Err(TrackerError::BadAddress("it is longer than 2,048 bytes"));
        }
        if self.scheme.is_empty() {
            return Err(TrackerError::BadAddress("it does not start with http://, https:// or udp://"));
        }
        if self.text.chars().any(|character| character.is_whitespace() || character.is_control()) {
            return Err(TrackerError::BadAddress("it contains white space"));
        }
        if self.speaks_for_us() {
            return Err(TrackerError::BadAddress(
                "it contains parameters that only a client may set (info_hash, event, …)",
            ));
        }
        match self.scheme.as_str() {
            "http" | "https" if self.host.is_empty() => Err(TrackerError::BadAddress("it has no host")),
            "http" | "https" => Ok(Protocol::Http),
            "udp" => self.endpoint().map(|_| Protocol::Udp),
            other => Err(TrackerError::UnsupportedProtocol(other.to_owned())),
        }
    }

    /// Whether its query has a parameter in it that is ours, in any spelling.
    fn speaks_for_us(&self) -> bool {
        let query = self.path_and_query().split_once('?').map_or("", |(_, query)| query);
        query.split(['&', ';', '?']).any(|parameter| {
            let name = percent_decoded(parameter.split('=').next().unwrap_or_default());
            OURS.iter().any(|ours| name.trim_ascii().eq_ignore_ascii_case(ours))
        })
    }

    /// On whose word it is asked.
    pub fn word(&self) -> OnWordOf {
        self.word
    }

    /// What it is asked for, as far as its address shows.
    pub fn question(&self) -> Question {
        match self.path_and_query().split('?').next() {
            _ if self.scheme == "udp" => Question::Packet,
            Some("/announce") => Question::Announce,
            _ => Question::Web,
        }
    }

    /// The proxy that it is asked through, if it is asked through one. Nothing goes through one by UDP.
    pub fn proxy<'a>(&self, proxies: &'a Proxies) -> Option<&'a Arc<Proxy>> {
        let (host, port) = match self.host.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (self.host.as_str(), None),
        };
        if self.scheme == "udp" { None } else { proxies.for_web(&self.scheme, host, port) }
    }

    /// What of it must not be shown, even where somebody else says it.
    pub(super) fn secrets(&self) -> Secrets {
        Secrets::of(&self.text)
    }

    /// The host without brackets, and the port: where packets go.
    ///
    /// # Errors
    ///
    /// One of them is missing. BEP 15 has no default port.
    pub fn endpoint(&self) -> Result<(&str, u16), TrackerError> {
        let (authority, _) = self.parts();
        let (host, port) = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host)
            .rsplit_once(':')
            .ok_or(TrackerError::BadAddress("it has no port"))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match (bare.unwrap_or(host), port.parse()) {
            ("", _) => Err(TrackerError::BadAddress("it has no host")),
            (host, Ok(port @ 1..)) => Ok((host, port)),
            _ => Err(TrackerError::BadAddress("it has no port")),
        }
    }

    /// Path and query, which a UDP tracker gets with each announce (BEP 41). Empty if there is none.
    pub fn path_and_query(&self) -> &str {
        self.parts().1
    }

    /// What follows `://`, in two parts: up to the path or query, and from there.
    fn parts(&self) -> (&str, &str) {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
    }

    /// The address at which the same tracker answers a scrape: the same address, but with `scrape` in place
    /// of `announce` in the last element of its path that starts with `announce` (BEP 48). `None` if no
    /// element does: such a tracker has no scrape over HTTP.
    pub fn scrape(&self) -> Option<TrackerAddress> {
        let rest = self.path_and_query();
        let site = self.text.strip_suffix(rest)?;
        let (before, after) = rest.split_at(rest.split('?').next()?.rfind("/announce")?);
        let after = after.strip_prefix("/announce")?;
        Some(TrackerAddress { text: format!("{site}{before}/scrape{after}"), ..self.clone() })
    }

    /// The address as given, without a fragment. It may contain a password, so it must not be printed.
    pub fn secret_text(&self) -> &str {
        &self.text
    }

    /// The family of the host if it is given as an IP address. `None` for a host name.
    pub fn family(&self) -> Option<IpFamily> {
        let host = self.host.parse::<SocketAddr>().map(|both| both.ip());
        let host = host.or_else(|_| self.host.trim_matches(['[', ']']).parse::<IpAddr>());
        host.ok().map(|ip| IpFamily::of(ip.to_canonical()))
    }

    /// Host and port, fit to print.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The part that may be shown: scheme, host and port. The path or the query is the user's
    /// password on many private trackers, and logs are posted in public.
    pub fn site(&self) -> String {
        if self.scheme.is_empty() {
            return self.host.clone();
        }
        format!("{}://{}", self.scheme, self.host)
    }

    /// The address with `query` added to the query that it has, if any.
    pub fn with_query(&self, query: &str) -> String {
        let text = self.text.as_str();
        let (path, given) = text.split_once('?').map_or((text, None), |(path, given)| (path, Some(given)));
        let has_path = path.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let slash = if has_path { "" } else { "/" };
        match given {
            None | Some("") => format!("{path}{slash}?{query}"),
            Some(given) => format!("{path}{slash}?{}&{query}", given.trim_end_matches('&')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> TrackerAddress {
        TrackerAddress::new(text)
    }

    #[test]
    fn a_query_joins_the_one_that_the_address_has() {
        for (given, expected) in [
            ("http://t.example/announce", "http://t.example/announce?q"),
            ("http://t.example/announce?", "http://t.example/announce?q"),
            ("http://t.example/a?passkey=1", "http://t.example/a?passkey=1&q"),
            ("http://t.example/a?passkey=1&", "http://t.example/a?passkey=1&q"),
            ("http://t.example/a?passkey=1#part", "http://t.example/a?passkey=1&q"),
            ("http://t.example:6969", "http://t.example:6969/?q"),
            ("http://t.example?x=/y", "http://t.example/?x=/y&q"),
            (" HTTPS://t.example/announce\n", "HTTPS://t.example/announce?q"),
        ] {
            assert_eq!(address(given).with_query("q"), expected, "{given}");
            assert_eq!(address(given).protocol(), Ok(Protocol::Http), "{given}");
        }
    }

    #[test]
    fn packets_go_to_a_host_and_a_port_and_carry_the_rest() {
        for (given, host, port, rest) in [
            ("udp://t.example:80/announce?passkey=1#part", "t.example", 80, "/announce?passkey=1"),
            ("UDP://192.0.2.1:65535", "192.0.2.1", 65535, ""),
            ("udp://[2001:db8::1]:6969?x=/y", "2001:db8::1", 6969, "?x=/y"),
            ("udp://me:secret@t.example:80/", "t.example", 80, "/"),
        ] {
            assert_eq!(address(given).endpoint(), Ok((host, port)), "{given}");
            assert_eq!(address(given).path_and_query(), rest, "{given}");
            assert_eq!(address(given).protocol(), Ok(Protocol::Udp), "{given}");
        }
    }

    #[test]
    fn the_last_announce_of_a_path_becomes_scrape() {
        for (given, expected) in [
            ("http://t.example/announce", Some("http://t.example/scrape")),
            (
                "http://t.example/x/announce?passkey=/announce",
                Some("http://t.example/x/scrape?passkey=/announce"),
            ),
            ("http://t.example/announce.php?x", Some("http://t.example/scrape.php?x")),
            ("http://t.example/announce/announce/key", Some("http://t.example/announce/scrape/key")),
            ("http://t.example/a", None),
            ("http://t.example/?x=/announce", None),
            ("http://t.example/x%064announce", None),
            ("http://announce/x", None),
            ("http:///announce", Some("http:///scrape")),
        ] {
            let scrape = address(given).scrape();
            assert_eq!(scrape.as_ref().map(TrackerAddress::secret_text), expected, "{given}");
        }
    }

    #[test]
    fn what_is_shown_has_no_password_in_it() {
        let tracker = address("https://me:secret@T.example:8443/secret/announce?passkey=secret");
        assert_eq!(tracker.site(), "https://T.example:8443");
        assert_eq!(tracker.host(), "T.example:8443");
        assert_eq!(address("http://a\u{1b}[2J\0/x").site(), "http://a\u{fffd}[2J");
    }

    #[test]
    fn an_address_may_not_say_what_only_we_may_say() {
        for bad in [
            "http://t.example/announce?info_hash=xyz",
            "http://t.example/announce?a=b&EVENT=stopped",
            "http://t.example/announce?%69nfo%5fhash=x",
            "http://t.example/a?x;peer_id=1",
            "http://t.example/a?a?left=0",
            "https://t.example?uploaded",
            "udp://t.example:80/announce?downloaded=1",
            "http://t.example/a? event =x",
        ] {
            let protocol = TrackerAddress::typed(&bad.replace(' ', "%20")).protocol();
            assert!(
                matches!(protocol, Err(TrackerError::BadAddress(why)) if why.contains("only a client")),
                "{bad}"
            );
        }
        for good in [
            "http://t.example/announce?passkey=info_hash",
            "http://t.example/announce/event=1?key=1&compact=1",
            "http://t.example/info_hash/announce",
            "udp://t.example:80/announce?my_event=1",
        ] {
            assert!(address(good).protocol().is_ok(), "{good}");
        }
    }

    #[test]
    fn only_the_path_announce_shows_a_tracker() {
        for (given, question) in [
            ("http://t.example/announce", Question::Announce),
            ("https://t.example/announce?passkey=1", Question::Announce),
            ("udp://t.example:80/x", Question::Packet),
            ("http://t.example/announce/../admin", Question::Web),
            ("http://t.example/announce/", Question::Web),
            ("http://t.example/x/announce", Question::Web),
            ("http://t.example/%61nnounce", Question::Web),
            ("http://t.example", Question::Web),
            ("http://t.example/?/announce", Question::Web),
        ] {
            assert_eq!(address(given).question(), question, "{given}");
            assert_eq!(address(given).word(), OnWordOf::Torrent);
            assert_eq!(TrackerAddress::typed(given).word(), OnWordOf::User);
        }
    }

    #[test]
    fn an_address_has_a_family_and_a_name_has_none() {
        for (given, family) in [
            ("udp://192.0.2.1:80/announce", Some(IpFamily::V4)),
            ("http://192.0.2.1/announce", Some(IpFamily::V4)),
            ("http://me:secret@[2001:db8::1]:80/announce", Some(IpFamily::V6)),
            ("https://[2001:db8::1]", Some(IpFamily::V6)),
            ("udp://[::ffff:192.0.2.1]:80", Some(IpFamily::V4)),
            ("udp://t.example:80", None),
            ("http://localhost/", None),
            ("", None),
        ] {
            assert_eq!(address(given).family(), family, "{given}");
        }
    }

    #[test]
    fn an_address_that_we_cannot_use_says_why() {
        let other = address("wss://t.example:80/announce").protocol();
        assert_eq!(other, Err(TrackerError::UnsupportedProtocol("wss".into())));
        let bad = ["", "t.example/announce", "http://", "http:///x", "http://a b/", "http://a\0b/", "://x"];
        let bad_udp =
            ["udp://", "udp://a", "udp://a/b:1", "udp://:1", "udp://[]:1", "udp://a:0", "udp://a:65536"];
        for bad in [bad, bad_udp].concat() {
            assert!(matches!(address(bad).protocol(), Err(TrackerError::BadAddress(_))), "{bad}");
        }
        let long = format!("http://t.example/{}", "x".repeat(MAX_ADDRESS));
        assert!(matches!(address(&long).protocol(), Err(TrackerError::BadAddress(_))));
    }
}
