//! A web server on loopback that plays what a test wants: each request gets what a function of the test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A server that runs until it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    ended: AtomicUsize,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its number, from 0.
    pub number: usize,
    /// The path.
    pub path: String,
    /// The bytes that it asks for.
    pub bytes: Range<u64>,
    /// All of its head.
    pub head: String,
}

/// What is done with a request.
pub struct Reply {
    /// What is written, head included.
    pub bytes: Vec<u8>,
    /// What is done then.
    pub then: Then,
}

pub enum Then {
    /// The next request is awaited.
    Goes,
    /// The connection is closed.
    Closes,
    /// This is written again and again, with this pause, until the other side has had enough.
    Repeats(Vec<u8>, Duration),
    /// This is written after this pause, and then nothing, until the other side closes.
    Later(Duration, Vec<u8>),
    /// Nothing, until the other side closes.
    Waits,
}

impl Server {
    pub fn start(play: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let (inner, play) = (Arc::clone(&shared), Arc::new(play));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if inner.ended.load(Ordering::SeqCst) > 0 {
                    break;
                }
                inner.connections.fetch_add(1, Ordering::SeqCst);
                let (inner, play) = (Arc::clone(&inner), Arc::clone(&play));
                thread::spawn(move || serve(&stream, &inner, &*play));
            }
        });
        Server { address, shared }
    }

    /// A server that has this as each of its files.
    pub fn of_file(file: Vec<u8>) -> Server {
        Server::start(move |asked| part(&file, &asked.bytes))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn heard(&self) -> Vec<Asked> {
        self.shared.heard.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(1, Ordering::SeqCst);
        // Wakes the thread, which waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

/// These bytes and nothing more, as a good server gives them.
pub fn part(file: &[u8], bytes: &Range<u64>) -> Reply {
    let body = &file[bytes.start as usize..bytes.end as usize];
    let range = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, file.len());
    reply(206, &format!("Content-Range: {range}\r\nContent-Length: {}\r\n", body.len()), body)
}

pub fn reply(status: u16, headers: &str, body: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 {status} So\r\n{headers}\r\n");
    Reply { bytes: [head.as_bytes(), body].concat(), then: Then::Goes }
}

pub fn empty(status: u16, headers: &str) -> Reply {
    reply(status, &format!("Content-Length: 0\r\n{headers}"), &[])
}

fn serve(stream: &TcpStream, shared: &Shared, play: &dyn Fn(&Asked) -> Reply) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(reader.read_line(&mut head), Ok(1..)) {
                return;
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.split_once('-'));
        let (first, last) = range.unwrap_or(("0", "0"));
        let bytes = first.parse().unwrap()..last.parse::<u64>().unwrap() + 1;
        let asked = {
            let mut heard = shared.heard.lock().unwrap();
            let asked = Asked { number: heard.len(), path, bytes, head };
            heard.push(asked.clone());
            asked
        };
        let reply = play(&asked);
        if (&*stream).write_all(&reply.bytes).is_err() {
            return;
        }
        match reply.then {
            Then::Goes => {}
            Then::Closes => return,
            Then::Later(pause, bytes) => {
                thread::sleep(pause);
                if (&*stream).write_all(&bytes).is_ok() {
                    drop(reader.read_line(&mut String::new()));
                }
                return;
            }
            Then::Waits => drop(reader.read_line(&mut String::new())),
            Then::Repeats(bytes, pause) => {
                while (&*stream).write_all(&bytes).is_ok() {
                    thread::sleep(pause);
                }
            }
        }
    }
}
