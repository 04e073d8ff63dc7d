//! The announcer threads: one for each family of a tier. Each blocks on its orders until its next announce is
//! due.
//!
//! All tiers are asked at once. BEP 12 would have us go to the next tier only after the one before has
//! failed, and wait for that. Since each tier has its own thread, a dead tracker costs nothing: only its
//! thread waits for the deadline, while the others have brought peers long before. A tier whose trackers can
//! be reached over IPv4 and over IPv6 has a thread for each (`families`), for the same reason, and because we
//! want to be known in both swarms. The threads share only the totals that they read and, within a tier,
//! which family fails. They report to a function that the session provides, so that this module does not
//! depend on the receiver.
//!
//! Leaving must not wait long for trackers either. A tracker that knows us is told that we leave, within the
//! time that the session allows. Half of it is for what its thread may still wait for, such as the answer to
//! `completed`; then that is aborted, so that `stopped` is always sent. If no tracker of a tier has ever
//! answered, the tier is told nothing, and whatever its thread waits for is aborted at once.
//!
//! A download that ends with its last piece says `completed` and `stopped` one right after the other. NexusPHP
//! takes no notice of what a peer says within 5 s of its last announce, and goes on naming us until the
//! interval is over. All figures stand in `completed` too, so nothing but that is lost, and to wait would hold
//! up each download for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use fastrand::Rng;
use log::{debug, info};

use super::address::TrackerAddress;
use super::announce::{Announce, Identity};
use super::answer::Answer;
use super::client::{MAX_EXCHANGE, TrackerClient};
use super::error::TrackerError;
use super::families::{FailureReports, FamilyTier};
use super::tier::{Tier, Turn};
use super::totals::Totals;
use crate::address::IpFamily;
use crate::net::BindAddress;
use crate::thread::{self, caught};

/// Tiers that get threads. The trackers of all further tiers join the last of these.
const MAX_TIERS: usize = 32;

/// Tiers that we look at in all. A torrent may name any number.
const MAX_TIERS_READ: usize = 256;

/// Bytes of an announcer's stack. A TLS handshake needs most of it: less than 48 KiB in a release build, and
/// up to 192 KiB without optimisation. The part that is never touched costs nothing.
const STACK_SIZE: usize = 256 * 1024;

/// How long we wait for the end of a thread whose trackers do not know us. It needs microseconds, unless it
/// is connecting, which nothing can interrupt: then it is left behind and ends at its own deadline.
const GRACE: Duration = Duration::from_millis(50);

/// The outcome of one announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerNews {
    /// Scheme, host and port of the tracker, fit to print.
    pub tracker: String,
    /// What the tracker answered, or why it did not.
    pub outcome: Result<Answer, TrackerError>,
}

/// Orders that can wait while an announce is under way.
const WAITING_ORDERS: usize = 4;

enum AnnouncerOrder {
    NeedPeers,
    Completed,
    /// Tell the trackers until then that we leave, after the news that the download is complete if it has just
    /// become that, and end.
    Stop {
        is_complete: bool,
        deadline: Instant,
    },
}

/// All announcers of one torrent. Dropping it ends their threads without a word to the trackers.
#[derive(Default)]
pub struct Announcers {
    handles: Vec<AnnouncerHandle>,
}

/// What the session holds of one announcer.
struct AnnouncerHandle {
    orders: Sender<AnnouncerOrder>,
    /// Never carries anything: it disconnects when the thread ends.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
    client: Arc<TrackerClient>,
    /// Whether a tracker of this tier knows us.
    is_known: Arc<AtomicBool>,
    /// Whether the thread has begun to tell them that we leave.
    is_leaving: Arc<AtomicBool>,
}

/// What all announcers of one torrent have in common.
#[derive(Clone)]
struct AnnouncerContext<News> {
    identity: Identity,
    totals: Arc<Totals>,
    user_agent: Arc<str>,
    news: News,
}

impl Announcers {
    /// Starts one thread for each family of a tier. All of them announce at once, over connections that leave
    /// by `bind_address`. HTTP trackers hear the `user_agent`.
    ///
    /// `news` is called on those threads with the outcome of each announce, except for `stopped`, and must
    /// not block for long. If one family of a tier fails and the other does not, the failure is not reported.
    /// Addresses that we cannot use are left out. If a tier has no other, `news` is called with the reason,
    /// on the calling thread and before this returns.
    pub fn start<News>(
        tiers: Vec<Vec<String>>,
        identity: Identity,
        totals: &Arc<Totals>,
        bind_address: BindAddress,
        user_agent: &str,
        news: News,
    ) -> Announcers
    where
        News: Fn(TrackerNews) + Clone + Send + 'static,
    {
        let mut handles = Vec::new();
        let user_agent = Arc::from(user_agent);
        let context = AnnouncerContext { identity, totals: Arc::clone(totals), user_agent, news };
        for trackers in usable(tiers, &context.news) {
            // The same random numbers for both families, so that they ask the trackers in the same order.
            let random = Rng::new();
            for part in FamilyTier::split(trackers, bind_address.family()) {
                handles.extend(start_one(part, &context, bind_address, random.clone()));
            }
        }
        Announcers { handles }
    }

