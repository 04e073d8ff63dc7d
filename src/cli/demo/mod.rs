//! `demo`: a download to watch, with everything that it needs inside this process.
//!
//! A tracker and two seeders run on threads of their own and on real sockets, all on loopback. The ordinary
//! code of `get` downloads from them. The torrent is part of the program, which also computes the payload, so
//! that the result can be compared byte by byte. Standard output says what happens, standard error shows the
//! progress. The demo runs on the main thread, which waits for the download as `get` does.

mod payload;
mod seeder;
mod server;
mod tracker;

use super::events::Events;
use super::exit::Exit;
use super::progress::{Screen, Style};
use super::runs::CommandFailure;
use super::signals::interrupts;
use super::supervisor::supervise;
use super::terminal;
use crate::metainfo::{FileChoice, Metainfo};
use crate::piece::{Bitfield, Geometry, PieceDigest, PieceIndex};
use crate::session::{Aim, Job, Naming, Network, PeerSourceOptions, Torrent};
use crate::storage::{Allocate, Check, Existing};
use crate::swarm::{Limits, UploadPolicy};
use crate::text::{reason, size};
use seeder::Seeder;
use server::DemoServer;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const TORRENT: &[u8] = include_bytes!("../../../sample-torrents/factors.torrent");
/// The longest time without progress. If it passes, something here is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the demo.
///
/// # Errors
///
/// Loopback or the folder cannot be used, or the downloaded file is wrong (exit code 32).
pub fn run(output_dir: Option<&Path>) -> Result<Exit, CommandFailure> {
    let mut metainfo = Metainfo::parse(TORRENT.to_vec()).map_err(|error| (Exit::OTHER, error.to_string()))?;
    let geometry = Geometry::new(metainfo.total_size, metainfo.piece_length)
        .ok_or((Exit::OTHER, "the torrent inside has no pieces".to_owned()))?;
    let payload: Arc<[u8]> = payload::factors(geometry.total_size()).into();
    let seeder = |has: fn(u32) -> bool| {
        let mut pieces = Bitfield::none(geometry.piece_count());
        geometry.pieces().filter(|piece| has(piece.get())).for_each(|piece| {
            pieces.insert(piece);
        });
        Seeder { info_hash: metainfo.info_hash, geometry, payload: Arc::clone(&payload), pieces }
    };
    // Each seeder lacks every third piece, but not the same ones.
    let has: [fn(u32) -> bool; 2] = [|piece| piece % 3 != 1, |piece| piece % 3 != 0];
    let [first, second] = has.map(seeder);
    let seeders = [
        seeder::start(Ipv4Addr::LOCALHOST, first).map_err(no_loopback)?,
        seeder::start(second_address(), second).map_err(no_loopback)?,
    ];
    let tracker = tracker::start(&seeders.each_ref().map(DemoServer::address)).map_err(no_loopback)?;
    metainfo.trackers = vec![vec![format!("http://{}/announce", tracker.address())]];
    let folder = DemoFolder::new(output_dir)?;

    introduce(&metainfo, geometry, &folder);
    for ((name, seeder), has) in ["seeder A", "seeder B"].into_iter().zip(&seeders).zip(has) {
        let row: String = geometry.pieces().map(|piece| if has(piece.get()) { '#' } else { '.' }).collect();
        tell(name, format_args!("{:<21} has the pieces {row}", seeder.address().to_string()));
    }
    let digests: Vec<PieceDigest> = (0..).map_while(|piece| metainfo.piece_digest(piece)).collect();
    let file = metainfo.files.first().map(|file| folder.path.join(&file.path)).unwrap_or_default();

    let exit = download(metainfo, &folder.path);

    let events = tracker.stop().unwrap_or_default();
    let sent = seeders.map(|seeder| seeder.stop().unwrap_or_default());
    if exit != Exit::DONE {
        return Ok(exit);
    }
    account(&events, &sent);
    verify(&file, geometry, &digests, &payload)?;
    tell("verified", format_args!("the SHA-1 of all {} pieces, and every byte is correct", digests.len()));
    if output_dir.is_some() {
        tell("kept", file.display());
    }
    Ok(Exit::DONE)
}

/// Says what is to be downloaded, and where to.
fn introduce(metainfo: &Metainfo, geometry: Geometry, folder: &DemoFolder) {
    let Metainfo { name, info_hash, trackers, .. } = metainfo;
    tell(
        "torrent",
        format_args!(
            "{name}, {} in {} pieces of {}, one block each (most torrents have larger pieces)",
            size(geometry.total_size()),
            geometry.piece_count(),
            size(u64::from(geometry.piece_length()))
        ),
    );
    tell("info-hash", info_hash);
    tell(
        "folder",
        format_args!(
            "{}{}",
            folder.path.display(),
            if folder.temporary { ", removed at the end" } else { "" }
        ),
    );
    tell("tracker", format_args!("{}, which knows both seeders", trackers.concat().concat()));
}

