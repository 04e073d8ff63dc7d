//! What all runs of a process share: the port, the address that everything leaves by, the rate limits.

use crate::discovery::dht::Dht;
use crate::discovery::lan::Lan;
use crate::net::{BindAddress, Throttle};
use crate::peer::Listener;
use std::sync::Arc;

/// The network as the user wants it used.
#[derive(Debug)]
pub struct Network {
    /// The address that everything leaves by.
    pub bind_address: BindAddress,
    /// The port at which peers can come, where there is one.
    pub listener: Option<Listener>,
    /// Our part of the DHT, where we take part.
    pub dht: Option<Dht>,
    /// Who finds peers on the local network, where somebody does.
    pub lan: Option<Lan>,
    /// What all peers together may send us.
    pub down: Arc<Throttle>,
    /// What we may send to all peers together.
    pub up: Arc<Throttle>,
}

impl Network {
    /// Nobody can come, nobody but trackers is asked, and nothing is limited.
    pub fn unlimited() -> Network {
        let throttle = || Arc::new(Throttle::unlimited());
        Network {
            bind_address: BindAddress::any(),
            listener: None,
            dht: None,
            lan: None,
            down: throttle(),
            up: throttle(),
        }
    }
}
