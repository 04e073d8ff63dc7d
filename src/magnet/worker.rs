//! One peer that is asked for metadata.
//!
//! Runs on the thread `meta-ADDRESS`, from the first byte of the connection to its last. It blocks on the
//! stream alone. It needs no second thread for writing, as a worker of the swarm does, since it sends only a
//! few bytes at a time, in answer to what it receives. A peer that has no metadata, or sends none for
//! [`PATIENCE`], is disconnected. If a peer has just answered when the metadata is complete, its connection
//! goes on to the swarm, together with the messages that it sent before and that could not be understood
//! without the metadata.

use super::context::MetadataContext;
use super::exchange::{MetadataExchange, PATIENCE};
use crate::address::of_a_host;
use crate::message::{Event, Greeting, HandedOver, HangUp, Incoming, PeerError, PeerKey};
use crate::net::PeerStream;
use crate::peer::{AlreadyReceived, CLIENT, ConnectionOrigin, OurHandshake, STACK_BYTES, greet};
use crate::strategy::Opening;
use crate::thread;
use crate::wire::Message;
use crate::wire::extension::{self, ExtensionHandshake, UT_METADATA};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// The coordinator's end of a worker. Dropping it ends the worker.
pub struct MetadataWorker {
    stream: Option<Arc<PeerStream>>,
}

impl MetadataWorker {
    /// Starts a worker for a peer that we have connected to.
    pub fn greet(
        context: &Arc<MetadataContext>,
        key: PeerKey,
        address: SocketAddr,
        stream: PeerStream,
        opening: Opening,
    ) -> io::Result<MetadataWorker> {
        MetadataWorker::start(context, key, address, ConnectionOrigin::Outgoing(stream, opening))
    }

    /// Starts a worker for a peer that has connected to us.
    pub fn accept(
        context: &Arc<MetadataContext>,
        key: PeerKey,
        incoming: Incoming,
    ) -> io::Result<MetadataWorker> {
        MetadataWorker::start(context, key, incoming.address, ConnectionOrigin::Incoming(incoming))
    }

    fn start(
        context: &Arc<MetadataContext>,
        key: PeerKey,
        address: SocketAddr,
        origin: ConnectionOrigin,
    ) -> io::Result<MetadataWorker> {
        let incoming = matches!(origin, ConnectionOrigin::Incoming(_));
        let (stream, received) = origin.stream();
        let stream = Arc::new(stream);
        let connection = MetadataConnection { key, address, incoming, stream: Arc::clone(&stream) };
        let context = Arc::clone(context);
        thread::spawn(format!("meta-{}", address.ip()), STACK_BYTES, move || {
            connection.run(received, &context)
        })?;
        Ok(MetadataWorker { stream: Some(stream) })
    }

    /// Drops the coordinator's end without ending the worker.
    pub fn release(mut self) {
        self.stream = None;
    }
}

impl Drop for MetadataWorker {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.hang_up(HangUp::Released);
        }
    }
}

/// The connection to one peer, on its thread.
struct MetadataConnection {
    key: PeerKey,
    address: SocketAddr,
    incoming: bool,
    stream: Arc<PeerStream>,
}

/// Says that the worker has ended, even if it panicked: others are to be asked for what it was asked for.
struct Farewell<'a> {
    key: PeerKey,
    context: &'a MetadataContext,
    stream: Arc<PeerStream>,
    why: PeerError,
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.context.assembly().left(self.key);
        // This is sent before the peer can know that the connection is over, and connect again. Sending fails if
        // the coordinator has ended: then no thread wants to know.
        let told = self.why.told();
        let why = std::mem::replace(&mut self.why, PeerError::Closed);
        let _ = self.context.events.send(Event::Gone(self.key, why));
        self.stream.end_by(HangUp::WorkerEnded, || told);
    }
}

impl MetadataConnection {
    /// The life of the connection. Always ends with [`Event::Gone`].
    fn run(self, received: AlreadyReceived, context: &MetadataContext) {
        // It says the last word, so it is the first to be made here and the last to be dropped.
        let (key, stream) = (self.key, Arc::clone(&self.stream));
        let mut farewell = Farewell { key, context, stream, why: PeerError::Panicked };
        farewell.why = self.live(&self.stream, received, context).err().unwrap_or(PeerError::Closed);
    }

    /// Greets the peer and asks it for metadata, until the connection ends or is handed over.
    fn live(
        &self,
        stream: &PeerStream,
        received: AlreadyReceived,
        context: &MetadataContext,
    ) -> Result<(), PeerError> {
        let (info_hash, peer_id) = (context.info_hash, context.peer_id);
        // No peer may learn of our DHT node while the torrent may be private (BEP 27).
        let ours = OurHandshake { info_hash, peer_id, dht: false };
        let begun = Instant::now();
        let (greeting, _) = greet(stream, received, ours, context.encryption)?;
        let round_trip = begun.elapsed();
        stream.is_about(info_hash, greeting.peer_id);
        if !greeting.extensions {
            return Err(PeerError::HungUp(HangUp::NoExtensions));
        }
        context.events.send(Event::Greeted(self.key, greeting)).map_err(|_| run_ended())?;
        stream.tap().into_iter().for_each(|tap| {
            if greeting.fast {
                tap.why("have none", 1, "without the metadata we can have no piece".to_owned());
            }
            tap.why("extensions", 1, "it is to hear that we take metadata (BEP 9)".to_owned());
        });
        stream.write_all(&self.introduction(greeting, context)).map_err(PeerError::Lost)?;
        stream.wait_at_most(PATIENCE).map_err(PeerError::Lost)?;
        let exchange =
            MetadataExchange::new(self.key, context).greeted_in(round_trip).that_came(self.incoming);
        let kept = exchange.run(stream)?;
        self.hand_over(stream, greeting, kept, context)
    }

    /// The first messages: we have no piece, and we speak the metadata extension (BEP 9).
    fn introduction(&self, greeting: Greeting, context: &MetadataContext) -> Vec<u8> {
        let mut frames = Vec::new();
        if greeting.fast {
            Message::HaveNone.write_to(&mut frames);
        }
        let ours = ExtensionHandshake {
            client: Some(CLIENT.to_owned()),
            metadata: Some(UT_METADATA),
            // The swarm hears what it says of pieces before the metadata is there.
            dont_have: Some(extension::LT_DONTHAVE),
            port: context.ports.seen_from(self.address.ip()),
            your_address: of_a_host(self.address.ip()),
            prefers_encryption: context.encryption.is_preferred().then_some(true),
            ..ExtensionHandshake::default()
        };
        Message::Extended(extension::HANDSHAKE, &ours.to_wire()).write_to(&mut frames);
        frames
    }

    /// The metadata is complete: the connection goes to the coordinator of the swarm.
    fn hand_over(
        &self,
        stream: &PeerStream,
        greeting: Greeting,
        heard: Vec<u8>,
        context: &MetadataContext,
    ) -> Result<(), PeerError> {
        let Some(stream) = stream.give_away() else { return Err(PeerError::HungUp(HangUp::Released)) };
        let (address, incoming) = (self.address, self.incoming);
        let handed = HandedOver { address, incoming, stream, greeting, heard };
        context.events.send(Event::HandedOver(handed)).map_err(|_| run_ended())
    }
}

fn run_ended() -> PeerError {
    PeerError::HungUp(HangUp::RunEnded)
}
