//! One thread that serves one connection after the other: what the demo's tracker and seeders have in
//! common.
//!
//! The thread blocks on its listener. Whoever wants it to end raises a flag and knocks, and gets by
//! the thread's end what it has to tell, so that nothing is shared while it runs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long a write or the incoming may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// A running server. It ends when it is dropped.
pub struct Server<Account> {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<Account>>,
}

impl<Account: Default + Send + 'static> Server<Account> {
    /// Listens on a free port of this address and gives each connection to `serve`, which notes what
    /// it does in the account. An error ends one connection.
    ///
    /// # Errors
    ///
    /// The address does not exist here, or the system has no more threads.
    pub fn start(
        name: &str,
        ip: Ipv4Addr,
        serve: impl Fn(&TcpStream, &mut Account) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Server<Account>> {
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
                    log::debug!("{address}: {error}");
                }
            }
            account
        })?;
        Ok(Server { address, ends, thread: Some(thread) })
    }
}

impl<Account> Server<Account> {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, after the connection that it serves. `None` where it has failed.
    pub fn stop(mut self) -> Option<Account> {
        self.end()
    }

    fn end(&mut self) -> Option<Account> {
        let thread = self.thread.take()?;
        self.ends.store(true, Ordering::Release);
        // Where the incoming is not heard, the thread has ended already or is left to the process's end.
        match TcpStream::connect_timeout(&self.address, DEADLINE) {
            Err(_) if !thread.is_finished() => None,
            _ => thread.join().ok(),
        }
    }
}

impl<Account> Drop for Server<Account> {
    fn drop(&mut self) {
        self.end();
    }
}
