//! How the file descriptors and the threads that the system gives us are shared out.
//!
//! Where there is not enough for all torrents, as many run at once as there is enough for, and the others wait for
//! their turn (`turns`). Files are short only for those that are checked or downloaded: one that seeds has none open of
//! its own but while peers ask for it.
//!
//! Both may be few: a container, a service or a user has a limit. A download needs only some peers, so what
//! finds more of them gives way to those that are there: with few threads we do without the local network,
//! then without incoming connections, then without the DHT.

use super::exit::{CommandFailure, Exit};
use super::thread_limit;
use crate::net::raise_descriptor_limit;
use crate::peer::{MAX_HALF_OPEN, USUAL_DESCRIPTORS};
use crate::session::Torrent;
use crate::thread;
use log::warn;

/// Descriptors that are neither peers nor payload files: standard streams, signals, the sockets of the port,
/// of the DHT, of the local network and of the router, the connector's bell, and name servers.
const SPARE: u64 = 20;
/// The same that are open for a moment while files are looked for.
const LOOKING: u64 = 8;
/// The same for each torrent that runs: its folder, its marker, and connections to trackers.
const OF_A_TORRENT: u64 = 4;
/// The least that such a torrent needs besides: a payload file to write and one to upload, and a peer.
const LEAST_FILES: u64 = 2;
const LEAST_PEERS: u64 = 1;
/// The most torrents that are checked at once where all are only to be shared and files are few: the more remain for
/// peers.
const CHECKS: u64 = 8;
/// With fewer descriptors nothing can be downloaded.
const LEAST_DESCRIPTORS: u64 = 20;
/// The most payload files of a torrent that are open for writing at once. As many again may be open for
/// uploads.
const MAX_OPEN_FILES: u64 = 64;
/// With so many threads, besides those of announcers, there are enough. We look for no more, as that takes
/// time and memory.
const ENOUGH_THREADS: usize = 40;
/// The most threads for further torrents that we look for, and the most for announcers.
const MAX_OF_TORRENTS: usize = 4000;
const MAX_ANNOUNCERS: usize = 128;
/// Threads that a run needs to get anywhere: for signals, for a name and a connection to a tracker; and for
/// each torrent that runs its own, the writer's, an announcer's and those of a peer, or of a web seed, which has one
/// and another one while it connects.
const THREADS: usize = 3;
const THREADS_OF_A_TORRENT: usize = 5;
/// With fewer threads, besides the main one, a torrent would wait for ever.
const LEAST_THREADS: usize = 6;
/// So many are enough for the DHT, for incoming connections and for the local network.
const THREADS_FOR_MORE_PEERS: usize = 16;

/// What the torrents of one command are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be downloaded.
    Download,
    /// And to be shared then.
    DownloadAndSeed,
    /// To be shared as they are.
    Seed,
}

/// What the torrents of one command may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The most torrents that are checked or downloaded at once.
    pub places: usize,
    /// The most torrents that run at once, with those that seed.
    pub running: usize,
    /// The most connections to peers and web seeds, of all torrents together.
    pub connections: usize,
    /// The most connections that came in and are not yet a peer's.
    pub incoming: usize,
    /// The most connections that we have begun and that are not yet made.
    pub half_open: usize,
    /// The most files of each torrent that are open for writing, and the most for uploads.
    pub open_files: usize,
    /// How many trackers are asked at once, if that has to be limited.
    pub exchanges: Option<usize>,
    /// Threads for what finds peers, besides trackers.
    pub threads: usize,
    /// The most tiers of trackers of a torrent that have threads of their own, of which each may have two.
    pub most_tiers: usize,
}

impl Resources {
    /// What there is for these torrents, after the limit of open files was raised as far as we may. `peers` are
    /// to be connected to each. If there are fewer, the user is told why.
    ///
    /// # Errors
    ///
    /// So few files may be open, or threads be started, that nothing can be downloaded.
    pub fn find(torrents: &[Torrent], peers: usize, purpose: Purpose) -> Result<Resources, CommandFailure> {
        let limit = raise_descriptor_limit();
        if limit < LEAST_DESCRIPTORS {
            let why = format!("only {limit} files may be open, and {LEAST_DESCRIPTORS} are needed at least");
            return Err((Exit::OTHER, format!("{why} (raise it with ulimit -n)")));
        }
        let tiers: usize = torrents.iter().map(Torrent::tiers).sum();
        let others =
            torrents.len().saturating_sub(1).saturating_mul(THREADS_OF_A_TORRENT).min(MAX_OF_TORRENTS);
        let wanted = ENOUGH_THREADS + others + tiers.saturating_mul(2).min(MAX_ANNOUNCERS);
        let room = if thread_limit::is_far(wanted) { wanted } else { thread::room(wanted) };
        if room < LEAST_THREADS {
            let threads = if room == 1 { "thread" } else { "threads" };
            let why =
                format!("only {room} {threads} may be started, and {LEAST_THREADS} are needed at least");
            return Err((Exit::OTHER, format!("{why} (raise ulimit -u or the limit of the container)")));
        }
        let resources = share(limit, torrents.len(), Some(room).filter(|room| *room < wanted), purpose);
        let Resources { connections, places, running, .. } = resources;
        let all = torrents.len();
        let most = resources.most(purpose);
        if most < all {
            let files = format!("{limit} files may be open (raise it with ulimit -n)");
            let few = match share(limit, all, None, purpose).most(purpose) <= most {
                true => files,
                false => {
                    "few threads may be started (raise ulimit -u or the limit of the container)".to_owned()
                }
            };
            let how = if running > places { "are downloaded" } else { "run" };
            warn!(
                "at most {most} of the {all} torrents {how} at once, because {few}; the others wait for their turn"
            );
        } else if connections < peers {
            warn!(
                "at most {connections} peers in all, because {limit} files may be open (raise it with ulimit -n)"
            );
        }
        Ok(resources)
    }

