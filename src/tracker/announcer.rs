//! The announcer threads: one for each family of a tier, each blocked on its orders until its next announce
//! is due.
//!
//! A thread of its own for each tier is what makes a dead tracker cost nothing: it is its own thread
//! that waits for the deadline, while the others have long brought peers. A tier whose trackers may be
//! reached over IPv4 and over IPv6 has a thread for each (`families`), for the same reason and because we
//! want to be known in both swarms. The threads share nothing but the totals that they read, and of a tier
//! what has failed. What they learn goes to a function that the session provides, so
//! that this room does not know who listens.
//!
//! Leaving must not wait for trackers either. A tracker that knows us is told that we leave, within
//! the time that the session grants. A tier that has never been answered owes nobody a word, and
//! whatever it is waiting for is cut off.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use fastrand::Rng;
use log::{debug, info};

use super::address::TrackerAddress;
use super::announce::{Announce, AnnounceEvent, Identity};
use super::answer::Answer;
use super::client::{LONGEST_EXCHANGE, Speaker};
use super::error::TrackerError;
use super::families::Side;
use super::tier::{Tier, Turn};
use super::totals::Totals;
use crate::address::IpFamily;
use crate::net::BindAddress;

/// Tiers that get threads. The trackers of all further ones join the last of them.
const MAX_TIERS: usize = 32;

/// Tiers that are looked at in all. A torrent may name any number.
const MAX_TIERS_READ: usize = 256;

/// Bytes of an announcer's stack. A TLS handshake needs the most of it: less than 48 KiB as released,
/// and up to 192 KiB without optimisation. What is not touched costs nothing.
const STACK_SIZE: usize = 256 * 1024;

/// How long a thread that owes no tracker a word is waited for when it is told to end. It needs
/// microseconds, unless it is connecting, which nothing can interrupt: then it is left to its
/// deadline.
const GRACE: Duration = Duration::from_millis(50);

/// What one announce came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerNews {
    /// Scheme, host and port of the tracker, fit to print.
    pub tracker: String,
    /// Why we announced, unless it was just time.
    pub event: Option<AnnounceEvent>,
    /// What the tracker said, or why it did not.
    pub outcome: Result<Answer, TrackerError>,
}

/// Orders that can wait while an announce is under way.
const WAITING_ORDERS: usize = 4;

enum Order {
    NeedPeers,
    Completed,
    /// Say good-bye until then, and end.
    Stop(Instant),
}

/// All announcers of one torrent. Dropping it ends their threads without a word to the trackers.
#[derive(Default)]
pub struct Announcers {
    tiers: Vec<Handle>,
}

/// What the session holds of one announcer.
struct Handle {
    orders: Sender<Order>,
    /// Never carries anything: it disconnects when the thread ends.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
    speaker: Arc<Speaker>,
    /// Whether a tracker of this tier knows us.
    known: Arc<AtomicBool>,
}

impl Announcers {
    /// Starts one thread for each family of a tier; all of them announce at once, by connections that leave by `bind_address`.
    ///
    /// `news` is called on those threads with what each announce came to, except for `stopped`,
    /// and must not block for long. That one family of a tier fails is no news where the other does not.
    /// Addresses that we cannot use are left out; for a tier that has
    /// no other, `news` is called with the reason, on the calling thread and before this returns.
    pub fn start<News>(
        tiers: Vec<Vec<String>>,
        identity: Identity,
        totals: &Arc<Totals>,
        bind_address: BindAddress,
        news: News,
    ) -> Announcers
    where
        News: Fn(TrackerNews) + Clone + Send + 'static,
    {
        let mut handles = Vec::new();
        for addresses in usable(tiers, &news) {
            let random = Rng::new();
            for (family, side, addresses) in Side::of_tier(addresses, bind_address.family()) {
                // The same dice for both, so that they ask the trackers in the same order.
                let mut random = random.clone();
                let Some(bind_address) =
                    family.map_or(Some(bind_address), |family| bind_address.of_family(family))
                else {
                    continue;
                };
                let Some(tier) = Tier::new(addresses, Instant::now(), &mut random) else { continue };
                let Some(name) = tier.turn().map(|turn| turn.tracker.clone()) else { continue };
                let (orders, inbox) = bounded(WAITING_ORDERS);
                let (end, ended) = bounded(0);
                let speaker = Arc::new(Speaker::new(bind_address));
                let known = Arc::new(AtomicBool::new(false));
                let announcer = Announcer {
                    tier,
                    side,
                    identity,
                    totals: Arc::clone(totals),
                    news: news.clone(),
                    orders: inbox,
                    speaker: Arc::clone(&speaker),
                    known: Arc::clone(&known),
                    random,
                    keep_until: None,
                    _end: end,
                };
                let kind = if family == Some(IpFamily::V6) { "tracker6" } else { "tracker" };
                let spawned = thread::Builder::new()
                    .name(format!("{kind}-{}", name.host()))
                    .stack_size(STACK_SIZE)
                    .spawn(move || announcer.run());
                match spawned {
                    Ok(thread) => handles.push(Handle { orders, ended, thread, speaker, known }),
                    Err(error) => news(TrackerNews {
                        tracker: name.site(),
                        event: Some(AnnounceEvent::Started),
                        outcome: Err(TrackerError::Unreachable(format!("no thread for it: {error}"))),
                    }),
                }
            }
        }
        Announcers { tiers: handles }
    }

    /// Whether there is no tracker that we could ask.
    pub fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    /// Peers run short: each tier announces as soon as its tracker allows it. Never blocks, and may
    /// be called as often as one likes.
    pub fn need_peers(&self) {
        for tier in &self.tiers {
            // One that still has orders to read is about to announce anyway, or will be asked again.
            if tier.orders.is_empty() {
                let _ = tier.orders.try_send(Order::NeedPeers);
            }
        }
    }

