//! One thread that serves one connection after the other: the common part of the demo's tracker and seeders.
//!
//! The thread blocks on its listener. To end it, the owner sets a flag and connects once, which wakes the thread.

use crate::text::reason;
use crate::thread::{self, lock};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a write may take, and the connection that wakes the thread.
const DEADLINE: Duration = Duration::from_secs(10);

/// What is done with a connection. An error ends only that one.
pub type Serve = Box<dyn FnMut(&TcpStream) -> io::Result<()> + Send>;

/// A running server. It ends when it is dropped.
pub struct DemoServer {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    /// The connection that it serves.
    current: Arc<Mutex<Option<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl DemoServer {
    /// Gives each connection of this listener to `serve`.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn start(name: &str, listener: TcpListener, mut serve: Serve) -> io::Result<DemoServer> {
        let address = listener.local_addr()?;
        let ends = Arc::new(AtomicBool::new(false));
        let told_to_end = Arc::clone(&ends);
        let current = Arc::<Mutex<Option<TcpStream>>>::default();
        let served = Arc::clone(&current);
        let life = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if told_to_end.load(Ordering::Acquire) {
                    break;
                }
                *lock(&served) = stream.try_clone().ok();
                let ready = stream.set_nodelay(true).and_then(|()| stream.set_write_timeout(Some(DEADLINE)));
                if let Err(error) = ready.and_then(|()| serve(&stream)) {
                    log::debug!("{address}: {}", reason(&error));
                }
                *lock(&served) = None;
            }
        };
        let thread = thread::spawn(name, thread::SYSTEM_STACK, life)?;
        Ok(DemoServer { address, ends, current, thread: Some(thread) })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server, and the connection that it serves.
    pub fn cut(self) {
        self.ends.store(true, Ordering::Release);
        if let Some(stream) = lock(&self.current).as_ref() {
            // It fails if the connection has just ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for DemoServer {
    /// Waits until the connection that it serves has ended.
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.ends.store(true, Ordering::Release);
        // If the connection fails, the thread has ended already, or it stays until the process ends.
        if TcpStream::connect_timeout(&self.address, DEADLINE).is_ok() || thread.is_finished() {
            let _ = thread.join();
        }
    }
}
