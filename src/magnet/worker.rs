//! One peer that is asked for metadata.
//!
//! Runs on the thread `meta-ADDRESS`, from the connection to the farewell. It blocks on the socket alone:
//! what it says are a few bytes at a time, in answer to what it hears, so that one thread can do both. A
//! peer that has no metadata, or sends none for [`PATIENCE`], is let go. One that was just answered when the
//! metadata is there goes on to the swarm, with what it said that nobody could understand before.

use super::{MAX_METADATA_SIZE, MetadataAssembly, Verdict};
use crate::message::{Event, Greeting, HandedOver, HangUp, Incoming, PeerError, PeerKey, Violation, Wait};
use crate::metainfo::InfoHash;
use crate::net::{BindAddress, PeerStream, Throttle};
use crate::peer::{CLIENT, Opening, ReadBuffer, ReadMemory, STACK_BYTES, Said, greet};
use crate::wire::PeerId;
use crate::wire::extension::{self, ExtensionHandshake, UT_METADATA};
use crate::wire::metadata::MetadataMessage;
use crate::wire::{FrameLimits, Message};
use crossbeam_channel::Sender;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a peer may take to say what it can, and then for each answer.
const PATIENCE: Duration = Duration::from_secs(20);
const SILENT: PeerError = PeerError::TimedOut(Wait::Metadata);
/// How long it may take in all.
const LONGEST: Duration = Duration::from_secs(180);
/// Pieces that are asked of one peer at once.
const AT_ONCE: usize = 4;
/// Bytes that a peer may say before the metadata is there which are for later: a bitfield at most, and
/// what may follow it.
const MAX_HEARD: usize = (MAX_METADATA_SIZE / 20 / 8) as usize + 16 * 1024;
/// The bitfield of the largest torrent whose metadata we take: 20 bytes a piece.
const LIMITS: FrameLimits = FrameLimits { bitfield: (MAX_METADATA_SIZE / 20 / 8) as u32, or_fewer: true };

/// What the workers share.
pub struct Shared {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// How we call ourselves.
    pub peer_id: PeerId,
    /// The coordinator's inbox.
    pub events: Sender<Event>,
    /// The address that connections leave by.
    pub bind_address: BindAddress,
    /// What the read buffers may grow to, all together.
    pub read_memory: Arc<ReadMemory>,
    /// How fast all peers of the process together may be heard.
    pub down: Arc<Throttle>,
    /// The port at which peers can connect to us.
    pub port: Option<u16>,
    /// What they put together.
    pub gathering: Mutex<MetadataAssembly>,
    /// Held by every thread that is connected; whoever holds the other end knows when all are gone.
    pub alive: Sender<()>,
}

impl Shared {
    pub(super) fn gathering(&self) -> MutexGuard<'_, MetadataAssembly> {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The coordinator's end of a worker. Dropping it ends the worker.
pub struct Worker {
    stream: Option<Arc<OnceLock<PeerStream>>>,
    /// Tells a worker that connects that nobody waits for it any more.
    wanted: Arc<AtomicBool>,
}

impl Worker {
    /// Starts a worker that connects to `address`.
    pub fn connect(shared: &Arc<Shared>, key: PeerKey, address: SocketAddr) -> io::Result<Worker> {
        Worker::start(shared, key, address, Opening::Connect { bind_address: shared.bind_address })
    }

    /// Starts a worker for a peer that has connected to us.
    pub fn accept(shared: &Arc<Shared>, key: PeerKey, incoming: Incoming) -> io::Result<Worker> {
        Worker::start(shared, key, incoming.address, Opening::Answer(incoming))
    }

    fn start(
        shared: &Arc<Shared>,
        key: PeerKey,
        address: SocketAddr,
        opening: Opening,
    ) -> io::Result<Worker> {
        let (stream, wanted) = (Arc::<OnceLock<PeerStream>>::default(), Arc::new(AtomicBool::new(true)));
        let incoming = matches!(opening, Opening::Answer(_));
        let asking =
            Asking { key, address, incoming, stream: Arc::clone(&stream), wanted: Arc::clone(&wanted) };
        // Weak for as long as it connects, which nothing can interrupt: the end of a run waits for nobody
        // who connects.
        let shared = Arc::downgrade(shared);
        std::thread::Builder::new()
            .name(format!("meta-{}", address.ip()))
            .stack_size(STACK_BYTES)
            .spawn(move || asking.run(&shared, opening))?;
        Ok(Worker { stream: Some(stream), wanted })
    }

