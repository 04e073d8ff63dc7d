//! Finding a UPnP gateway, and having it open our ports.
//!
//! Runs on the thread `port-mapping`. Each wait has a deadline, and `halt` ends it.

use super::description::{self, Service};
use super::soap::{self, Action, PortRequest, SoapAnswer};
use super::ssdp::{self, DeviceAddress};
use crate::address::Reach;
use crate::net::plain_http::{self, PlainAnswer};
use crate::net::tap::{Direction, Protocol, Seen, Tap};
use crate::net::{BindAddress, asking_port};
use crate::port_mapping::MappingOptions;
use crate::port_mapping::datagrams::Wanted;
use crate::port_mapping::halt::Halt;
use crate::port_mapping::opened::{Failure, Opened};
use crate::port_mapping::state::{Transport, believable};
use log::debug;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long devices have to answer: the second that we give them, and a little.
const SEARCH: Duration = Duration::from_millis(1200);
/// When the question is repeated, since packets get lost.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// How much longer we listen after the gateway has answered: it may have two descriptions.
const A_LITTLE_MORE: Duration = Duration::from_millis(100);
/// The longest that a page or a call may take.
const CALL: Duration = Duration::from_secs(3);
/// The most packets that are looked at, and the most devices that are asked.
const MAX_PACKETS: usize = 64;
const MAX_DEVICES: usize = 4;
/// The largest packet that is looked at.
const PACKET_BYTES: usize = 1500;
/// How many ports outside are tried, where others have the ones that we would like.
const MAX_PORTS: usize = 6;
/// The ports that are tried then.
const OTHER_PORTS: std::ops::Range<u16> = 20_000..60_000;

/// A port that a device has opened.
pub type OpenPort = (Transport, u16);

/// A gateway that speaks UPnP.
#[derive(Clone, Debug)]
pub struct Device {
    service: Service,
    way: Way,
    /// Our address, as the gateway is to know it.
    ours: Ipv4Addr,
}

/// How devices are asked.
#[derive(Clone, Debug)]
struct Way {
    bind_address: BindAddress,
    /// Who sees what is said.
    tap: Tap,
}

/// A call that came to nothing.
enum CallFailure {
    Fault(u16),
    Other(Failure),
}

impl From<CallFailure> for Failure {
    fn from(failure: CallFailure) -> Failure {
        match failure {
            CallFailure::Fault(fault) => Failure::Refused(soap::reason(fault)),
            CallFailure::Other(failure) => failure,
        }
    }
}

impl Device {
    /// Looks for one: `gateway` itself, or another device in our network that says that it is a gateway. The question
    /// goes to `ssdp`.
    ///
    /// # Errors
    ///
    /// Nobody answers, none opens ports, or the thread is to end.
    pub fn find(
        gateway: IpAddr,
        ssdp: SocketAddr,
        options: &MappingOptions,
        ours: Ipv4Addr,
        halt: &Halt,
    ) -> Result<Device, Failure> {
        let way = Way { bind_address: options.bind_address, tap: options.tap.clone() };
        let mut failure = Failure::Silent;
        for address in search(gateway, ssdp, &way, ours, halt)? {
            match Device::described_at(&address, &way, ours, halt) {
                Ok(device) => return Ok(device),
                Err(Failure::Halted) => return Err(Failure::Halted),
                Err(other) => {
                    debug!("the device at {} opens no ports: {other:?}", address.at);
                    failure = other;
                }
            }
        }
        Err(failure)
    }

    /// The device with the description there.
    fn described_at(
        address: &DeviceAddress,
        way: &Way,
        ours: Ipv4Addr,
        halt: &Halt,
    ) -> Result<Device, Failure> {
        let request =
            format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", address.path, address.at);
        way.tell(address.at, Direction::Out, "description", "what are you, and which services have you?");
        let answer = way.ask(address.at, &request, Instant::now() + CALL, halt)?;
        way.tell(
            address.at,
            Direction::In,
            "description",
            &format!("status {}, {} bytes", answer.status, answer.body.len()),
        );
        if answer.status != 200 {
            return Err(Failure::Refused(format!(
                "its description is not to be had (status {})",
                answer.status
            )));
        }
        let text = String::from_utf8_lossy(&answer.body);
        let services = description::services(&text, address)
            .map_err(|_| Failure::Refused("its description is malformed".to_owned()))?;
        let mut devices: Vec<Device> =
            services.into_iter().map(|service| Device { service, way: way.clone(), ours }).collect();
        // Of several lines to the internet, the one that is up has an address.
        let mut is_up = |device: &Device| device.external(halt).ok().flatten().is_some();
        let best = if devices.len() > 1 { devices.iter().position(&mut is_up) } else { None };
        halt.check()?;
        match devices.is_empty() {
            true => Err(Failure::Refused("it has no service that opens ports".to_owned())),
            false => Ok(devices.swap_remove(best.unwrap_or(0))),
        }
    }

