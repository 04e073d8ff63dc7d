//! The ordinary download of the demo: the code of `get`, a tracker and two seeders, or three.

use super::super::events::Events;
use super::super::exit::Exit;
use super::super::progress::{Screen, Style};
use super::super::runs::CommandFailure;
use super::super::signals::interrupts;
use super::super::supervisor::supervise;
use super::super::trace::Trace;
use super::super::watch::Wanted;
use super::material::Material;
use super::mood::Mood;
use super::narrator::{Name, Narrator};
use super::no_listening;
use super::seeder::{self, Seeder};
use super::server::DemoServer;
use super::tracker;
use super::voice::Voice;
use crate::metainfo::{FileChoice, Metainfo};
use crate::net::tap::Tap;
use crate::piece::{BLOCK_LENGTH, Bitfield, Geometry, PieceDigest, PieceIndex};
use crate::session::{Aim, Job, Naming, Network, PeerSourceOptions, Torrent};
use crate::storage::{Allocate, Check, Existing};
use crate::swarm::{Limits, UploadPolicy};
use crate::text::{reason, shown, size};
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest time without progress. If it passes, something here is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// One of the seeders: its name, which pieces it has, and how it behaves.
struct Role {
    name: &'static str,
    has: fn(u32) -> bool,
    mood: Mood,
}

/// Who takes part. A and B lack some pieces, but not the same ones, unless B is slow: that a quick seeder takes over from
/// a slow one can be seen only where both have the piece. A liar is one more.
fn roles(mood: Mood) -> Vec<Role> {
    let all = |_| true;
    let has: [fn(u32) -> bool; 2] =
        if mood.is_slow { [all, all] } else { [|piece| piece % 3 != 1, |piece| piece % 3 != 0] };
    let [first, second] = has;
    // Whoever has the lesson to teach is asked first.
    let hesitates = mood.lies || mood.is_slow;
    let first_mood = Mood { hesitates, is_fast: mood.is_slow, ..Mood::default() };
    let second_mood = Mood { lies: false, hesitates: mood.lies && !mood.is_slow, ..mood };
    let mut roles = vec![
        Role { name: "A", has: first, mood: first_mood },
        Role { name: "B", has: second, mood: second_mood },
    ];
    if mood.lies {
        roles.push(Role { name: "C", has: all, mood: Mood { lies: true, ..Mood::default() } });
    }
    roles
}

/// What the user wants to see of it.
pub struct View<'a> {
    /// Where the demo speaks.
    pub voice: Voice,
    /// Each message is printed among what the demo says.
    pub prints_trace: bool,
    /// How the progress is shown.
    pub style: Style,
    /// Whether more of it is shown.
    pub wanted: Wanted,
    /// What happens, for programs.
    pub events: &'a mut Events,
}

/// Downloads from seeders of this mood, into this folder or a temporary one. `begin_trace` begins the trace, if there is
/// to be one, given the names of those that speak.
///
/// # Errors
///
/// Loopback or the folder cannot be used, or the downloaded file is wrong (exit code 32).
pub fn run(
    material: Material,
    mood: Mood,
    output_dir: Option<&Path>,
    view: View<'_>,
    begin_trace: impl FnOnce(Vec<Name>) -> Result<Trace, CommandFailure>,
) -> Result<Exit, CommandFailure> {
    let digests = material.digests();
    let Material { mut metainfo, geometry, payload } = material;
    let roles = roles(mood);
    let mut seeders = Vec::new();
    for (number, role) in (1_u8..).zip(&roles) {
        let mut pieces = Bitfield::none(geometry.piece_count());
        geometry.pieces().filter(|piece| (role.has)(piece.get())).for_each(|piece| _ = pieces.insert(piece));
        let info_hash = metainfo.info_hash;
        let mood = Mood { is_watched: mood.is_watched, ..role.mood };
        let seeder = Seeder { info_hash, geometry, payload: Arc::clone(&payload), pieces, mood };
        let ip = own_address(number);
        seeders
            .push(seeder::start(ip, seeder).map_err(|error| no_listening(SocketAddrV4::new(ip, 0), &error))?);
    }
    let addresses: Vec<SocketAddr> = seeders.iter().map(DemoServer::address).collect();
    let tracker = tracker::start(Ipv4Addr::LOCALHOST, &addresses, |_| None)
        .map_err(|error| no_listening(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), &error))?;
    let site = format!("http://{}", tracker.address());
    metainfo.trackers = vec![vec![format!("{site}/announce")]];
    let folder = DemoFolder::new(output_dir)?;
    let mut names: Vec<Name> =
        addresses.iter().map(ToString::to_string).zip(roles.iter().map(|role| role.name)).collect();
    names.push((site, "tracker"));
    let View { voice, prints_trace, style, wanted, events } = view;
    let trace = begin_trace(names)?;

    introduce(&metainfo, geometry, &folder, voice);
    for (role, address) in roles.iter().zip(&addresses) {
        let row: String =
            geometry.pieces().map(|piece| if (role.has)(piece.get()) { '#' } else { '.' }).collect();
        let odd = oddity(role.mood);
        let text = format_args!("{:<21} has the pieces {row}{odd}", address.to_string());
        voice.tell(&format!("seeder {}", role.name), text);
    }
    let file = metainfo.files.first().map(|file| folder.path.join(&file.path)).unwrap_or_default();
    let named = addresses.into_iter().zip(roles.iter().map(|role| role.name)).collect();
    let narrator = Arc::new(Narrator::new(
        named,
        mood,
        trace.tap(),
        (!prints_trace && !mood.is_watched).then_some(voice),
    ));

    let exit = download(metainfo, &folder.path, &narrator, (style, wanted), events);

    trace.end();
    let heard = tracker.stop().unwrap_or_default();
    let sent: Vec<Vec<u32>> = seeders.into_iter().map(|seeder| seeder.stop().unwrap_or_default()).collect();
    if exit != Exit::DONE {
        return Ok(exit);
    }
    voice.tell("tracker", format_args!("heard from us: {}", listed(&heard)));
    for (role, sent) in roles.iter().zip(&sent) {
        voice.tell(&format!("seeder {}", role.name), format_args!("sent {}", blocks(sent)));
    }
    verify(&file, geometry, &digests, &payload)?;
    voice.tell(
        "verified",
        format_args!("the SHA-1 of all {} pieces, and every byte is correct", digests.len()),
    );
    if output_dir.is_some() {
        voice.tell("kept", file.display());
    }
    let lessons = narrator.lessons();
    lessons.iter().for_each(|lesson| voice.explain("learned", lesson));
    if lessons.is_empty() {
        voice.explain(
            "next",
            "--trace shows each message of this. --liar, --slow and --choke change the story.",
        );
    }
    Ok(Exit::DONE)
}

