//! Runs of torrents side by side, and their user.
//!
//! Runs on the main thread, which waits for what the runs tell and for Ctrl-C, and draws. Each
//! torrent runs on a thread of its own.

use super::exit::Exit;
use super::progress::Screen;
use super::source;
use crate::metainfo::Metainfo;
use crate::net::Origin;
use crate::session::{self, Job, Network, Outcome, Progress, SessionError, Stop};
use crate::text::printable;
use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use log::{error, warn};
use rustix::process::{Resource, getrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;

/// Descriptors that are neither peers nor payload files: standard streams, trackers, name servers, the
/// port.
const SPARE_DESCRIPTORS: u64 = 20;
/// Payload files that are open at once at most: those that are written, and as many that are sent.
const MOST_OPEN_FILES: u64 = 64;

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
pub fn load(names: &[String], origin: Origin) -> Result<(Vec<Metainfo>, Option<Exit>), Failure> {
    let mut torrents: Vec<Metainfo> = Vec::new();
    let is_known = |known: &[Metainfo], new: &Metainfo| known.iter().any(|it| it.info_hash == new.info_hash);
    let mut failures = Vec::new();
    for name in names {
        match source::load(name, origin) {
            Ok(torrent) if is_known(&torrents, &torrent) => {
                warn!("{} was named before, and is left out", printable(name));
            }
            Ok(torrent) => torrents.push(torrent),
            Err(error) => failures.push((Exit(error.exit_code()), error.to_string())),
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
    let open_files = (each / 8).clamp(1, MOST_OPEN_FILES);
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
