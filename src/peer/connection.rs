//! The life of a worker's connection, from the first byte to the last.
//!
//! Runs on the thread `peer-ADDRESS`: it exchanges the handshakes, starts the outbox and then is the inbound
//! half until the connection ends.

use super::greeting::{self, AlreadyReceived, OurHandshake};
use super::inbound::Inbound;
use super::outbox::{Outbox, Signal};
use super::requests::PeerRequests;
use super::{Farewell, STACK_BYTES, TorrentContext};
use crate::message::{Event, Lease, PeerError, PeerKey};
use crate::net::PeerStream;
use crate::thread;
use crossbeam_channel::{Receiver, Sender};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// BEP 3 has peers send something every two minutes.
const SILENCE: Duration = Duration::from_secs(150);

/// The worker's ends of its channels, and what both halves share.
pub struct WorkerEnds {
    pub key: PeerKey,
    pub address: SocketAddr,
    /// It is there from the beginning, except for the workers of tests, which have no connection.
    pub stream: Arc<OnceLock<PeerStream>>,
    pub requests: Arc<PeerRequests>,
    pub signals: Receiver<Signal>,
    /// Wakes the outbox.
    pub wake: Sender<Signal>,
    pub leases: Receiver<Lease>,
}

impl WorkerEnds {
    /// The life of the connection. Always ends with [`Event::Gone`].
    pub fn run(self, received: AlreadyReceived, context: Arc<TorrentContext>) {
        let mut farewell = Farewell::new(self.key, context.events.clone(), Arc::clone(&self.stream));
        farewell.say(self.live(received, context).err().unwrap_or(PeerError::Closed));
    }

    fn live(self, received: AlreadyReceived, context: Arc<TorrentContext>) -> Result<(), PeerError> {
        let Some(stream) = self.stream.get() else { return Ok(()) };
        let ours = OurHandshake {
            info_hash: context.metainfo.info_hash,
            peer_id: context.peer_id,
            dht: context.dht_port(self.address).is_some(),
        };
        let is_new = !matches!(received, AlreadyReceived::Frames(..));
        let (greeting, frames) = greeting::greet(stream, received, ours, context.encryption)?;
        stream.is_about(ours.info_hash, greeting.peer_id);
        self.requests.set_fast(greeting.fast);
        stream.wait_at_most(SILENCE).map_err(PeerError::Lost)?;

        let (requests, outbox_context) = (Arc::clone(&self.requests), Arc::clone(&context));
        let outbox = Outbox::new(
            Arc::clone(&self.stream),
            self.signals,
            requests,
            outbox_context,
            self.address,
            is_new,
        );
        thread::spawn(format!("out-{}", self.address.ip()), STACK_BYTES, move || outbox.run())
            .map_err(PeerError::NoThread)?;

        let mut inbound =
            Inbound::new(self.key, context, self.leases, self.requests, self.wake, greeting.fast);
        inbound.send(Event::Greeted(self.key, greeting))?;
        let end = inbound.listen(stream, frames);
        // What was received before the end counts: a verdict on a piece comes only once.
        let _ = inbound.report();
        end
    }
}
