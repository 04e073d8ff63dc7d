//! What is asked beside the trial: where the names lead to, what time the trackers have, and their numbers. The time
//! is heard by the outlet, with each answer of a web server.
//!
//! A thread for each host asks, and writes down what it hears. Nobody waits for one that hears nothing.

use super::facts::Facts;
use crate::discovery::dht::ROUTERS;
use crate::metainfo::InfoHash;
use crate::net::{NO_NAME_SERVER, Outlet, in_words, resolve};
use crate::text::reason;
use crate::thread::{self, lock};
use crate::tracker::{Scrape, TrackerAddress, hear_clock, scrape_all};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use log::debug;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The most trackers that are asked. A torrent can name thousands.
const MOST: usize = 24;
/// How long a name server and a web server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a thread's stack.
const STACK: usize = 256 * 1024;

/// What was heard.
enum Told {
    /// So many addresses has this host, or this is why it has none.
    Name(String, Result<usize, String>),
    /// These are the numbers of this tracker.
    Numbers(String, Result<Scrape, String>),
}

/// What was asked. It is heard bit by bit.
pub struct Inquiry {
    told: Arc<Mutex<Vec<Told>>>,
    /// Ends when all have been asked.
    asking: Receiver<()>,
}

/// Where a thread writes down what it hears. The last one that goes ends the inquiry.
#[derive(Clone)]
struct Pen {
    told: Arc<Mutex<Vec<Told>>>,
    _asking: Sender<()>,
}

impl Pen {
    fn tell(&self, told: Told) {
        lock(&self.told).push(told);
    }
}

impl Inquiry {
    /// Asks these trackers about a torrent, and where the DHT's hosts are if that is wanted.
    pub fn start(
        trackers: Vec<TrackerAddress>,
        info_hash: InfoHash,
        outlet: &Outlet,
        with_dht: bool,
    ) -> Inquiry {
        let (sender, asking) = bounded(0);
        let pen = Pen { told: Arc::default(), _asking: sender };
        let told = Arc::clone(&pen.told);
        let by_proxy = outlet.proxies.for_all().is_some();
        for tracker in trackers.into_iter().take(MOST) {
            let (pen, outlet) = (pen.clone(), outlet.clone());
            start(Box::new(move || ask(tracker, info_hash, &outlet, by_proxy, &pen)));
        }
        for (host, _) in ROUTERS.into_iter().filter(|_| with_dht && !by_proxy) {
            let pen = pen.clone();
            start(Box::new(move || look_up(host, &pen)));
        }
        Inquiry { told, asking }
    }

    /// Whether all have been asked.
    pub fn is_over(&self) -> bool {
        self.asking.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Notes what was heard.
    pub fn note(self, facts: &mut Facts) {
        std::mem::take(&mut *lock(&self.told)).into_iter().for_each(|told| note(facts, told));
    }
}

/// Asks one tracker.
fn ask(tracker: TrackerAddress, info_hash: InfoHash, outlet: &Outlet, by_proxy: bool, pen: &Pen) {
    if !by_proxy {
        look_up(host_of(tracker.host()), pen);
    }
    let site = tracker.site();
    hear_clock(&tracker, outlet, PATIENCE);
    if let Some(said) = scrape_all(&[tracker], info_hash, outlet).pop() {
        pen.tell(Told::Numbers(site, said.map_err(|error| error.to_string())));
    }
}

/// Notes what was heard.
fn note(facts: &mut Facts, told: Told) {
    match told {
        Told::Name(name, found) => {
            if !facts.names.iter().any(|(known, _)| *known == name) {
                facts.names.push((name, found));
            }
        }
        Told::Numbers(site, said) => facts.scrapes.push((site, said)),
    }
}

/// The host of an authority, without its port and brackets.
fn host_of(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    host.trim_matches(['[', ']'])
}

/// Looks up a name. An address needs none.
fn look_up(host: &str, pen: &Pen) {
    if host.is_empty() || host.parse::<std::net::IpAddr>().is_ok() {
        return;
    }
    let found = resolve(host, 0, PATIENCE).map(|found| found.len()).map_err(|error| match error.kind() {
        ErrorKind::TimedOut => NO_NAME_SERVER.to_owned(),
        _ => in_words(&error).to_string(),
    });
    pen.tell(Told::Name(host.to_owned(), found));
}

fn start(life: Box<dyn FnOnce() + Send>) {
    let started = thread::spawn("doctor", STACK, life);
    let _ = started.inspect_err(|error| debug!("cannot start a thread: {}", reason(error)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_has_a_name() {
        for (authority, host) in [("a.b:80", "a.b"), ("a.b", "a.b"), ("[::1]:7", "::1"), ("[::1]", "::1")] {
            assert_eq!(host_of(authority), host);
        }
    }
}
