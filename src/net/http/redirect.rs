//! Addresses of HTTP, and where a redirect leads (RFC 9110, section 10.2.2; RFC 3986, section 5.2).
//!
//! Pure. What a server writes may be anything, so it is read here and not by the HTTP library, which would take
//! a magnet link for a path of the same server.

use std::fmt::Write;

/// Where a redirect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this address on the web.
    Web(String),
    /// To this magnet link.
    Magnet(String),
    /// To an address of this scheme, which we do not follow.
    Other(String),
}

/// Where a server at `base`, an address on the web, sends us with this `Location`.
pub fn target(base: &str, location: &[u8]) -> Target {
    let location = String::from_utf8_lossy(location.trim_ascii());
    let (scheme, rest) = match scheme(&location) {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => (String::new(), &*location),
    };
    match (scheme.as_str(), rest) {
        ("magnet", _) => return Target::Magnet(location.into_owned()),
        ("http" | "https", rest) if rest.starts_with("//") => {
            return Target::Web(escaped(&format!("{scheme}:{rest}")));
        }
        ("", _) => {}
        _ => return Target::Other(scheme),
    }
    let (site, path_and_query) = split_site(base);
    let path = path_and_query.split('?').next().unwrap_or_default();
    let rest = rest.split('#').next().unwrap_or_default();
    let joined = match rest.chars().next() {
        None => base.to_owned(),
        Some('/') if rest.starts_with("//") => {
            format!("{}:{rest}", base.split(':').next().unwrap_or_default())
        }
        Some('/') => format!("{site}{}", without_dots(rest)),
        Some('?') => format!("{site}{path}{rest}"),
        Some(_) => {
            let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or("/");
            format!("{site}{}", without_dots(&format!("{folder}{rest}")))
        }
    };
    Target::Web(escaped(&joined))
}

/// Whether two addresses mean the same server, so that it may hear the same password: scheme, host and port are
/// the same, or the second is the first one with TLS, each at its usual port.
pub fn is_same_server(one: &str, other: &str) -> bool {
    let parts = |address: &str| {
        let (site, _) = split_site(address);
        let (scheme, authority) = site.split_once("://").unwrap_or(("", site));
        let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
        let usual = if scheme == "https" { ":443" } else { ":80" };
        (scheme, authority.strip_suffix(usual).unwrap_or(&authority).to_owned())
    };
    let (one, other) = (parts(one), parts(other));
    // Without a usual port, what is left of a host with a port ends with that port.
    let has_port = |host: &str| host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let became_secure = one.0 == "http" && other.0 == "https" && !has_port(&one.1);
    one.1 == other.1 && (one.0 == other.0 || became_secure)
}

/// The address without its fragment, and with all that an address cannot contain percent-encoded behind its
/// host.
pub fn escaped(address: &str) -> String {
    let address = address.split('#').next().unwrap_or_default();
    let (site, rest) = split_site(address);
    let mut whole = site.to_owned();
    for byte in rest.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {}
            0x21..=0x7e => {
                whole.push(char::from(byte));
                continue;
            }
            _ => {}
        }
        // Writing to a String does not fail.
        let _ = write!(whole, "%{byte:02X}");
    }
    whole
}

/// The address up to the path or query, and from there.
fn split_site(address: &str) -> (&str, &str) {
    let start = address.find("://").map_or(0, |at| at + 3);
    let rest = address.get(start..).unwrap_or_default();
    address.split_at(start + rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// The scheme, if the text begins with one, and what follows its colon.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_one = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    is_one.then_some((scheme, rest))
}

/// A path, with a query if it has one, without its elements `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(text: &str) -> String {
    let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut elements = path.split('/').skip(1).peekable();
    while let Some(element) = elements.next() {
        let is_last = elements.peek().is_none();
        match element {
            "." | ".." => {
                if element == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_where_the_standard_says() {
        let base = "http://a.example:8080/b/c/d?q=1";
        for (location, expected) in [
            ("https://b.example/x?y", "https://b.example/x?y"),
            ("HTTP://b.example", "http://b.example"),
            ("//b.example/x", "http://b.example/x"),
            ("/x/y?z", "http://a.example:8080/x/y?z"),
            ("?z", "http://a.example:8080/b/c/d?z"),
            ("e", "http://a.example:8080/b/c/e"),
            ("../e?x=../y", "http://a.example:8080/b/e?x=../y"),
            ("../../../../e/.", "http://a.example:8080/e/"),
            ("./e/..", "http://a.example:8080/b/c/"),
            ("/a b/\u{e9}#part", "http://a.example:8080/a%20b/%C3%A9"),
            ("/a|b{c}", "http://a.example:8080/a%7Cb%7Bc%7D"),
            ("/%41%20", "http://a.example:8080/%41%20"),
            ("", "http://a.example:8080/b/c/d?q=1"),
            ("/x:y", "http://a.example:8080/x:y"),
            (" /x\t", "http://a.example:8080/x"),
        ] {
            assert_eq!(target(base, location.as_bytes()), Target::Web(expected.to_owned()), "{location}");
        }
        assert_eq!(target("https://h", b"x"), Target::Web("https://h/x".to_owned()));
        assert_eq!(target("https://h?q", b"//g"), Target::Web("https://g".to_owned()));
        assert_eq!(target("http://h/", b"/\xff"), Target::Web("http://h/%EF%BF%BD".to_owned()));
    }

    #[test]
    fn a_redirect_to_a_magnet_is_a_magnet_and_other_schemes_are_named() {
        let link = "MAGNET:?xt=urn:btih:00&dn=a b#c";
        assert_eq!(target("http://h/", link.as_bytes()), Target::Magnet(link.to_owned()));
        for (location, scheme) in [
            ("file:///etc/passwd", "file"),
            ("FTP://h/x", "ftp"),
            ("gopher://h:70/_x", "gopher"),
            ("data:,x", "data"),
            ("http:x", "http"),
            ("https:/x", "https"),
            ("udp://h:1/announce", "udp"),
            ("localhost:8080/x", "localhost"),
        ] {
            assert_eq!(
                target("http://h/", location.as_bytes()),
                Target::Other(scheme.to_owned()),
                "{location}"
            );
        }
    }

    #[test]
    fn only_the_same_server_is_the_same_server() {
        for (one, other, same) in [
            ("http://h/a", "http://H:80/b", true),
            ("http://h/a", "https://h/b", true),
            ("http://h:80/a", "https://h:443/b", true),
            ("https://h/a", "http://h/b", false),
            ("http://h:8080/a", "https://h:8080/b", false),
            ("http://h:8080/a", "http://h/b", false),
            ("http://h/a", "http://h.example/b", false),
            ("http://h/a", "http://other/b", false),
            ("http://[::1]/a", "https://[::1]/b", true),
            ("http://[::1]:8080/a", "https://[::1]/b", false),
            ("https://h:444", "https://h", false),
        ] {
            assert_eq!(is_same_server(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn what_an_address_cannot_contain_is_escaped_behind_the_host() {
        assert_eq!(escaped("http://h/a b|c?d=\u{e9}#e"), "http://h/a%20b%7Cc?d=%C3%A9");
        assert_eq!(escaped("http://h b/\0"), "http://h b/%00");
        assert_eq!(escaped("http://h?a%20b+c"), "http://h?a%20b+c");
    }
}