    /// The most torrents at once that do what they are for.
    fn most(&self, purpose: Purpose) -> usize {
        if purpose == Purpose::Seed { self.running } else { self.places }
    }

    /// Tells the user what there are too few threads for, of what is wanted: the DHT, incoming connections, the local
    /// network.
    pub fn tell_missing(&self, wanted: [bool; 3]) {
        if let Some(missing) = self.missing(wanted) {
            warn!(
                "few threads may be started, so we go on {missing} (raise ulimit -u or the limit of the container)"
            );
        }
    }

    fn missing(&self, [dht, listening, lan]: [bool; 3]) -> Option<String> {
        let missing: Vec<&str> = [
            (dht && !self.has_threads_for_dht(), "without the DHT"),
            (listening && !self.has_threads_for_listening(), "without incoming connections"),
            (lan && !self.has_threads_for_lan(), "without the local network"),
        ]
        .into_iter()
        .filter_map(|(is_missing, without)| is_missing.then_some(without))
        .collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    }

    /// Whether there are threads for a DHT node of each family.
    pub fn has_threads_for_dht(&self) -> bool {
        self.threads >= 2
    }

    /// The same for accepting connections.
    pub fn has_threads_for_listening(&self) -> bool {
        self.threads >= 8
    }

    /// The same for finding peers on the local network.
    pub fn has_threads_for_lan(&self) -> bool {
        self.threads >= 16
    }
}

/// Shares out this many descriptors, and this many threads if there are not enough for everything.
fn share(descriptors: u64, torrents: usize, threads: Option<usize>, purpose: Purpose) -> Resources {
    let rest = descriptors.saturating_sub(SPARE + LOOKING);
    let incoming = (rest / 8).clamp(4, USUAL_DESCRIPTORS as u64);
    let half_open = (rest / 8).clamp(4, MAX_HALF_OPEN as u64);
    let rest = rest.saturating_sub(incoming).saturating_sub(half_open);
    let places = rest / (OF_A_TORRENT + LEAST_FILES + LEAST_PEERS);
    let running = torrents.min(threads.map_or(usize::MAX, places_for)).max(1);
    let places = usize::try_from(places).unwrap_or(usize::MAX).clamp(1, running);
    let are_files_few = places < running;
    let (places, running) = match purpose {
        Purpose::Download => (places, places),
        Purpose::Seed if are_files_few => (places.min(CHECKS as usize), running),
        Purpose::Seed | Purpose::DownloadAndSeed => (places, running),
    };
    let runs = THREADS_OF_A_TORRENT.saturating_mul(running).saturating_add(THREADS);
    let spare_threads = threads.map(|few| few.saturating_sub(runs));
    let threads = spare_threads.unwrap_or(2 * USUAL_DESCRIPTORS);
    let most_tiers = spare_threads.map_or(usize::MAX, |spare| (spare / 8 / running).max(1));
    let in_places = places as u64;
    let rest = rest.saturating_sub(OF_A_TORRENT.saturating_mul(in_places));
    let open_files = (rest / in_places / 8).clamp(1, MAX_OPEN_FILES);
    let connections = match places < running {
        false => rest.saturating_sub(in_places.saturating_mul(2 * open_files)),
        // Each peer may have a file of a torrent of its own.
        true => rest.saturating_sub(in_places.saturating_mul(open_files)) / 2,
    };
    let connections = connections.max(in_places.max(4));
    Resources {
        places,
        running,
        connections: usize::try_from(connections).unwrap_or(usize::MAX),
        incoming: usize::try_from(incoming).unwrap_or(USUAL_DESCRIPTORS).min((threads / 2).max(4)),
        half_open: usize::try_from(half_open).unwrap_or(MAX_HALF_OPEN),
        open_files: open_files as usize,
        exchanges: (places < torrents).then_some(places),
        threads,
        most_tiers,
    }
}

