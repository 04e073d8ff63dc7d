//! One connection between a scripted peer and femtotorrent, byte for byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use femtotorrent::piece::NodeRange;
use femtotorrent::wire::{BlockRequest, HashRequest, Message};

use super::sample::Sample;
use super::scripted_peer::SharedRecord;

/// The wait for what is sure to come, long enough for a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(40);
/// Reserved bytes of a peer that speaks BEP 3 only.
pub const PLAIN: [u8; 8] = [0; 8];
/// Reserved bytes of one that speaks the Fast extension too (BEP 6).
pub const FAST: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 4];
/// Reserved bytes of one that speaks the Fast extension and the extension protocol (BEP 10).
pub const MODERN: [u8; 8] = [0, 0, 0, 0, 0, 0x10, 0, 4];

/// What femtotorrent said to the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    KeepAlive,
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have(u32),
    Bitfield(Vec<u8>),
    HaveNone,
    Request(BlockRequest),
    /// A block, and its bytes.
    Piece(BlockRequest, Vec<u8>),
    Cancel(BlockRequest),
    HaveAll,
    Reject(BlockRequest),
    AllowedFast(u32),
    Extended(Vec<u8>),
    HashRequest(HashRequest),
    /// Anything else, by its message id.
    Other(u8),
}

/// Whether a peer with these reserved bytes speaks the Fast extension (BEP 6).
pub fn speaks_fast(reserved: [u8; 8]) -> bool {
    reserved[7] & 4 != 0
}

/// The bitfield of these pieces.
pub fn bits(sample: &Sample, has: impl Fn(u32) -> bool) -> Vec<u8> {
    let mut bits = vec![0; sample.pieces().div_ceil(8) as usize];
    for piece in (0..sample.pieces()).filter(|piece| has(*piece)) {
        bits[piece as usize / 8] |= 0x80 >> (piece % 8);
    }
    bits
}

/// One connection, as the script sees it.
pub struct Talk {
    stream: TcpStream,
    shared: Arc<SharedRecord>,
    /// What the two talk about.
    pub sample: Arc<Sample>,
    /// How many connections came before this one.
    pub turn: usize,
    /// How many bytes more the peer sends before it dies.
    pub life: usize,
    /// What femtotorrent's handshake said that it speaks.
    pub reserved: [u8; 8],
}

impl Talk {
    /// Connects to a femtotorrent that listens. The connection ends with the talk.
    pub fn dial(address: SocketAddr, sample: &Sample) -> Talk {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        Talk::begin(stream, &Arc::new(sample.clone()), &Arc::default()).unwrap()
    }

    /// Our own end of the connection, which is what femtotorrent calls us.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// `None` where the peer is to end, or the connection is over already.
    pub(super) fn begin(stream: TcpStream, sample: &Arc<Sample>, shared: &Arc<SharedRecord>) -> Option<Talk> {
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        stream.set_write_timeout(Some(DEADLINE)).ok()?;
        stream.set_nodelay(true).ok()?;
        let turn = shared.begin(&stream)?;
        let (sample, shared) = (Arc::clone(sample), Arc::clone(shared));
        Some(Talk { stream, shared, sample, turn, life: usize::MAX, reserved: [0; 8] })
    }

    pub(super) fn end(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.shared.end();
    }

    /// Reads femtotorrent's handshake and answers with these reserved bytes.
    pub fn greet(&mut self, reserved: [u8; 8]) -> io::Result<()> {
        self.hear_handshake()?;
        let mut id = *b"-SC0001-............";
        id[8..].fill_with(|| fastrand::alphanumeric() as u8);
        self.say_handshake(reserved, self.sample.info_hash(), id)
    }

    /// Says its handshake with these reserved bytes first, as the side that connects does, and reads
    /// femtotorrent's.
    pub fn introduce(&mut self, reserved: [u8; 8]) -> io::Result<()> {
        let id = format!("-SC0001-{:012}", self.address().port());
        self.say_handshake(reserved, self.sample.info_hash(), id.as_bytes().try_into().unwrap())?;
        let (hash, _) = self.hear_handshake()?;
        assert_eq!(hash, self.sample.info_hash());
        Ok(())
    }

    /// Reads femtotorrent's handshake: its info-hash and its peer id. An encrypted one is an error.
    pub fn hear_handshake(&mut self) -> io::Result<([u8; 20], [u8; 20])> {
        let mut bytes = [0; 68];
        self.stream.read_exact(&mut bytes)?;
        if &bytes[..20] != b"\x13BitTorrent protocol" {
            return Err(io::Error::other("it takes only plain connections"));
        }
        self.reserved.copy_from_slice(&bytes[20..28]);
        Ok((bytes[28..48].try_into().unwrap(), bytes[48..].try_into().unwrap()))
    }

    /// Sends a handshake.
    pub fn say_handshake(&mut self, reserved: [u8; 8], hash: [u8; 20], id: [u8; 20]) -> io::Result<()> {
        self.say_bytes(&[&b"\x13BitTorrent protocol"[..], &reserved, &hash, &id].concat())
    }

