//! The life of the thread `port-mapping`: asks, waits until it is time to ask again, and closes what is open at the
//! end.
//!
//! It asks anew when a lease has come to three quarters, when the gateway announces that it has begun anew, when the
//! host has another address, and when it was suspended.

use super::opened::Failure;
use super::pcp;
use super::side::{Side, ours};
use super::state::MappingState;
use super::{FAREWELL, MappingOptions, MappingShared};
use crate::address::{IpFamily, Reach, is_local};
use crate::net::{BindAddress, Group, ThisHost};
use crate::strategy::HostWatch;
use crate::text::reason;
use crate::thread::lock;
use log::{debug, info};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The time between two looks at our own addresses.
const LOOK: Duration = Duration::from_secs(10);
/// A gateway that announces again and again that it has begun anew is heard once in so many seconds.
const BETWEEN_RESTARTS: u32 = 30;
/// The longest announcement that is looked at.
const PACKET_BYTES: usize = pcp::MAX_LENGTH + 1;

/// What the thread has for itself.
pub(super) struct Keeper {
    options: MappingOptions,
    shared: Arc<MappingShared>,
    sides: Vec<Side>,
    /// Where gateways announce that they have begun anew.
    ear: Option<Arc<Group>>,
    watch: HostWatch,
    /// When such an announcement was heard last.
    restarted: Option<Instant>,
}

/// What ended a wait.
enum Woken {
    /// It is time to ask.
    Due,
    /// The host has another address, or was suspended.
    Interrupted,
}

impl Keeper {
    pub fn new(options: MappingOptions, shared: Arc<MappingShared>) -> Keeper {
        Keeper { options, shared, sides: Vec::new(), ear: None, watch: HostWatch::default(), restarted: None }
    }

    /// The life of the thread.
    pub fn run(mut self) {
        // It goes on until it is told to end.
        let _ = self.keep();
        self.options.ports.set_outside(None, 0, 0);
        self.close();
    }

    fn keep(&mut self) -> io::Result<()> {
        // The first look only notes which addresses there are.
        self.watch.look(&ThisHost(self.options.bind_address), Instant::now());
        self.look_for_gateways();
        loop {
            for at in 0..self.sides.len() {
                self.ask(at)?;
            }
            self.publish();
            // Slow devices may have taken long.
            self.watch.was_busy();
            if let Woken::Interrupted = self.wait()? {
                self.look_for_gateways();
            }
        }
    }

    /// Looks which gateways there are now. Each is asked at once. What is open at one that we have left ends by itself,
    /// since it cannot be reached any more.
    fn look_for_gateways(&mut self) {
        let bind_address = self.options.bind_address;
        let gateways = self.options.gateways.now(bind_address);
        let is_ours = |gateway: &SocketAddr| leads_there(bind_address, *gateway);
        let found = [gateways.four, gateways.six].into_iter().flatten().filter(is_ours);
        let mut before = std::mem::take(&mut self.sides);
        for gateway in found {
            let ours = ours(bind_address, gateway);
            // One that knows us hears the nonces that it knows.
            let known = before.iter().position(|side| side.gateway == gateway && side.ours == ours);
            let mut side =
                known.map_or_else(|| Side::new(gateway, ours, gateways), |at| before.swap_remove(at));
            side.due = Instant::now();
            self.sides.push(side);
        }
        let four = self.sides.iter().filter_map(|side| side.ours).find(IpAddr::is_ipv4);
        let by = |ip| if bind_address.is_an_interface() { bind_address } else { BindAddress::only(ip) };
        let ear = four.and_then(|ip| Group::join(gateways.announcements, by(ip)).ok());
        self.ear = ear.map(Arc::new);
        if self.sides.is_empty() {
            info!("no router found, so no port is opened");
        }
    }

    /// Asks one gateway, if it is time.
    fn ask(&mut self, at: usize) -> io::Result<()> {
        let (options, halt) = (&self.options, &self.shared.halt);
        let Some(side) = self.sides.get_mut(at).filter(|side| side.due <= Instant::now()) else {
            return Ok(());
        };
        match side.ask(options, halt) {
            Ok(()) => {}
            Err(Failure::Halted) => return Err(ErrorKind::ConnectionAborted.into()),
            Err(failure) => {
                let (gateway, is_open) = (side.gateway.ip(), side.mapped().is_some());
                let why = match failure {
                    Failure::Refused(why) => why,
                    _ => "no answer to PCP, NAT-PMP or UPnP".to_owned(),
                };
                debug!("the router {gateway} refused to open a port: {why}");
                // A host with a public address needs nobody who opens a port, and IPv6 has such addresses only.
                let is_inside = side.ours.is_some_and(is_local);
                if gateway.is_ipv4() && is_inside && !is_open {
                    self.tell(MappingState::Refused(gateway, why));
                }
            }
        }
        Ok(())
    }

