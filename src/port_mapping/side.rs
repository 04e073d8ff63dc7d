//! Our ports at one gateway: how it is spoken to, what it has opened, and when to ask it again.

use super::datagrams::{Line, Patience, Wanted};
use super::epoch::Epoch;
use super::halt::Halt;
use super::lease::{self, Lease};
use super::nat_pmp::{self, NatPmpAnswer};
use super::opened::{Failure, Opened};
use super::pcp::{self, Nonce, PcpAnswer};
use super::state::{Mapped, Way, believable};
use super::upnp::Device;
use super::{Gateways, MappingOptions, Transport};
use crate::net::{BindAddress, ThisHost};
use crate::strategy::Surroundings;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// How many times a question is asked of a gateway that we do not know, and of one that has opened a port before.
const ROUNDS: u32 = 2;
const KNOWN_ROUNDS: u32 = 4;

/// One gateway.
pub(super) struct Side {
    /// Its address, where it hears PCP and NAT-PMP.
    pub gateway: SocketAddr,
    /// Our own address, as it sees it.
    pub ours: Option<IpAddr>,
    /// When to ask it.
    pub due: Instant,
    /// Where a question for UPnP devices goes.
    ssdp: SocketAddr,
    nonces: [Nonce; 2],
    /// How it is spoken to, once it has opened a port.
    way: Option<KnownWay>,
    opened: Option<Opened>,
    lease: Option<Lease>,
    epoch: Option<Epoch>,
    failures: u32,
}

/// A way that has worked.
#[derive(Clone, Debug)]
enum KnownWay {
    Pcp,
    NatPmp,
    Upnp(Device),
}

impl Side {
    pub fn new(gateway: SocketAddr, ours: Option<IpAddr>, gateways: Gateways) -> Side {
        let nonce = || std::array::from_fn(|_| fastrand::u8(..));
        Side {
            gateway,
            ours,
            due: Instant::now(),
            ssdp: gateways.ssdp,
            nonces: [nonce(), nonce()],
            way: None,
            opened: None,
            lease: None,
            epoch: None,
            failures: 0,
        }
    }

