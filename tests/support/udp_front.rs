//! An address at which a program can be reached by UDP alone: whoever connects there over TCP is refused.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// How long a thread waits before it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// Passes datagrams on, each client's from a port of its own. Ends when dropped.
pub struct UdpFront {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

/// Which datagrams are lost: each of this number, counted both ways; none if it is zero.
#[derive(Clone)]
struct Loss {
    every: u32,
    passed: Arc<AtomicU32>,
}

impl Loss {
    fn spares(&self) -> bool {
        let number = self.passed.fetch_add(1, Ordering::Relaxed);
        self.every == 0 || number % self.every != self.every - 1
    }
}

impl UdpFront {
    /// Stands in front of this address, and loses one datagram of so many.
    pub fn of(target: SocketAddr, loses_one_of: u32) -> UdpFront {
        static NEXT_HOST: AtomicU8 = AtomicU8::new(1);
        let host = Ipv4Addr::new(127, 0, 76, NEXT_HOST.fetch_add(1, Ordering::Relaxed));
        let socket = Arc::new(UdpSocket::bind((host, 0)).unwrap());
        socket.set_read_timeout(Some(LOOK)).unwrap();
        let front =
            UdpFront { address: socket.local_addr().unwrap(), over: Arc::new(AtomicBool::new(false)) };
        let loss = Loss { every: loses_one_of, passed: Arc::default() };
        let over = Arc::clone(&front.over);
        thread::spawn(move || forth(&socket, target, &loss, &over));
        front
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for UdpFront {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn forth(socket: &Arc<UdpSocket>, target: SocketAddr, loss: &Loss, over: &Arc<AtomicBool>) {
    let mut ways = HashMap::<SocketAddr, Arc<UdpSocket>>::new();
    let mut bytes = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut bytes) else { continue };
        let way = ways.entry(from).or_insert_with(|| {
            let way = Arc::new(UdpSocket::bind((socket.local_addr().unwrap().ip(), 0)).unwrap());
            way.set_read_timeout(Some(LOOK)).unwrap();
            way.connect(target).unwrap();
            let (back, socket, loss, over) =
                (Arc::clone(&way), Arc::clone(socket), loss.clone(), Arc::clone(over));
            thread::spawn(move || {
                let mut bytes = [0; 2048];
                while !over.load(Ordering::Relaxed) {
                    let Ok(length) = back.recv(&mut bytes) else { continue };
                    if loss.spares() {
                        let _ = socket.send_to(&bytes[..length], from);
                    }
                }
            });
            way
        });
        if loss.spares() {
            let _ = way.send(&bytes[..length]);
        }
    }
}