    /// The last missing piece is stored: each tracker that knows us hears `completed`. To be called
    /// once, and not for a torrent that was complete from the start (BEP 3). Never blocks.
    pub fn completed(&self) {
        for tier in &self.tiers {
            // There is always a place left for the order to stop.
            if tier.orders.len() < WAITING_ORDERS - 1 {
                let _ = tier.orders.try_send(Order::Completed);
            }
        }
    }

    /// Tells the trackers that know us that we leave, and ends the threads.
    ///
    /// Returns when they have ended, after `budget` at the latest. Where all trackers that know us
    /// answer, that is the time that they need: those that have never answered are not waited for.
    pub fn stop(self, budget: Duration) {
        let now = Instant::now();
        let deadline = now + budget;
        for tier in &self.tiers {
            let _ = tier.orders.try_send(Order::Stop(deadline));
            if !tier.known.load(Ordering::Acquire) {
                tier.speaker.cut();
            }
        }
        for tier in self.tiers {
            let owes = tier.known.load(Ordering::Acquire);
            let patience = if owes { deadline } else { deadline.min(now + GRACE) };
            match tier.ended.recv_deadline(patience) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    let _ = tier.thread.join();
                }
                Err(RecvTimeoutError::Timeout) => tier.speaker.cut(),
            }
        }
    }
}

/// The tiers with the addresses that we can use, each address once, in no more tiers than we give
/// threads to.
fn usable(tiers: Vec<Vec<String>>, news: &impl Fn(TrackerNews)) -> Vec<Vec<TrackerAddress>> {
    let mut usable: Vec<Vec<TrackerAddress>> = Vec::new();
    let mut known = HashSet::new();
    for tier in tiers.into_iter().take(MAX_TIERS_READ) {
        let (good, bad): (Vec<_>, Vec<_>) = tier
            .iter()
            .map(|text| TrackerAddress::new(text))
            .map(|address| (address.protocol(), address))
            .partition(|(protocol, _)| protocol.is_ok());
        let left_out = bad.len();
        if let Some((Err(error), address)) = bad.into_iter().next() {
            info!("{left_out} of a tier's trackers left out, the first being {}: {error}", address.site());
            if good.is_empty() {
                news(TrackerNews { tracker: address.site(), event: None, outcome: Err(error) });
            }
        }
        // An address that an earlier tier has already is asked there.
        let addresses = good.into_iter().map(|(_, address)| address);
        let mut new: Vec<_> =
            addresses.filter(|address| known.insert(address.secret_text().to_owned())).collect();
        if new.is_empty() {
            continue;
        }
        if usable.len() < MAX_TIERS {
            usable.push(new);
        } else if let Some(last) = usable.last_mut() {
            last.append(&mut new);
        }
    }
    usable
}

/// One announcer, on its thread.
struct Announcer<News> {
    tier: Tier,
    side: Side,
    identity: Identity,
    totals: Arc<Totals>,
    news: News,
    orders: Receiver<Order>,
    speaker: Arc<Speaker>,
    known: Arc<AtomicBool>,
    random: Rng,
    /// Until when the last announce's connection is kept, where there is one.
    keep_until: Option<Instant>,
    /// Held for its end, in which it takes the channel down.
    _end: Sender<()>,
}

impl<News: Fn(TrackerNews)> Announcer<News> {
    fn run(mut self) {
        loop {
            let due = self.tier.due();
            let wake = self.keep_until.map_or(due, |keep_until| keep_until.min(due));
            match self.orders.recv_deadline(wake) {
                Ok(Order::NeedPeers) => self.tier.need_peers(Instant::now()),
                Ok(Order::Completed) => {
                    self.tier.completed(Instant::now());
                    // The order to stop may be waiting behind this one, and would be read first.
                    if self.tier.due() <= Instant::now() {
                        self.announce();
                    }
                }
                Ok(Order::Stop(deadline)) => return self.say_good_bye(deadline),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if wake < due => {
                    self.speaker.rest();
                    self.keep_until = None;
                }
                Err(RecvTimeoutError::Timeout) => self.announce(),
            }
        }
    }

    fn announce(&mut self) {
        let Some(turn) = self.tier.turn() else { return };
        let (site, event) = (turn.tracker.site(), turn.event);
        let keep = Speaker::keeps(turn.tracker);
        let outcome = self.ask(turn, LONGEST_EXCHANGE);
        if outcome.is_err() && self.speaker.is_cut() {
            // We broke it off ourselves, because the session ends: no fault of the tracker's.
            return;
        }
        let now = Instant::now();
        self.keep_until = Some(now + keep);
        match &outcome {
            Ok(answer) => {
                debug!("tracker {site}: {} peers, next in {:?}", answer.peers.len(), answer.interval);
                self.tier.answered(answer, now);
                self.known.store(true, Ordering::Release);
            }
            Err(error) => {
                debug!("tracker {site}: {error}");
                self.tier.failed(now, &mut self.random);
            }
        }
        if let Some(news) = self.side.told(TrackerNews { tracker: site, event, outcome }) {
            (self.news)(news);
        }
    }

    fn ask(&self, turn: Turn<'_>, within: Duration) -> Result<Answer, TrackerError> {
        let announce = Announce {
            identity: self.identity,
            counts: self.totals.get(),
            event: turn.event,
            tracker_id: turn.tracker_id.map(<[u8]>::to_vec),
        };
        self.speaker.announce(turn.tracker, &announce, within)
    }

    fn say_good_bye(&self, deadline: Instant) {
        for turn in self.tier.farewells() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            if let Err(error) = self.ask(turn, left) {
                debug!("tracker {} was not told that we leave: {error}", turn.tracker.site());
            }
        }
    }
}
