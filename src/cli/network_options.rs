//! The options that `get`, `seed` and `show` have in common: where peers come from, and which address and
//! port we use.

use super::encryption_option::EncryptionOption;
use super::exit::Exit;
use super::proxy_options::{self, ProxyOptions};
use super::resources::Resources;
use super::runs::CommandFailure;
use super::saved_port::SavedPort;
use super::values::{host_and_port, node};
use crate::discovery::dht::{Dht, DhtOptions};
use crate::discovery::lan::Lan;
use crate::net::{Authorities, BindAddress, Outlet, OwnPorts, Ports, Throttle};
use crate::peer::{ConnectionCount, Connector, Listener};
use crate::session::{Arrivals, CheckQueue, ClientName, MemoryPool, Network, PeerSourceOptions};
use crate::text::reason;
use clap::Args;
use log::{debug, warn};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The heading of such options in the help. Options that follow them stand below it too.
pub const NETWORK: &str = "Network";

/// Where peers come from, and which address and port we use.
#[derive(Args, Debug)]
#[command(next_help_heading = NETWORK)]
pub struct NetworkOptions {
    /// Connect to this peer as well (repeatable)
    #[arg(long = "peer", value_name = "HOST:PORT", value_parser = host_and_port)]
    pub peers: Vec<String>,
    /// Announce to this tracker as well (repeatable)
    #[arg(long = "tracker", value_name = "URL", value_parser = tracker)]
    pub trackers: Vec<String>,
    /// Ignore the trackers of the torrent
    #[arg(long)]
    pub no_trackers: bool,
    /// Disable the DHT
    #[arg(long)]
    pub no_dht: bool,
    /// A DHT node to start from, in addition to the well-known ones (repeatable)
    #[arg(long = "dht-node", value_name = "HOST:PORT", value_parser = node, conflicts_with = "no_dht")]
    pub dht_nodes: Vec<(String, u16)>,
    /// Disable the search for peers on the local network
    #[arg(long)]
    pub no_lan: bool,
    /// Listen on this port for peers [default: one from 61000 to 65535, the same in each run if it is free]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Do not accept incoming connections
    #[arg(long, conflicts_with = "port")]
    pub no_listen: bool,
    /// Use only this address or network interface (such as tun0) of this host, for all connections and packets and to
    /// listen. Names are looked up by the system, which may ask by another way
    #[arg(long, value_name = "ADDRESS|DEVICE")]
    pub bind: Option<String>,
    /// Trust the certificate authorities in this file as well (PEM), for https trackers and torrents from the web
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub proxy: ProxyOptions,
    #[command(flatten)]
    pub encryption: EncryptionOption,
}

/// The authorities whose certificates are believed: those that are built in, and those of `--ca-file`.
///
/// # Errors
///
/// The file cannot be used.
pub fn authorities(ca_file: Option<&Path>) -> Result<Authorities, CommandFailure> {
    let given = ca_file.map_or_else(|| Ok(Authorities::default()), Authorities::with_file);
    given.map_err(|why| (Exit::BAD_OPTION, why))
}

impl NetworkOptions {
    /// The peers and trackers that a run may ask, in addition to the DHT and the local network, which are
    /// part of the [`Network`].
    pub fn sources(&self, waits_for_peers: bool, pex: bool) -> PeerSourceOptions {
        PeerSourceOptions {
            peers: self.peers.clone(),
            trackers: self.trackers.clone(),
            own_trackers: !self.no_trackers,
            waits_for_peers,
            pex,
            ..PeerSourceOptions::of_the_torrent()
        }
    }

    /// The address that all connections and packets leave from, the certificates that are believed, and what goes
    /// through which proxy. There is no port yet at which we listen.
    ///
    /// # Errors
    ///
    /// This host does not have the address or the interface, the file of `--ca-file` cannot be used, or the proxy of
    /// the environment, or another option needs what the proxy of `--proxy` turns off.
    pub fn outlet(&self) -> Result<Outlet, CommandFailure> {
        let bind_address = self.bind.as_deref().map_or_else(|| Ok(BindAddress::any()), bind_address);
        let bind_address = bind_address
            .map_err(|error| (Exit::NETWORK, format!("cannot use --bind: {}", reason(&error))))?;
        let authorities = authorities(self.ca_file.as_deref())?;
        let proxies = self.proxy.proxies()?;
        if proxies.for_all().is_some() {
            proxy_options::check(self)?;
        }
        proxy_options::say(&proxies);
        Ok(Outlet { authorities, proxies, ..Outlet::by(bind_address) })
    }

