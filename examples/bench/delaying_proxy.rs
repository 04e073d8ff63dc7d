//! A distance on one machine: a proxy that delivers every byte a fixed time after it came.
//!
//! It limits the delay and nothing else: a reader thread per direction stamps what arrives, a writer
//! thread sends it on when it is due, and the queue between them is bounded only so that a client
//! that never reads cannot fill the memory. Connections are accepted by the proxy at once, so only
//! what is said on them is late.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes in one read.
const CHUNK_LENGTH: usize = 64 * 1024;
/// Chunks under way in one direction: 64 MiB of full ones.
const CHUNKS_UNDER_WAY: usize = 1024;

struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

/// Listens on a free port of this host and forwards to `upstream`, each way late by `one_way`.
///
/// Its threads end with their connections; the one that accepts, with the process.
///
/// # Errors
///
/// If no port can be listened on.
pub fn delaying_proxy(upstream: SocketAddr, one_way: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // A connection that cannot be forwarded is closed, as a router without a route would.
            let _ = forward_both_ways(client, upstream, one_way);
        }
    });
    Ok(address)
}

fn forward_both_ways(client: TcpStream, upstream: SocketAddr, one_way: Duration) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    forward(client.try_clone()?, server.try_clone()?, one_way);
    forward(server, client, one_way);
    Ok(())
}

fn forward(from: TcpStream, to: TcpStream, one_way: Duration) {
    let (sender, receiver) = sync_channel(CHUNKS_UNDER_WAY);
    thread::spawn(move || receive(from, &sender, one_way));
    thread::spawn(move || deliver(to, &receiver));
}

fn receive(mut from: TcpStream, queue: &SyncSender<Chunk>, one_way: Duration) {
    let mut buffer = vec![0; CHUNK_LENGTH];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..length) else { break };
        let chunk = Chunk { due: Instant::now() + one_way, bytes: bytes.to_vec() };
        if queue.send(chunk).is_err() {
            break;
        }
    }
    // The writer of this direction may be gone while the sender still talks.
    let _ = from.shutdown(Shutdown::Read);
}

fn deliver(mut to: TcpStream, queue: &Receiver<Chunk>) {
    for chunk in queue {
        // The delay is what is wanted here, not a wait for another thread.
        thread::sleep(chunk.due.saturating_duration_since(Instant::now()));
        if to.write_all(&chunk.bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
