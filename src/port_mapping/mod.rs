//! Has the router lead a port outside to ours, so that peers outside can connect to us.
//!
//! Behind a router nobody can come in: it does not know which of its hosts a connection from outside is for. Most
//! routers open a port when a program in their network asks. There are three ways to ask, and we try them in this
//! order: PCP (RFC 6887), NAT-PMP (RFC 6886), and the Internet Gateway Device of UPnP. What is open has an end, so it
//! is asked for again at three quarters of its time, and closed when we end.
//!
//! One thread, `port-mapping`, speaks with the gateway and waits in between. It never waits for anyone else, and nobody
//! waits for it but the end of the process, for a second at most. What it has brought about stands in [`OwnPorts`] for
//! those who announce our port, and in [`PortMapping::state`] for the user.
//!
//! A gateway is a stranger as any other: what it says is bounded and checked. The worst that one can do to us is not to
//! open the port, or to say that it has opened another one than it has. Its word about our address is shown, and
//! believed only as far as that we connect to no peer there. Nothing is asked of hosts outside the local network.
//!
//! In reading order: `state` has the words; `pcp`, `nat_pmp` and `upnp` what goes over the wire; `datagrams` and
//! `upnp::Device` the conversations; `lease` and `epoch` say when to ask again; `side` is one
//! gateway, and `keeper` the thread.

mod datagrams;
mod epoch;
mod halt;
mod keeper;
mod lease;
pub mod nat_pmp;
mod opened;
pub mod pcp;
mod side;
mod state;
pub mod upnp;

pub use state::{Mapped, MappingState, Transport, Way};

use crate::net::tap::Tap;
use crate::net::{BindAddress, OwnPorts, default_gateways};
use crate::thread::{self, lock};
use crossbeam_channel::{Receiver, Sender, bounded};
use halt::Halt;
use keeper::Keeper;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The port at which a gateway hears PCP and NAT-PMP (RFC 6887, section 19.4).
const GATEWAY_PORT: u16 = 5351;
/// Where a gateway announces that it has begun anew (RFC 6887, section 14.1.2; RFC 6886, section 3.2.1).
const ANNOUNCEMENTS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1)), 5350);
/// How long the end waits for the gateway to close our ports.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes of the thread's stack.
const STACK_BYTES: usize = 128 * 1024;

/// Which ports are to be open.
#[derive(Clone, Debug)]
pub struct MappingOptions {
    /// The address that everything leaves by.
    pub bind_address: BindAddress,
    /// The TCP port at which we listen, and what becomes of it outside.
    pub ports: OwnPorts,
    /// The UDP port of our node of the DHT.
    pub udp: Option<u16>,
    /// Who is asked.
    pub gateways: GatewayChoice,
    /// How long a second of a lease takes. A test makes it short.
    pub second: Duration,
    /// Who sees what is said.
    pub tap: Tap,
}

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub enum GatewayChoice {
    /// The default gateways of the host, whichever it has at that moment.
    OfTheHost,
    /// These.
    Given(Gateways),
}

/// The addresses of gateways.
#[derive(Clone, Copy, Debug)]
pub struct Gateways {
    /// Who hears PCP and NAT-PMP over IPv4.
    pub four: Option<SocketAddr>,
    /// Who hears PCP over IPv6.
    pub six: Option<SocketAddr>,
    /// Where the question for UPnP devices goes.
    pub ssdp: SocketAddr,
    /// The group in which the gateway announces that it has begun anew.
    pub announcements: SocketAddr,
}

impl GatewayChoice {
    fn now(self, bind_address: BindAddress) -> Gateways {
        match self {
            GatewayChoice::Given(gateways) => gateways,
            GatewayChoice::OfTheHost => {
                let [four, six] = default_gateways(GATEWAY_PORT, bind_address);
                Gateways { four, six, ssdp: upnp::ssdp::GROUP, announcements: ANNOUNCEMENTS }
            }
        }
    }
}

/// Keeps our port open at the gateway until it is dropped.
#[derive(Debug)]
pub struct PortMapping {
    shared: Arc<MappingShared>,
    /// Never carries anything: it disconnects when the thread ends.
    ended: Receiver<()>,
}

/// What the thread shares with others.
#[derive(Debug)]
struct MappingShared {
    state: Mutex<MappingState>,
    halt: Halt,
}

impl PortMapping {
    /// Starts the thread, which asks at once.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(options: MappingOptions) -> io::Result<PortMapping> {
        let shared =
            Arc::new(MappingShared { state: Mutex::new(MappingState::Asking), halt: Halt::default() });
        let (end, ended) = bounded(0);
        let theirs = Arc::clone(&shared);
        thread::spawn("port-mapping", STACK_BYTES, move || {
            let _end: Sender<()> = end;
            Keeper::new(options, theirs).run();
        })?;
        Ok(PortMapping { shared, ended })
    }

    /// How it stands now.
    pub fn state(&self) -> MappingState {
        lock(&self.shared.state).clone()
    }
}

impl Drop for PortMapping {
    /// Has the gateway close our ports. Waits for that, but not long: what stays open is closed when its time is over.
    fn drop(&mut self) {
        self.shared.halt.set();
        let _ = self.ended.recv_timeout(FAREWELL);
    }
}
