//! A proxy on loopback that knows SOCKS5 and HTTP, does as it is told or misbehaves, and keeps what it was asked.
//!
//! It leads what is asked of it to other addresses: names that nobody can look up, and addresses that nobody has, are
//! what tests ask for, so that nothing but the proxy can have led there. One thread takes the connections, and each has
//! threads of its own, which end with it. The proxy ends when it is dropped.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The wait for what is sure to come.
const DEADLINE: Duration = Duration::from_secs(20);

/// How a proxy behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Good,
    /// It wants this user name and password, and is good then.
    Login(&'static str, &'static str),
    /// It connects to nothing: with this SOCKS5 reply, or this HTTP status.
    Refusing(u8, u16),
    /// It says nothing.
    Hanging,
    /// It says the right thing, at a byte in each of these times.
    Dripping(Duration),
    /// It sends these bytes, whatever it hears, and then nothing.
    Sending(&'static [u8]),
    /// It sends a byte of an answer again and again, without end.
    Endless,
    /// It closes each connection.
    Closing,
    /// It says that there is a connection, and closes.
    Lying,
}

/// A proxy that runs until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// Where it leads what is asked.
    ways: HashMap<String, SocketAddr>,
    manner: Mutex<Manner>,
    asked: Mutex<Vec<String>>,
    connections: Mutex<Vec<TcpStream>>,
    ends: AtomicBool,
}

