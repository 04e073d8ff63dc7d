//! The network: connections that two threads speak over, the address that they leave by, the port that
//! they come in at, and how many bytes a second may go.

mod bind_address;
mod hang_up;
pub mod http;
mod multicast;
mod peer_stream;
mod ports;
mod resolver;
mod throttle;
mod udp_channel;
mod udp_port;

pub use bind_address::BindAddress;
pub use hang_up::HangUp;
pub use multicast::Group;
pub use peer_stream::PeerStream;
pub use ports::Ports;
pub(crate) use ports::{open as listen, stop_accepting};
pub use resolver::{by_turns, resolve};
pub use throttle::Throttle;
pub use udp_channel::UdpChannel;
pub use udp_port::UdpPort;

/// How long one address of a host is waited for before the next is tried as well (RFC 8305, section 5).
pub const HEAD_START: std::time::Duration = std::time::Duration::from_millis(250);
