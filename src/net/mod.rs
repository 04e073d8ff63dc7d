//! The network: connections that two threads speak over, the address that they leave by, the port that
//! they come in at, and how many bytes a second may go.

pub mod http;
mod line;
mod listener;
mod names;
mod origin;
mod packet_line;
mod ports;
mod throttle;

pub use line::Line;
pub use listener::{Listener, Registration};
pub use names::resolve;
pub use origin::Origin;
pub use packet_line::PacketLine;
pub use ports::Ports;
pub use throttle::Throttle;
