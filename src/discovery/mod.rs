//! Peers without a tracker: the distributed hash table ([`dht`]), and the local network ([`lan`]).
//!
//! Each source has threads of its own that serve all torrents of a run. They send the peers that they find to
//! the inbox of the torrent's coordinator, as [`Event::Found`](crate::message::Event::Found). They never wait
//! for an inbox: a peer that is lost there is found again. A private torrent (BEP 27) never comes here.

pub mod dht;
pub mod lan;

/// The stack of each thread here. The largest thing on it is a packet.
const STACK_BYTES: usize = 128 * 1024;
