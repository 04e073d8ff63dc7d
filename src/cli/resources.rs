//! How the file descriptors and the threads that the system gives us are shared out.
//!
//! Both may be few: a container, a service or a user has a limit. A download needs only some peers, so what
//! finds more of them gives way to those that are there: with few threads we do without the local network,
//! then without incoming connections, then without the DHT.

use super::thread_limit;
use crate::net::raise_limit;
use crate::peer::{MAX_HALF_OPEN, USUAL_DESCRIPTORS};
use crate::session::Torrent;
use crate::thread;
use log::warn;

/// Descriptors that are neither peers nor payload files: standard streams, signals, the sockets of the port,
/// of the DHT and of the local network, the connector's bell, and name servers.
const SPARE: u64 = 18;
/// The same for each torrent: its folder, its marker, and connections to trackers.
const OF_A_TORRENT: u64 = 4;
/// The most payload files of a torrent that are open for writing at once. As many again may be open for
/// uploads.
const MAX_OPEN_FILES: u64 = 64;
/// With so many threads, besides those of announcers, there are enough. We look for no more, as that takes
/// time and memory.
const ENOUGH_THREADS: usize = 40;
/// The most threads for announcers that we look for.
const MAX_ANNOUNCERS: usize = 128;
/// Threads that a run needs to get anywhere: for signals, for a name and a connection to a tracker; and for
/// each torrent its own, the writer's, an announcer's and those of a peer.
const THREADS: usize = 3;
const THREADS_OF_A_TORRENT: usize = 5;

/// What the torrents of one command may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The most connections to peers, of all torrents together.
    pub connections: usize,
    /// The most connections that came in and are not yet a peer's.
    pub incoming: usize,
    /// The most connections that we have begun and that are not yet made.
    pub half_open: usize,
    /// The most files of each torrent that are open for writing, and the most for uploads.
    pub open_files: usize,
    /// Threads for what finds peers, besides trackers.
    pub threads: usize,
    /// The most tiers of trackers of a torrent that have threads of their own, of which each may have two.
    pub most_tiers: usize,
}

impl Resources {
    /// What there is for these torrents, after the limit of open files was raised as far as we may. `peers` are
    /// to be connected to each. If there are fewer, the user is told why.
    pub fn find(torrents: &[Torrent], peers: usize) -> Resources {
        let limit = raise_limit();
        let tiers: usize = torrents.iter().map(Torrent::tiers).sum();
        let wanted = ENOUGH_THREADS + tiers.saturating_mul(2).min(MAX_ANNOUNCERS);
        let room = if thread_limit::is_far() { wanted } else { thread::room(wanted) };
        let resources = share(limit, torrents.len(), Some(room).filter(|room| *room < wanted));
        let connections = resources.connections;
        if connections < peers {
            warn!(
                "at most {connections} peers in all, because {limit} files may be open (raise it with ulimit -n)"
            );
        }
        let missing: Vec<&str> = [
            (resources.has_threads_for_dht(), "without the DHT"),
            (resources.has_threads_for_listening(), "without incoming connections"),
            (resources.has_threads_for_lan(), "without the local network"),
        ]
        .into_iter()
        .filter_map(|(has, without)| (!has).then_some(without))
        .collect();
        if !missing.is_empty() {
            warn!(
                "few threads may be started, so we go on {} (raise ulimit -u or the limit of the container)",
                missing.join(", ")
            );
        }
        resources
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
fn share(descriptors: u64, torrents: usize, threads: Option<usize>) -> Resources {
    let torrents = torrents.max(1);
    let runs = THREADS_OF_A_TORRENT.saturating_mul(torrents).saturating_add(THREADS);
    let spare_threads = threads.map(|few| few.saturating_sub(runs));
    let threads = spare_threads.unwrap_or(2 * USUAL_DESCRIPTORS);
    let most_tiers = spare_threads.map_or(usize::MAX, |spare| (spare / 8 / torrents).max(1));
    let torrents = torrents as u64;
    let rest = descriptors.saturating_sub(SPARE + OF_A_TORRENT.saturating_mul(torrents));
    let incoming = (rest / 8).clamp(4, USUAL_DESCRIPTORS as u64);
    let half_open = (rest / 8).clamp(4, MAX_HALF_OPEN as u64);
    let open_files = (rest / torrents / 8).clamp(1, MAX_OPEN_FILES);
    // Two more are open while a file is looked for.
    let files = torrents.saturating_mul(2 * open_files + 2);
    // Where there are more torrents than files, each still needs a peer to come to its end and give up its own.
    let connections = rest.saturating_sub(incoming).saturating_sub(half_open).saturating_sub(files);
    let connections = connections.max(torrents.max(4));
    Resources {
        connections: usize::try_from(connections).unwrap_or(usize::MAX),
        incoming: usize::try_from(incoming).unwrap_or(USUAL_DESCRIPTORS).min((threads / 2).max(4)),
        half_open: usize::try_from(half_open).unwrap_or(MAX_HALF_OPEN),
        open_files: open_files as usize,
        threads,
        most_tiers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_stays_below_the_limit_of_open_files() {
        for (limit, torrents) in [(64, 1), (128, 1), (256, 3), (1024, 1), (1024, 50), (65_536, 300)] {
            let share = share(limit, torrents, None);
            let files = torrents as u64 * (2 * share.open_files as u64 + 2 + OF_A_TORRENT);
            let all = SPARE + files + (share.incoming + share.half_open + share.connections) as u64;
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
        assert_eq!(share(512, 300, None).connections, 300);
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
        let tiers = |threads, torrents| share(1024, torrents, threads).most_tiers;
        assert_eq!([tiers(Some(8), 1), tiers(Some(39), 1), tiers(Some(99), 3)], [1, 3, 3]);
        assert!(tiers(None, 300) > 32);
    }
}
