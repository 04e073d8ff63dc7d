//! The network: connections, packets, ports, host names, HTTP, and how many bytes a second may go.
//!
//! A connection to a peer is a [`PeerStream`], which two threads share. Everything leaves by one [`BindAddress`], and
//! perhaps through a [`proxy`]. [`Throttle`] is the limit of a rate.
//!
//! It starts no threads but short ones, to look up a host name and to connect for HTTP, as nothing can
//! interrupt the system in these. All other calls run, and block, on the thread of the caller. Each wait has
//! a deadline, or another thread can end it.

#[cfg(test)]
#[path = "../../tests/support/addresses.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
pub(crate) mod addresses;
pub mod basic_auth;
mod bind_address;
#[cfg(test)]
pub(crate) mod deaf;
mod default_gateway;
mod device;
pub mod half_open;
mod hang_up;
mod host;
pub mod http;
mod interfaces;
mod limits;
mod listening_socket;
mod multicast;
mod outlet;
mod own_ports;
mod peer_stream;
pub mod plain_http;
mod ports;
pub mod proxy;
mod resolver;
pub mod server_clock;
pub mod tap;
mod throttle;
mod turnstile;
mod udp_channel;
mod udp_port;
mod utp;

pub use bind_address::BindAddress;
pub use default_gateway::default_gateways;
pub use hang_up::HangUp;
pub use host::ThisHost;
pub use http::Authorities;
pub use interfaces::{Interface, interfaces};
pub use limits::{address_space, raise_descriptor_limit, too_many_files};
pub use listening_socket::ListeningSocket;
pub use multicast::{Group, asking_port};
pub use outlet::Outlet;
pub use own_ports::OwnPorts;
pub use peer_stream::PeerStream;
pub(crate) use ports::open as listen;
pub use ports::{Ports, USUAL_PORTS};
pub use resolver::{NO_NAME_SERVER, NameFault, by_turns, in_words, resolve};
pub use server_clock::ServerClock;
pub use throttle::Throttle;
pub use turnstile::{Pass, Turnstile};
pub use udp_channel::UdpChannel;
pub use udp_port::UdpPort;
pub use utp::{Utp, UtpAttempt};

/// How long we wait for one address of a host before we try the next one as well (RFC 8305, section 5).
pub const CONNECTION_ATTEMPT_DELAY: std::time::Duration = std::time::Duration::from_millis(250);
