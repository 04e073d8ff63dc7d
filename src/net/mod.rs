//! The network: connections that two threads speak over, the address that they leave by, the port that
//! they come in at, and how many bytes a second may go.

pub mod http;
mod line;
mod listener;
mod origin;
mod ports;
mod throttle;

pub use line::Line;
pub use listener::{Listener, Registration};
pub use origin::Origin;
pub use ports::Ports;
pub use throttle::Throttle;