impl Proxy {
    /// A proxy of this manner that leads each of these, a host with a port, to the address beside it, and nothing else
    /// anywhere.
    pub fn start(manner: Manner, ways: &[(&str, SocketAddr)]) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            ways: ways.iter().map(|(host, to)| ((*host).to_owned(), *to)).collect(),
            manner: Mutex::new(manner),
            asked: Mutex::default(),
            connections: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming().flatten() {
                    if shared.ends.load(Ordering::SeqCst) {
                        break;
                    }
                    stream.set_read_timeout(Some(DEADLINE)).unwrap();
                    shared.connections.lock().unwrap().extend(stream.try_clone());
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || drop(shared.serve(&stream)));
                }
            }
        });
        Proxy { address, shared, thread: Some(thread) }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it behaves like this.
    pub fn becomes(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// What it was asked to connect to, or for, so far: a host and a port each, or the first line of a request.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Wakes the threads, which wait for connections or bytes.
        let _ = TcpStream::connect_timeout(&self.address, DEADLINE);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in self.shared.connections.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let manner = *self.manner.lock().unwrap();
        match manner {
            Manner::Hanging => return hold(stream),
            Manner::Closing => return stream.shutdown(Shutdown::Both),
            Manner::Sending(bytes) => {
                (&*stream).write_all(bytes)?;
                return hold(stream);
            }
            Manner::Endless => {
                let start: &[u8] = if first(stream)? == 5 { &[5, 0] } else { b"HTTP/1.1 200 OK\r\n" };
                (&*stream).write_all(start)?;
                while (&*stream).write_all(b"x").is_ok() {}
                return Ok(());
            }
            _ => {}
        }
        if first(stream)? == 5 { self.socks5(stream, manner) } else { self.http(stream, manner) }
    }

    fn socks5(&self, stream: &TcpStream, manner: Manner) -> io::Result<()> {
        let [_, count] = read(stream)?;
        let offered = read_vec(stream, count.into())?;
        match manner {
            Manner::Login(user, password) => {
                if !offered.contains(&2) {
                    return (&*stream).write_all(&[5, 0xff]);
                }
                say(stream, &[5, 2], manner)?;
                let [_, length] = read(stream)?;
                let given = read_vec(stream, length.into())?;
                let [length] = read(stream)?;
                let is_right =
                    given == user.as_bytes() && read_vec(stream, length.into())? == password.as_bytes();
                say(stream, &[1, u8::from(!is_right)], manner)?;
                if !is_right {
                    return Ok(());
                }
            }
            _ => say(stream, &[5, 0], manner)?,
        }
        let [_, _, _, kind] = read(stream)?;
        let host = match kind {
            1 => Ipv4Addr::from(read::<4>(stream)?).to_string(),
            4 => format!("[{}]", Ipv6Addr::from(read::<16>(stream)?)),
            _ => {
                let [length] = read(stream)?;
                String::from_utf8_lossy(&read_vec(stream, length.into())?).into_owned()
            }
        };
        let port = u16::from_be_bytes(read(stream)?);
        let reply = |code| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        match self.way(&format!("{host}:{port}"), manner) {
            Err(refusal) => say(stream, &reply(refusal.map_or(4, |(code, _)| code)), manner),
            Ok(there) => lead(stream, &there, &reply(0), b"", manner),
        }
    }

    fn http(&self, mut stream: &TcpStream, manner: Manner) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(read::<1>(stream)?[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        if let Manner::Login(user, password) = manner {
            let (_, basic) = femtotorrent::net::basic_auth::split(&format!("http://{user}:{password}@x/"));
            let line = format!("Proxy-Authorization: {}\r\n", basic.unwrap());
            if !head.contains(&line) {
                return stream.write_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n");
            }
        }
        let words: Vec<&str> = head.split(' ').collect();
        let (host, forwarded) = match words[..] {
            ["CONNECT", host, ..] => (host.to_owned(), None),
            [_, address, ..] => {
                let rest = address.strip_prefix("http://").unwrap_or("");
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
                let for_server = head.replacen(address, path, 1);
                (host, Some(for_server.replacen("\r\n", "\r\nConnection: close\r\n", 1)))
            }
            _ => return Ok(()),
        };
        match self.way(&host, manner) {
            Err(refusal) => {
                let status = refusal.map_or(503, |(_, status)| status);
                say(stream, format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno").as_bytes(), manner)
            }
            Ok(there) => match forwarded {
                Some(head) => lead(stream, &there, b"", head.as_bytes(), manner),
                None => lead(stream, &there, b"HTTP/1.1 200 Connected\r\n\r\n", b"", manner),
            },
        }
    }

    /// The connection that is asked for, or how it is refused, if not in the usual way.
    fn way(&self, host: &str, manner: Manner) -> Result<TcpStream, Option<(u8, u16)>> {
        self.asked.lock().unwrap().push(host.to_owned());
        if let Manner::Refusing(code, status) = manner {
            return Err(Some((code, status)));
        }
        let to = self.ways.get(host).ok_or(None)?;
        let there = TcpStream::connect_timeout(to, DEADLINE).map_err(|_| None)?;
        self.connections.lock().unwrap().extend(there.try_clone());
        Ok(there)
    }
}

/// The first byte, which says which protocol it is.
fn first(stream: &TcpStream) -> io::Result<u8> {
    let mut byte = [0];
    // It is interrupted now and then where the tests beside this one start programs.
    while let Err(error) = stream.peek(&mut byte) {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(byte[0])
}

fn read<const N: usize>(mut stream: &TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_vec(mut stream: &TcpStream, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn say(mut stream: &TcpStream, bytes: &[u8], manner: Manner) -> io::Result<()> {
    let Manner::Dripping(pause) = manner else { return stream.write_all(bytes) };
    for byte in bytes {
        stream.write_all(&[*byte])?;
        std::thread::sleep(pause);
    }
    Ok(())
}

/// Waits until the other side has enough.
fn hold(mut stream: &TcpStream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

/// Says these words to each side, then passes on what comes, in both directions, until one of them has enough.
fn lead(stream: &TcpStream, there: &TcpStream, here: &[u8], on: &[u8], manner: Manner) -> io::Result<()> {
    let led = pass_on(stream, there, here, on, manner);
    // A peer of the tests serves one connection after the other.
    let _ = there.shutdown(Shutdown::Both);
    led
}

fn pass_on(
    stream: &TcpStream,
    mut there: &TcpStream,
    here: &[u8],
    on: &[u8],
    manner: Manner,
) -> io::Result<()> {
    say(stream, here, manner)?;
    if manner == Manner::Lying {
        return stream.shutdown(Shutdown::Both);
    }
    there.write_all(on)?;
    let (mut from, mut to) = (there.try_clone()?, stream.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    stream.set_read_timeout(None)?;
    io::copy(&mut &*stream, &mut there).map(drop)
}