    /// Lets go of the worker without ending it.
    pub fn release(mut self) {
        self.stream = None;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        self.wanted.store(false, Ordering::Release);
        if let Some(stream) = stream.get() {
            stream.hang_up(HangUp::Released);
        }
    }
}

struct Asking {
    key: PeerKey,
    address: SocketAddr,
    incoming: bool,
    stream: Arc<OnceLock<PeerStream>>,
    wanted: Arc<AtomicBool>,
}

impl Asking {
    /// The life of the connection. Always ends with [`Event::Gone`].
    fn run(self, shared: &Weak<Shared>, opening: Opening) {
        let connected = opening.stream(self.address);
        let Some(shared) = shared.upgrade() else { return };
        let why = connected.and_then(|(connected, said)| {
            let stream = self.stream.get_or_init(|| connected);
            // It may have let go of us before there was a stream to hang up.
            match self.wanted.load(Ordering::Acquire) {
                false => Err(PeerError::HungUp(HangUp::Released)),
                true => self.live(stream, said, &shared),
            }
        });
        shared.gathering().left(self.key);
        let why = why.err().unwrap_or(PeerError::Closed);
        // Before the peer can know it, and come back. It fails where the coordinator has ended: nobody wants
        // to know.
        let _ = shared.events.send(Event::Gone(self.key, why));
        if let Some(stream) = self.stream.get() {
            stream.hang_up(HangUp::WorkerEnded);
        }
    }

    fn live(&self, stream: &PeerStream, said: Said, shared: &Shared) -> Result<(), PeerError> {
        let (greeting, _) = {
            // Nobody may hear of our node of the DHT while the torrent may be private (BEP 27).
            let dht = false;
            greet(stream, said, shared.info_hash, shared.peer_id, dht)?
        };
        if !greeting.extensions {
            return Err(PeerError::HungUp(HangUp::NoExtensions));
        }
        shared.events.send(Event::Greeted(self.key, greeting)).map_err(|_| ended())?;
        let mut frames = Vec::new();
        if greeting.fast {
            Message::HaveNone.write_to(&mut frames);
        }
        let ours = ExtensionHandshake {
            client: Some(CLIENT.to_owned()),
            metadata: Some(UT_METADATA),
            port: shared.port,
            your_address: Some(self.address.ip()),
            ..ExtensionHandshake::default()
        };
        Message::Extended(extension::HANDSHAKE, &ours.to_wire()).write_to(&mut frames);
        stream.write_all(&frames).map_err(PeerError::Lost)?;
        stream.wait_at_most(PATIENCE).map_err(PeerError::Lost)?;

        let mut talk =
            Talk { key: self.key, shared, theirs: None, asked: 0, refuses: false, answered: Instant::now() };
        let mut buffer = ReadBuffer::new(Arc::clone(&shared.read_memory));
        let (mut heard, until) = (Vec::new(), Instant::now() + LONGEST);
        loop {
            frames.clear();
            while let Some(message) = buffer.next(&LIMITS)? {
                match talk.hear(message, &mut frames)? {
                    Heard::Used => {}
                    Heard::ForLater if heard.len() < MAX_HEARD => message.write_to(&mut heard),
                    Heard::ForLater => {
                        return Err(PeerError::Violation(Violation::TalkWithoutMetadata));
                    }
                    Heard::Complete => {
                        heard.extend_from_slice(buffer.unused());
                        return self.hand_over(stream, greeting, heard, shared);
                    }
                }
            }
            talk.ask(&mut frames);
            if talk.refuses && talk.asked == 0 {
                return Err(PeerError::HungUp(HangUp::RejectsMetadata));
            }
            if !frames.is_empty() {
                stream.write_all(&frames).map_err(PeerError::Lost)?;
            }
            // Also one that says much, but not what it was asked for.
            if talk.answered.elapsed() >= PATIENCE || Instant::now() >= until {
                return Err(SILENT);
            }
            buffer.fill(stream, &shared.down).map_err(|error| match error {
                PeerError::TimedOut(_) => SILENT,
                other => other,
            })?;
        }
    }