    /// The address of the device in our network.
    pub fn address(&self) -> IpAddr {
        self.service.control.at.ip()
    }

    /// Opens our ports, or keeps them open.
    ///
    /// # Errors
    ///
    /// The TCP port is not open: nobody answers, it refuses, or the thread is to end. Once it is open there is no
    /// error, so that it is closed again whatever comes.
    pub fn open(&self, wanted: Wanted, halt: &Halt) -> Result<Opened, Failure> {
        let [mut outside, mut udp_outside] = wanted.outside;
        let mut seconds = wanted.seconds;
        let (mut refused, mut tried_own) = (None, false);
        for tries in 1..=MAX_PORTS {
            tried_own |= outside == wanted.tcp;
            let tcp = match self.add(Transport::Tcp, outside, wanted.tcp, &mut seconds, halt) {
                Ok(port) => port,
                Err(CallFailure::Fault(fault)) if is_taken(fault) => {
                    outside = fastrand::u16(OTHER_PORTS);
                    refused = Some(fault);
                    // Perhaps it is the time that it does not like.
                    if fault == soap::ACTION_FAILED && tries == MAX_PORTS / 2 {
                        seconds = 0;
                    }
                    continue;
                }
                Err(CallFailure::Fault(soap::ONLY_SAME_PORTS)) if !tried_own => {
                    outside = wanted.tcp;
                    continue;
                }
                // Ours is taken, and no other will do.
                Err(CallFailure::Fault(soap::ONLY_SAME_PORTS)) if refused.is_some() => break,
                Err(failure) => return Err(failure.into()),
            };
            let is_one_number = wanted.udp == wanted.tcp;
            if is_one_number {
                udp_outside = tcp;
            }
            let udp = match wanted.udp {
                0 => 0,
                port => match self.add(Transport::Udp, udp_outside, port, &mut seconds, halt) {
                    Ok(port) => port,
                    Err(CallFailure::Fault(soap::CONFLICT | soap::OTHER_CONFLICT)) if is_one_number => {
                        // Somebody has the number for UDP: then we take another one for both.
                        self.close(&[(Transport::Tcp, tcp)], Instant::now() + CALL, halt);
                        outside = fastrand::u16(OTHER_PORTS);
                        continue;
                    }
                    Err(_) => 0,
                },
            };
            let external = self.external(halt).unwrap_or_default();
            return Ok(Opened { tcp, udp, external, seconds, epoch: None });
        }
        Err(Failure::Refused(soap::reason(refused.unwrap_or(soap::CONFLICT))))
    }

    /// Closes these ports. What comes of it is not looked at: a port that stays open is closed when its time is over.
    pub fn close(&self, ports: &[OpenPort], until: Instant, halt: &Halt) {
        for (transport, port) in ports {
            let action = Action::DeletePortMapping(*transport, *port);
            if self.call_until(action, until, halt).is_err() {
                debug!("{} may keep its {} port {port} open for us", self.address(), transport.name());
            }
        }
    }

    /// Opens one port, and returns its number. If the gateway knows no time that ends, `seconds` is zero from now on.
    fn add(
        &self,
        transport: Transport,
        external: u16,
        internal: u16,
        seconds: &mut u32,
        halt: &Halt,
    ) -> Result<u16, CallFailure> {
        let request = |lifetime| PortRequest { transport, external, client: self.ours, internal, lifetime };
        let mut outcome = self.order(Action::AddPortMapping(request(*seconds)), halt);
        if let Err(CallFailure::Fault(soap::ONLY_PERMANENT | soap::INVALID_ARGUMENTS)) = outcome
            && *seconds != 0
        {
            *seconds = 0;
            outcome = self.order(Action::AddPortMapping(request(0)), halt);
        }
        match outcome {
            Err(CallFailure::Fault(fault))
                if is_taken(fault)
                    && transport == Transport::Tcp
                    && soap::chooses_ports(self.service.kind) =>
            {
                let any = self.order(Action::AddAnyPortMapping(request(*seconds)), halt);
                any.and_then(|answer| answer.port.ok_or(CallFailure::Fault(fault)))
            }
            Err(failure) => Err(failure),
            Ok(_) => Ok(external),
        }
    }

    fn external(&self, halt: &Halt) -> Result<Option<IpAddr>, CallFailure> {
        Ok(self.call(Action::GetExternalIpAddress, halt)?.address.and_then(believable))
    }

