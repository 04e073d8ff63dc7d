//! Asking an HTTP proxy itself for a plain page (RFC 9112, section 3.2.2).
//!
//! The request names the whole address where a server would get the path alone, and says who we are to the proxy. The
//! HTTP library writes requests for servers, so their first line is rewritten on its way out. Proxies fetch plain pages
//! in this way, and many make no tunnel to port 80.

use crate::net::proxy::Proxy;
use ureq::http::Uri;

/// What the requests of one connection to a proxy need.
#[derive(Debug)]
pub(super) struct Forwarding {
    /// Scheme, host and port: what comes in front of the path.
    site: String,
    /// A line that says who we are, or nothing.
    authorization: String,
    /// What goes out next begins a request.
    is_first: bool,
}

impl Forwarding {
    /// For requests to the server of `uri`, through this proxy.
    pub fn new(uri: &Uri, proxy: &Proxy) -> Forwarding {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let authorization = proxy.authorization();
        Forwarding {
            site: format!("http://{authority}"),
            authorization: authorization.map_or(String::new(), |it| format!("Proxy-Authorization: {it}\r\n")),
            is_first: true,
        }
    }

    /// What is to be sent instead of this part of a request. The first part has the whole first line: the library
    /// writes it in one go.
    pub fn rewritten(&mut self, output: &[u8]) -> Vec<u8> {
        let line = output.windows(2).position(|two| two == b"\r\n").map_or(output.len(), |at| at + 2);
        let (line, rest) = output.split_at(line);
        let path = line.iter().position(|byte| *byte == b' ').map_or(line.len(), |at| at + 1);
        match std::mem::take(&mut self.is_first) {
            true => {
                let (method, path) = line.split_at(path);
                [method, self.site.as_bytes(), path, self.authorization.as_bytes(), rest].concat()
            }
            false => output.to_vec(),
        }
    }

    /// The proxy has answered, so what goes out next begins another request.
    pub fn heard(&mut self) {
        self.is_first = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_whole_address_and_only_the_proxy_learns_who_we_are() {
        let uri: Uri = "http://h.example:8080/a?b".parse().unwrap();
        for (proxy, line) in [("http://h:1", ""), ("http://a:b@h:1", "Proxy-Authorization: Basic YTpi\r\n")] {
            let mut forwarding = Forwarding::new(&uri, &Proxy::typed(proxy).unwrap());
            for _ in 0..2 {
                let first = forwarding.rewritten(b"GET /a?b HTTP/1.1\r\nhost: h.example:8080\r\n");
                let expected =
                    format!("GET http://h.example:8080/a?b HTTP/1.1\r\n{line}host: h.example:8080\r\n");
                assert_eq!(String::from_utf8(first).unwrap(), expected);
                assert_eq!(forwarding.rewritten(b"accept: */*\r\n\r\n"), b"accept: */*\r\n\r\n");
                forwarding.heard();
            }
        }
    }
}