    /// The metadata is there: the connection goes to whoever asks for the payload.
    fn hand_over(
        &self,
        stream: &PeerStream,
        greeting: Greeting,
        heard: Vec<u8>,
        shared: &Shared,
    ) -> Result<(), PeerError> {
        let why = PeerError::HungUp(HangUp::Released);
        let Some(stream) = stream.give_away() else { return Err(why) };
        let (address, incoming) = (self.address, self.incoming);
        let handed = HandedOver { address, incoming, stream, greeting, heard };
        shared.events.send(Event::HandedOver(handed)).map_err(|_| ended())
    }
}

/// What is to become of a message.
enum Heard {
    /// It has done what it is for.
    Used,
    /// Whoever knows the torrent will understand it.
    ForLater,
    /// With it the metadata is there.
    Complete,
}

fn ended() -> PeerError {
    PeerError::HungUp(HangUp::RunEnded)
}

/// What was said so far.
struct Talk<'a> {
    key: PeerKey,
    shared: &'a Shared,
    /// The number that the peer gave to messages about metadata.
    theirs: Option<u8>,
    /// Pieces that were asked for and did not come yet.
    asked: usize,
    /// It refused a piece.
    refuses: bool,
    /// When it last did what it was asked for.
    answered: Instant,
}

impl Talk<'_> {
    fn hear(&mut self, message: Message<'_>, frames: &mut Vec<u8>) -> Result<Heard, PeerError> {
        let metadata = match message {
            Message::Extended(UT_METADATA, body) => MetadataMessage::from_wire(body),
            Message::Extended(extension::HANDSHAKE, body) if self.theirs.is_none() => {
                self.introduced(body)?;
                return Ok(Heard::ForLater);
            }
            Message::KeepAlive => return Ok(Heard::Used),
            // Which pieces it has, say, means nothing while nobody knows what a piece is.
            _ => return Ok(Heard::ForLater),
        };
        match metadata {
            Some(MetadataMessage::Data { piece, total_size, bytes }) => {
                return self.came(piece, total_size, bytes);
            }
            Some(MetadataMessage::Reject(piece)) => {
                self.shared.gathering().rejected(self.key, piece);
                self.refuses |= self.asked > 0;
                self.asked = self.asked.saturating_sub(1);
            }
            Some(MetadataMessage::Request(piece)) => {
                if let Some(number) = self.theirs {
                    let refusal = MetadataMessage::Reject(piece).to_wire();
                    Message::Extended(number, &refusal).write_to(frames);
                }
            }
            None => {}
        }
        Ok(Heard::Used)
    }

    fn introduced(&mut self, body: &[u8]) -> Result<(), PeerError> {
        let said =
            ExtensionHandshake::from_wire(body).ok_or(PeerError::Violation(Violation::ExtensionHandshake))?;
        // Some who have none say that it is empty.
        let (Some(number @ 1..), Some(size @ 1..)) = (said.metadata, said.metadata_size) else {
            return Err(PeerError::HungUp(HangUp::NoMetadata));
        };
        self.shared.gathering().joined(self.key, size).map_err(PeerError::Violation)?;
        self.theirs = Some(number);
        self.answered = Instant::now();
        Ok(())
    }

    fn came(&mut self, piece: u32, total_size: Option<u64>, bytes: &[u8]) -> Result<Heard, PeerError> {
        let verdict = self.shared.gathering().received(self.key, piece, total_size, bytes);
        match verdict {
            Verdict::Wrong(liars) if liars.contains(&self.key) => {
                Err(PeerError::Violation(Violation::WrongMetadata))
            }
            Verdict::Kept | Verdict::Wrong(_) => {
                self.asked = self.asked.saturating_sub(1);
                self.answered = Instant::now();
                Ok(Heard::Used)
            }
            Verdict::Complete => Ok(Heard::Complete),
            Verdict::Broke(violation) => Err(PeerError::Violation(violation)),
        }
    }

    fn ask(&mut self, frames: &mut Vec<u8>) {
        let Some(number) = self.theirs else { return };
        while self.asked < AT_ONCE
            && let Some(piece) = self.shared.gathering().next(self.key)
        {
            let request = MetadataMessage::Request(piece).to_wire();
            Message::Extended(number, &request).write_to(frames);
            self.asked += 1;
        }
    }
}
