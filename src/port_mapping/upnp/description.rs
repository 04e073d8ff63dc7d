//! The description of a gateway: which of its services opens ports, and where it is called.
//!
//! Pure. A device may have several connections to the internet, of which one is up, and lists a service for each.

use super::ssdp::DeviceAddress;
use super::xml::{Malformed, each_text};

/// The most services that we look at.
const MAX_SERVICES: usize = 8;

/// The kinds of service that open ports, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceKind {
    /// The second version, which can choose a free port by itself.
    WanIp2,
    /// The usual one.
    WanIp1,
    /// The one of lines that are dialled up.
    WanPpp1,
}

impl ServiceKind {
    const ALL: [ServiceKind; 3] = [ServiceKind::WanIp2, ServiceKind::WanIp1, ServiceKind::WanPpp1];

    /// Its name in descriptions and calls.
    pub fn name(self) -> &'static str {
        match self {
            ServiceKind::WanIp2 => "urn:schemas-upnp-org:service:WANIPConnection:2",
            ServiceKind::WanIp1 => "urn:schemas-upnp-org:service:WANIPConnection:1",
            ServiceKind::WanPpp1 => "urn:schemas-upnp-org:service:WANPPPConnection:1",
        }
    }
}

/// A service that opens ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its kind.
    pub kind: ServiceKind,
    /// Where it is called.
    pub control: DeviceAddress,
}

/// The services that open ports, the best kind first. `from` is where the description came from: a service on another
/// host is left out.
///
/// # Errors
///
/// The description is no XML that we read.
pub fn services(text: &str, from: &DeviceAddress) -> Result<Vec<Service>, Malformed> {
    let (mut services, mut base) = (Vec::new(), None);
    let (mut kind, mut control) = (None, None);
    each_text(text, |names, text| match names {
        [.., "root", "URLBase"] => base = from.join(text),
        [.., "service", "serviceType"] => {
            kind = ServiceKind::ALL.into_iter().find(|kind| kind.name() == text)
        }
        [.., "service", "controlURL"] => control = Some(text.to_owned()),
        [.., "service"] => {
            if let (Some(kind), Some(control)) = (kind.take(), control.take())
                && services.len() < MAX_SERVICES
            {
                services.push((kind, control));
            }
            (kind, control) = (None, None);
        }
        _ => {}
    })?;
    let base = base.as_ref().unwrap_or(from);
    let found = services.into_iter();
    let mut services: Vec<Service> =
        found.filter_map(|(kind, control)| Some(Service { kind, control: base.join(&control)? })).collect();
    services.sort_by_key(|service| service.kind);
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from() -> DeviceAddress {
        DeviceAddress::parse("http://192.168.1.1:5000/rootDesc.xml").unwrap()
    }

    fn description(services: &[(&str, &str)], head: &str) -> String {
        let service = |(kind, control): &(&str, &str)| {
            format!(
                "<service><serviceType>urn:schemas-upnp-org:service:{kind}</serviceType><serviceId>x</serviceId>\
                 <controlURL>{control}</controlURL><eventSubURL>/evt</eventSubURL></service>"
            )
        };
        let list: String = services.iter().map(service).collect();
        format!(
            "<?xml version=\"1.0\"?>\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\">{head}<device><deviceType>x\
             </deviceType><deviceList><device><serviceList>{list}</serviceList></device></deviceList></device></root>"
        )
    }

    fn found(services: &[(&str, &str)], head: &str) -> Vec<(ServiceKind, String)> {
        let services = super::services(&description(services, head), &from()).unwrap();
        services
            .into_iter()
            .map(|one| (one.kind, format!("{}{}", one.control.at, one.control.path)))
            .collect()
    }

    #[test]
    fn the_services_that_open_ports_are_found_the_best_first() {
        let all = found(
            &[
                ("WANPPPConnection:1", "/ppp"),
                ("Layer3Forwarding:1", "/l3"),
                ("WANIPConnection:1", "ip1"),
                ("WANIPConnection:2", "http://192.168.1.1:5000/ip2"),
            ],
            "",
        );
        let expected = [
            (ServiceKind::WanIp2, "192.168.1.1:5000/ip2".to_owned()),
            (ServiceKind::WanIp1, "192.168.1.1:5000/ip1".to_owned()),
            (ServiceKind::WanPpp1, "192.168.1.1:5000/ppp".to_owned()),
        ];
        assert_eq!(all, expected);
        let base = found(&[("WANIPConnection:1", "/ip")], "<URLBase>http://192.168.1.1:49152/</URLBase>");
        assert_eq!(base, [(ServiceKind::WanIp1, "192.168.1.1:49152/ip".to_owned())]);
    }

    #[test]
    fn a_service_on_another_host_is_left_out_and_so_is_a_base_there() {
        assert_eq!(found(&[("WANIPConnection:1", "http://1.2.3.4/ip")], ""), []);
        let base = found(&[("WANIPConnection:1", "/ip")], "<URLBase>http://1.2.3.4:80/</URLBase>");
        assert_eq!(base, [(ServiceKind::WanIp1, "192.168.1.1:5000/ip".to_owned())]);
    }

    #[test]
    fn there_may_be_none_and_never_very_many() {
        assert_eq!(services("<root></root>", &from()), Ok(Vec::new()));
        assert_eq!(services("<root>", &from()), Ok(Vec::new()));
        assert!(services("<!DOCTYPE x><root></root>", &from()).is_err());
        assert_eq!(found(&[("WANIPConnection:1", "/ip"); 99], "").len(), MAX_SERVICES);
    }
}
