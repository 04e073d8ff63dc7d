//! The network: connections that two threads speak over, the address that they leave by, the port that
//! they come in at, and how many bytes a second may go.

pub mod http;
mod line;
mod listener;
mod multicast;
mod names;
mod origin;
mod packet_line;
mod packet_port;
mod ports;
mod throttle;

pub use line::Line;
pub use listener::{Listener, Registration};
pub use multicast::Group;
pub use names::{by_turns, resolve};
pub use origin::Origin;
pub use packet_line::PacketLine;
pub use packet_port::{IpFamily, PacketPort};
pub use ports::Ports;
pub use throttle::Throttle;

/// How long one address of a host is waited for before the next is tried as well (RFC 8305, section 5).
pub const HEAD_START: std::time::Duration = std::time::Duration::from_millis(250);
