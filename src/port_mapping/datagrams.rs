//! Questions and answers at a gateway's port 5351, by PCP or by NAT-PMP.
//!
//! Runs on the thread `port-mapping`. The socket is connected, so the system drops what does not come from the
//! gateway's address and port. Packets get lost: a question is repeated after 250 ms, then after twice that, and so
//! on, until its rounds are over (RFC 6886, section 3.1). What is no answer to the question is not looked at twice.

use super::halt::Halt;
use super::nat_pmp::{self, NatPmpAnswer};
use super::opened::{Failure, Opened};
use super::pcp::{self, About, MapRequest, Nonce, PcpAnswer};
use super::state::{Transport, believable};
use crate::net::tap::{Direction, Protocol, Seen, Tap};
use crate::net::{BindAddress, UdpChannel};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time until a question is asked again for the first time.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The most packets that are looked at for one question.
const MAX_PACKETS: usize = 64;

/// Our ports, and those outside that we would like.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Our TCP port.
    pub tcp: u16,
    /// Our UDP port; zero if we have none.
    pub udp: u16,
    /// The ports outside for them; ours, unless the gateway has given others before.
    pub outside: [u16; 2],
    /// For how many seconds.
    pub seconds: u32,
}

/// How long we ask.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How many times a question is asked.
    pub rounds: u32,
    /// When it ends in any case.
    pub until: Option<Instant>,
}

/// A gateway, and what our questions to it have in common.
#[derive(Debug)]
pub struct Line {
    channel: Arc<UdpChannel>,
    ours: IpAddr,
    /// The nonces for TCP and for UDP.
    nonces: [Nonce; 2],
    tap: Tap,
}

/// What an answer to a question in PCP is.
enum PcpReply {
    Answer(PcpAnswer),
    /// The gateway speaks NAT-PMP.
    Older,
}

impl Line {
    /// A line to the gateway. Sends nothing.
    ///
    /// # Errors
    ///
    /// What the system says, mostly that there is no way there.
    pub fn open(
        gateway: SocketAddr,
        bind_address: BindAddress,
        nonces: [Nonce; 2],
        tap: Tap,
    ) -> io::Result<Line> {
        let channel = Arc::new(UdpChannel::open(bind_address, gateway)?);
        Ok(Line { ours: channel.ours()?.ip(), channel, nonces, tap })
    }

    /// Opens our ports or keeps them open by PCP. `None` if the gateway speaks NAT-PMP instead.
    ///
    /// # Errors
    ///
    /// [`Failure`] for the TCP port. Once that is open there is no error, so that it is closed again whatever comes.
    pub fn pcp(&self, wanted: Wanted, patience: Patience, halt: &Halt) -> Result<Option<Opened>, Failure> {
        let [tcp_outside, udp_outside] = wanted.outside;
        let tcp = self.pcp_map(Transport::Tcp, wanted.tcp, tcp_outside, wanted.seconds, patience, halt)?;
        let Some((tcp, external, answer)) = tcp else { return Ok(None) };
        let (mut opened, mut udp_outside) = (
            Opened { tcp, udp: 0, external, seconds: answer.lifetime, epoch: Some(answer.epoch) },
            udp_outside,
        );
        // One number for both is what those expect who know us by one of them.
        if wanted.udp == wanted.tcp {
            udp_outside = tcp;
        }
        if wanted.udp != 0 {
            let udp = self.pcp_map(Transport::Udp, wanted.udp, udp_outside, wanted.seconds, patience, halt);
            if let Ok(Some((udp, _, answer))) = udp {
                (opened.udp, opened.epoch) = (udp, Some(answer.epoch));
                opened.seconds = opened.seconds.min(answer.lifetime);
            }
        }
        Ok(Some(opened))
    }

    fn pcp_map(
        &self,
        transport: Transport,
        internal: u16,
        external: u16,
        lifetime: u32,
        patience: Patience,
        halt: &Halt,
    ) -> Result<Option<(u16, Option<IpAddr>, PcpAnswer)>, Failure> {
        let [of_tcp, of_udp] = self.nonces;
        let nonce = if transport == Transport::Tcp { of_tcp } else { of_udp };
        let request = MapRequest { nonce, client: self.ours, transport, internal, external, lifetime };
        let is_ours = |answer: &PcpAnswer| {
            matches!(answer.about, About::Map { nonce: theirs, transport: by, internal: port, .. }
                if theirs == nonce && by == transport && port == internal)
        };
        let read = |packet: &[u8]| {
            if let Some(answer) = PcpAnswer::from_wire(packet) {
                return Some(PcpReply::Answer(answer)).filter(|_| is_ours(&answer));
            }
            let older = NatPmpAnswer::from_wire(packet)?;
            (older.result == nat_pmp::UNSUPPORTED_VERSION).then_some(PcpReply::Older)
        };
        let answer = match self.ask(&request.to_wire(), patience, halt, read)? {
            PcpReply::Answer(answer) => answer,
            PcpReply::Older => return Ok(None),
        };
        let About::Map { external, address, .. } = answer.about else { return Err(Failure::Silent) };
        match answer.result {
            pcp::SUCCESS if lifetime != 0 && (external == 0 || answer.lifetime == 0) => {
                Err(Failure::Refused("no port was opened".to_owned()))
            }
            pcp::SUCCESS => Ok(Some((external, believable(address), answer))),
            result => Err(Failure::Refused(format!("{} (PCP error {result})", pcp::reason(result)))),
        }
    }