/// Says what is to be downloaded, and where to.
fn introduce(metainfo: &Metainfo, geometry: Geometry, folder: &DemoFolder, voice: Voice) {
    let Metainfo { name, info_hash, trackers, .. } = metainfo;
    voice.tell(
        "torrent",
        format_args!(
            "{name}, {} in {} pieces of {}, the last one shorter; blocks of {}",
            size(geometry.total_size()),
            geometry.piece_count(),
            size(u64::from(geometry.piece_length())),
            size(u64::from(BLOCK_LENGTH))
        ),
    );
    voice.tell("info-hash", info_hash);
    let removed = if folder.temporary { ", removed at the end" } else { "" };
    voice.tell("folder", format_args!("{}{removed}", shown(&folder.path)));
    voice.tell("tracker", format_args!("{}, which knows all seeders", trackers.concat().concat()));
}

/// What is odd about a seeder, for the end of its line.
fn oddity(mood: Mood) -> String {
    let oddities =
        [(mood.is_slow, "is slow"), (mood.chokes, "will choke us"), (mood.lies, "will send a wrong byte")];
    oddities.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| format!(", {text}")).collect()
}

/// How many blocks of which pieces, in their order.
fn blocks(sent: &[u32]) -> String {
    let runs: Vec<String> = sent
        .chunk_by(|one, other| one == other)
        .map(|run| format!("{}×{}", run.first().copied().unwrap_or_default(), run.len()))
        .collect();
    if runs.is_empty() { "nothing".to_owned() } else { format!("these pieces × blocks: {}", runs.join(" ")) }
}

/// The ordinary download, as `get` runs it.
fn download(
    metainfo: Metainfo,
    folder: &Path,
    narrator: &Arc<Narrator>,
    (style, wanted): (Style, Wanted),
    events: &mut Events,
) -> Exit {
    let name = metainfo.name.clone();
    let torrent = Torrent::Whole(Arc::new(metainfo));
    events.torrent(&torrent, "demo");
    let (watching, seeing) = (Arc::clone(narrator), Arc::clone(narrator));
    events.watched_by(move |notice| watching.hear(notice));
    let tap = Tap::to(move |seen| seeing.see(seen));
    let network = Network::unlimited();
    let screen = Screen::new(style, vec![name]).with_watch(wanted, &tap);
    let network = Network { connector: network.connector.watched_by(tap.clone()), tap, ..network };
    let job = Job {
        torrent,
        aim: Aim::Download,
        selected: Vec::new(),
        choice: FileChoice::default(),
        folder: folder.to_owned(),
        uploads: UploadPolicy::default(),
        sources: PeerSourceOptions::of_the_torrent(),
        naming: Naming::default(),
        limits: Limits {
            max_peers: 10,
            memory: 8 << 20,
            timeout: Some(PATIENCE),
            idle_before: Duration::ZERO,
        },
        allocate: Allocate::Sparse,
        existing: Existing::Keep,
        open_files: 4,
        check: Check::Changed,
        cache: None,
    };
    supervise(vec![job], 1, network, screen, events, interrupts(), None)
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

/// The address of this seeder: one of its own, if the system has as many loopback addresses. Whoever sends wrong bytes
/// is avoided by its address.
fn own_address(number: u8) -> Ipv4Addr {
    let own = Ipv4Addr::new(127, 0, 0, number);
    TcpListener::bind((own, 0)).map_or(Ipv4Addr::LOCALHOST, |_| own)
}

/// The items with spaces between them.
fn listed(items: &[impl Display]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}
