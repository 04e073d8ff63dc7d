//! Runs of torrents side by side, and their user.
//!
//! Runs on the main thread, which waits for what the runs tell and for Ctrl-C, and draws. Each
//! torrent runs on a thread of its own.

use super::exit::Exit;
use super::progress::{Screen, Style};
use super::source;
use crate::metainfo::{Magnet, Metainfo};
use crate::net::BindAddress;
use crate::session::{
    self, Fetch, Fetched, Job, Network, Outcome, Progress, SessionError, Sources, Stop, Torrent,
};
use crate::text::{excerpt, printable};
use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use log::{error, warn};
use rustix::process::{Resource, getrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Descriptors that are neither peers nor payload files: standard streams, trackers, name servers, the
/// port.
const SPARE_DESCRIPTORS: u64 = 20;
/// Payload files that are open at once at most: those that are written, and as many that are sent.
const MAX_OPEN_FILES: u64 = 64;

/// A failure of the command: how the program ends and what it says.
pub type Failure = (Exit, String);

/// What the threads of the runs tell the main thread.
enum Told {
    Progress(usize, Progress),
    Ended(usize, Result<Outcome, SessionError>),
}

/// Reads the torrents. One that cannot be read does not keep the others from running: its failure is
/// said, and becomes the exit code that comes with the torrents.
///
/// # Errors
///
/// None can be read.
pub fn load(names: &[String], bind_address: BindAddress) -> Result<(Vec<Torrent>, Option<Exit>), Failure> {
    let mut torrents: Vec<Torrent> = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        let torrent = match source::torrent(name, bind_address) {
            Ok(torrent) => torrent,
            Err(error) => {
                failures.push((Exit(error.exit_code()), error.to_string()));
                continue;
            }
        };
        match torrents.iter_mut().find(|known| known.info_hash() == torrent.info_hash()) {
            None => torrents.push(torrent),
            Some(known) => {
                warn!("{} was named before, and is left out", excerpt(name, 300));
                // What a torrent says need not be asked of the peers of a magnet.
                if matches!(torrent, Torrent::Whole(_)) {
                    *known = torrent;
                }
            }
        }
    }
    if torrents.is_empty() && failures.len() == 1 {
        return Err(failures.remove(0));
    }
    failures.iter().for_each(|(_, message)| error!("femtotorrent: {message}"));
    Ok((torrents, failures.first().map(|(failure, _)| *failure)))
}

/// Runs the jobs side by side. The exit code is that of the first that was not done.
pub fn supervise(jobs: Vec<Job>, network: Network, mut screen: Screen, interrupts: Receiver<()>) -> Exit {
    let network = Arc::new(network);
    let (tell, told) = bounded(64);
    let stops: Vec<Arc<Stop>> = jobs.iter().map(|_| Arc::default()).collect();
    let mut running = 0;
    let mut exits = vec![Exit::DONE; jobs.len()];
    for (number, (job, stop)) in jobs.into_iter().zip(&stops).enumerate() {
        match spawn(number, job, Arc::clone(&network), Arc::clone(stop), tell.clone()) {
            Ok(()) => running += 1,
            Err(error) => set(&mut exits, number, screen.failed(number, &SessionError::Threads(error))),
        }
    }
    drop(tell);
    while running > 0 {
        select! {
            recv(told) -> told => match told {
                Ok(Told::Progress(number, progress)) => screen.show(number, progress),
                Ok(Told::Ended(number, result)) => {
                    running -= 1;
                    let exit = match result {
                        Ok(outcome) => screen.ended(number, &outcome),
                        Err(error) => screen.failed(number, &error),
                    };
                    set(&mut exits, number, exit);
                }
                // A thread of a run ended without a word: it panicked.
                Err(_) => return Exit::OTHER,
            },
            recv(interrupts) -> _ => {
                screen.interrupted();
                stops.iter().for_each(|stop| stop.stop());
            }
        }
    }
    screen.close();
    exits.into_iter().find(|exit| *exit != Exit::DONE).unwrap_or(Exit::DONE)
}