    /// Has the gateway close both ports. Each is asked once: what gets lost stays open until its time is over.
    pub fn close(&self, by_pcp: bool, wanted: Wanted, until: Instant, halt: &Halt) {
        let (patience, wanted) =
            (Patience { rounds: 1, until: Some(until) }, Wanted { seconds: 0, ..wanted });
        for (transport, internal) in [(Transport::Tcp, wanted.tcp), (Transport::Udp, wanted.udp)] {
            let _ = match (internal, by_pcp) {
                (0, _) => Ok(()),
                (_, true) => self.pcp_map(transport, internal, 0, 0, patience, halt).map(drop),
                (_, false) => self.nat_pmp_map(transport, internal, 0, 0, patience, halt).map(drop),
            };
        }
    }

    /// The same by NAT-PMP.
    ///
    /// # Errors
    ///
    /// As [`pcp`](Self::pcp).
    pub fn nat_pmp(&self, wanted: Wanted, patience: Patience, halt: &Halt) -> Result<Opened, Failure> {
        let [tcp_outside, udp_outside] = wanted.outside;
        let mut opened =
            self.nat_pmp_map(Transport::Tcp, wanted.tcp, tcp_outside, wanted.seconds, patience, halt)?;
        if wanted.udp != 0 {
            let outside = if wanted.udp == wanted.tcp { opened.tcp } else { udp_outside };
            let udp = self.nat_pmp_map(Transport::Udp, wanted.udp, outside, wanted.seconds, patience, halt);
            if let Ok(udp) = udp {
                (opened.udp, opened.seconds) = (udp.tcp, opened.seconds.min(udp.seconds));
            }
        }
        let read = |packet: &[u8]| match NatPmpAnswer::from_wire(packet)?.about {
            nat_pmp::About::Address(address) => Some(address),
            _ => None,
        };
        let address = self.ask(&nat_pmp::ADDRESS_REQUEST, patience, halt, read).unwrap_or_default();
        opened.external = address.and_then(|ip| believable(ip.into()));
        Ok(opened)
    }

    fn nat_pmp_map(
        &self,
        transport: Transport,
        internal: u16,
        external: u16,
        lifetime: u32,
        patience: Patience,
        halt: &Halt,
    ) -> Result<Opened, Failure> {
        let request = nat_pmp::MapRequest { transport, internal, external, lifetime };
        let read = |packet: &[u8]| {
            let answer = NatPmpAnswer::from_wire(packet)?;
            let is_ours = match answer.about {
                nat_pmp::About::Map { transport: by, internal: port, .. } => {
                    by == transport && port == internal
                }
                nat_pmp::About::Unknown => true,
                nat_pmp::About::Address(_) => false,
            };
            is_ours.then_some(answer)
        };
        let answer = self.ask(&request.to_wire(), patience, halt, read)?;
        match (answer.result, answer.about) {
            (nat_pmp::SUCCESS, nat_pmp::About::Map { external, lifetime: seconds, .. }) => {
                if lifetime != 0 && (external == 0 || seconds == 0) {
                    return Err(Failure::Refused("no port was opened".to_owned()));
                }
                Ok(Opened { tcp: external, udp: 0, external: None, seconds, epoch: Some(answer.epoch) })
            }
            (result, _) => {
                Err(Failure::Refused(format!("{} (NAT-PMP error {result})", nat_pmp::reason(result))))
            }
        }
    }

    /// Asks until `read` takes a packet for the answer.
    fn ask<Answer>(
        &self,
        request: &[u8],
        patience: Patience,
        halt: &Halt,
        read: impl Fn(&[u8]) -> Option<Answer>,
    ) -> Result<Answer, Failure> {
        let channel = Arc::clone(&self.channel);
        halt.wakes_by(Box::new(move || channel.hang_up()))?;
        // One byte more than the longest packet, so that a longer one is not taken for a good one.
        let (mut packet, mut packets) = ([0; pcp::MAX_LENGTH + 1], 0);
        for round in 0..patience.rounds {
            self.tell(Direction::Out, request);
            self.channel.send(request)?;
            let end = Instant::now() + FIRST_WAIT.saturating_mul(2_u32.saturating_pow(round));
            let end = patience.until.map_or(end, |until| end.min(until));
            while let Some(length) = self.channel.receive(&mut packet, end)? {
                let packet = packet.get(..length).unwrap_or_default();
                self.tell(Direction::In, packet);
                if let Some(answer) = read(packet) {
                    return Ok(answer);
                }
                packets += 1;
                if packets >= MAX_PACKETS {
                    return Err(Failure::Silent);
                }
            }
        }
        Err(Failure::Silent)
    }

    fn tell(&self, direction: Direction, packet: &[u8]) {
        self.tap.tell(|| {
            let theirs = self.channel.peer();
            let ends = [self.channel.ours().unwrap_or(theirs), theirs];
            Seen::Packet(Protocol::Gateway, direction, ends, packet.to_vec())
        });
    }
}
