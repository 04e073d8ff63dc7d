//! One thread that serves one connection after the other: the common part of the demo's tracker and seeders.
//!
//! The thread blocks on its listener. To end it, the owner sets a flag and connects once, which wakes the
//! thread. The thread returns its account when it ends, so that nothing else is shared while it runs.

use crate::text::reason;
use crate::thread::lock;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long a write may take, and the connection that wakes the thread.
const DEADLINE: Duration = Duration::from_secs(10);

/// A running server. It ends when it is dropped.
pub struct DemoServer<Account> {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    /// The connection that it serves.
    current: Arc<Mutex<Option<TcpStream>>>,
    thread: Option<JoinHandle<Account>>,
}

impl<Account: Default + Send + 'static> DemoServer<Account> {
    /// Gives each connection of this listener to `serve`, which notes in the account what it did. An error ends only
    /// that connection.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn start(
        name: &str,
        listener: TcpListener,
        serve: impl Fn(&TcpStream, &mut Account) -> io::Result<()> + Send + 'static,
    ) -> io::Result<DemoServer<Account>> {
        let address = listener.local_addr()?;
        let ends = Arc::new(AtomicBool::new(false));
        let told_to_end = Arc::clone(&ends);
        let current = Arc::<Mutex<Option<TcpStream>>>::default();
        let served = Arc::clone(&current);
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let mut account = Account::default();
            for stream in listener.incoming().map_while(Result::ok) {
                if told_to_end.load(Ordering::Acquire) {
                    break;
                }
                *lock(&served) = stream.try_clone().ok();
                let ready = stream.set_nodelay(true).and_then(|()| stream.set_write_timeout(Some(DEADLINE)));
                if let Err(error) = ready.and_then(|()| serve(&stream, &mut account)) {
                    log::debug!("{address}: {}", reason(&error));
                }
                *lock(&served) = None;
            }
            account
        })?;
        Ok(DemoServer { address, ends, current, thread: Some(thread) })
    }
}

impl<Account> DemoServer<Account> {
    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server when the connection that it serves has ended. `None` if its thread failed.
    pub fn stop(mut self) -> Option<Account> {
        self.end()
    }

    /// The same, and ends the connection that it serves.
    pub fn cut(self) -> Option<Account> {
        self.ends.store(true, Ordering::Release);
        if let Some(stream) = lock(&self.current).as_ref() {
            // It fails if the connection has just ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.stop()
    }

    fn end(&mut self) -> Option<Account> {
        let thread = self.thread.take()?;
        self.ends.store(true, Ordering::Release);
        // If the connection fails, the thread has ended already, or it stays until the process ends.
        match TcpStream::connect_timeout(&self.address, DEADLINE) {
            Err(_) if !thread.is_finished() => None,
            _ => thread.join().ok(),
        }
    }
}

impl<Account> Drop for DemoServer<Account> {
    fn drop(&mut self) {
        self.end();
    }
}
