//! All announcers of a torrent: one for each family of a tier.
//!
//! All tiers are asked at once. BEP 12 would have us go to the next tier only after the one before has
//! failed, and wait for that. Since each tier has its own thread, a dead tracker costs nothing: only its
//! thread waits for the deadline, while the others have brought peers long before. A tier whose trackers can
//! be reached over IPv4 and over IPv6 has a thread for each (`families`), for the same reason, and because we
//! want to be known in both swarms. The threads share only the totals that they read and, within a tier,
//! which family fails.
//!
//! Leaving must not wait long for trackers either. A tracker that knows us is told that we leave, within the
//! time that the session allows. Half of it is for what its thread may still wait for, such as the answer to
//! `completed`; then that is aborted, so that `stopped` is always sent. If no tracker of a tier has ever
//! answered, the tier is told nothing, and whatever its thread waits for is aborted at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use log::{info, warn};

use super::address::TrackerAddress;
use super::announce::Identity;
use super::announcer::{AnnouncerContext, AnnouncerHandle, AnnouncerOrder};
use super::client::usable_protocol;
use super::error::TrackerError;
use super::families::FamilyTier;
use super::news::TrackerNews;
use super::totals::Totals;
use crate::net::Outlet;
use crate::net::proxy::Proxies;
use crate::strategy::{Interruption, Supply};

/// Tiers that get threads. The trackers of all further tiers join these in turn.
const MAX_TIERS: usize = 32;

/// Tiers that we look at in all: as many as a torrent's trackers may have, and those of the user.
const MAX_TIERS_READ: usize = 1_256;

/// A tier of more trackers than this is asked in several parts side by side: in such lists most are dead, and one after
/// the other they take minutes.
const MAX_IN_TURN: usize = 16;

/// Trackers that are not asked, of which so many are named.
const MOST_NAMED: usize = 4;

/// All announcers of one torrent. Dropping it ends their threads without a word to the trackers.
#[derive(Default)]
pub struct Announcers {
    handles: Vec<AnnouncerHandle>,
}

impl Announcers {
    /// Starts one thread for each family of a tier. All of them announce at once, over connections that go
    /// out by `outlet`. HTTP trackers hear the `user_agent`.
    ///
    /// `news` is called on those threads with the outcome of each announce, except for `stopped`, and must
    /// not block for long. If one family of a tier fails and the other does not, the failure is not reported.
    /// Addresses that we cannot use are left out. If a tier has no other, `news` is called with the reason,
    /// on the calling thread and before this returns.
    pub fn start<News>(
        tiers: Vec<Vec<TrackerAddress>>,
        identity: Identity,
        totals: &Arc<Totals>,
        outlet: &Outlet,
        user_agent: &str,
        news: News,
    ) -> Announcers
    where
        News: Fn(TrackerNews) + Clone + Send + 'static,
    {
        let mut handles = Vec::new();
        let user_agent = Arc::from(user_agent);
        let context = AnnouncerContext { identity, totals: Arc::clone(totals), user_agent, news };
        let is_detoured = |tracker: &TrackerAddress| tracker.proxy(&outlet.proxies).is_some();
        for trackers in usable(tiers, &outlet.proxies, &context.news) {
            // The same random numbers for both families, so that they ask the trackers in the same order.
            let random = Rng::new();
            for part in FamilyTier::split(trackers, outlet.bind_address.family(), is_detoured) {
                handles.extend(AnnouncerHandle::start(part, &context, outlet, random.clone()));
            }
        }
        Announcers { handles }
    }

    /// Whether there is no tracker that we could ask.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// The trackers whose answers are waited for, and since when.
    pub fn asked(&self) -> Vec<(String, Instant)> {
        self.handles.iter().filter_map(AnnouncerHandle::asked).collect()
    }

    /// The tracker that has left us without an answer for the longest time, if one of them does.
    pub fn waiting(&self, now: Instant) -> Option<String> {
        let (tracker, since) = self.asked().into_iter().min_by_key(|(_, since)| *since)?;
        let seconds = now.saturating_duration_since(since).as_secs();
        Some(format!("waiting for {tracker} ({seconds} s)"))
    }

