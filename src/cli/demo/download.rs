//! The ordinary download of the demo: the code of `get`, a tracker and two seeders, or three.

use super::super::events::Events;
use super::super::exit::Exit;
use super::super::pcap_option::PcapOption;
use super::super::progress::{Screen, Style};
use super::super::runs::CommandFailure;
use super::super::signals::interrupts;
use super::super::supervisor::supervise;
use super::super::trace::Trace;
use super::super::turns::Room;
use super::super::watch::Wanted;
use super::cast::{Accounts, Cast};
use super::material::Material;
use super::mood::Mood;
use super::narrator::{Name, Narrator};
use super::voice::Voice;
use crate::metainfo::{FileChoice, Metainfo};
use crate::net::BindAddress;
use crate::net::tap::Tap;
use crate::piece::{BLOCK_LENGTH, Geometry, PieceDigest, PieceIndex};
use crate::session::{Aim, Job, Naming, Network, PeerSourceOptions, Torrent};
use crate::storage::{Allocate, Check, Existing};
use crate::swarm::{Limits, UploadPolicy};
use crate::text::{reason, shown, size};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest time without progress. If it passes, something here is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the user wants to see of it.
pub struct View<'a> {
    /// Where the demo speaks.
    pub voice: Voice,
    /// Each message is printed among what the demo says.
    pub prints_trace: bool,
    /// Whether all bytes are written down.
    pub pcap: &'a PcapOption,
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
    let cast = Cast::start(&material, mood)?;
    let folder = DemoFolder::new(output_dir)?;
    let View { voice, prints_trace, pcap, style, wanted, events } = view;
    let trace = begin_trace(cast.names())?;
    introduce(&material, &folder, &cast.site(), voice);
    cast.introduce(material.geometry, voice);
    let file = folder.path.join(material.file_name());
    let digests = material.digests();
    let Material { mut metainfo, geometry, payload } = material;
    metainfo.trackers = vec![vec![format!("{}/announce", cast.site())]];
    let sentences = (!prints_trace && !mood.is_watched).then_some(voice);
    let narrator = Arc::new(Narrator::new(cast.seeders(), mood, trace.tap(), sentences));

    let seeing = Arc::clone(&narrator);
    let tap = Tap::to(move |seen| seeing.see(seen));
    let pcap = pcap.begin(&tap, BindAddress::any())?;

    let exit = download(metainfo, &folder.path, (&narrator, tap), (style, wanted), events);

    pcap.end();
    trace.end();
    let accounts = cast.end();
    if exit != Exit::DONE {
        return Ok(exit);
    }
    account(&accounts, voice);
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
        let next = if prints_trace {
            "--liar, --slow and --choke change the story. --serve and --with are partners for a client of your own."
        } else {
            "--trace shows each message of this. --liar, --slow and --choke change the story."
        };
        voice.explain("next", next);
    }
    Ok(Exit::DONE)
}

/// Says what is to be downloaded, and where to.
fn introduce(material: &Material, folder: &DemoFolder, site: &str, voice: Voice) {
    let Material { metainfo: Metainfo { name, info_hash, .. }, geometry, .. } = material;
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
    voice.tell("tracker", format_args!("{site}/announce, which knows all seeders"));
}

/// Says what the tracker and the seeders did.
fn account(Accounts { events, sent }: &Accounts, voice: Voice) {
    voice.tell("tracker", format_args!("heard from us: {}", listed(events)));
    for (name, sent) in sent {
        voice.tell(&format!("seeder {name}"), format_args!("sent {}", blocks(sent)));
    }
}

/// How many blocks of which pieces, in their order.
fn blocks(sent: &[u32]) -> String {
    let mut words = Vec::new();
    for run in sent.chunk_by(|one, other| one == other) {
        let (count, piece) = (run.len(), run.first().copied().unwrap_or_default());
        let what = match (words.is_empty(), count) {
            (false, _) => "of",
            (true, 1) => "block of piece",
            (true, _) => "blocks of piece",
        };
        words.push(format!("{count} {what} {piece}"));
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// The ordinary download, as `get` runs it.
fn download(
    metainfo: Metainfo,
    folder: &Path,
    (narrator, tap): (&Arc<Narrator>, Tap),
    (style, wanted): (Style, Wanted),
    events: &mut Events,
) -> Exit {
    let name = metainfo.name.clone();
    let torrent = Torrent::Whole(Arc::new(metainfo));
    events.torrent(&torrent, "demo");
    let watching = Arc::clone(narrator);
    events.watched_by(move |notice| watching.hear(notice));
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
        fetched: Default::default(),
    };
    supervise(vec![job], Room { places: 1, running: 1 }, network, screen, events, interrupts(), None)
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

/// The items with spaces between them.
fn listed(items: &[impl Display]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}
