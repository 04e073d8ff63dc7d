//! One thread that serves one connection after the other: the common part of the demo's tracker and seeders.
//!
//! The thread blocks on its listener. To end it, the owner sets a flag and connects once, which wakes the
//! thread. The thread returns its account when it ends, so that nothing is shared while it runs.

use crate::text::reason;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long a write may take, and the connection that wakes the thread.
const DEADLINE: Duration = Duration::from_secs(10);

/// A running server. It ends when it is dropped.
pub struct DemoServer<Account> {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<Account>>,
}

impl<Account: Default + Send + 'static> DemoServer<Account> {
    /// Listens on a free port of this address and gives each connection to `serve`, which notes in the account
    /// what it did. An error ends only that connection.
    ///
    /// # Errors
    ///
    /// This host does not have the address, or the system has no more threads.
    pub fn start(
        name: &str,
        ip: Ipv4Addr,
        serve: impl Fn(&TcpStream, &mut Account) -> io::Result<()> + Send + 'static,
    ) -> io::Result<DemoServer<Account>> {
        let listener = TcpListener::bind((ip, 0))?;
        let address = listener.local_addr()?;
        let ends = Arc::new(AtomicBool::new(false));
        let told_to_end = Arc::clone(&ends);
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let mut account = Account::default();
            for stream in listener.incoming().map_while(Result::ok) {
                if told_to_end.load(Ordering::Acquire) {
                    break;
                }
                let ready = stream.set_nodelay(true).and_then(|()| stream.set_write_timeout(Some(DEADLINE)));
                if let Err(error) = ready.and_then(|()| serve(&stream, &mut account)) {
                    log::debug!("{address}: {}", reason(&error));
                }
            }
            account
        })?;
        Ok(DemoServer { address, ends, thread: Some(thread) })
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