    /// Asks it to open our ports, or to keep them open, and notes when to ask again.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn ask(&mut self, options: &MappingOptions, halt: &Halt) -> Result<(), Failure> {
        let asked = match self.way.clone() {
            Some(way @ KnownWay::Upnp(_)) => match self.ask_by(way, KNOWN_ROUNDS, options, halt) {
                // Many a device has another port after it was switched off.
                Err(Failure::Silent | Failure::Refused(_)) => self.find_way(options, halt),
                asked => asked,
            },
            Some(way) => self.ask_by(way, KNOWN_ROUNDS, options, halt),
            None => self.find_way(options, halt),
        };
        halt.awake();
        let now = Instant::now();
        match asked {
            Ok(opened) => {
                let lease = Lease::new(opened.seconds, options.second, now);
                self.failures = 0;
                self.due = lease.renewal(0).unwrap_or(now);
                self.epoch = opened.epoch.map(|seconds| Epoch::new(seconds, now));
                (self.opened, self.lease) = (Some(opened), Some(lease));
                Ok(())
            }
            Err(failure) => {
                self.failures = self.failures.saturating_add(1);
                self.due = match self.lease.map(|lease| lease.renewal(self.failures)) {
                    Some(Some(again)) => again.max(now),
                    // The lease is over: whatever the gateway is now, we do not know it.
                    Some(None) => {
                        (self.way, self.opened, self.lease, self.epoch) = (None, None, None, None);
                        self.failures = 0;
                        now
                    }
                    None => now + lease::retry(self.failures.saturating_sub(1), options.second),
                };
                Err(failure)
            }
        }
    }

    /// Tries one way after the other.
    fn find_way(&mut self, options: &MappingOptions, halt: &Halt) -> Result<Opened, Failure> {
        let mut refusal = None;
        match self.ask_by(KnownWay::Pcp, ROUNDS, options, halt) {
            Err(Failure::Halted) => return Err(Failure::Halted),
            Err(Failure::Refused(why)) => refusal = Some(why),
            Err(Failure::Silent) => {}
            opened => return opened,
        }
        if self.gateway.is_ipv6() {
            // The others know IPv4 only.
            return Err(refusal.map_or(Failure::Silent, Failure::Refused));
        }
        match self.ask_by(KnownWay::NatPmp, ROUNDS, options, halt) {
            Err(Failure::Halted) => return Err(Failure::Halted),
            Err(Failure::Refused(why)) => refusal = Some(why),
            Err(Failure::Silent) => {}
            opened => return opened,
        }
        let Some(IpAddr::V4(ours)) = self.ours else {
            return Err(Failure::Silent);
        };
        let device = Device::find(self.gateway.ip(), self.ssdp, options, ours, halt);
        match device.and_then(|device| self.ask_by(KnownWay::Upnp(device), ROUNDS, options, halt)) {
            Err(Failure::Silent) => Err(refusal.map_or(Failure::Silent, Failure::Refused)),
            outcome => outcome,
        }
    }

    fn ask_by(
        &mut self,
        way: KnownWay,
        rounds: u32,
        options: &MappingOptions,
        halt: &Halt,
    ) -> Result<Opened, Failure> {
        let wanted = self.wanted(options);
        let patience = Patience { rounds, until: None };
        let outcome = match &way {
            KnownWay::Upnp(device) => device.open(wanted, halt),
            KnownWay::NatPmp => self.line(options)?.nat_pmp(wanted, patience, halt),
            KnownWay::Pcp => self
                .line(options)?
                .pcp(wanted, patience, halt)
                .and_then(|opened| opened.ok_or(Failure::Silent)),
        };
        // Where we had to end in the middle, it may be open.
        if matches!(outcome, Ok(_) | Err(Failure::Halted)) {
            self.way = Some(way);
        }
        outcome
    }

    fn line(&self, options: &MappingOptions) -> Result<Line, Failure> {
        let from = match self.gateway {
            SocketAddr::V4(_) => options.bind_address,
            // An IPv6 gateway opens the port of the address that asks, which has to be our public one.
            SocketAddr::V6(_) => BindAddress::only(self.ours.ok_or(Failure::Silent)?),
        };
        Ok(Line::open(self.gateway, from, self.nonces, options.tap.clone())?)
    }

    fn wanted(&self, options: &MappingOptions) -> Wanted {
        let (tcp, udp) = (options.ports.listening().unwrap_or(0), options.udp.unwrap_or(0));
        let outside = |given: u16, own: u16| if given == 0 { own } else { given };
        let before = self.opened.map_or([0, 0], |opened| [opened.tcp, opened.udp]);
        let [tcp_before, udp_before] = before;
        Wanted {
            tcp,
            udp,
            outside: [outside(tcp_before, tcp), outside(udp_before, udp)],
            seconds: lease::WANTED,
        }
    }

    /// What it has opened.
    pub fn mapped(&self) -> Option<Mapped> {
        let (opened, way) = (self.opened?, self.way.as_ref()?);
        let (way, gateway) = match way {
            KnownWay::Pcp => (Way::Pcp, self.gateway.ip()),
            KnownWay::NatPmp => (Way::NatPmp, self.gateway.ip()),
            KnownWay::Upnp(device) => (Way::Upnp, device.address()),
        };
        Some(Mapped { way, gateway, tcp: opened.tcp, udp: opened.udp, external: opened.external })
    }

    /// Whether it has forgotten what it had opened, as this announcement of it says.
    pub fn has_forgotten(&mut self, packet: &[u8], now: Instant) -> bool {
        let (Some(epoch), Some(opened)) = (&mut self.epoch, self.opened) else { return false };
        if let Some(answer) = PcpAnswer::from_wire(packet) {
            return answer.about == pcp::About::Everything && !epoch.goes_on(answer.epoch, now);
        }
        match NatPmpAnswer::from_wire(packet) {
            Some(NatPmpAnswer { about: nat_pmp::About::Address(address), epoch: seconds, .. }) => {
                let address = address.and_then(|ip| believable(ip.into()));
                !epoch.goes_on_by_nat_pmp(seconds, now) || address.is_some() && address != opened.external
            }
            _ => false,
        }
    }

    /// Has it close our ports.
    pub fn close(&self, options: &MappingOptions, until: Instant) {
        let Some(way) = &self.way else { return };
        // Nothing interrupts this: it has its end.
        let never = Halt::default();
        match way {
            KnownWay::Upnp(device) => {
                // Only what we know to be ours: others may have the same number.
                let [tcp, udp] = self.opened.map_or([0, 0], |opened| [opened.tcp, opened.udp]);
                let all = [(Transport::Tcp, tcp), (Transport::Udp, udp)];
                let open: Vec<_> = all.into_iter().filter(|(_, port)| *port != 0).collect();
                device.close(&open, until, &never);
            }
            KnownWay::Pcp | KnownWay::NatPmp => {
                let by_pcp = matches!(way, KnownWay::Pcp);
                if let Ok(line) = self.line(options) {
                    line.close(by_pcp, self.wanted(options), until, &never);
                }
            }
        }
    }
}

/// Our own address, as that gateway sees it.
pub(super) fn ours(bind_address: BindAddress, gateway: SocketAddr) -> Option<IpAddr> {
    if gateway.is_ipv6() && bind_address.address().is_none() {
        // It has a link-local address mostly, and so would we have towards it.
        return ThisHost(bind_address).local_addresses().into_iter().flatten().find(IpAddr::is_ipv6);
    }
    Some(bind_address.udp(gateway).ok()?.local_addr().ok()?.ip())
}
