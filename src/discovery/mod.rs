//! Peers without a tracker: the DHT, and the local network.
//!
//! Each source has threads of its own that serve all torrents of a run. They send what they find into the
//! inbox of the coordinator whose torrent it is for, as [`Event::Found`](crate::message::Event::Found), and
//! never wait for an inbox: what is found is found again. A private torrent (BEP 27) never comes here.

pub mod dht;
pub mod lan;

/// The stack of each thread here. The largest thing on it is a packet.
const STACK_BYTES: usize = 128 * 1024;
