//! The simplest fast seeder: one connection after another gets every block it asks for.
//!
//! A measuring tool, not a peer: it announces that it has everything, unchokes at once, never asks
//! for anything and knows only the messages that a download needs (BEP 3). It sends from memory, so
//! that what is measured is the other side.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

const HANDSHAKE_LENGTH: usize = 68;
const REQUEST: u8 = 6;
/// No message that a downloader sends us is longer than its bitfield of a large torrent.
const MESSAGE_LIMIT: u32 = 1024 * 1024;

/// What it serves.
pub struct Served {
    /// The whole payload.
    pub payload: Vec<u8>,
    /// Bytes in each piece but the last.
    pub piece_length: u32,
    /// The torrent's identity.
    pub info_hash: [u8; 20],
}

/// Serves at this address until the process ends.
///
/// # Errors
///
/// If the address cannot be listened on.
pub fn serve(served: Arc<Served>, address: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let served = Arc::clone(&served);
            // The other side ends the connection, so an error here is the ordinary end.
            thread::spawn(move || drop(answer(&served, &stream)));
        }
    });
    Ok(bound)
}

fn answer(served: &Served, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::with_capacity(64 * 1024, stream);
    let mut output = BufWriter::with_capacity(256 * 1024, stream);
    let mut greeting = [0; HANDSHAKE_LENGTH];
    input.read_exact(&mut greeting)?;

    output.write_all(b"\x13BitTorrent protocol")?;
    output.write_all(&[0; 8])?;
    output.write_all(&served.info_hash)?;
    output.write_all(b"-FH0000-000000000000")?;
    let pieces = served.payload.len().div_ceil(length_in_memory(served.piece_length));
    send(&mut output, 5, &full_bitfield(pieces))?;
    send(&mut output, 1, &[])?;
    loop {
        // What was asked for in one go is answered in one go.
        if input.buffer().is_empty() {
            output.flush()?;
        }
        let mut prefix = [0; 4];
        input.read_exact(&mut prefix)?;
        let length = u32::from_be_bytes(prefix);
        if length > MESSAGE_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut message = vec![0; length_in_memory(length)];
        input.read_exact(&mut message)?;
        if let Some((&REQUEST, request)) = message.split_first() {
            send_block(served, &mut output, request)?;
        }
    }
}

fn send_block(served: &Served, output: &mut impl Write, request: &[u8]) -> io::Result<()> {
    let field = |at: usize| -> Option<[u8; 4]> { request.get(at..at + 4)?.try_into().ok() };
    let block = (|| {
        let (index, begin, length) = (field(0)?, field(4)?, field(8)?);
        let piece = u64::from(u32::from_be_bytes(index)) * u64::from(served.piece_length);
        let from = usize::try_from(piece + u64::from(u32::from_be_bytes(begin))).ok()?;
        let to = from.checked_add(length_in_memory(u32::from_be_bytes(length)))?;
        Some((index, begin, served.payload.get(from..to)?))
    })();
    let (index, begin, bytes) = block.ok_or(io::ErrorKind::InvalidData)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    output.write_all(&(9 + length).to_be_bytes())?;
    output.write_all(&[7])?;
    output.write_all(&index)?;
    output.write_all(&begin)?;
    output.write_all(bytes)
}

fn send(output: &mut impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(1 + body.len()).map_err(io::Error::other)?;
    output.write_all(&length.to_be_bytes())?;
    output.write_all(&[kind])?;
    output.write_all(body)
}

fn full_bitfield(pieces: usize) -> Vec<u8> {
    let mut bits = vec![0xFF; pieces.div_ceil(8)];
    let spare = bits.len() * 8 - pieces;
    if let Some(last) = bits.last_mut() {
        *last = 0xFF_u8 << spare;
    }
    bits
}

fn length_in_memory(length: u32) -> usize {
    // Every host that can hold the payload in memory has at least 32 bits.
    usize::try_from(length).unwrap_or(usize::MAX)
}
