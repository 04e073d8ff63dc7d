//! Blocks from a web server (BEP 19): the worker of a web seed.
//!
//! A web server that has the files of a torrent is a source of blocks as a peer is one, so it gets leases as a peer
//! does, reports in the same words, and is blamed in the same way. It has one thread and not two, since it says
//! nothing by itself: the thread waits for orders, or for the answer to the request that it has made. Which server
//! is asked for which blocks is decided by the coordinator.

pub mod address;
mod failure;
mod fetcher;
mod files;
mod intake;
mod orders;
mod progress;
mod seen;
mod verdict;

pub use verdict::judge;

use crate::message::{PeerError, PeerKey};
use crate::net::Outlet;
use crate::net::http::{USER_AGENT, WebClient};
use crate::net::proxy::Proxies;
use crate::peer::{Farewell, TorrentContext, Worker};
use crate::strategy::OnWordOf;
use crate::thread;
use fetcher::{Fetcher, Patience};
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Bytes in the stack of the thread: TLS needs more than a peer does.
const STACK_BYTES: usize = 256 * 1024;

/// How long looking up the server's name may take, and then connecting may.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// A web server that is said to have the files of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSeed {
    /// The address of the file, or of the folder that the torrent's folder is in, as it was given.
    pub address: String,
    /// Who gave it.
    pub word: OnWordOf,
    /// The proxy that it is asked through, by its host and port. What comes over plain HTTP may be the proxy's own words.
    pub proxy: Option<String>,
}

impl WebSeed {
    /// This address, given by `word`, where these proxies are to be gone through.
    pub fn new(address: String, word: OnWordOf, proxies: &Proxies) -> WebSeed {
        let (scheme, host, port) = address::site(&address);
        let proxy = proxies.for_web(scheme, host, port).map(|proxy| proxy.name());
        WebSeed { address, word, proxy }
    }

    /// Whether it is at an address that we can ask.
    pub fn is_of_the_web(&self) -> bool {
        address::is_of_the_web(&self.address)
    }

    /// The name or the address of its host, with the port, fit to print.
    pub fn host(&self) -> String {
        address::host(&self.address)
    }

    /// Why its worker ended, in words that name the proxy where it may be to blame.
    pub fn fault(&self, why: &PeerError) -> String {
        if why.is_told_of_the_proxy() { why.to_string() } else { self.accused_of(why) }
    }

    /// What is wrong with it, as long as it is not the proxy.
    pub fn accused_of(&self, what: impl Display) -> String {
        match &self.proxy {
            Some(proxy) => format!("{what} (asked through the proxy {proxy}, which may be at fault)"),
            None => what.to_string(),
        }
    }
}

/// Starts the worker of a web seed. It takes leases and orders as that of a peer does, and says `Gone` at its end; it
/// says nothing of pieces or chokes, since a web seed has every piece and answers every request.
///
/// # Errors
///
/// The system has no more threads.
pub fn start(
    context: &Arc<TorrentContext>,
    key: PeerKey,
    seed: WebSeed,
    outlet: Outlet,
) -> io::Result<Worker> {
    start_with(context, key, seed, outlet, Patience::default())
}

fn start_with(
    context: &Arc<TorrentContext>,
    key: PeerKey,
    seed: WebSeed,
    outlet: Outlet,
    patience: Patience,
) -> io::Result<Worker> {
    let (worker, ends) = Worker::detached();
    let tap = outlet.tap.clone();
    let client = WebClient::for_ranges(outlet, USER_AGENT, CONNECT_DEADLINE, patience.silence);
    let worker = worker.fetching_by(client.clone());
    let name = format!("web-{}", address::host(&seed.address));
    let events = context.events.clone();
    let fetcher = Fetcher::new(seed, client, key, ends, context, patience, tap);
    thread::spawn(name, STACK_BYTES, move || {
        let mut farewell = Farewell::new(key, events, Arc::default());
        farewell.say(fetcher.run());
    })?;
    Ok(worker)
}

#[cfg(test)]
mod tests;
