//! One announcer: the thread for one family of a tier. It blocks on its orders until its next announce is due.
//!
//! Its tier says which tracker is asked next and when (`tier`), its client asks (`client`), and the outcome goes
//! to a function that the session provides, so that this module does not depend on the receiver.
//!
//! A download that ends with its last piece says `completed` and `stopped` one right after the other. NexusPHP
//! takes no notice of what a peer says within 5 s of its last announce, and goes on naming us until the
//! interval is over. All figures stand in `completed` too, so nothing but that is lost, and to wait would hold
//! up each download for it.

mod farewell;
mod orders;

use crate::text::reason;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use fastrand::Rng;
use log::debug;
use orders::{OrderInbox, OrderSender, orders};

use super::announce::{Announce, Identity};
use super::answer::Answer;
use super::client::{MAX_EXCHANGE, TrackerClient};
use super::error::{NAME, TrackerError};
use super::families::{FailureReports, FamilyTier};
use super::news::TrackerNews;
use super::tier::{Tier, Turn};
use super::totals::Totals;
use crate::address::IpFamily;
use crate::net::{Outlet, OwnPorts, Pass, Turnstile};
use crate::strategy::{Interruption, Supply};
use crate::thread::{self, caught, lock};

/// Bytes of an announcer's stack. A TLS handshake needs most of it: less than 48 KiB in a release build, and
/// up to 192 KiB without optimisation. The part that is never touched costs nothing.
const STACK_SIZE: usize = 256 * 1024;

/// How long we wait for the end of a thread whose trackers do not know us. It needs microseconds, unless it
/// is connecting, which nothing can interrupt: then it is left behind and ends at its own deadline.
const GRACE: Duration = Duration::from_millis(50);

/// A tracker that takes longer than this to say nothing is silent.
const SILENCE: Duration = Duration::from_secs(5);

/// How long `completed` waits for its turn without a look at orders. The one to stop may be the next, and it says
/// `completed` itself.
const TURN_FOR_COMPLETED: Duration = Duration::from_millis(500);

/// What an announcer is told.
pub enum AnnouncerOrder {
    /// How well we are supplied with peers from now on.
    Supply(Supply),
    /// The host was suspended or has another address.
    Interrupted(Interruption),
    /// The last missing piece is stored, and we stay.
    Completed,
    /// Tell the trackers until then that we leave, after the news that the download is complete if it has just
    /// become that, and end.
    Stop {
        /// Whether the download has just become complete.
        is_complete: bool,
        /// When the thread is to end.
        deadline: Instant,
    },
}

/// What the other threads hold of one announcer.
pub struct AnnouncerHandle {
    orders: OrderSender,
    /// Never carries anything: it disconnects when the thread ends.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
    client: Arc<TrackerClient>,
    /// Whether a tracker of this tier knows us.
    is_known: Arc<AtomicBool>,
    /// Whether the thread has begun to tell them that we leave.
    is_leaving: Arc<AtomicBool>,
    asked: Asked,
}

/// The tracker whose answer a thread waits for, and since when.
type Asked = Arc<Mutex<Option<(String, Instant)>>>;

/// What all announcers of one torrent have in common.
#[derive(Clone)]
pub struct AnnouncerContext<News> {
    /// Who we are.
    pub identity: Identity,
    /// What was sent and received.
    pub totals: Arc<Totals>,
    /// What HTTP trackers are told that we are.
    pub user_agent: Arc<str>,
    /// Is called with the outcome of each announce.
    pub news: News,
}

