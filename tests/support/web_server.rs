//! A web server on loopback, with TLS or without, or a proxy: it gives the same answer to each request, or the part of
//! a file that the request asks for, and keeps what it heard.
//!
//! One thread takes one connection after the other. It ends with the [`WebServer`].

use super::gate::Gate;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The wait for what is sure to come.
const DEADLINE: Duration = Duration::from_secs(20);

/// The path of a certificate of the tests.
pub fn certificate(name: &str) -> String {
    format!("{}/tests/certificates/{name}.pem", env!("CARGO_MANIFEST_DIR"))
}

/// What is answered to a request with this head.
type Answer = Box<dyn Fn(&str) -> Vec<u8> + Send>;

fn always(answer: &[u8]) -> Answer {
    let answer = answer.to_vec();
    Box::new(move |_| answer.clone())
}

/// The part of the file that is asked for, and the end of the connection.
fn part_of(file: &[u8]) -> Answer {
    let file = file.to_vec();
    Box::new(move |head| {
        let range =
            head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.split_once('-')).unwrap();
        let (first, last): (usize, usize) = (range.0.parse().unwrap(), range.1.parse().unwrap());
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            file.len(),
            last + 1 - first
        );
        [head.as_bytes(), &file[first..=last]].concat()
    })
}

fn tls(name: &str) -> Arc<ServerConfig> {
    let shown = CertificateDer::from_pem_file(certificate(name)).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate("key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![shown], key)
        .unwrap();
    Arc::new(config)
}

/// A server that runs until it is dropped.
pub struct WebServer {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WebServer {
    /// A server that answers with these bytes, head included.
    pub fn start(answer: &[u8]) -> WebServer {
        WebServer::serve(always(answer), None)
    }

    /// A server that has this as each of its files, and gives parts of it.
    pub fn start_file(file: &[u8]) -> WebServer {
        WebServer::serve(part_of(file), None)
    }

    /// The same, which answers nothing before this gate is open.
    pub fn start_file_after(file: &[u8], gate: Gate) -> WebServer {
        let part = part_of(file);
        WebServer::serve(
            Box::new(move |head| {
                gate.pass().unwrap();
                part(head)
            }),
            None,
        )
    }

    /// The same over TLS, showing this certificate.
    pub fn start_file_tls(file: &[u8], name: &str) -> WebServer {
        WebServer::serve(part_of(file), Some(tls(name)))
    }

    /// The same over TLS, showing this certificate.
    pub fn start_tls(answer: &[u8], name: &str) -> WebServer {
        WebServer::serve(always(answer), Some(tls(name)))
    }

    fn serve(answer: Answer, tls: Option<Arc<ServerConfig>>) -> WebServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, ends) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let thread = std::thread::spawn({
            let (heard, ends) = (Arc::clone(&heard), Arc::clone(&ends));
            move || {
                for stream in listener.incoming() {
                    if ends.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    stream.set_read_timeout(Some(DEADLINE)).unwrap();
                    stream.set_write_timeout(Some(DEADLINE)).unwrap();
                    match &tls {
                        None => exchange(stream, &answer, &heard),
                        Some(config) => {
                            let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                            let mut stream = StreamOwned::new(connection, stream);
                            exchange(&mut stream, &answer, &heard);
                            stream.conn.send_close_notify();
                            let _ = stream.flush();
                        }
                    }
                }
            }
        });
        WebServer { address, heard, ends, thread: Some(thread) }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The heads of the requests that came so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes the thread, which waits for a connection.
        let _ = TcpStream::connect_timeout(&self.address, DEADLINE);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Hears a request, if a whole one comes, and answers it. As a proxy it plays the server that it is asked to connect
/// to. The request is kept before the answer goes out, since whoever has the answer may ask what was heard.
fn exchange(mut stream: impl Read + Write, answer: &Answer, heard: &Mutex<Vec<String>>) {
    let Some(mut request) = head(&mut stream) else { return };
    if request.starts_with("CONNECT ") {
        let _ = stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n");
        let Some(second) = head(&mut stream) else { return };
        request += &second;
    }
    let answer = answer(&request);
    heard.lock().unwrap().push(request);
    let _ = stream.write_all(&answer);
    let _ = stream.flush();
}

fn head(stream: &mut impl Read) -> Option<String> {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        request.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&request).into_owned())
}
