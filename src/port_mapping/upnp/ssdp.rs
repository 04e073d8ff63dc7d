//! The question that finds a UPnP device, and where an answer says that its description is (SSDP, part 1 of the UPnP
//! Device Architecture 1.1).
//!
//! Pure. Question and answers look like HTTP and are UDP packets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the question goes: everyone in the local network who listens for it (section 1.3.2).
pub const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1900);

/// What we ask for: gateways of both versions, and their services for devices that list nothing else.
const TARGETS: [&str; 4] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];
/// The longest path of an address. It goes back into a request.
const MAX_PATH: usize = 512;

/// The address of something that a device offers over HTTP: an IPv4 address, a port, a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAddress {
    /// Whom to ask.
    pub at: SocketAddr,
    /// What to ask for; begins with a slash.
    pub path: String,
}

impl DeviceAddress {
    /// Reads `http://a.b.c.d:port/path`. `None` for names, other schemes, user names, and whatever could not stand in
    /// the first line of a request.
    pub fn parse(text: &str) -> Option<DeviceAddress> {
        let (scheme, rest) = text.split_at_checked(7)?;
        if !scheme.eq_ignore_ascii_case("http://") {
            return None;
        }
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match host.split_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
            None => (host, 80),
        };
        Some(DeviceAddress {
            at: SocketAddr::from((host.parse::<Ipv4Addr>().ok()?, port)),
            path: checked(path)?,
        })
    }

    /// The address that a description means by `reference`: a whole one, which has to be on the same host, or a path.
    pub fn join(&self, reference: &str) -> Option<DeviceAddress> {
        if reference.contains("://") {
            return DeviceAddress::parse(reference).filter(|other| other.at.ip() == self.at.ip());
        }
        let path = match reference.starts_with('/') {
            true => reference.to_owned(),
            false => {
                let folder = self.path.rfind('/').and_then(|at| self.path.get(..=at)).unwrap_or("/");
                format!("{folder}{reference}")
            }
        };
        Some(DeviceAddress { at: self.at, path: checked(&path)? })
    }
}

fn checked(path: &str) -> Option<String> {
    let is_good = path.len() <= MAX_PATH && path.bytes().all(|byte| byte.is_ascii_graphic());
    is_good.then(|| path.to_owned())
}

/// The packets that ask for gateways.
pub fn questions() -> impl Iterator<Item = String> {
    TARGETS.into_iter().map(|target| {
        format!(
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {target}\r\n\r\n"
        )
    })
}

/// Where the description of a gateway is that answers from this address. `None` if it is no answer to our question, or
/// names another host than the one that it comes from.
pub fn answer(packet: &[u8], from: IpAddr) -> Option<DeviceAddress> {
    let text = String::from_utf8_lossy(packet);
    let mut lines = text.split(['\r', '\n']);
    let mut first = lines.next()?.split(' ');
    if !first.next()?.starts_with("HTTP/1.") || first.next()? != "200" {
        return None;
    }
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |name: &str| {
        headers.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let target = header("st")?;
    // A device may answer for a later version than we asked for.
    let kind = |target: &str| target.rsplit_once(':').map(|(kind, _)| kind.to_ascii_lowercase());
    if !TARGETS.iter().any(|ours| kind(ours) == kind(target)) {
        return None;
    }
    DeviceAddress::parse(header("location")?).filter(|address| address.at.ip() == from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n\
        ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nEXT:\r\nSERVER: x UPnP/1.1 y\r\n\
        LOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n\r\n";
    const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 1));

    fn address(text: &str) -> DeviceAddress {
        DeviceAddress::parse(text).unwrap()
    }

    #[test]
    fn an_answer_names_the_description() {
        assert_eq!(answer(ANSWER.as_bytes(), GATEWAY), Some(address("http://192.168.1.1:5000/rootDesc.xml")));
        let odd =
            ANSWER.replace("LOCATION: ", "location:").replace("Device:1", "Device:2").replace("\r\n", "\n");
        assert!(answer(odd.as_bytes(), GATEWAY).is_some());
    }

    #[test]
    fn an_answer_that_leads_elsewhere_or_is_none_is_refused() {
        assert_eq!(answer(ANSWER.as_bytes(), [192, 168, 1, 66].into()), None);
        for (good, bad) in [
            ("192.168.1.1:5000", "example.org"),
            ("192.168.1.1:5000", "1.2.3.4:5000"),
            ("192.168.1.1:5000", "user@192.168.1.1"),
            ("http://", "https://"),
            ("rootDesc.xml", "a b"),
            (":5000", ":0"),
            ("200 OK", "404 No"),
            ("InternetGatewayDevice", "MediaServer"),
            ("HTTP/1.1 200 OK", "NOTIFY * HTTP/1.1"),
        ] {
            assert_eq!(answer(ANSWER.replace(good, bad).as_bytes(), GATEWAY), None, "{bad}");
        }
        for nonsense in [&b""[..], b"\xff\xff", b"HTTP/1.1", b"HTTP/1.1 200 OK\r\n\r\n"] {
            assert_eq!(answer(nonsense, GATEWAY), None);
        }
        assert_eq!(DeviceAddress::parse("h\u{e9}ttp:\u{e9}"), None);
        assert_eq!(DeviceAddress::parse(&format!("http://1.2.3.4/{}", "a".repeat(512))), None);
    }

    #[test]
    fn a_reference_stays_on_its_host() {
        let base = address("http://192.168.1.1:5000/igd/desc.xml");
        for (reference, whole) in [
            ("/ctl", "http://192.168.1.1:5000/ctl"),
            ("ctl", "http://192.168.1.1:5000/igd/ctl"),
            ("http://192.168.1.1:80/ctl", "http://192.168.1.1:80/ctl"),
        ] {
            assert_eq!(base.join(reference), Some(address(whole)));
        }
        for elsewhere in
            ["http://192.168.1.2:5000/ctl", "http://example.org/", "ftp://192.168.1.1/", "/a\r\nX: y"]
        {
            assert_eq!(base.join(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_question_is_asked_of_everyone_for_one_second() {
        let all: Vec<String> = questions().collect();
        assert_eq!(all.len(), 4);
        assert_eq!(
            all[0],
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
             ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
        );
    }
}
