//! A minimal tracker: it hands out the addresses of the seeders.
//!
//! An announce is the query string of an HTTP GET, and its answer is a bencoded dictionary (BEP 3,
//! "trackers"; BEP 23 for the peers, six bytes each). This tracker knows only one torrent.

use super::server::DemoServer;
use crate::bencode::Item;
use crate::thread::lock;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The most bytes in the head of a request. That of an announce has about 400.
const MAX_HEAD: usize = 8 * 1024;
/// The most events in the account.
const MAX_EVENTS: usize = 100;
/// How long a request may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the tracker. It notes in `events` those that were announced. `examine` may find that the target of a request is
/// not to be answered; then why not is the answer.
///
/// # Errors
///
/// The system has no more threads.
pub fn start(
    listener: TcpListener,
    seeders: &[SocketAddr],
    events: Arc<Mutex<Vec<String>>>,
    examine: impl Fn(&str) -> Option<String> + Send + 'static,
) -> io::Result<DemoServer> {
    let peers = compact(seeders);
    let serve = move |mut stream: &TcpStream| {
        let head = read_head(stream)?;
        let target = head.split(' ').nth(1).unwrap_or_default();
        let body = match examine(target) {
            Some(why) => Item::dictionary([("failure reason", why.as_bytes().into())]),
            None => Item::dictionary([("interval", 1800.into()), ("peers", peers.as_slice().into())]),
        };
        let parameters = target.split_once('?').map_or("", |(_, query)| query).split('&');
        let event = parameters.filter_map(|pair| pair.strip_prefix("event=")).next();
        let mut events = lock(&events);
        if events.len() < MAX_EVENTS {
            events.extend(event.map(str::to_owned));
        }
        drop(events);
        let body = body.encode();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(&[head.into_bytes(), body].concat())
    };
    DemoServer::start("demo-tracker", listener, Box::new(serve))
}

/// Addresses, six bytes each.
fn compact(seeders: &[SocketAddr]) -> Vec<u8> {
    let mut peers = Vec::new();
    for seeder in seeders {
        if let SocketAddr::V4(seeder) = seeder {
            peers.extend(seeder.ip().octets());
            peers.extend(seeder.port().to_be_bytes());
        }
    }
    peers
}

fn read_head(mut stream: &TcpStream) -> io::Result<String> {
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > MAX_HEAD {
            return Err(io::Error::other("it sent no complete request"));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => head.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            // We were stopped (Ctrl-Z), and go on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
