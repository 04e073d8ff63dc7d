//! `demo`: a download to watch, with everything that it needs inside this process.
//!
//! A tracker and two seeders run on threads of their own and on real sockets, all on loopback; what
//! downloads from them is the ordinary code of `get`. The torrent is part of the program, and
//! its payload is made up by it, so that the result can be compared byte by byte. What is shown goes to standard output,
//! the progress between to standard error.

mod payload;
mod seeder;
mod server;
mod tracker;

use super::exit::Exit;
use super::progress::{Screen, Style};
use super::runs::{self, Failure};
use crate::metainfo::Metainfo;
use crate::piece::{Bitfield, Geometry, PieceDigest, PieceIndex};
use crate::session::{Job, Network, Sources, Torrent};
use crate::storage::Allocate;
use crate::swarm::{Aim, Giving, Limits};
use crate::text::size;
use seeder::Seed;
use server::Server;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const TORRENT: &[u8] = include_bytes!("../../../sample-torrents/factors.torrent");
/// When nothing moves for so long, something here is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the demo.
///
/// # Errors
///
/// Loopback or the folder cannot be used, or the download is not what it should be (32).
pub fn run(output_dir: Option<&Path>) -> Result<Exit, Failure> {
    let mut metainfo = Metainfo::parse(TORRENT.to_vec()).map_err(|error| (Exit::OTHER, error.to_string()))?;
    let geometry = Geometry::new(metainfo.total_size, metainfo.piece_length)
        .ok_or((Exit::OTHER, "the torrent inside has no pieces".to_owned()))?;
    let payload: Arc<[u8]> = payload::factors(geometry.total_size()).into();
    let seed = |has: fn(u32) -> bool| {
        let mut pieces = Bitfield::none(geometry.piece_count());
        geometry.pieces().filter(|piece| has(piece.get())).for_each(|piece| {
            pieces.insert(piece);
        });
        Seed { info_hash: metainfo.info_hash, geometry, payload: Arc::clone(&payload), pieces }
    };
    // Each lacks every third piece, but not the same ones.
    let has: [fn(u32) -> bool; 2] = [|piece| piece % 3 != 1, |piece| piece % 3 != 0];
    let [first, second] = has.map(seed);
    let seeders = [
        seeder::start(Ipv4Addr::LOCALHOST, first).map_err(no_loopback)?,
        seeder::start(second_address(), second).map_err(no_loopback)?,
    ];
    let tracker = tracker::start(&seeders.each_ref().map(Server::address)).map_err(no_loopback)?;
    metainfo.trackers = vec![vec![format!("http://{}/announce", tracker.address())]];
    let folder = Folder::new(output_dir)?;

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
    tell(
        "verified",
        format_args!("the SHA-1 of all {} pieces, and every byte is as it should be", digests.len()),
    );
    if output_dir.is_some() {
        tell("kept", file.display());
    }
    Ok(Exit::DONE)
}

fn introduce(metainfo: &Metainfo, geometry: Geometry, folder: &Folder) {
    let Metainfo { name, info_hash, trackers, .. } = metainfo;
    tell(
        "torrent",
        format_args!(
            "{name}, {} in {} pieces of {}",
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

/// Who did what.
fn account(events: &[String], [from_first, from_second]: &[Vec<u32>; 2]) {
    tell("tracker", format_args!("heard from us: {}", listed(events)));
    tell("seeder A", format_args!("sent the pieces {}", listed(from_first)));
    tell("seeder B", format_args!("sent the pieces {}", listed(from_second)));
    let twice: Vec<&u32> = from_first.iter().filter(|piece| from_second.contains(piece)).collect();
    if !twice.is_empty() {
        tell("end game", format_args!("asked both for {}: who was first counted", listed(&twice)));
    }
}

/// The ordinary download, as `get` runs it.
fn download(metainfo: Metainfo, folder: &Path) -> Exit {
    let style = if io::stderr().is_terminal() { Style::Bars } else { Style::Lines };
    let screen = Screen::new(style, vec![metainfo.name.clone()]);
    let job = Job {
        torrent: Torrent::Whole(Arc::new(metainfo)),
        aim: Aim::Whole,
        selected: Vec::new(),
        folder: folder.to_owned(),
        giving: Giving::default(),
        sources: Sources::of_the_torrent(),
        limits: Limits { max_peers: 10, memory: 1 << 20, timeout: Some(PATIENCE) },
        allocate: Allocate::Sparse,
        overwrite: false,
        open_files: 4,
    };
    runs::supervise(vec![job], Network::unlimited(), screen, runs::interrupts())
}

/// Looks at the file as somebody would who trusts nobody: each piece's digest, then each byte.
fn verify(file: &Path, geometry: Geometry, digests: &[PieceDigest], payload: &[u8]) -> Result<(), Failure> {
    let bytes = std::fs::read(file)
        .map_err(|error| (Exit::CANNOT_OPEN, format!("cannot read {}: {error}", file.display())))?;
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

/// Where the download goes: the user's folder, or one of our own that is removed at the end.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(given: Option<&Path>) -> Result<Folder, Failure> {
        if let Some(path) = given {
            return Ok(Folder { path: path.to_owned(), temporary: false });
        }
        let name = format!("femtotorrent-demo-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        // It fails where somebody was faster: what we remove at the end is what we created.
        std::fs::create_dir(&path).map_err(|error| {
            let text =
                format!("cannot create {}: {error} (choose a folder with --output-dir)", path.display());
            (Exit::CANNOT_CREATE, text)
        })?;
        Ok(Folder { path, temporary: true })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// An address of its own for the second seeder, where the system has more than one for loopback.
fn second_address() -> Ipv4Addr {
    let own = Ipv4Addr::new(127, 0, 0, 2);
    TcpListener::bind((own, 0)).map_or(Ipv4Addr::LOCALHOST, |_| own)
}

fn no_loopback(error: io::Error) -> Failure {
    (Exit::NETWORK, format!("cannot listen on 127.0.0.1: {error}"))
}

fn listed(items: &[impl Display]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    if words.is_empty() { "none, everything was there".to_owned() } else { words.join(" ") }
}

fn tell(what: &str, text: impl Display) {
    // Nobody may be reading any more.
    let _ = writeln!(io::stdout(), "{what:<10} {text}");
}