/// Has the metadata of a magnet fetched, and nothing else.
///
/// # Errors
///
/// It did not come.
pub fn fetch(
    magnet: &Arc<Magnet>,
    sources: &Sources,
    timeout: Option<Duration>,
    network: &Network,
    style: Style,
) -> Result<Arc<Metainfo>, Failure> {
    let mut screen = Screen::new(style, vec![Torrent::Magnet(Arc::clone(magnet)).name()]);
    let (tell, told) = bounded(64);
    let (stop, interrupts) = (Stop::default(), interrupts());
    let fetched = std::thread::scope(|scope| {
        let (stop, show) = (&stop, move |progress| drop(tell.try_send(progress)));
        let fetching = scope.spawn(move || {
            let max_peers = usize::MAX;
            Fetch { magnet, sources, timeout, max_peers, network, stop, show: &show }.alone()
        });
        loop {
            select! {
                recv(told) -> told => match told {
                    Ok(progress) => screen.show(0, progress),
                    // Its thread is about to end.
                    Err(_) => break fetching.join(),
                },
                recv(interrupts) -> _ => stop.stop(),
            }
        }
    });
    screen.close();
    let name = printable(&magnet.info_hash.to_string());
    match fetched {
        Ok(Ok(Fetched::Torrent(metainfo))) => Ok(metainfo),
        Ok(Ok(Fetched::Stopped)) => Err((Exit::UNFINISHED, format!("{name}: stopped"))),
        Ok(Ok(Fetched::TimedOut)) => {
            Err((Exit::TIMED_OUT, format!("{name}: nothing came for too long; {}", screen.no_metadata(0))))
        }
        Ok(Err(error)) => Err((Exit(error.exit_code()), format!("{name}: {error}"))),
        Err(_) => Err((Exit::OTHER, format!("{name}: the thread that fetched it panicked"))),
    }
}

fn set(exits: &mut [Exit], number: usize, exit: Exit) {
    if let Some(slot) = exits.get_mut(number) {
        *slot = exit;
    }
}

fn spawn(
    number: usize,
    job: Job,
    network: Arc<Network>,
    stop: Arc<Stop>,
    tell: Sender<Told>,
) -> io::Result<()> {
    let run = move || {
        let show = |progress| {
            // The screen is behind: it will see the next.
            let _ = tell.try_send(Told::Progress(number, progress));
        };
        let result = session::run(&job, &network, &stop, &show);
        drop(network);
        // It fails where the main thread has ended, and the process with it.
        let _ = tell.send(Told::Ended(number, result));
    };
    std::thread::Builder::new().name(format!("torrent-{number}")).stack_size(512 * 1024).spawn(run).map(drop)
}

/// Peers and open files for each of `count` torrents, so that all together fit under the limit of
/// open descriptors (`ulimit -n`).
pub fn share_descriptors(wanted_peers: u64, count: u64) -> (usize, usize) {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let each = (limit.saturating_sub(SPARE_DESCRIPTORS) / count).max(2);
    let open_files = (each / 8).clamp(1, MAX_OPEN_FILES);
    let peers = wanted_peers.min(each.saturating_sub(2 * open_files)).max(1);
    if peers < wanted_peers {
        warn!("at most {peers} peers a torrent, since {limit} files may be open (raise it with ulimit -n)");
    }
    (usize::try_from(peers).unwrap_or(usize::MAX), open_files as usize)
}

/// Hears Ctrl-C and a request to terminate. The second one ends the process at once.
///
/// A hang-up is not among them: who started us with `nohup` wants us to go on.
pub fn interrupts() -> Receiver<()> {
    let (tell, told) = bounded(1);
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return never() };
    let hear = move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 || tell.try_send(()).is_err() {
                std::process::exit(i32::from(Exit::UNFINISHED.0));
            }
        }
    };
    match std::thread::Builder::new().name("signals".to_owned()).stack_size(64 * 1024).spawn(hear) {
        Ok(_) => told,
        Err(_) => never(),
    }
}
