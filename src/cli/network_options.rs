//! The options that `get`, `seed` and `show` have in common: where peers come from, and which address and
//! port we use.

use super::encryption_option::EncryptionOption;
use super::exit::{CommandFailure, Exit};
use super::help::headings::{NETWORK, PEERS};
use super::proxy_options::{self, ProxyOptions};
use super::resources::Resources;
use super::saved_port::SavedPort;
use super::utp_option::UtpOption;
use super::values::{host_and_port, node};
use crate::discovery::dht::{Dht, DhtOptions};
use crate::discovery::lan::Lan;
use crate::net::{Authorities, BindAddress, Outlet, OwnPorts, Ports, Throttle, Turnstile, Utp};
use crate::peer::{ConnectionCount, Connector, Listener};
use crate::session::{Arrivals, CheckQueue, ClientName, MemoryPool, Network, PeerSourceOptions, RoomBook};
use crate::storage::{Reservations, SharedFolders};
use crate::text::reason;
use clap::{Args, ValueHint};
use log::{debug, warn};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where peers come from, and which address and port we use.
#[derive(Args, Debug)]
pub struct NetworkOptions {
    /// Also connect to this peer
    #[arg(long = "peer", value_name = "HOST:PORT", value_parser = host_and_port, help_heading = PEERS)]
    pub peers: Vec<String>,
    /// Also announce to this tracker
    #[arg(long = "tracker", value_name = "URL", value_parser = tracker, help_heading = PEERS)]
    pub trackers: Vec<String>,
    /// Ignore the torrent's own trackers
    #[arg(long, help_heading = PEERS)]
    pub no_trackers: bool,
    /// Disable the DHT
    #[arg(long, help_heading = PEERS)]
    pub no_dht: bool,
    /// Extra DHT bootstrap node
    #[arg(
        long = "dht-node",
        value_name = "HOST:PORT",
        value_parser = node,
        conflicts_with = "no_dht",
        help_heading = PEERS
    )]
    pub dht_nodes: Vec<(String, u16)>,
    /// Disable local peer discovery
    #[arg(long, help_heading = PEERS)]
    pub no_lan: bool,
    /// Listen on this port [default: one of 61000-65535]
    ///
    /// The default is drawn in the first run, and kept for later ones.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = NETWORK)]
    pub port: Option<u16>,
    /// Do not accept incoming connections
    #[arg(long, conflicts_with = "port", help_heading = NETWORK)]
    pub no_listen: bool,
    /// Use only this local address or network interface, such as tun0
    ///
    /// For all connections and packets, outgoing and incoming. Host names are looked up by the system, which may ask
    /// by another way.
    #[arg(long, value_name = "ADDRESS|DEVICE", help_heading = NETWORK)]
    pub bind: Option<String>,
    /// Also trust the certificate authorities in this file (PEM)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = NETWORK)]
    pub ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub proxy: ProxyOptions,
    #[command(flatten)]
    pub encryption: EncryptionOption,
    #[command(flatten)]
    pub utp: UtpOption,
    /// What an earlier run has kept is used, and nothing is written for a later one.
    #[arg(skip)]
    pub keeps_nothing: bool,
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
            self.check_beside_a_proxy()?;
        }
        proxy_options::say(&proxies);
        Ok(Outlet { authorities, proxies, ..Outlet::by(bind_address) })
    }

    /// Whether the other options can be had with a proxy for everything.
    ///
    /// # Errors
    ///
    /// One of them asks for what would go past it.
    fn check_beside_a_proxy(&self) -> Result<(), CommandFailure> {
        let by_udp =
            |tracker: &&String| tracker.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("udp://"));
        let conflict = if self.port.is_some() {
            "--port cannot be used with --proxy: nobody can connect to us through a proxy"
        } else if !self.dht_nodes.is_empty() {
            "--dht-node cannot be used with --proxy: the DHT is off, since UDP does not go through a proxy"
        } else if self.trackers.iter().find(by_udp).is_some() {
            "--tracker udp://… cannot be used with --proxy: UDP does not go through a proxy"
        } else {
            return Ok(());
        };
        Err((Exit::BAD_OPTION, conflict.to_owned()))
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
        let may_find = everywhere && public;
        let (wants_dht, wants_lan) = (may_find && !self.no_dht, may_find && !self.no_lan);
        let wants_peers = everywhere && !self.no_listen;
        resources.tell_missing([wants_dht, wants_peers && self.port.is_none(), wants_lan]);
        let listens = wants_peers && (self.port.is_some() || resources.has_threads_for_listening());
        let mut listener = if listens { self.listen(&outlet, resources.incoming)? } else { None };
        let finds_by_dht = wants_dht && resources.has_threads_for_dht();
        let finds_near = wants_lan && resources.has_threads_for_lan();
        let throttle = |limit: Option<u64>| limit.map_or_else(Throttle::unlimited, Throttle::limited);
        let port = listener.as_ref().map(Listener::port);
        let ports = OwnPorts::listening_at(port);
        // The threads of the DHT serve both.
        let utp = self.utp.utp(&outlet, port, finds_by_dht || resources.has_threads_for_lan());
        let dht = if finds_by_dht { self.dht(&outlet, port, utp.clone()) } else { None };
        if let (Some(listener), Some(utp)) = (&mut listener, &utp) {
            listener.listen_at(utp.clone());
        }
        Ok(Network {
            dht,
            lan: finds_near.then_some(port.unwrap_or(0)).and_then(|port| {
                Lan::start(bind_address, port, outlet.tap.clone())
                    .inspect_err(|error| debug!("no local discovery: {}", reason(error)))
                    .ok()
            }),
            connector: Connector::beside(ports.clone(), bind_address, resources.half_open)
                .through(outlet.proxies)
                .with_utp(utp)
                .watched_by(outlet.tap.clone()),
            tap: outlet.tap,
            bind_address,
            authorities: outlet.authorities,
            clock: outlet.clock,
            listener,
            ports,
            port_mapping: None,
            arrivals: Arrivals::default(),
            down: Arc::new(throttle(down)),
            up: Arc::new(throttle(up)),
            name: ClientName::default(),
            connections: ConnectionCount::at_most(resources.connections, resources.running),
            memory: MemoryPool::new(u64::MAX),
            checks: CheckQueue::default(),
            room: RoomBook::default(),
            folders: SharedFolders::default(),
            reservations: Reservations::default(),
            most_tiers: resources.most_tiers,
            exchanges: resources.exchanges.map_or_else(Turnstile::default, Turnstile::at_most),
            encryption: self.encryption.encryption,
        })
    }

    fn listen(&self, outlet: &Outlet, descriptors: usize) -> Result<Option<Listener>, CommandFailure> {
        let EncryptionOption { encryption } = self.encryption;
        let listen =
            |ports| Listener::with(ports, outlet.bind_address, descriptors, encryption, outlet.tap.clone());
        if let Some(port) = self.port {
            return listen(Ports::Exactly(port))
                .map(Some)
                .map_err(|error| (Exit::NETWORK, error.to_string()));
        }
        let saved = SavedPort::read(cache_folder().as_deref());
        match listen(Ports::From(saved.port())) {
            Ok(listener) => {
                if !self.keeps_nothing {
                    saved.keep(listener.port());
                }
                Ok(Some(listener))
            }
            Err(error) => {
                warn!("peers cannot connect to us: {}", reason(&error));
                Ok(None)
            }
        }
    }

    fn dht(&self, outlet: &Outlet, port: Option<u16>, utp: Option<Utp>) -> Option<Dht> {
        let bind_address = outlet.bind_address;
        let options = DhtOptions {
            bind_address,
            tap: outlet.tap.clone(),
            utp,
            port: port.unwrap_or(0),
            // A node that cannot be reached is of no use to other nodes (BEP 43).
            read_only: port.is_none(),
            nodes: self.dht_nodes.clone(),
            // No other host can be reached from a loopback address.
            routers: !bind_address.address().is_some_and(|ip| ip.is_loopback()),
            saved: cache_folder(),
            saves: !self.keeps_nothing,
        };
        Dht::start(options).inspect_err(|error| warn!("no DHT: {}", reason(error))).ok()
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
