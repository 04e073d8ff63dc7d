//! Routers that open a port for us, as they should and as they should not: PCP, NAT-PMP and UPnP on loopback, played
//! by the test. `tests/interop` has a real one.
#![cfg(test)]

mod datagrams;
mod gateway;
mod upnp;
