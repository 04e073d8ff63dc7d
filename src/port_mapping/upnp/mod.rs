//! The Internet Gateway Device of UPnP: how most routers at home open a port.
//!
//! Three steps, each with a parser of its own. A question to everyone in the network, by UDP (`ssdp`), brings the
//! address of a description; the description (`description`), by HTTP, names the services of the device; a call to
//! one of them (`soap`), again by HTTP, opens the port. Descriptions and answers are XML, of which we read names and
//! texts and nothing else (`xml`).
//!
//! Anyone in the network can answer. So nothing is asked of any other address than the one that the answer came from,
//! and the gateway that everything takes comes before all others.

pub mod description;
mod device;
pub mod soap;
pub mod ssdp;
pub mod xml;

pub use description::{Service, ServiceKind};
pub use device::{Device, OpenPort};
pub use ssdp::DeviceAddress;
