//! Calls to a service of a gateway, and its answers (SOAP, part 3 of the UPnP Device Architecture 1.1; the actions are
//! those of WANIPConnection, versions 1 and 2).
//!
//! Pure: text in, text out.

use super::description::{Service, ServiceKind};
use super::xml::{Malformed, each_text};
use crate::port_mapping::Transport;
use std::net::{IpAddr, Ipv4Addr};

/// Another program has the port outside.
pub const CONFLICT: u16 = 718;
/// The same, by another of the gateway's mechanisms.
pub const OTHER_CONFLICT: u16 = 729;
/// Whatever went wrong. Some gateways say it of a port that another program has.
pub const ACTION_FAILED: u16 = 501;
/// The port outside has to be the same as ours.
pub const ONLY_SAME_PORTS: u16 = 724;
/// The gateway keeps ports open for ever, or not at all.
pub const ONLY_PERMANENT: u16 = 725;
/// An argument is not to its taste.
pub const INVALID_ARGUMENTS: u16 = 402;

/// What we call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Says the address outside.
    GetExternalIpAddress,
    /// Opens this port outside, or says that it is taken.
    AddPortMapping(PortRequest),
    /// Opens this port, or another one if it is taken. Version 2 only.
    AddAnyPortMapping(PortRequest),
    /// Closes a port.
    DeletePortMapping(Transport, u16),
}

/// What it asks, in words for whoever watches.
pub(super) fn asked(action: &Action) -> String {
    let port = |request: &PortRequest, any: &str| {
        let PortRequest { transport, external, client, internal, lifetime } = request;
        let how_long = if *lifetime == 0 { "for good".to_owned() } else { format!("for {lifetime} s") };
        format!("lead {} port {external}{any} outside to {client}:{internal}, {how_long}", transport.name())
    };
    match action {
        Action::GetExternalIpAddress => "which address have you outside?".to_owned(),
        Action::AddPortMapping(request) => port(request, ""),
        Action::AddAnyPortMapping(request) => port(request, ", or any other one,"),
        Action::DeletePortMapping(transport, port) => {
            format!("close {} port {port} outside again", transport.name())
        }
    }
}

/// What it answers, in words for whoever watches.
pub(super) fn answered(status: u16, answer: &SoapAnswer) -> String {
    match answer {
        SoapAnswer { fault: Some(fault), .. } => reason(*fault),
        SoapAnswer { address: Some(address), .. } => format!("my address outside is {address}"),
        SoapAnswer { port: Some(port), .. } => format!("done; the port outside is {port}"),
        _ if status == 200 => "done".to_owned(),
        _ => format!("status {status}"),
    }
}

/// A port to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRequest {
    /// Its protocol.
    pub transport: Transport,
    /// The port outside.
    pub external: u16,
    /// Our address in the gateway's network.
    pub client: Ipv4Addr,
    /// Our port.
    pub internal: u16,
    /// For how many seconds; zero is for ever.
    pub lifetime: u32,
}

/// What a service answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoapAnswer {
    /// The address outside, if it says one.
    pub address: Option<IpAddr>,
    /// The port that it has chosen.
    pub port: Option<u16>,
    /// Why it refuses.
    pub fault: Option<u16>,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::GetExternalIpAddress => "GetExternalIPAddress",
            Action::AddPortMapping(_) => "AddPortMapping",
            Action::AddAnyPortMapping(_) => "AddAnyPortMapping",
            Action::DeletePortMapping(..) => "DeletePortMapping",
        }
    }

    fn arguments(self) -> String {
        match self {
            Action::GetExternalIpAddress => String::new(),
            Action::AddPortMapping(port) | Action::AddAnyPortMapping(port) => format!(
                "<NewRemoteHost></NewRemoteHost><NewExternalPort>{}</NewExternalPort><NewProtocol>{}</NewProtocol>\
                 <NewInternalPort>{}</NewInternalPort><NewInternalClient>{}</NewInternalClient>\
                 <NewEnabled>1</NewEnabled><NewPortMappingDescription>femtotorrent</NewPortMappingDescription>\
                 <NewLeaseDuration>{}</NewLeaseDuration>",
                port.external,
                port.transport.name(),
                port.internal,
                port.client,
                port.lifetime
            ),
            Action::DeletePortMapping(transport, external) => format!(
                "<NewRemoteHost></NewRemoteHost><NewExternalPort>{external}</NewExternalPort><NewProtocol>{}\
                 </NewProtocol>",
                transport.name()
            ),
        }
    }

    /// The request to the service, as it goes over the connection.
    pub fn request(self, service: &Service) -> String {
        let (kind, name) = (service.kind.name(), self.name());
        let body = format!(
            "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:{name} xmlns:u=\"{kind}\">{}\
             </u:{name}></s:Body></s:Envelope>\r\n",
            self.arguments()
        );
        format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/xml; charset=\"utf-8\"\r\nSOAPAction: \
             \"{kind}#{name}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            service.control.path,
            service.control.at,
            body.len()
        )
    }
}