    /// Opens the network as the user wants it used. If the user named no port and none is free, we do not
    /// listen. If all torrents are private (`public` is false), we announce ourselves neither in the DHT nor
    /// on the local network. If everything goes through a proxy, we do not listen either. If threads are few, we do
    /// without what finds more peers, except for a port that the user named.
    ///
    /// # Errors
    ///
    /// The port that the user named is not available.
    pub fn open(
        &self,
        outlet: Outlet,
        public: bool,
        [down, up]: [Option<u64>; 2],
        resources: &Resources,
    ) -> Result<Network, CommandFailure> {
        let bind_address = outlet.bind_address;
        let everywhere = outlet.proxies.for_all().is_none();
        let listens =
            everywhere && !self.no_listen && (self.port.is_some() || resources.has_threads_for_listening());
        let listener = if listens { self.listen(bind_address, resources.incoming)? } else { None };
        let finds_by_dht = everywhere && public && !self.no_dht && resources.has_threads_for_dht();
        let finds_near = everywhere && public && !self.no_lan && resources.has_threads_for_lan();
        let throttle = |limit: Option<u64>| limit.map_or_else(Throttle::unlimited, Throttle::limited);
        let port = listener.as_ref().map(Listener::port);
        let ports = OwnPorts::listening_at(port);
        Ok(Network {
            dht: if finds_by_dht { self.dht(bind_address, port) } else { None },
            lan: finds_near.then_some(port.unwrap_or(0)).and_then(|port| {
                Lan::start(bind_address, port)
                    .inspect_err(|error| debug!("no local discovery: {}", reason(&error)))
                    .ok()
            }),
            connector: Connector::beside(ports.clone(), bind_address, resources.half_open)
                .through(outlet.proxies),
            bind_address,
            authorities: outlet.authorities,
            listener,
            ports,
            port_mapping: None,
            arrivals: Arrivals::default(),
            down: Arc::new(throttle(down)),
            up: Arc::new(throttle(up)),
            name: ClientName::default(),
            connections: ConnectionCount::at_most(resources.connections),
            memory: MemoryPool::new(u64::MAX),
            checks: CheckQueue::default(),
            most_tiers: resources.most_tiers,
            encryption: self.encryption.encryption,
        })
    }

    fn listen(
        &self,
        bind_address: BindAddress,
        descriptors: usize,
    ) -> Result<Option<Listener>, CommandFailure> {
        let EncryptionOption { encryption } = self.encryption;
        if let Some(port) = self.port {
            let listener = Listener::with(Ports::Exactly(port), bind_address, descriptors, encryption);
            return listener.map(Some).map_err(|error| (Exit::NETWORK, error.to_string()));
        }
        let saved = SavedPort::read(cache_folder().as_deref());
        match Listener::with(Ports::From(saved.port()), bind_address, descriptors, encryption) {
            Ok(listener) => {
                saved.keep(listener.port());
                Ok(Some(listener))
            }
            Err(error) => {
                warn!("peers cannot connect to us: {}", reason(&error));
                Ok(None)
            }
        }
    }

    fn dht(&self, bind_address: BindAddress, port: Option<u16>) -> Option<Dht> {
        let options = DhtOptions {
            bind_address,
            port: port.unwrap_or(0),
            // A node that cannot be reached is of no use to other nodes (BEP 43).
            read_only: port.is_none(),
            nodes: self.dht_nodes.clone(),
            // No other host can be reached from a loopback address.
            routers: !bind_address.address().is_some_and(|ip| ip.is_loopback()),
            saved: cache_folder(),
        };
        Dht::start(options).inspect_err(|error| warn!("no DHT: {}", reason(&error))).ok()
    }
}

/// The folder for data that only saves time at the next start (XDG base directories).
pub(super) fn cache_folder() -> Option<PathBuf> {
    let absolute = |path: std::ffi::OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let given = std::env::var_os("XDG_CACHE_HOME").and_then(absolute);
    let usual = || Some(std::env::var_os("HOME").and_then(absolute)?.join(".cache"));
    given.or_else(usual).map(|folder| folder.join("femtotorrent"))
}

fn tracker(text: &str) -> Result<String, String> {
    let known = ["http://", "https://", "udp://"];
    let is_one =
        known.iter().any(|scheme| text.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme)));
    match is_one {
        true => Ok(text.to_owned()),
        false => Err("an address that begins with http://, https:// or udp:// is expected".to_owned()),
    }
}

/// What this text names: an IP address, which may have the brackets that an IPv6 address has in front of a port, or a
/// network interface.
fn bind_address(text: &str) -> io::Result<BindAddress> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let Ok(ip) = bare.parse() else { return BindAddress::device(text) };
    let only = BindAddress::only(ip);
    only.check().map(|()| only)
}