    /// How well we are supplied with peers from now on, which decides when each tier announces again. Never
    /// blocks.
    pub fn supply(&self, supply: Supply) {
        self.handles.iter().for_each(|handle| handle.order(AnnouncerOrder::Supply(supply)));
    }

    /// The host was suspended or has another address: each tier announces when it is due by real time. Never
    /// blocks.
    pub fn interrupted(&self, interruption: Interruption) {
        self.handles.iter().for_each(|handle| handle.order(AnnouncerOrder::Interrupted(interruption)));
    }

    /// The last missing piece is stored, and we stay: each tracker that knows us hears `completed`. To be
    /// called once, and not for a torrent that was complete from the start (BEP 3). Never blocks.
    pub fn completed(&self) {
        self.handles.iter().for_each(|handle| handle.order(AnnouncerOrder::Completed));
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
        self.handles.iter().for_each(|handle| handle.ask_to_stop(is_complete, deadline));
        for handle in &self.handles {
            handle.make_leave(handle.patience(half, now));
        }
        for handle in self.handles {
            let patience = handle.patience(deadline, now);
            handle.join(patience);
        }
    }
}

/// The tiers with the addresses that we can use, each address once, in at most [`MAX_TIERS`] tiers. The user hears of
/// those that a proxy keeps us from.
fn usable(
    tiers: Vec<Vec<TrackerAddress>>,
    proxies: &Proxies,
    news: &impl Fn(TrackerNews),
) -> Vec<Vec<TrackerAddress>> {
    let mut kept_from = Vec::new();
    let mut usable: Vec<Vec<TrackerAddress>> = Vec::new();
    let mut known = HashSet::new();
    for tier in tiers.into_iter().take(MAX_TIERS_READ) {
        let (good, bad): (Vec<_>, Vec<_>) = tier
            .into_iter()
            .map(|address| (usable_protocol(&address, proxies), address))
            .partition(|(protocol, _)| protocol.is_ok());
        let by_udp = bad.iter().filter(|(protocol, _)| *protocol == Err(TrackerError::NotByProxy));
        kept_from.extend(by_udp.map(|(_, address)| address.site()));
        let left_out = bad.len();
        if let Some((Err(error), address)) = bad.into_iter().next() {
            info!("skipped {left_out} trackers of a tier, the first being {}: {error}", address.site());
            if good.is_empty() {
                news(TrackerNews { tracker: address.site(), outcome: Err(error), next: None });
            }
        }
        // An address that an earlier tier has too is asked there.
        let addresses = good.into_iter().map(|(_, address)| address);
        let new: Vec<_> =
            addresses.filter(|address| known.insert(address.secret_text().to_owned())).collect();
        if new.is_empty() {
            continue;
        }
        usable.extend(new.chunks(MAX_IN_TURN).map(<[TrackerAddress]>::to_vec));
    }
    join_beyond(&mut usable, MAX_TIERS);
    if !kept_from.is_empty() {
        let more = kept_from.len().saturating_sub(MOST_NAMED);
        kept_from.truncate(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        warn!(
            "skipped, because UDP trackers cannot be reached through a proxy: {}{more}",
            kept_from.join(", ")
        );
    }
    usable
}

/// Leaves so many tiers, at least one. The trackers of those behind join them in turn, so that none has much more to ask
/// than another.
pub fn join_beyond<Tracker>(tiers: &mut Vec<Vec<Tracker>>, most: usize) {
    let beyond = tiers.split_off(tiers.len().min(most.max(1)));
    let joined = tiers.len();
    for (number, mut tier) in beyond.into_iter().enumerate() {
        if let Some(first) = number.checked_rem(joined).and_then(|at| tiers.get_mut(at)) {
            first.append(&mut tier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::InfoHash;
    use crate::net::Turnstile;
    use crate::strategy::Encryption;
    use crate::tracker::tier::Tier;
    use crate::wire::PeerId;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn the_trackers_of_many_tiers_are_shared_by_those_that_are_asked() {
        let tier = |number| vec![TrackerAddress::new(&format!("http://192.0.2.{number}/announce"))];
        let usable = usable((0..40).map(tier).collect(), &Proxies::default(), &|_| {});
        assert_eq!(usable.len(), MAX_TIERS);
        assert_eq!(
            usable.iter().map(Vec::len).collect::<Vec<_>>(),
            [vec![2; 8], vec![1; MAX_TIERS - 8]].concat()
        );
        let tier = |number| vec![TrackerAddress::new(&format!("http://a.example/{number}/announce"))];
        let many = super::usable((0..2_000).map(tier).collect(), &Proxies::default(), &|_| {});
        assert_eq!(many.iter().map(Vec::len).sum::<usize>(), MAX_TIERS_READ);
        let long = (0..40).map(|number| TrackerAddress::new(&format!("http://a.example/{number}"))).collect();
        let usable = super::usable(vec![long, tier(1)], &Proxies::default(), &|_| {});
        assert_eq!(usable.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 8, 1], "a long tier in parts");
        // Each of a thousand has its turn, in one tier or in many.
        let thousand: Vec<_> =
            (0..1_000).map(|number| TrackerAddress::new(&format!("http://a.example/{number}"))).collect();
        for tiers in [vec![thousand.clone()], thousand.into_iter().map(|one| vec![one]).collect()] {
            let now = Instant::now();
            let usable = super::usable(tiers, &Proxies::default(), &|_| {});
            assert_eq!((usable.len(), usable.iter().map(Vec::len).sum::<usize>()), (MAX_TIERS, 1_000));
            for trackers in usable {
                let (count, mut random) = (trackers.len(), Rng::with_seed(1));
                let mut tier = Tier::new(trackers, now, &mut random).unwrap();
                let mut asked = HashSet::new();
                while tier.due() == Some(now) {
                    asked.insert(tier.turn().tracker.secret_text().to_owned());
                    tier.failed(&TrackerError::Panicked, now, &mut random);
                }
                assert_eq!(asked.len(), count);
            }
        }
    }

    #[test]
    fn where_few_may_ask_at_once_an_announce_waits_for_its_turn_and_for_its_end() {
        let (tell, told) = crossbeam_channel::unbounded();
        let tell_of = tell.clone();
        let news = move |news: TrackerNews| _ = tell_of.send(Some(news));
        let outlet = Outlet { exchanges: Turnstile::at_most(1), ..Outlet::default() };
        let start = || {
            let tiers = vec![vec![TrackerAddress::new("http://127.0.0.1:1/announce")]];
            let totals = Arc::new(Totals::new(Default::default()));
            Announcers::start(tiers, identity(), &totals, &outlet, "a test", news.clone())
        };
        let pass = outlet.exchanges.enter(Instant::now());
        let (waits, leaves) = (start(), start());
        // It is told to stop while it waits.
        leaves.stop(false, Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
        tell.send(None).unwrap();
        drop(pass);
        assert!(told.recv().unwrap().is_none(), "it asked before its turn");
        assert!(told.recv_timeout(Duration::from_secs(20)).unwrap().is_some());
        waits.stop(false, Duration::from_secs(20));
        assert!(outlet.exchanges.enter(Instant::now() + Duration::from_secs(20)).is_some());
    }

    #[test]
    fn where_few_may_ask_at_once_a_tracker_that_others_asked_in_vain_keeps_nobody_waiting() {
        let (tell, told) = crossbeam_channel::unbounded();
        let news = move |news: TrackerNews| _ = tell.send(news);
        let outlet = Outlet { exchanges: Turnstile::at_most(1), ..Outlet::default() };
        // Nobody answers there.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = format!("udp://{}", silent.local_addr().unwrap());
        (0..9).for_each(|_| outlet.exchanges.was_asked(&format!("{address} None"), false, Instant::now()));
        let tiers = vec![vec![TrackerAddress::new(&format!("{address}/announce"))]];
        let totals = Arc::new(Totals::new(Default::default()));
        let announcers = Announcers::start(tiers, identity(), &totals, &outlet, "a test", news);
        let news = told.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(matches!(news.outcome, Err(TrackerError::Unreachable(_))), "{news:?}");
        announcers.stop(false, Duration::from_secs(20));
        silent.set_nonblocking(true).unwrap();
        assert!(silent.recv(&mut [0; 99]).is_err(), "it was asked all the same");
    }

    #[test]
    fn a_completed_that_waits_for_its_turn_does_not_keep_the_end_waiting() {
        let outlet = Outlet { exchanges: Turnstile::at_most(1), ..Outlet::default() };
        let tiers = vec![vec![TrackerAddress::new("http://127.0.0.1:1/announce")]];
        let totals = Arc::new(Totals::new(Default::default()));
        let _pass = outlet.exchanges.enter(Instant::now());
        let announcers = Announcers::start(tiers, identity(), &totals, &outlet, "a test", |_| ());
        announcers.completed();
        std::thread::sleep(Duration::from_millis(100));
        announcers.handles.iter().for_each(|handle| handle.ask_to_stop(true, Instant::now()));
        let ends = |handle: &AnnouncerHandle| {
            (0..100).any(|_| {
                std::thread::sleep(Duration::from_millis(100));
                handle.has_ended()
            })
        };
        assert!(announcers.handles.iter().all(ends), "it waits for its turn");
    }

    #[test]
    fn that_the_download_is_complete_is_told_whatever_else_was_ordered_while_the_tracker_took_its_time() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tiers =
            vec![vec![TrackerAddress::new(&format!("http://{}/announce", listener.local_addr().unwrap()))]];
        let totals = Arc::new(Totals::new(Default::default()));
        let announcers = Announcers::start(tiers, identity(), &totals, &Outlet::default(), "a test", |_| ());
        listener.set_nonblocking(true).unwrap();
        let next = || {
            let coming = (0..2_000).find_map(|_| {
                std::thread::sleep(Duration::from_millis(10));
                listener.accept().ok()
            });
            let mut stream = coming.expect("the tracker is not asked").0;
            stream.set_nonblocking(false).unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
                head.push(byte[0]);
            }
            (stream, String::from_utf8(head).unwrap())
        };
        let answer = |mut stream: std::net::TcpStream| {
            let body = "d8:intervali1800e5:peers0:e";
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + body).as_bytes());
        };
        let (stream, first) = next();
        assert!(first.contains("event=started"), "{first}");
        (0..50).for_each(|_| announcers.supply(Supply::Good));
        announcers.completed();
        answer(stream);
        let (stream, second) = next();
        assert!(second.contains("event=completed"), "{second}");
        answer(stream);
        let stopping = std::thread::spawn(move || announcers.stop(false, Duration::from_secs(20)));
        let (stream, last) = next();
        assert!(last.contains("event=stopped"), "{last}");
        answer(stream);
        stopping.join().unwrap();
    }

    fn identity() -> Identity {
        Identity {
            info_hash: InfoHash([1; 20]),
            peer_id: PeerId([2; 20]),
            port: 1,
            key: 3,
            numwant: 4,
            encryption: Encryption::default(),
        }
    }

    #[test]
    fn an_announcer_that_panics_says_so_and_goes_on() {
        let (tell, told) = crossbeam_channel::unbounded();
        let calls = Arc::new(AtomicU32::new(0));
        let news = move |news: TrackerNews| {
            assert!(calls.fetch_add(1, Ordering::Relaxed) > 0, "a panic that a test wants");
            let _ = tell.send(news);
        };
        // Nobody listens there, so the first announce fails at once, and the news of it panics.
        let tiers = vec![vec![TrackerAddress::new("http://127.0.0.1:1/announce")]];
        let totals = Arc::new(Totals::new(Default::default()));
        let announcers = Announcers::start(tiers, identity(), &totals, &Outlet::default(), "a test", news);
        let news = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(news.outcome, Err(TrackerError::Panicked));
        assert!(announcers.handles.iter().all(|handle| !handle.has_ended()));
        announcers.stop(false, Duration::from_secs(20));
    }
}