    /// Whether there is no tracker that we could ask.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Peers run short: each tier announces as soon as its tracker allows it. Never blocks, and may be called
    /// any number of times.
    pub fn need_peers(&self) {
        for handle in &self.handles {
            // A thread that still has orders to read is about to announce anyway, or will get this order
            // again later.
            if handle.orders.is_empty() {
                let _ = handle.orders.try_send(AnnouncerOrder::NeedPeers);
            }
        }
    }

    /// The last missing piece is stored, and we stay: each tracker that knows us hears `completed`. To be
    /// called once, and not for a torrent that was complete from the start (BEP 3). Never blocks.
    pub fn completed(&self) {
        for handle in &self.handles {
            // One place is always kept for the order to stop.
            if handle.orders.len() < WAITING_ORDERS - 1 {
                let _ = handle.orders.try_send(AnnouncerOrder::Completed);
            }
        }
    }

    /// Tells the trackers that know us that we leave, and ends the threads. If it `is_complete`, they hear
    /// `completed` first, as by [`completed`](Self::completed).
    ///
    /// Returns when they have ended, after `budget` at the latest. If all trackers that know us answer, it
    /// takes as long as they do: trackers that have never answered are not waited for. What is under way when
    /// half of the time is over is aborted, unless it is `stopped`.
    pub fn stop(self, is_complete: bool, budget: Duration) {
        let now = Instant::now();
        let (half, deadline) = (now + budget / 2, now + budget);
        for handle in &self.handles {
            let _ = handle.orders.try_send(AnnouncerOrder::Stop { is_complete, deadline });
            if !handle.is_known.load(Ordering::Acquire) {
                handle.client.abort();
            }
        }
        for handle in &self.handles {
            let is_known = handle.is_known.load(Ordering::Acquire);
            let patience = if is_known { half } else { half.min(now + GRACE) };
            let has_ended = handle.ended.recv_deadline(patience) == Err(RecvTimeoutError::Disconnected);
            if !has_ended && !handle.is_leaving.load(Ordering::Acquire) {
                handle.client.abort();
            }
        }
        for handle in self.handles {
            let is_known = handle.is_known.load(Ordering::Acquire);
            let patience = if is_known { deadline } else { deadline.min(now + GRACE) };
            match handle.ended.recv_deadline(patience) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    let _ = handle.thread.join();
                }
                Err(RecvTimeoutError::Timeout) => handle.client.abort(),
            }
        }
    }
}

/// Starts the thread for a part of a tier. `None` if the bind address is of the other family, or if the
/// thread cannot be started; only the latter is reported to `news`.
fn start_one<News>(
    part: FamilyTier,
    context: &AnnouncerContext<News>,
    bind_address: BindAddress,
    mut random: Rng,
) -> Option<AnnouncerHandle>
where
    News: Fn(TrackerNews) + Clone + Send + 'static,
{
    let bind_address = match part.family {
        Some(family) => bind_address.of_family(family)?,
        None => bind_address,
    };
    let tier = Tier::new(part.trackers, Instant::now(), &mut random)?;
    let first = tier.turn().tracker.clone();
    let (orders, inbox) = bounded(WAITING_ORDERS);
    let (end, ended) = bounded(0);
    let client = Arc::new(TrackerClient::new(bind_address, &context.user_agent));
    let [is_known, is_leaving] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let announcer = Announcer {
        tier,
        failures: part.failures,
        context: context.clone(),
        orders: inbox,
        client: Arc::clone(&client),
        is_known: Arc::clone(&is_known),
        is_leaving: Arc::clone(&is_leaving),
        random,
        keep_until: None,
        _end: end,
    };
    let kind = if part.family == Some(IpFamily::V6) { "tracker6" } else { "tracker" };
    match thread::spawn(format!("{kind}-{}", first.host()), STACK_SIZE, move || announcer.live()) {
        Ok(thread) => Some(AnnouncerHandle { orders, ended, thread, client, is_known, is_leaving }),
        Err(error) => {
            let outcome = Err(TrackerError::Unreachable(format!("no thread for it: {error}")));
            (context.news)(TrackerNews { tracker: first.site(), outcome });
            None
        }
    }
}