impl AnnouncerHandle {
    /// Starts the thread for a part of a tier. `None` if the bind address is of the other family, or if the
    /// thread cannot be started; only the latter is reported to `news`.
    pub fn start<News>(
        part: FamilyTier,
        context: &AnnouncerContext<News>,
        outlet: &Outlet,
        mut random: Rng,
    ) -> Option<AnnouncerHandle>
    where
        News: Fn(TrackerNews) + Clone + Send + 'static,
    {
        let mut outlet = outlet.clone();
        if let Some(family) = part.family {
            outlet.bind_address = outlet.bind_address.of_family(family)?;
        }
        let (outlet_ports, family) = (outlet.ports.clone(), outlet.bind_address.family());
        let exchanges = outlet.exchanges.clone();
        let tier = Tier::new(part.trackers, Instant::now(), &mut random)?;
        let first = tier.turn().tracker.clone();
        let (orders, inbox) = orders();
        let (end, ended) = bounded(0);
        let client = Arc::new(TrackerClient::new(outlet, &context.user_agent));
        let asked = Asked::default();
        let [is_known, is_leaving] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let announcer = Announcer {
            tier,
            failures: part.failures,
            context: context.clone(),
            orders: inbox,
            client: Arc::clone(&client),
            ports: outlet_ports,
            exchanges,
            family,
            is_known: Arc::clone(&is_known),
            is_leaving: Arc::clone(&is_leaving),
            asked: Arc::clone(&asked),
            random,
            keep_until: None,
            _end: end,
        };
        let kind = if part.family == Some(IpFamily::V6) { "tracker6" } else { "tracker" };
        match thread::spawn(format!("{kind}-{}", first.host()), STACK_SIZE, move || announcer.live()) {
            Ok(thread) => {
                Some(AnnouncerHandle { orders, ended, thread, client, is_known, is_leaving, asked })
            }
            Err(error) => {
                let outcome = Err(TrackerError::Unreachable(format!("no thread for it: {}", reason(&error))));
                (context.news)(TrackerNews { tracker: first.site(), outcome, next: None });
                None
            }
        }
    }

    /// Gives the thread an order, which waits while an announce is under way.
    pub fn order(&self, order: AnnouncerOrder) {
        self.orders.send(order);
    }

    /// Has the thread tell its trackers that we leave, and end.
    pub fn ask_to_stop(&self, is_complete: bool, deadline: Instant) {
        self.orders.send(AnnouncerOrder::Stop { is_complete, deadline });
        if !self.is_known.load(Ordering::Acquire) {
            self.client.abort();
        }
    }

    /// The tracker whose answer it waits for, and since when.
    pub fn asked(&self) -> Option<(String, Instant)> {
        lock(&self.asked).clone()
    }

    /// Whether the thread has ended.
    #[cfg(test)]
    pub fn has_ended(&self) -> bool {
        self.ended.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected)
    }

    /// Waits until then for the thread to end, and aborts what it does if that is not the farewell.
    pub fn make_leave(&self, until: Instant) {
        let has_ended = self.ended.recv_deadline(until) == Err(RecvTimeoutError::Disconnected);
        if !has_ended && !self.is_leaving.load(Ordering::Acquire) {
            self.client.abort();
        }
    }

    /// How long to wait for the thread: until then, but hardly at all if no tracker of its tier knows us.
    pub fn patience(&self, until: Instant, now: Instant) -> Instant {
        if self.is_known.load(Ordering::Acquire) { until } else { until.min(now + GRACE) }
    }

    /// Waits until then for the thread to end. After that it is left behind.
    pub fn join(self, until: Instant) {
        match self.ended.recv_deadline(until) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                let _ = self.thread.join();
            }
            Err(RecvTimeoutError::Timeout) => self.client.abort(),
        }
    }
}

/// One announcer, on its thread.
struct Announcer<News> {
    tier: Tier,
    failures: FailureReports,
    context: AnnouncerContext<News>,
    orders: OrderInbox,
    client: Arc<TrackerClient>,
    /// Where peers reach us, which a gateway may change.
    ports: OwnPorts,
    /// How many announcers ask at once.
    exchanges: Turnstile,
    /// The family that it announces over, if it is only one.
    family: Option<IpFamily>,
    is_known: Arc<AtomicBool>,
    is_leaving: Arc<AtomicBool>,
    asked: Asked,
    random: Rng,
    /// When the connection of the last announce is closed, if there is one.
    keep_until: Option<Instant>,
    /// Never sends anything. The end of the thread drops it, which closes the channel.
    _end: Sender<()>,
}

impl<News: Fn(TrackerNews)> Announcer<News> {
    /// The life of the thread. A panic costs one announce, as any other failure does: without the thread, the
    /// tier would never be asked again, and nobody would know.
    fn live(mut self) {
        while caught(|| self.run()).is_err() {
            self.tier.failed(&TrackerError::Panicked, Instant::now(), &mut self.random);
            let news = TrackerNews {
                tracker: self.tier.turn().tracker.site(),
                outcome: Err(TrackerError::Panicked),
                next: self.tier.due(),
            };
            let _ = caught(|| (self.context.news)(news));
        }
    }

