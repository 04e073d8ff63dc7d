//! Runs torrents side by side and connects them with the user.
//!
//! This runs on the main thread. It waits for reports of the runs and for Ctrl-C, and draws the progress.
//! Each torrent runs on a thread of its own, and never waits for the screen.

use super::exit::Exit;
use super::progress::{Screen, Style};
use super::signals::interrupts;
use super::source;
use crate::metainfo::{Magnet, Metainfo};
use crate::net::Outlet;
use crate::session::{
    self, FetchedMetadata, Job, MetadataFetch, Network, Outcome, PeerSourceOptions, Progress, SessionError,
    Stop, Torrent,
};
use crate::text::printable;
use crate::thread;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use log::{error, warn};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a command failed: the exit code of the program and the message for the user.
pub type CommandFailure = (Exit, String);

/// What the thread of a run reports to the main thread. The number is that of its torrent.
enum RunEvent {
    Progress(usize, Progress),
    Ended(usize, Result<Outcome, SessionError>),
}

/// Reads the torrents; `outlet` is the way to those on the web. If one cannot be read, the others run all the same: its error is logged, and its
/// exit code is returned with the torrents.
///
/// # Errors
///
/// There is only one torrent, and it cannot be read.
pub fn load(names: &[String], outlet: &Outlet) -> Result<(Vec<Torrent>, Option<Exit>), CommandFailure> {
    let mut torrents: Vec<Torrent> = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        let torrent = match source::torrent(name, outlet) {
            Ok(torrent) => torrent,
            Err(error) => {
                failures.push((Exit(error.exit_code()), error.to_string()));
                continue;
            }
        };
        match torrents.iter_mut().find(|known| known.info_hash() == torrent.info_hash()) {
            None => torrents.push(torrent),
            Some(known) => {
                warn!("{} was already named, so it is ignored", source::shown(name));
                // A torrent file has the metadata that a magnet would have to ask peers for.
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

/// Runs the jobs side by side. The exit code is that of the first run that was not successful.
pub fn supervise(jobs: Vec<Job>, network: Network, mut screen: Screen, interrupts: Receiver<()>) -> Exit {
    let network = Arc::new(network);
    let (reporter, reports) = bounded(64);
    let stops: Vec<Arc<Stop>> = jobs.iter().map(|_| Arc::default()).collect();
    // By torrent. `None` while its run goes on.
    let mut exits: Vec<Option<Exit>> = Vec::new();
    for (number, (job, stop)) in jobs.into_iter().zip(&stops).enumerate() {
        let spawned = spawn(number, job, Arc::clone(&network), Arc::clone(stop), reporter.clone());
        exits.push(spawned.err().map(|error| screen.failed(number, &SessionError::Threads(error))));
    }
    drop(reporter);
    while exits.contains(&None) {
        select! {
            recv(reports) -> event => match event {
                Ok(event) => react(event, &mut screen, &mut exits),
                // Every run reports its end, so this cannot happen while one goes on.
                Err(_) => return Exit::OTHER,
            },
            recv(interrupts) -> _ => {
                screen.interrupted();
                stops.iter().for_each(|stop| stop.stop());
            }
        }
    }
    screen.close();
    exits.into_iter().flatten().find(|exit| *exit != Exit::DONE).unwrap_or(Exit::DONE)
}

/// Shows what a run reports, and notes its exit code when it has ended.
fn react(event: RunEvent, screen: &mut Screen, exits: &mut [Option<Exit>]) {
    let (number, result) = match event {
        RunEvent::Progress(number, progress) => return screen.show(number, progress),
        RunEvent::Ended(number, result) => (number, result),
    };
    let exit = match result {
        Ok(outcome) => screen.ended(number, &outcome),
        Err(error) => screen.failed(number, &error),
    };
    if let Some(slot) = exits.get_mut(number) {
        *slot = Some(exit);
    }
}

/// Fetches the metadata of a magnet, and nothing else.
///
/// # Errors
///
/// The metadata did not arrive.
pub fn fetch(
    magnet: &Arc<Magnet>,
    sources: &PeerSourceOptions,
    timeout: Option<Duration>,
    network: &Network,
    style: Style,
) -> Result<Arc<Metainfo>, CommandFailure> {
    let mut screen = Screen::new(style, vec![Torrent::Magnet(Arc::clone(magnet)).name()]);
    let (reporter, reports) = bounded(64);
    let (stop, interrupts) = (Stop::default(), interrupts());
    let fetched = std::thread::scope(|scope| {
        let (stop, show) = (&stop, move |progress| drop(reporter.try_send(progress)));
        let fetch = move || {
            let max_peers = usize::MAX;
            MetadataFetch { magnet, sources, timeout, max_peers, network, stop, show: &show }.alone()
        };
        let builder = std::thread::Builder::new().name("magnet".to_owned());
        let fetching = match builder.spawn_scoped(scope, fetch) {
            Ok(fetching) => fetching,
            Err(error) => return Ok(Err(SessionError::Threads(error))),
        };
        loop {
            select! {
                recv(reports) -> report => match report {
                    Ok(progress) => screen.show(0, progress),
                    // The fetching thread is about to end.
                    Err(_) => break fetching.join(),
                },
                recv(interrupts) -> _ => stop.stop(),
            }
        }
    });
    screen.close();
    let name = printable(&magnet.info_hash.to_string());
    match fetched {
        Ok(Ok(FetchedMetadata::Torrent(metainfo))) => Ok(metainfo),
        Ok(Ok(FetchedMetadata::Stopped)) => Err((Exit::UNFINISHED, format!("{name}: stopped"))),
        Ok(Ok(FetchedMetadata::TimedOut)) => {
            Err((Exit::TIMED_OUT, format!("{name}: no progress for too long; {}", screen.no_metadata(0))))
        }
        Ok(Err(error)) => Err((Exit(error.exit_code()), format!("{name}: {error}"))),
        Err(_) => Err((Exit::OTHER, format!("{name}: {}", SessionError::Panicked("the search for it")))),
    }
}

/// Starts the thread of a run.
fn spawn(
    number: usize,
    job: Job,
    network: Arc<Network>,
    stop: Arc<Stop>,
    reporter: Sender<RunEvent>,
) -> io::Result<()> {
    let run = move || {
        let show = |progress| {
            // If the screen is behind, it skips this report and shows a later one.
            let _ = reporter.try_send(RunEvent::Progress(number, progress));
        };
        let run = thread::caught(|| session::run(&job, &network, &stop, &show));
        let result = run.unwrap_or(Err(SessionError::Panicked("the coordinator")));
        drop(network);
        // Sending fails only if the main thread has ended, and then the process ends too.
        let _ = reporter.send(RunEvent::Ended(number, result));
    };
    thread::spawn(format!("torrent-{number}"), 512 * 1024, run).map(drop)
}
