//! What comes before the runs: reading the torrents; and what `show` wants instead of one: a magnet's metadata.
//!
//! This runs on the main thread.

use super::events::Events;
use super::exit::{CommandFailure, Exit};
use super::hook::TorrentFiles;
use super::progress::{Screen, Style};
use super::signals::interrupts;
use super::source;
use super::source_list::NamedSource;
use super::terminal::say_error;
use crate::message::Door;
use crate::metainfo::{Magnet, Metainfo};
use crate::net::Outlet;
use crate::session::{
    FetchedMetadata, MetadataFetch, Network, PeerSourceOptions, SessionError, Stop, Torrent,
};
use crate::text::printable;
use crossbeam_channel::{at, bounded, never, select};
use log::warn;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The torrents that a command works on.
#[derive(Default)]
pub struct Loaded {
    /// In the order in which the user named them.
    pub torrents: Vec<Torrent>,
    /// What each of them was named by, fit to print.
    pub names: Vec<String>,
    /// The files that they were read from.
    pub files: TorrentFiles,
    /// The exit code of the first source that could not be read.
    pub failure: Option<Exit>,
}

/// Reads the torrents; `outlet` is the way to those on the web. If one cannot be read, its error is shown, and the others
/// run all the same.
pub fn load(sources: &[NamedSource], outlet: &Outlet, events: &mut Events) -> Loaded {
    let Loaded { mut torrents, mut names, mut files, mut failure } = Loaded::default();
    for source in sources {
        let torrent = match source::torrent(&source.name, outlet) {
            Ok(torrent) => torrent,
            Err(error) => {
                let (exit, sentence) = (Exit(error.exit_code()), source.locate(error.to_string()));
                events.source_failed(&source.name, exit, &sentence);
                say_error(&sentence);
                failure = failure.or(Some(exit));
                continue;
            }
        };
        if let (Torrent::Whole(_), Some(file)) = (&torrent, source::file(&source.name)) {
            files.push((torrent.info_hash(), file));
        }
        match torrents.iter_mut().find(|known| known.info_hash() == torrent.info_hash()) {
            None => {
                events.torrent(&torrent, &source.name);
                torrents.push(torrent);
                names.push(source::shown(&source.name));
            }
            Some(known) => {
                let shown = source::shown(&source.name);
                warn!("{}", source.locate(format!("{shown} was already named, so it is ignored")));
                // A torrent file has the metadata that a magnet would have to ask peers for.
                if matches!(torrent, Torrent::Whole(_)) {
                    *known = torrent;
                }
            }
        }
    }
    Loaded { torrents, names, files, failure }
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
            MetadataFetch {
                magnet,
                sources,
                timeout,
                max_peers,
                network,
                stop,
                show: &show,
                door: &Door::default(),
            }
            .alone()
        };
        let builder = std::thread::Builder::new().name("magnet".to_owned());
        let fetching = match builder.spawn_scoped(scope, fetch) {
            Ok(fetching) => fetching,
            Err(error) => return Ok(Err(SessionError::Threads(error))),
        };
        loop {
            let draw = screen.due().map_or(never(), at);
            select! {
                recv(reports) -> report => match report {
                    Ok(progress) => screen.show(0, progress),
                    // The fetching thread is about to end.
                    Err(_) => break fetching.join(),
                },
                recv(interrupts.end) -> _ => stop.stop(),
                recv(interrupts.ask) -> _ => screen.say_all(),
                recv(draw) -> _ => screen.draw(Instant::now()),
            }
        }
    });
    screen.close();
    let name = printable(&magnet.info_hash.to_string());
    match fetched {
        Ok(Ok(FetchedMetadata::Torrent(metainfo))) => Ok(metainfo),
        Ok(Ok(FetchedMetadata::Stopped)) => Err((Exit::UNFINISHED, format!("{name}: stopped"))),
        Ok(Ok(FetchedMetadata::TimedOut)) => {
            Err((Exit::TIMED_OUT, format!("{name}: timed out: {}", screen.no_metadata(0))))
        }
        Ok(Err(error)) => Err((Exit(error.exit_code()), format!("{name}: {error}"))),
        Err(_) => Err((Exit::OTHER, format!("{name}: {}", SessionError::Panicked("the search for it")))),
    }
}