    fn run(&mut self) {
        loop {
            let due = self.tier.due();
            let wake = self.keep_until.into_iter().chain(due).min();
            match self.orders.next(wake) {
                Ok(AnnouncerOrder::Supply(supply)) => self.tier.supply(supply),
                Ok(AnnouncerOrder::Interrupted(interruption)) => {
                    // What is open may leave by an address that we do not have any more.
                    self.client.close_idle();
                    self.keep_until = None;
                    self.exchanges.forget_silent();
                    self.tier.interrupted(interruption, Instant::now());
                }
                Ok(AnnouncerOrder::Completed) => {
                    self.tier.completed(Instant::now());
                    // Announces now if it is due. The order to stop may wait behind this one, and would be
                    // read before the next announce.
                    if self.tier.due().is_some_and(|due| due <= Instant::now())
                        && let Some(pass) = self.exchanges.enter(Instant::now() + TURN_FOR_COMPLETED)
                    {
                        self.announce_with(pass, MAX_EXCHANGE);
                    }
                }
                Ok(AnnouncerOrder::Stop { is_complete, deadline }) => return self.end(is_complete, deadline),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if wake != due => {
                    self.client.close_idle();
                    self.keep_until = None;
                }
                // If an order comes first, the announce stays due.
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(pass) = self.exchanges.enter_unless(self.orders.bell()) {
                        self.announce_with(pass, self.tier.patience().unwrap_or(MAX_EXCHANGE));
                    }
                }
            }
        }
    }

    fn announce(&mut self, within: Duration) {
        let until = Instant::now() + within;
        if let Some(pass) = self.exchanges.enter(until) {
            self.announce_with(pass, until.saturating_duration_since(Instant::now()));
        }
    }

    fn announce_with(&mut self, _pass: Pass, within: Duration) {
        let turn = self.tier.turn();
        let site = turn.tracker.site();
        let keep = TrackerClient::idle_time(turn.tracker);
        // One family may be silent while the other is not.
        let whom = format!("{site} {:?}", self.family);
        let start = Instant::now();
        let may_ask = self.exchanges.may_ask(&whom, start);
        let outcome = if may_ask {
            *lock(&self.asked) = Some((site.clone(), start));
            let outcome = self.ask(&self.client, turn, within);
            *lock(&self.asked) = None;
            outcome
        } else {
            Err(TrackerError::Unreachable("it has just left others of our torrents without an answer".into()))
        };
        if outcome.is_err() && self.client.is_aborted() {
            // We aborted it ourselves because the run ends. It is not the tracker's fault.
            return;
        }
        let now = Instant::now();
        match &outcome {
            _ if !may_ask => {}
            // That is the fault of the name servers, or of our network.
            Err(TrackerError::TimedOut { awaited: NAME, .. }) => {}
            // With little time at the end of a run, that says nothing.
            Err(TrackerError::TimedOut { .. }) if now.saturating_duration_since(start) < SILENCE => {}
            Err(TrackerError::TimedOut { .. }) => self.exchanges.was_asked(&whom, false, now),
            _ => self.exchanges.was_asked(&whom, true, now),
        }
        match self.exchanges.is_limited() {
            true => self.client.close_idle(),
            false => self.keep_until = Some(now + keep),
        }
        match &outcome {
            Ok(answer) => {
                self.tier.answered(answer, now);
                // What the tracker wants is one thing, and what we need may be another.
                let next = self.tier.due().map(|due| due.saturating_duration_since(now).as_secs());
                let next = next.map_or(String::new(), |seconds| format!(", next announce in {seconds} s"));
                debug!("tracker {site}: {} peers{next}", answer.peers.len());
                self.is_known.store(true, Ordering::Release);
            }
            Err(error) => {
                debug!("tracker {site}: {error}");
                self.tier.failed(error, now, &mut self.random);
            }
        }
        let next = self.tier.due();
        if let Some(news) = self.failures.report(TrackerNews { tracker: site, outcome, next }) {
            (self.context.news)(news);
        }
    }

    fn ask(&self, client: &TrackerClient, turn: Turn<'_>, within: Duration) -> Result<Answer, TrackerError> {
        let identity = self.context.identity;
        let family = self.family.or_else(|| turn.tracker.family()).unwrap_or(IpFamily::V4);
        let announce = Announce {
            identity: Identity { port: self.ports.announced(family).unwrap_or(identity.port), ..identity },
            counts: self.context.totals.get(),
            event: turn.event,
            tracker_id: turn.tracker_id.map(<[u8]>::to_vec),
        };
        client.announce(turn.tracker, &announce, within)
    }
}
