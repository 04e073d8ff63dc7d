//! A seeder in a hundred lines: the other side of a download.
//!
//! It speaks BEP 3 and nothing more. It answers the handshake, says which pieces it has (*bitfield*),
//! unchokes every peer that is interested, and sends one requested block after the other, slowly enough to be
//! watched. Its thread blocks on the socket alone. While a block waits for its time, that time is the
//! deadline of the read, so that a *cancel* is received before the block leaves. Its mood (`mood.rs`) may have it
//! send a wrong byte, or choke the peer for a while.

use super::mood::{CHOKE_TIME, Mood};
use super::server::DemoServer;
use crate::metainfo::InfoHash;
use crate::piece::{Bitfield, Geometry};
use crate::thread::lock;
use crate::wire::{BlockRequest, Frame, FrameLimits, HANDSHAKE_LENGTH, Handshake, Message, PeerId};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a connection may last. The demo takes some seconds.
const MAX_DURATION: Duration = Duration::from_secs(60);
/// The most requests that wait to be answered. Further ones are ignored.
const MAX_REQUESTS: usize = 500;

/// A seeder: what it serves.
pub struct Seeder {
    /// The torrent that it serves.
    pub info_hash: InfoHash,
    /// How the payload is cut into pieces.
    pub geometry: Geometry,
    /// All bytes of the payload.
    pub payload: Arc<[u8]>,
    /// The pieces that this seeder says it has, and serves.
    pub pieces: Bitfield,
    /// How it behaves.
    pub mood: Mood,
}

/// Starts a seeder. It notes in `account` the pieces of the blocks that it sent, in order.
///
/// # Errors
///
/// The system has no more threads.
pub fn start(listener: TcpListener, seeder: Seeder, account: Arc<Mutex<Vec<u32>>>) -> io::Result<DemoServer> {
    let serve = move |stream: &TcpStream| {
        let mut sent = Vec::new();
        let outcome = seeder.serve(stream, &mut sent);
        lock(&account).extend(sent);
        outcome
    };
    DemoServer::start("demo-seeder", listener, Box::new(serve))
}

impl Seeder {
    /// Serves one connection until it ends.
    fn serve(&self, mut stream: &TcpStream, sent: &mut Vec<u32>) -> io::Result<()> {
        let end = Instant::now() + MAX_DURATION;
        // When the next block may leave, and when to unchoke.
        let (mut due, mut unchoke) = (Instant::now(), None);
        let mut requests: VecDeque<BlockRequest> = VecDeque::new();
        // The bytes that have arrived and are not used yet, and the bytes to send.
        let (mut received, mut out) = (Vec::new(), Vec::new());
        let limits = FrameLimits::for_pieces(self.geometry.piece_count());
        let mut greeted = false;
        loop {
            // A connection begins with the two handshakes. Only then do messages follow.
            if let (false, Some(handshake)) = (greeted, received.first_chunk::<HANDSHAKE_LENGTH>()) {
                out.extend(self.answer(handshake)?.to_wire());
                Message::Bitfield(&self.pieces.to_wire()).write_to(&mut out);
                received.drain(..HANDSHAKE_LENGTH);
                greeted = true;
            }
            while greeted && !received.is_empty() {
                let frame = Frame::parse(&received, &limits).map_err(io::Error::other)?;
                let Frame::Whole(message, length) = frame else { break };
                match message {
                    // A peer may request blocks once it is unchoked. A real client has few upload slots and
                    // unchokes only some of the interested peers.
                    Message::Interested => unchoke = Some(Instant::now() + self.mood.hesitation()),
                    Message::Request(_) if unchoke.is_some() => {}
                    Message::Request(request) if requests.len() < MAX_REQUESTS => requests.push_back(request),
                    Message::Cancel(request) => requests.retain(|other| *other != request),
                    _ => {}
                }
                received.drain(..length);
            }
            if unchoke.take_if(|at| *at <= Instant::now()).is_some() {
                Message::Unchoke.write_to(&mut out);
            }
            if due <= Instant::now()
                && let Some(request) = requests.pop_front()
            {
                let BlockRequest { index, begin, .. } = request;
                let data =
                    self.block(request).ok_or(io::Error::other("it asked for a block that we lack"))?;
                let data = &self.mood.block(sent.len(), data);
                Message::Piece { index, begin, data }.write_to(&mut out);
                sent.push(index);
                due = Instant::now() + self.mood.interval();
                if self.mood.chokes_after(sent.len()) {
                    // With a choke all requests are void. The peer has to send them again after the unchoke.
                    Message::Choke.write_to(&mut out);
                    requests.clear();
                    unchoke = Some(Instant::now() + CHOKE_TIME);
                }
            }
            stream.write_all(&out)?;
            out.clear();

            let block = (!requests.is_empty()).then_some(due);
            let wake = [block, unchoke].into_iter().flatten().fold(end, Instant::min);
            if end <= Instant::now() {
                return Err(ErrorKind::TimedOut.into());
            }
            if !wait(stream, wake, &mut received)? {
                return Ok(());
            }
        }
    }

    /// Our handshake, if the peer wants this torrent.
    fn answer(&self, theirs: &[u8; HANDSHAKE_LENGTH]) -> io::Result<Handshake> {
        let theirs = Handshake::from_wire(theirs).map_err(io::Error::other)?;
        if theirs.info_hash != self.info_hash {
            return Err(io::Error::other("it wants another torrent"));
        }
        Ok(handshake(self.info_hash))
    }

    /// The bytes of a block, if we have its piece. A request comes from a stranger, so every number in it is
    /// checked.
    pub fn block(&self, request: BlockRequest) -> Option<&[u8]> {
        let length = usize::try_from(request.length).ok()?;
        let block = self.geometry.block(request.index, request.begin, length)?;
        let start = self.geometry.offset(block.piece).checked_add(u64::from(request.begin))?;
        let bytes = self.payload.get(usize::try_from(start).ok()?..)?.get(..length)?;
        self.pieces.has(block.piece).then_some(bytes)
    }
}

/// Adds what comes until then to what has come. Returns whether the connection is still open.
fn wait(mut stream: &TcpStream, until: Instant, received: &mut Vec<u8>) -> io::Result<bool> {
    let wait = until.saturating_duration_since(Instant::now());
    // A timeout of zero would mean none, so it is refused.
    stream.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) => return Ok(false),
        Ok(read) => received.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        // It is time for the next block.
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
        // We were stopped (Ctrl-Z), and go on.
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(true)
}

/// A handshake for this torrent. Its reserved bytes are zero: we speak no extension.
pub fn handshake(info_hash: InfoHash) -> Handshake {
    let mut peer_id = *b"-FMdemo-............";
    peer_id.iter_mut().skip(8).for_each(|byte| *byte = fastrand::alphanumeric() as u8);
    Handshake { reserved: [0; 8], info_hash, peer_id: PeerId(peer_id) }
}
