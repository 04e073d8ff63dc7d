//! The ordinary download of the demo: the code of `get`, a tracker and two seeders, or three.

use super::super::events::Events;
use super::super::exit::{CommandFailure, Exit};
use super::super::pcap_option::PcapOption;
use super::super::progress::{Screen, Style};
use super::super::signals::interrupts;
use super::super::supervisor::supervise;
use super::super::trace::Trace;
use super::super::turns::Room;
use super::super::watch::Wanted;
use super::account::{account, introduce, learned};
use super::cast::Cast;
use super::folder::DemoFolder;
use super::material::Material;
use super::mood::Mood;
use super::narrator::{Name, Narrator};
use super::proof::verify;
use super::voice::Voice;
use crate::metainfo::{FileChoice, Metainfo};
use crate::net::BindAddress;
use crate::net::tap::Tap;
use crate::session::{Aim, Job, Naming, Network, PeerSourceOptions, Torrent};
use crate::storage::{Allocate, Check, Existing};
use crate::swarm::{Limits, UploadPolicy};
use std::path::Path;
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
    learned(&narrator.lessons(), prints_trace, voice);
    Ok(Exit::DONE)
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
