//! A node of the DHT that answers every query, knows no other node, and remembers what it got.
//!
//! One thread, which ends with the [`RecordingNode`].

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A node that runs until it is dropped.
pub struct RecordingNode {
    address: SocketAddr,
    packets: Arc<Mutex<Vec<Vec<u8>>>>,
    thread: Option<JoinHandle<()>>,
}

impl RecordingNode {
    /// A node at this address of this host.
    pub fn start(ip: &str) -> RecordingNode {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let packets = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let got = Arc::clone(&packets);
        let thread = std::thread::spawn(move || {
            let mut packet = [0; 2_000];
            // An empty packet is the end.
            while let Ok((length @ 1.., from)) = socket.recv_from(&mut packet) {
                let packet = &packet[..length];
                if let Some(transaction) = transaction_of_query(packet) {
                    let head = format!("d1:rd2:id20:{:020}5:token4:abcde1:t", address.port());
                    let _ = socket.send_to(&[head.as_bytes(), transaction, b"1:y1:re"].concat(), from);
                }
                got.lock().unwrap().push(packet.to_vec());
            }
        });
        RecordingNode { address, packets, thread: Some(thread) }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether anything came.
    pub fn heard(&self) -> bool {
        !self.packets.lock().unwrap().is_empty()
    }

    /// Whether a packet came with all of these in it.
    pub fn heard_with(&self, parts: &[&[u8]]) -> bool {
        let has = |packet: &[u8], part: &[u8]| packet.windows(part.len()).any(|bytes| bytes == part);
        self.packets.lock().unwrap().iter().any(|packet| parts.iter().all(|part| has(packet, part)))
    }
}

impl Drop for RecordingNode {
    fn drop(&mut self) {
        let waker = UdpSocket::bind((self.address.ip(), 0));
        let _ = waker.and_then(|waker| waker.send_to(&[], self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The transaction of a query as it stands there, its length included.
fn transaction_of_query(packet: &[u8]) -> Option<&[u8]> {
    let end = packet.windows(7).rposition(|bytes| bytes == b"1:y1:qe")?;
    let start = packet[..end].windows(3).rposition(|bytes| bytes == b"1:t")? + 3;
    Some(&packet[start..end])
}