    /// A call that opens a port. Once it has gone out, its answer is waited for even if the thread is to end: only who
    /// knows what was opened can close it.
    fn order(&self, action: Action, halt: &Halt) -> Result<SoapAnswer, CallFailure> {
        halt.check().map_err(|error| CallFailure::Other(error.into()))?;
        self.call(action, &Halt::default())
    }

    fn call(&self, action: Action, halt: &Halt) -> Result<SoapAnswer, CallFailure> {
        self.call_until(action, Instant::now() + CALL, halt)
    }

    fn call_until(&self, action: Action, until: Instant, halt: &Halt) -> Result<SoapAnswer, CallFailure> {
        let request = action.request(&self.service);
        let at = self.service.control.at;
        self.way.tell(at, Direction::Out, "upnp", &soap::asked(&action));
        let answer = self.way.ask(at, &request, until, halt);
        let answer = answer.map_err(|error| CallFailure::Other(error.into()))?;
        let parsed = SoapAnswer::parse(&String::from_utf8_lossy(&answer.body)).unwrap_or_default();
        self.way.tell(at, Direction::In, "upnp", &soap::answered(answer.status, &parsed));
        match (answer.status, parsed.fault) {
            (200, None) => Ok(parsed),
            (_, Some(fault)) => Err(CallFailure::Fault(fault)),
            (status, None) => {
                Err(CallFailure::Other(Failure::Refused(format!("it answers with the status {status}"))))
            }
        }
    }
}

impl Way {
    fn ask(&self, to: SocketAddr, request: &str, until: Instant, halt: &Halt) -> io::Result<PlainAnswer> {
        halt.check()?;
        let answer = plain_http::ask(&self.tap, self.bind_address, to, request.as_bytes(), until, |stream| {
            let _ = halt.wakes_by(Box::new(move || _ = stream.shutdown(Shutdown::Both)));
        });
        halt.awake();
        halt.check()?;
        answer
    }

    /// Says in words what was said, if somebody wants to know.
    fn tell(&self, device: SocketAddr, direction: Direction, message: &'static str, meaning: &str) {
        let site = || format!("router {device}");
        self.tap.tell(|| Seen::Server { site: site(), direction, message, meaning: meaning.to_owned() });
    }
}

/// Whether a gateway that answers so may open another port outside.
fn is_taken(fault: u16) -> bool {
    matches!(fault, soap::CONFLICT | soap::OTHER_CONFLICT | soap::ACTION_FAILED)
}

/// The addresses of descriptions of gateways, that of the gateway that everything takes first.
fn search(
    gateway: IpAddr,
    ssdp: SocketAddr,
    way: &Way,
    ours: Ipv4Addr,
    halt: &Halt,
) -> Result<Vec<DeviceAddress>, Failure> {
    let port = Arc::new(asking_port(ours, way.bind_address)?);
    let here = port.address();
    let tell = |direction, theirs, packet: &[u8]| {
        way.tap.tell(|| Seen::Packet(Protocol::Ssdp, direction, [here, theirs], packet.to_vec()));
    };
    let waiting = Arc::clone(&port);
    halt.wakes_by(Box::new(move || waiting.hang_up()))?;
    let start = Instant::now();
    let (mut until, mut again) = (start + SEARCH, start + ASK_AGAIN);
    let ask = || {
        ssdp::questions().try_for_each(|question| {
            tell(Direction::Out, ssdp, question.as_bytes());
            port.send(ssdp, question.as_bytes())
        })
    };
    ask()?;
    let (mut first, mut others) = (Vec::new(), Vec::new());
    let (mut packet, mut packets) = ([0; PACKET_BYTES], 0);
    while packets < MAX_PACKETS {
        let Some((length, from)) = port.receive(&mut packet, again.min(until))? else {
            if Instant::now() >= until {
                break;
            }
            again = until;
            ask()?;
            continue;
        };
        packets += 1;
        let packet = packet.get(..length).unwrap_or_default();
        tell(Direction::In, from, packet);
        let Some(address) = ssdp::answer(packet, from.ip()) else {
            continue;
        };
        let is_gateway = from.ip() == gateway;
        let list = if is_gateway { &mut first } else { &mut others };
        if list.contains(&address) || list.len() >= MAX_DEVICES {
            continue;
        }
        if is_gateway {
            until = until.min(Instant::now() + A_LITTLE_MORE);
            list.push(address);
        } else if Reach::of(from.ip()) == Reach::Network && from.ip() != IpAddr::from(ours) {
            list.push(address);
        }
    }
    halt.awake();
    first.extend(others);
    Ok(first)
}