/// The tiers with the addresses that we can use, each address once, in at most [`MAX_TIERS`] tiers.
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
                news(TrackerNews { tracker: address.site(), outcome: Err(error) });
            }
        }
        // An address that an earlier tier has too is asked there.
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
    failures: FailureReports,
    context: AnnouncerContext<News>,
    orders: Receiver<AnnouncerOrder>,
    client: Arc<TrackerClient>,
    is_known: Arc<AtomicBool>,
    is_leaving: Arc<AtomicBool>,
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
            self.tier.failed(Instant::now(), &mut self.random);
            let news = TrackerNews {
                tracker: self.tier.turn().tracker.site(),
                outcome: Err(TrackerError::Panicked),
            };
            let _ = caught(|| (self.context.news)(news));
        }
    }

    fn run(&mut self) {
        loop {
            let due = self.tier.due();
            let wake = self.keep_until.map_or(due, |keep_until| keep_until.min(due));
            match self.orders.recv_deadline(wake) {
                Ok(AnnouncerOrder::NeedPeers) => self.tier.need_peers(Instant::now()),
                Ok(AnnouncerOrder::Completed) => {
                    self.tier.completed(Instant::now());
                    // Announces now if it is due. The order to stop may wait behind this one, and would be
                    // read before the next announce.
                    if self.tier.due() <= Instant::now() {
                        self.announce(MAX_EXCHANGE);
                    }
                }
                Ok(AnnouncerOrder::Stop { is_complete, deadline }) => return self.end(is_complete, deadline),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if wake < due => {
                    self.client.close_idle();
                    self.keep_until = None;
                }
                Err(RecvTimeoutError::Timeout) => self.announce(MAX_EXCHANGE),
            }
        }
    }

    fn announce(&mut self, within: Duration) {
        let turn = self.tier.turn();
        let site = turn.tracker.site();
        let keep = TrackerClient::idle_time(turn.tracker);
        let outcome = self.ask(&self.client, turn, within);
        if outcome.is_err() && self.client.is_aborted() {
            // We aborted it ourselves because the run ends. It is not the tracker's fault.
            return;
        }
        let now = Instant::now();
        self.keep_until = Some(now + keep);
        match &outcome {
            Ok(answer) => {
                debug!("tracker {site}: {} peers, next in {:?}", answer.peers.len(), answer.interval);
                self.tier.answered(answer, now);
                self.is_known.store(true, Ordering::Release);
            }
            Err(error) => {
                debug!("tracker {site}: {error}");
                self.tier.failed(now, &mut self.random);
            }
        }
        if let Some(news) = self.failures.report(TrackerNews { tracker: site, outcome }) {
            (self.context.news)(news);
        }
    }

    fn ask(&self, client: &TrackerClient, turn: Turn<'_>, within: Duration) -> Result<Answer, TrackerError> {
        let announce = Announce {
            identity: self.context.identity,
            counts: self.context.totals.get(),
            event: turn.event,
            tracker_id: turn.tracker_id.map(<[u8]>::to_vec),
        };
        client.announce(turn.tracker, &announce, within)
    }

    fn end(&mut self, is_complete: bool, deadline: Instant) {
        if is_complete {
            let now = Instant::now();
            self.tier.completed(now);
            if self.tier.due() <= now {
                self.announce(deadline.saturating_duration_since(now) / 2);
            }
        }
        self.announce_stopped(deadline);
    }

    /// Tells each tracker that knows us that we leave. Each has a part of the time, so that a silent one does
    /// not cost the next its word.
    fn announce_stopped(&self, deadline: Instant) {
        self.is_leaving.store(true, Ordering::Release);
        let fresh = self.client.anew();
        let mut waiting = self.tier.stopped_turns().count() as u32;
        for turn in self.tier.stopped_turns() {
            let left = || deadline.saturating_duration_since(Instant::now());
            let within = left() / waiting.max(1);
            waiting = waiting.saturating_sub(1);
            let mut outcome = self.ask(&self.client, turn, within);
            // What was under way at half of the time was aborted, and its client can announce no more. If that
            // is this announce itself, both came at the same moment.
            if outcome.is_err() && self.client.is_aborted() {
                outcome = self.ask(&fresh, turn, within.min(left()));
            }
            if let Err(error) = outcome {
                debug!("tracker {} was not told that we leave: {error}", turn.tracker.site());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::InfoHash;
    use crate::wire::PeerId;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn an_announcer_that_panics_says_so_and_goes_on() {
        let (tell, told) = crossbeam_channel::unbounded();
        let calls = Arc::new(AtomicU32::new(0));
        let news = move |news: TrackerNews| {
            assert!(calls.fetch_add(1, Ordering::Relaxed) > 0, "a panic that a test wants");
            let _ = tell.send(news);
        };
        let identity =
            Identity { info_hash: InfoHash([1; 20]), peer_id: PeerId([2; 20]), port: 1, key: 3, numwant: 4 };
        // Nobody listens there, so the first announce fails at once, and the news of it panics.
        let tiers = vec![vec!["http://127.0.0.1:1/announce".to_owned()]];
        let totals = Arc::new(Totals::new(Default::default()));
        let announcers = Announcers::start(tiers, identity, &totals, BindAddress::any(), "a test", news);
        let news = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(news.outcome, Err(TrackerError::Panicked));
        let handle = announcers.handles.first().unwrap();
        assert_eq!(handle.ended.try_recv(), Err(crossbeam_channel::TryRecvError::Empty), "it has ended");
        announcers.stop(false, Duration::from_secs(20));
    }
}