/// Says what the tracker and the seeders did.
fn account(events: &[String], [from_first, from_second]: &[Vec<u32>; 2]) {
    tell("tracker", format_args!("heard from us: {}", listed(events)));
    tell("seeder A", format_args!("sent the pieces {}", listed(from_first)));
    tell("seeder B", format_args!("sent the pieces {}", listed(from_second)));
    let twice: Vec<&u32> = from_first.iter().filter(|piece| from_second.contains(piece)).collect();
    if !twice.is_empty() {
        tell("end game", format_args!("asked both for {}: the first answer counted", listed(&twice)));
    }
}

/// The ordinary download, as `get` runs it.
fn download(metainfo: Metainfo, folder: &Path) -> Exit {
    let style = Style::of(false);
    let screen = Screen::new(style, vec![metainfo.name.clone()]);
    let job = Job {
        torrent: Torrent::Whole(Arc::new(metainfo)),
        aim: Aim::Download,
        selected: Vec::new(),
        choice: FileChoice::default(),
        folder: folder.to_owned(),
        uploads: UploadPolicy::default(),
        sources: PeerSourceOptions::of_the_torrent(),
        naming: Naming::default(),
        limits: Limits {
            max_peers: 10,
            memory: 1 << 20,
            timeout: Some(PATIENCE),
            idle_before: Duration::ZERO,
        },
        allocate: Allocate::Sparse,
        existing: Existing::Keep,
        open_files: 4,
        check: Check::Changed,
        cache: None,
    };
    supervise(vec![job], 1, Network::unlimited(), screen, &mut Events::default(), interrupts(), None)
}

/// Checks the file independently of the download: the digest of each piece, then each byte.
fn verify(
    file: &Path,
    geometry: Geometry,
    digests: &[PieceDigest],
    payload: &[u8],
) -> Result<(), CommandFailure> {
    let bytes = std::fs::read(file).map_err(|error| {
        (Exit::CANNOT_OPEN, format!("cannot read {}: {}", file.display(), reason(&error)))
    })?;
    let pieces = bytes.chunks(geometry.piece_length() as usize);
    let wrong: Vec<PieceIndex> = geometry
        .pieces()
        .zip(digests.iter().zip(pieces))
        .filter(|(_, (digest, piece))| **digest != PieceDigest::of(piece))
        .map(|(piece, _)| piece)
        .collect();
    match wrong.first() {
        None if bytes == payload => Ok(()),
        None => Err((Exit::NOT_VERIFIED, format!("{} is not what the seeders have", file.display()))),
        Some(piece) => {
            Err((Exit::NOT_VERIFIED, format!("piece {} of {} is wrong", piece.get(), file.display())))
        }
    }
}

/// The folder of the download: the user's, or a temporary one that is removed at the end.
struct DemoFolder {
    path: PathBuf,
    temporary: bool,
}

impl DemoFolder {
    fn new(given: Option<&Path>) -> Result<DemoFolder, CommandFailure> {
        if let Some(path) = given {
            return Ok(DemoFolder { path: path.to_owned(), temporary: false });
        }
        let name = format!("femtotorrent-demo-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        // This fails if the folder exists, so that we never remove a folder that we did not create.
        std::fs::create_dir(&path).map_err(|error| {
            let text = format!(
                "cannot create {}: {} (choose a folder with --output-dir)",
                path.display(),
                reason(&error)
            );
            (Exit::CANNOT_CREATE, text)
        })?;
        Ok(DemoFolder { path, temporary: true })
    }
}

impl Drop for DemoFolder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The address of the second seeder: one of its own, if the system has a second loopback address.
fn second_address() -> Ipv4Addr {
    let own = Ipv4Addr::new(127, 0, 0, 2);
    TcpListener::bind((own, 0)).map_or(Ipv4Addr::LOCALHOST, |_| own)
}

fn no_loopback(error: io::Error) -> CommandFailure {
    (Exit::NETWORK, format!("cannot listen on 127.0.0.1: {}", reason(&error)))
}

/// The items with spaces between them.
fn listed(items: &[impl Display]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    if words.is_empty() { "none, everything was there".to_owned() } else { words.join(" ") }
}

/// Prints one line: what it is about, and the text.
fn tell(what: &str, text: impl Display) {
    // This fails if the reader of standard output is gone.
    let _ = writeln!(terminal::output(), "{what:<10} {text}");
}
