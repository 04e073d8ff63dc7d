//! The options that say whether the router is asked to lead a port to ours.

use super::help::headings::NETWORK;
use super::resources::Resources;
use crate::address::IpFamily;
use crate::port_mapping::{GatewayChoice, MappingOptions, PortMapping};
use crate::session::Network;
use crate::text::reason;
use clap::Args;
use log::{debug, warn};
use std::time::Duration;

/// Whether this build can ask. What nothing calls is not in the program.
const CAN_ASK: bool = cfg!(feature = "port_mapping");

/// Whether the router is asked.
#[derive(Args, Debug)]
pub struct PortMappingOptions {
    /// Ask the router to forward a port, even without seeding
    ///
    /// By PCP, NAT-PMP or UPnP. `seed` and `get --seed` ask anyway.
    #[arg(long, conflicts_with = "no_listen", help_heading = NETWORK)]
    pub map_port: bool,
    /// Do not ask the router to forward a port
    #[arg(long, overrides_with = "map_port", help_heading = NETWORK)]
    pub no_map_port: bool,
}

impl PortMappingOptions {
    /// Starts to ask, if the user wants it: unasked where the run seeds at its end (`seeds`), since who comes in from
    /// outside matters most then. `None` where no router can lead anything to us, too.
    pub fn start(&self, seeds: bool, network: &Network, resources: &Resources) -> Option<PortMapping> {
        if !CAN_ASK {
            if self.map_port {
                warn!("--map-port does nothing: this build asks no router (use the full build)");
            }
            return None;
        }
        let is_wanted = self.map_port || seeds && !self.no_map_port && resources.has_threads_for_lan();
        if is_wanted && network.ports.listening().is_none() {
            if self.map_port {
                warn!("--map-port does nothing: there is no port at which we listen");
            }
            return None;
        }
        if !is_wanted {
            return None;
        }
        if network.bind_address.address().is_some_and(|ip| ip.is_loopback()) {
            if self.map_port {
                warn!("--map-port does nothing: --bind names an address that no router leads to");
            }
            return None;
        }
        let of_the_dht = network.dht.as_ref().and_then(|dht| dht.port(IpFamily::V4));
        let options = MappingOptions {
            bind_address: network.bind_address,
            ports: network.ports.clone(),
            udp: of_the_dht.or_else(|| network.connector.utp().and_then(|utp| utp.port(IpFamily::V4))),
            gateways: GatewayChoice::OfTheHost,
            second: Duration::from_secs(1),
            tap: network.tap.clone(),
        };
        PortMapping::start(options).inspect_err(|error| debug!("no router is asked: {}", reason(error))).ok()
    }
}
