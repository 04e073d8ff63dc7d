//! Peers without a tracker: the DHT, and the local network.
//!
//! Each source has threads of its own that serve all torrents of a run and send what they find into the
//! inboxes of those whose torrent it is for, as [`Event::Found`](crate::message::Event::Found). They never
//! wait for an inbox: what is found is found again. A private torrent (BEP 27) never comes here.

pub mod dht;
pub mod lan;

use std::io;
use std::thread::{Builder, JoinHandle};

/// The stack of each thread here. The largest thing on it is a packet.
const STACK_BYTES: usize = 128 * 1024;

/// Starts a thread. The life is boxed so that the program holds the code of starting one only once.
fn spawn(name: &str, life: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(life)
}
