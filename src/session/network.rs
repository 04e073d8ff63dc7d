//! What all runs of a process share: the listening port, the bind address, the DHT, the local network, the
//! rate limits and the limit of connections.

use crate::discovery::dht::Dht;
use crate::discovery::lan::Lan;
use crate::net::{BindAddress, Throttle};
use crate::peer::{ConnectionCount, Listener};
use std::sync::Arc;

/// What the runs share, as the user's options set it up.
#[derive(Debug)]
pub struct Network {
    /// The address that all connections and packets leave from.
    pub bind_address: BindAddress,
    /// Accepts incoming connections, if we listen.
    pub listener: Option<Listener>,
    /// Our nodes of the DHT, if we take part in it.
    pub dht: Option<Dht>,
    /// Finds peers on the local network, if it is enabled.
    pub lan: Option<Lan>,
    /// Limits what all peers together may send us.
    pub down: Arc<Throttle>,
    /// Limits what we may send to all peers together.
    pub up: Arc<Throttle>,
    /// How many peers are connected in all, and may be.
    pub connections: ConnectionCount,
    /// The most tiers of trackers of a torrent that are asked side by side: each has threads of its own.
    pub most_tiers: usize,
}

impl Network {
    /// A network without a listener, without the DHT and the local network, and without limits. Trackers are
    /// the only source of peers.
    pub fn unlimited() -> Network {
        let throttle = || Arc::new(Throttle::unlimited());
        Network {
            bind_address: BindAddress::any(),
            listener: None,
            dht: None,
            lan: None,
            down: throttle(),
            up: throttle(),
            connections: ConnectionCount::at_most(usize::MAX),
            most_tiers: usize::MAX,
        }
    }
}
