//! A seeder in a hundred lines: the other side of everything that a download does.
//!
//! It speaks BEP 3 and nothing more: answers the handshake, says which pieces it has, unchokes whoever
//! is interested, and sends one requested block after the other, slowly enough to be watched. Its
//! thread blocks on the socket alone: while a block waits for its time, the time is the deadline of
//! the read, so that a cancel is heard before the block leaves.

use super::server::Server;
use crate::metainfo::InfoHash;
use crate::piece::{Bitfield, Geometry};
use crate::wire::{BlockRequest, Frame, FrameLimits, HANDSHAKE_LENGTH, Handshake, Message, PeerId};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time between two blocks.
const PACE: Duration = Duration::from_millis(250);
/// How long a connection may last. The demo takes three seconds.
const LONGEST: Duration = Duration::from_secs(30);
/// Requests that wait at most.
const MAX_ASKED: usize = 500;

/// What a seeder serves.
pub struct Seed {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// How it is cut.
    pub geometry: Geometry,
    /// All of its bytes.
    pub payload: Arc<[u8]>,
    /// The pieces that this seeder admits to have.
    pub pieces: Bitfield,
}

/// Starts a seeder. Its account lists the pieces of the blocks that it sent, in order.
///
/// # Errors
///
/// The address does not exist here.
pub fn start(ip: Ipv4Addr, seed: Seed) -> io::Result<Server<Vec<u32>>> {
    Server::start("demo-seeder", ip, move |stream, sent: &mut Vec<u32>| seed.serve(stream, sent))
}

impl Seed {
    fn serve(&self, mut stream: &TcpStream, sent: &mut Vec<u32>) -> io::Result<()> {
        let end = Instant::now() + LONGEST;
        let mut due = Instant::now();
        let mut asked: VecDeque<BlockRequest> = VecDeque::new();
        let (mut held, mut buffer, mut out) = (Vec::new(), [0; 4096], Vec::new());
        let limits = FrameLimits::for_pieces(self.geometry.piece_count());
        let mut greeted = false;
        loop {
            if let (false, Some(handshake)) = (greeted, held.first_chunk::<HANDSHAKE_LENGTH>()) {
                out.extend(self.answer(handshake)?.to_wire());
                Message::Bitfield(&self.pieces.to_wire()).write_to(&mut out);
                held.drain(..HANDSHAKE_LENGTH);
                greeted = true;
            }
            while greeted && !held.is_empty() {
                let frame = Frame::parse(&held, &limits).map_err(io::Error::other)?;
                let Frame::Whole(message, length) = frame else { break };
                match message {
                    Message::Interested => Message::Unchoke.write_to(&mut out),
                    Message::Request(wanted) if asked.len() < MAX_ASKED => asked.push_back(wanted),
                    Message::Cancel(wanted) => asked.retain(|other| *other != wanted),
                    _ => {}
                }
                held.drain(..length);
            }
            if due <= Instant::now()
                && let Some(wanted) = asked.pop_front()
            {
                let BlockRequest { index, begin, .. } = wanted;
                let data = self.block(wanted).ok_or(io::Error::other("it asked for what we do not have"))?;
                Message::Piece { index, begin, data }.write_to(&mut out);
                sent.push(index);
                due = Instant::now() + PACE;
            }
            stream.write_all(&out)?;
            out.clear();

            let wake = if asked.is_empty() { end } else { due.min(end) };
            let wait = wake.saturating_duration_since(Instant::now());
            if end <= Instant::now() {
                return Err(ErrorKind::TimedOut.into());
            }
            // A wait of zero would be one without end.
            stream.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => held.extend_from_slice(buffer.get(..read).unwrap_or_default()),
                // Time for the next block.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The handshake for whoever wants this torrent: no extension is among its flags.
    fn answer(&self, theirs: &[u8; HANDSHAKE_LENGTH]) -> io::Result<Handshake> {
        let theirs = Handshake::from_wire(theirs).map_err(io::Error::other)?;
        if theirs.info_hash != self.info_hash {
            return Err(io::Error::other("it wants another torrent"));
        }
        let mut peer_id = *b"-FMdemo-............";
        peer_id.iter_mut().skip(8).for_each(|byte| *byte = fastrand::alphanumeric() as u8);
        Ok(Handshake { reserved: [0; 8], info_hash: self.info_hash, peer_id: PeerId(peer_id) })
    }

    /// The bytes of a block of a piece that we have. A request is a stranger's: it is checked.
    fn block(&self, wanted: BlockRequest) -> Option<&[u8]> {
        let length = usize::try_from(wanted.length).ok()?;
        let block = self.geometry.block(wanted.index, wanted.begin, length)?;
        let start = self.geometry.offset(block.piece).checked_add(u64::from(wanted.begin))?;
        let bytes = self.payload.get(usize::try_from(start).ok()?..)?.get(..length)?;
        self.pieces.has(block.piece).then_some(bytes)
    }
}
