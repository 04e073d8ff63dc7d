//! What `get` and `seed` have in common: how the network is used, and until when to seed.

use super::arguments::{host_and_port, rate};
use super::exit::Exit;
use super::progress::Style;
use super::runs::Failure;
use crate::net::{Listener, Origin, Ports, Throttle};
use crate::session::Network;
use crate::swarm::Goals;
use clap::Args;
use log::warn;
use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How the network is used.
#[derive(Args, Debug)]
pub struct Peering {
    /// A peer to connect to, besides those that trackers name (repeatable)
    #[arg(long = "peer", value_name = "HOST:PORT", value_parser = host_and_port)]
    pub peers: Vec<String>,
    /// Peers at once, for each torrent
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub max_peers: u16,
    /// The port at which peers can connect to us [default: a free one, 6881 to 6999 tried first]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Connect from this address of this host only, to peers and trackers, and listen there only
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<IpAddr>,
    /// Upload so many bytes a second at most, to all peers together (K, M, G; 0: nothing)
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub up_limit: Option<u64>,
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell what peers and trackers do (twice for more)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Until when to seed.
#[derive(Args, Debug)]
pub struct Until {
    /// Seed until so many times the payload was uploaded
    #[arg(long, value_name = "R", value_parser = amount)]
    pub seed_ratio: Option<f64>,
    /// Seed for so many minutes; whichever comes first, if there is a ratio too
    #[arg(long, value_name = "MINUTES", value_parser = amount)]
    pub seed_time: Option<f64>,
}

impl Peering {
    /// The address that everything is to leave by.
    ///
    /// # Errors
    ///
    /// This host does not have it.
    pub fn origin(&self) -> Result<Origin, Failure> {
        let origin = self.bind.map_or(Origin::any(), Origin::only);
        origin.check().map_err(|error| (Exit::NETWORK, format!("cannot use --bind: {error}")))?;
        Ok(origin)
    }

    /// The network as the user wants it used. Without a port that the user named, there is none where
    /// none is free.
    ///
    /// # Errors
    ///
    /// The port that the user named cannot be had.
    pub fn network(&self, origin: Origin, down_limit: Option<u64>) -> Result<Network, Failure> {
        let ports = self.port.map_or(Ports::Usual, Ports::Exactly);
        let listener = match (Listener::start(ports, origin), self.port) {
            (Ok(listener), _) => Some(listener),
            (Err(error), Some(_)) => return Err((Exit::NETWORK, error.to_string())),
            (Err(error), None) => {
                warn!("peers cannot connect to us: {error}");
                None
            }
        };
        let throttle =
            |limit: Option<u64>| Arc::new(limit.map_or_else(Throttle::unlimited, Throttle::limited));
        Ok(Network { origin, listener, down: throttle(down_limit), up: throttle(self.up_limit) })
    }

    /// What one of so many torrents may count on of the upload limit.
    pub fn up_limit_of_each(&self, torrents: u64) -> Option<u64> {
        self.up_limit.map(|limit| limit.div_ceil(torrents.max(1)))
    }

    /// How much is shown.
    pub fn style(&self) -> Style {
        match (self.quiet, self.verbose) {
            (true, _) => Style::Quiet,
            (false, 0) if io::stderr().is_terminal() => Style::Bars,
            _ => Style::Lines,
        }
    }
}

impl Until {
    /// Whether the user set one.
    pub fn are_set(&self) -> bool {
        self.seed_ratio.is_some() || self.seed_time.is_some()
    }

    /// The goals.
    pub fn goals(&self) -> Goals {
        // The minutes passed `amount`, which leaves none out that a duration cannot hold.
        let time = self.seed_time.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
        Goals { ratio: self.seed_ratio, time }
    }
}

fn amount(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..1e12).contains(number));
    number.ok_or_else(|| "a number such as 1.5 is expected".to_owned())
}