impl SoapAnswer {
    /// Reads the body of an answer. What it does not say is `None`.
    ///
    /// # Errors
    ///
    /// It is no XML that we read.
    pub fn parse(text: &str) -> Result<SoapAnswer, Malformed> {
        let mut answer = SoapAnswer::default();
        each_text(text, |names, text| match names {
            [.., "NewExternalIPAddress"] => answer.address = text.parse().ok(),
            [.., "NewReservedPort"] => answer.port = text.parse().ok().filter(|port| *port != 0),
            [.., "UPnPError", "errorCode"] => answer.fault = Some(text.parse().unwrap_or(u16::MAX)),
            _ => {}
        })?;
        Ok(answer)
    }
}

/// Whether the service can choose a port by itself.
pub fn chooses_ports(kind: ServiceKind) -> bool {
    kind == ServiceKind::WanIp2
}

/// Why a gateway refuses, in words.
pub fn reason(fault: u16) -> String {
    let words = match fault {
        INVALID_ARGUMENTS => "invalid request",
        606 => "not allowed",
        CONFLICT | OTHER_CONFLICT => "the ports are taken",
        ACTION_FAILED => "action failed",
        ONLY_SAME_PORTS => "external and internal port must be the same",
        728 => "no free ports",
        _ => "no reason given",
    };
    format!("{words} (UPnP error {fault})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port_mapping::upnp::DeviceAddress;

    fn service() -> Service {
        let control = DeviceAddress::parse("http://192.168.1.1:5000/ctl/IPConn").unwrap();
        Service { kind: ServiceKind::WanIp1, control }
    }

    #[test]
    fn a_call_has_its_arguments_in_the_order_of_the_standard() {
        let port = PortRequest {
            transport: Transport::Tcp,
            external: 7000,
            client: [192, 168, 1, 7].into(),
            internal: 6881,
            lifetime: 3600,
        };
        let request = Action::AddPortMapping(port).request(&service());
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            head,
            format!(
                "POST /ctl/IPConn HTTP/1.1\r\nHost: 192.168.1.1:5000\r\nContent-Type: text/xml; charset=\"utf-8\"\r\n\
                 SOAPAction: \"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping\"\r\n\
                 Content-Length: {}\r\nConnection: close",
                body.len()
            )
        );
        assert!(body.contains(
            "<u:AddPortMapping xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">\
             <NewRemoteHost></NewRemoteHost><NewExternalPort>7000</NewExternalPort><NewProtocol>TCP</NewProtocol>\
             <NewInternalPort>6881</NewInternalPort><NewInternalClient>192.168.1.7</NewInternalClient>\
             <NewEnabled>1</NewEnabled><NewPortMappingDescription>femtotorrent</NewPortMappingDescription>\
             <NewLeaseDuration>3600</NewLeaseDuration></u:AddPortMapping>"
        ));
        let delete = Action::DeletePortMapping(Transport::Udp, 7000).request(&service());
        assert!(delete.contains("<NewRemoteHost></NewRemoteHost><NewExternalPort>7000</NewExternalPort><NewProtocol>UDP</NewProtocol>"));
        // It is XML that we would read ourselves.
        for text in [body, delete.split_once("\r\n\r\n").unwrap().1] {
            assert_eq!(SoapAnswer::parse(text), Ok(SoapAnswer::default()));
        }
    }

    #[test]
    fn answers_and_faults_are_read() {
        let envelope = |inside: &str| {
            let of = "http://schemas.xmlsoap.org/soap/envelope/";
            format!(
                "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"{of}\"><s:Body>{inside}</s:Body></s:Envelope>"
            )
        };
        let address = envelope("<u:R xmlns:u='x'><NewExternalIPAddress>5.6.7.8</NewExternalIPAddress></u:R>");
        assert_eq!(SoapAnswer::parse(&address).unwrap().address, Some([5, 6, 7, 8].into()));
        let port = envelope("<u:R><NewReservedPort>7001</NewReservedPort></u:R>");
        assert_eq!(SoapAnswer::parse(&port).unwrap().port, Some(7001));
        let fault = envelope(
            "<s:Fault><faultcode>s:Client</faultcode><detail><UPnPError xmlns='x'><errorCode>718</errorCode>\
             <errorDescription>ConflictInMappingEntry</errorDescription></UPnPError></detail></s:Fault>",
        );
        assert_eq!(SoapAnswer::parse(&fault).unwrap().fault, Some(CONFLICT));
        let odd =
            envelope("<NewReservedPort>0</NewReservedPort><NewExternalIPAddress>x</NewExternalIPAddress>");
        assert_eq!(SoapAnswer::parse(&odd), Ok(SoapAnswer::default()));
        assert!(SoapAnswer::parse("<!DOCTYPE a><a/>").is_err());
    }
}