    /// Tells the others what is open.
    fn publish(&mut self) {
        let four = self.sides.iter().find(|side| side.gateway.is_ipv4()).and_then(Side::mapped);
        let outside = four.filter(|mapped| mapped.inner_network().is_none());
        let (tcp, udp) = outside.map_or((0, 0), |mapped| (mapped.tcp, mapped.udp));
        self.options.ports.set_outside(outside.and_then(|mapped| mapped.external), tcp, udp);
        let six = || self.sides.iter().find_map(Side::mapped);
        match four.or_else(six) {
            Some(mapped) => self.tell(MappingState::Mapped(mapped)),
            None if self.sides.is_empty() => self.tell(MappingState::NoGateway),
            None => {}
        }
    }

    fn tell(&self, state: MappingState) {
        let mut before = lock(&self.shared.state);
        if *before != state {
            if let Some(sentence) = state.sentence() {
                info!("{sentence}");
            }
            *before = state;
        }
    }

    /// Waits until a gateway is to be asked.
    fn wait(&mut self) -> io::Result<Woken> {
        loop {
            let now = Instant::now();
            let due = self.sides.iter().map(|side| side.due).min();
            if due.is_some_and(|due| due <= now) {
                return Ok(Woken::Due);
            }
            let until = due.map_or(now + LOOK, |due| due.min(now + LOOK));
            self.listen(until)?;
            if let Some(interruption) = self.watch.look(&ThisHost(self.options.bind_address), Instant::now())
            {
                debug!("{interruption}: asking for a port again");
                return Ok(Woken::Interrupted);
            }
        }
    }

    /// Waits until then for a gateway that has begun anew, or just so.
    fn listen(&mut self, until: Instant) -> io::Result<()> {
        let halt = &self.shared.halt;
        let mut packet = [0; PACKET_BYTES];
        let heard = match &self.ear {
            Some(ear) => {
                let waiting = Arc::clone(ear);
                halt.wakes_by(Box::new(move || waiting.hang_up()))?;
                ear.receive(&mut packet, until)
            }
            None => {
                let this = thread::current();
                halt.wakes_by(Box::new(move || this.unpark()))?;
                thread::park_timeout(until.saturating_duration_since(Instant::now()));
                Ok(None)
            }
        };
        halt.check()?;
        match heard {
            Ok(Some((length, from))) => {
                self.announced(packet.get(..length).unwrap_or_default(), from, Instant::now());
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                debug!("cannot listen for announcements of routers any more: {}", reason(&error));
                self.ear = None;
                Ok(())
            }
        }
    }

    /// Somebody announces something. If it is our gateway, and it has forgotten us, it is asked now.
    fn announced(&mut self, packet: &[u8], from: SocketAddr, now: Instant) {
        let pause = self.options.second.saturating_mul(BETWEEN_RESTARTS);
        let is_early = self.restarted.is_some_and(|at| now.saturating_duration_since(at) < pause);
        let Some(side) = self.sides.iter_mut().find(|side| side.gateway == from).filter(|_| !is_early) else {
            return;
        };
        if side.has_forgotten(packet, now) {
            info!("the router {} has restarted: asking for our port again", from.ip());
            side.due = now;
            self.restarted = Some(now);
        }
    }

    /// Has the gateways close what they opened.
    fn close(&mut self) {
        let until = Instant::now() + FAREWELL;
        self.sides.iter().for_each(|side| side.close(&self.options, until));
    }
}

/// Whether what leaves by the bind address goes to this gateway. A user who names the address of a tunnel wants nothing
/// sent to the router beside it.
fn leads_there(bind_address: BindAddress, gateway: SocketAddr) -> bool {
    let Some(named) = bind_address.address() else { return true };
    if IpFamily::of(named) != IpFamily::of(gateway.ip()) {
        return false;
    }
    let freely = |ip: IpAddr| Reach::of(ip) == Reach::Host;
    // Loopback has many addresses, of which the system would choose another one.
    freely(named) && freely(gateway.ip()) || ours(BindAddress::any(), gateway) == Some(named)
}