    /// Sends a message.
    pub fn say(&mut self, message: Message<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        message.write_to(&mut bytes);
        self.say_bytes(&bytes)
    }

    /// Sends these bytes, or as many as the peer lives for.
    pub fn say_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = bytes.len().min(self.life);
        self.stream.write_all(&bytes[..sent])?;
        self.life -= sent;
        if sent == bytes.len() { Ok(()) } else { Err(io::Error::other("it died")) }
    }

    /// Says that it has these pieces of the sample.
    pub fn say_bitfield(&mut self, has: impl Fn(u32) -> bool) -> io::Result<()> {
        let bits = bits(&self.sample, has);
        self.say(Message::Bitfield(&bits))
    }

    /// Sends a frame with this message id, whatever its body.
    pub fn say_frame(&mut self, id: u8, body: &[u8]) -> io::Result<()> {
        self.say_bytes(&[&(body.len() as u32 + 1).to_be_bytes()[..], &[id], body].concat())
    }

    /// Sends a block as it is in the payload.
    pub fn send(&mut self, wanted: BlockRequest) -> io::Result<()> {
        let sample = Arc::clone(&self.sample);
        self.send_data(wanted, sample.block(wanted.index, wanted.begin, wanted.length))
    }

    /// Sends as many bytes as were asked for, all of them wrong.
    pub fn send_wrong(&mut self, wanted: BlockRequest) -> io::Result<()> {
        let data: Vec<u8> =
            self.sample.block(wanted.index, wanted.begin, wanted.length).iter().map(|byte| !byte).collect();
        self.send_data(wanted, &data)
    }

    /// Sends a block with these bytes.
    pub fn send_data(&mut self, wanted: BlockRequest, data: &[u8]) -> io::Result<()> {
        self.say(Message::Piece { index: wanted.index, begin: wanted.begin, data })?;
        self.shared.note(|record| record.served += 1);
        Ok(())
    }

    /// Waits for the next message.
    pub fn next(&mut self) -> io::Result<Said> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
        let wanted = || BlockRequest { index: number(1), begin: number(5), length: number(9) };
        let said = match frame.first() {
            None => Said::KeepAlive,
            Some(0) => Said::Choke,
            Some(1) => Said::Unchoke,
            Some(2) => Said::Interested,
            Some(3) => Said::NotInterested,
            Some(4) => Said::Have(number(1)),
            Some(5) => Said::Bitfield(frame[1..].to_vec()),
            Some(6) => Said::Request(wanted()),
            Some(7) => {
                let length = frame.len() as u32 - 9;
                Said::Piece(BlockRequest { index: number(1), begin: number(5), length }, frame[9..].to_vec())
            }
            Some(8) => Said::Cancel(wanted()),
            Some(14) => Said::HaveAll,
            Some(15) => Said::HaveNone,
            Some(16) => Said::Reject(wanted()),
            Some(17) => Said::AllowedFast(number(1)),
            Some(20) => Said::Extended(frame[1..].to_vec()),
            Some(21) => Said::HashRequest(HashRequest {
                pieces_root: frame[1..33].try_into().unwrap(),
                range: NodeRange {
                    base_layer: number(33),
                    index: number(37),
                    length: number(41),
                    proof_layers: number(45),
                },
            }),
            Some(other) => Said::Other(*other),
        };
        self.shared.note(|record| record.said.push(said.clone()));
        Ok(said)
    }

    /// Waits for the next request and passes over what else is said.
    pub fn next_request(&mut self) -> io::Result<BlockRequest> {
        loop {
            if let Said::Request(wanted) = self.next()? {
                return Ok(wanted);
            }
        }
    }

    /// Waits for this many requests.
    pub fn next_requests(&mut self, count: usize) -> io::Result<Vec<BlockRequest>> {
        (0..count).map(|_| self.next_request()).collect()
    }

    /// Waits until femtotorrent has said this.
    pub fn wait_for(&mut self, awaited: &Said) -> io::Result<()> {
        while self.next()? != *awaited {}
        Ok(())
    }

    /// Serves every request until the connection ends.
    pub fn serve(&mut self) -> io::Result<()> {
        loop {
            self.serve_next(1)?;
        }
    }

    /// Serves this many requests.
    pub fn serve_next(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let wanted = self.next_request()?;
            self.send(wanted)?;
        }
        Ok(())
    }

    /// Hears and answers nothing until the connection ends.
    pub fn hear_out(&mut self) -> io::Result<()> {
        loop {
            self.next()?;
        }
    }

    /// Waits until femtotorrent has hung up, however it does so.
    pub fn wait_for_end(&mut self) {
        let mut rest = [0; 4096];
        // A read is interrupted now and then where the tests beside this one start programs.
        let is_interrupted = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
        while match self.stream.read(&mut rest) {
            Ok(read) => read > 0,
            Err(error) => is_interrupted(&error),
        } {}
    }
}
