//! Where a tracker is, and what of that may be shown.
//!
//! Pure. Addresses come out of torrents, so anything may stand in them.

use super::error::{TrackerError, printable};

/// Bytes that an address may have. Real ones have fewer than 200, and the limit keeps the request
/// line within what servers accept (8 KiB is common) and our buffer holds.
const LONGEST_ADDRESS: usize = 2_048;

/// The address of a tracker as a torrent gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerAddress {
    text: String,
    scheme: String,
    host: String,
}

/// A way to talk to trackers that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// BEP 3 over HTTP or HTTPS.
    Http,
}

impl TrackerAddress {
    /// An address from outside. Whether it can be used is for [`protocol`](Self::protocol) to say.
    pub fn new(text: &str) -> TrackerAddress {
        let text = text.trim();
        // A fragment is for the reader of a page and is never sent.
        let text = text.split_once('#').map_or(text, |(sent, _)| sent);
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        TrackerAddress {
            text: text.to_owned(),
            scheme: printable(scheme.to_ascii_lowercase().as_bytes()),
            host: printable(host.as_bytes()),
        }
    }

    /// The protocol that the address names.
    ///
    /// # Errors
    ///
    /// What is wrong with the address, or that we do not speak its protocol.
    pub fn protocol(&self) -> Result<Protocol, TrackerError> {
        if self.text.len() > LONGEST_ADDRESS {
            return Err(TrackerError::BadAddress("it is longer than 2,048 bytes"));
        }
        if self.scheme.is_empty() {
            return Err(TrackerError::BadAddress("it does not start with http:// or https://"));
        }
        if self.text.chars().any(|character| character.is_whitespace() || character.is_control()) {
            return Err(TrackerError::BadAddress("there is white space in it"));
        }
        match self.scheme.as_str() {
            "http" | "https" if self.host.is_empty() => Err(TrackerError::BadAddress("it names no host")),
            "http" | "https" => Ok(Protocol::Http),
            other => Err(TrackerError::UnsupportedProtocol(other.to_owned())),
        }
    }

    /// The address as given, without a fragment. May contain a password: not for printing.
    pub fn secret_text(&self) -> &str {
        &self.text
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

    /// The address with `query` added to the query that it may have.
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
    fn what_is_shown_has_no_password_in_it() {
        let tracker = address("https://me:secret@T.example:8443/secret/announce?passkey=secret");
        assert_eq!(tracker.site(), "https://T.example:8443");
        assert_eq!(tracker.host(), "T.example:8443");
        assert_eq!(address("http://a\u{1b}[2J\0/x").site(), "http://a[2J");
    }

    #[test]
    fn an_address_that_we_cannot_use_says_why() {
        let udp = address("udp://t.example:80/announce").protocol();
        assert_eq!(udp, Err(TrackerError::UnsupportedProtocol("udp".into())));
        for bad in ["", "t.example/announce", "http://", "http:///x", "http://a b/", "http://a\0b/", "://x"] {
            assert!(matches!(address(bad).protocol(), Err(TrackerError::BadAddress(_))), "{bad}");
        }
        let long = format!("http://t.example/{}", "x".repeat(LONGEST_ADDRESS));
        assert!(matches!(address(&long).protocol(), Err(TrackerError::BadAddress(_))));
    }
}