/// How many torrents so few threads are enough for, if some remain for what finds more peers.
fn places_for(threads: usize) -> usize {
    let others = THREADS.saturating_add((threads / 4).min(THREADS_FOR_MORE_PEERS));
    threads.saturating_sub(others) / THREADS_OF_A_TORRENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(descriptors: u64, torrents: usize, threads: Option<usize>) -> Resources {
        super::share(descriptors, torrents, threads, Purpose::Download)
    }

    #[test]
    fn all_torrents_seed_at_once_however_few_the_files_are() {
        for purpose in [Purpose::Seed, Purpose::DownloadAndSeed] {
            for limit in [40, 64, 256, 1024] {
                let share = super::share(limit, 300, None, purpose);
                assert_eq!(share.running, 300, "{limit}");
                let files = share.places as u64 * (share.open_files as u64 + OF_A_TORRENT);
                let all = SPARE + LOOKING + files + (share.incoming + share.half_open) as u64;
                let all = all + 2 * share.connections as u64;
                assert!(all <= limit.max(57), "{limit}: {share:?}");
            }
        }
        let share = super::share(256, 300, None, Purpose::Seed);
        assert!(share.places == 8 && share.connections >= 60, "{share:?}");
        let few_threads = super::share(256, 300, Some(64), Purpose::Seed);
        assert_eq!(few_threads.running, 9, "threads are another matter");
        assert!(
            few_threads.most(Purpose::Seed) < share.most(Purpose::Seed),
            "the warning would blame the files"
        );
        assert_eq!(super::share(256, 300, None, Purpose::Download).running, 24);
        assert_eq!(super::share(65_536, 300, None, Purpose::Seed).places, 300);
    }

    #[test]
    fn all_together_stays_below_the_limit_of_open_files() {
        for (limit, torrents) in
            [(64, 1), (128, 1), (256, 3), (1024, 1), (1024, 50), (65_536, 300), (256, 300), (1024, 9999)]
        {
            let share = share(limit, torrents, None);
            let files = share.places as u64 * (2 * share.open_files as u64 + OF_A_TORRENT);
            let all = SPARE + LOOKING + files + (share.incoming + share.half_open + share.connections) as u64;
            assert!(all <= limit, "{limit}, {torrents}: {share:?}");
        }
    }

    #[test]
    fn torrents_share_the_connections_and_few_descriptors_leave_some_for_each_use() {
        assert_eq!(share(65_536, 1, None).incoming, USUAL_DESCRIPTORS);
        assert!(share(65_536, 300, None).connections > 20_000);
        assert!(share(1024, 1, None).connections >= 600);
        let few = share(40, 1, None);
        assert!(few.connections >= 4 && few.incoming >= 4 && few.open_files >= 1, "{few:?}");
        assert_eq!(share(0, 0, Some(0)).connections, 4);
        assert!(share(512, 300, None).connections >= share(512, 300, None).places);
    }

    #[test]
    fn as_many_torrents_run_as_there_are_files_and_threads_for() {
        let places = |limit, torrents, threads| share(limit, torrents, threads).places;
        assert_eq!([8, 40, 64, 256, 1024].map(|limit| places(limit, 300, None)), [1, 1, 4, 24, 106]);
        assert_eq!(places(65_536, 1000, None), 1000);
        assert_eq!([0, 8, 20, 64, 2000].map(|threads| places(65_536, 300, Some(threads))), [1, 1, 2, 9, 300]);
        let few = share(65_536, 300, Some(64));
        assert!(few.has_threads_for_dht() && few.has_threads_for_listening(), "{few:?}");
    }

    #[test]
    fn with_few_threads_what_finds_more_peers_gives_way_to_the_peers() {
        let uses = |threads| {
            let share = share(1024, 1, threads);
            [share.has_threads_for_dht(), share.has_threads_for_listening(), share.has_threads_for_lan()]
        };
        assert_eq!(uses(Some(8)), [false, false, false]);
        assert_eq!(uses(Some(11)), [true, false, false]);
        assert_eq!(uses(Some(19)), [true, true, false]);
        assert_eq!(uses(Some(39)), [true, true, true]);
        assert_eq!(uses(None), [true, true, true]);
        let missing = |threads, wanted| share(1024, 1, threads).missing(wanted);
        let all = [true; 3];
        assert_eq!(
            missing(Some(11), all).as_deref(),
            Some("without incoming connections, without the local network")
        );
        assert_eq!(missing(Some(8), [true, false, false]).as_deref(), Some("without the DHT"));
        assert_eq!((missing(Some(8), [false; 3]), missing(None, all)), (None, None));
        let tiers = |threads, torrents| share(1024, torrents, threads).most_tiers;
        assert_eq!([tiers(Some(8), 1), tiers(Some(39), 1), tiers(Some(99), 3)], [1, 3, 3]);
        assert!(tiers(None, 300) > 32);
    }
}
