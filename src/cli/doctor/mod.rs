//! `doctor`: says why a torrent does not download, or that it does, and what to do.
//!
//! It looks at what a friend who knows would look at: the torrent, the clock, the folder, names and trackers, and then
//! it tries (`trial`): a download that keeps nothing on the disk and uploads nothing. What it found are values
//! (`facts`), from which `report` makes lines and `verdict` the one sentence at the end and the exit code.
//!
//! Runs on the main thread.

mod facts;
mod inquiry;
mod report;
#[cfg(test)]
mod tests;
mod trial;
mod verdict;

use super::exit::Exit;
use super::help::headings::{DOWNLOAD, LIMITS, OUTPUT};
use super::json;
use super::network_options::{NetworkOptions, cache_folder};
use super::port_mapping_options::PortMappingOptions;
use super::proxy_options;
use super::resources::Resources;
use super::runs::CommandFailure;
use super::sandbox::Sandbox;
use super::signals::interrupts;
use super::source;
use super::source_name::source_name;
use super::terminal;
use super::values::seconds;
use crate::address::IpFamily;
use crate::discovery::dht::Dht;
use crate::metainfo::{FileChoice, Metainfo};
use crate::net::{ThisHost, raise_limit};
use crate::session::{Aim, Job, Naming, Network, Torrent};
use crate::storage::stream::{Outlet as StreamOutlet, StreamFormat};
use crate::storage::{self, Allocate, Check, Existing};
use crate::strategy::{Encryption, Surroundings};
use crate::swarm::{Limits, UploadPolicy};
use crate::text::{reason, shown};
use crate::tracker::TrackerAddress;
use clap::{Args, ValueHint};
use facts::{Clock, Facts, Folder};
use inquiry::Inquiry;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// When this program was made: the 1st of January 2026, in seconds since 1970. No clock can be earlier.
const MADE: u64 = 1_767_225_600;
/// What a trial may use: as many peers as `get` has, and as much memory for pieces.
const PEERS: usize = 100;
const MEMORY: u64 = 32 << 20;

#[derive(Args, Debug)]
pub struct DoctorArguments {
    /// A .torrent file, web address, magnet link, info-hash
    #[arg(value_hint = ValueHint::FilePath, value_name = "TORRENT", value_parser = source_name())]
    pub torrent: String,
    /// The folder that it is to be downloaded into
    #[arg(
        short,
        long,
        visible_short_alias = 'd',
        visible_alias = "dir",
        value_name = "DIR",
        default_value = ".",
        value_hint = ValueHint::DirPath,
        help_heading = DOWNLOAD
    )]
    pub output_dir: PathBuf,
    /// Try for this long
    ///
    /// In seconds, or as 90s, 30m, 1h.
    #[arg(long, value_name = "TIME", default_value = "25", value_parser = seconds, help_heading = LIMITS)]
    pub timeout: u64,
    /// Print one JSON object
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Log what peers and trackers do
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,
    #[command(flatten)]
    pub network: NetworkOptions,
    #[command(flatten)]
    pub port_mapping: PortMappingOptions,
}

/// Looks at everything, and prints what it found on `out`.
///
/// # Errors
///
/// The torrent cannot be read, the network cannot be used as the user wants it, or `out` cannot be written.
pub fn run(arguments: &DoctorArguments, out: &mut impl Write) -> Result<Exit, CommandFailure> {
    let (facts, torrent) = examine(arguments)?;
    let verdict = verdict::of(&facts);
    let findings = report::findings(&torrent, &facts);
    let written = if arguments.json {
        json::write(out, &report::object(&torrent, &findings, &facts, &verdict))
    } else {
        let mut text = String::new();
        for finding in &findings {
            text.push_str(&report::line(finding));
            text.push('\n');
        }
        writeln!(out, "{text}\n{}", verdict.advice).and_then(|()| out.flush())
    };
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err((Exit::IO, format!("cannot write the output: {}", reason(&error))))
        }
        _ => Ok(verdict.exit),
    }
}

/// Finds out all that there is to know. Returns it with the torrent, whose metadata may have come meanwhile.
fn examine(arguments: &DoctorArguments) -> Result<(Facts, Torrent), CommandFailure> {
    let options = &arguments.network;
    let outlet = options.outlet()?;
    proxy_options::check_map_port(arguments.port_mapping.map_port, &outlet.proxies)?;
    let torrent = source::torrent(&arguments.torrent, &outlet);
    let torrent = torrent.map_err(|error| (Exit(error.exit_code()), error.to_string()))?;
    if !arguments.json {
        terminal::say(&format!("{}: trying for {} s at most", torrent.name(), arguments.timeout));
    }
    let resources = Resources::find(std::slice::from_ref(&torrent), PEERS)?;
    let nowhere = File::options().write(true).open("/dev/null");
    let nowhere =
        nowhere.map_err(|error| (Exit::IO, format!("cannot open /dev/null: {}", reason(&error))))?;
    let mut facts = Facts {
        folder: folder(&arguments.output_dir),
        open_files: raise_limit(),
        routes: ThisHost(outlet.bind_address).local_addresses(),
        is_never_encrypted: options.encryption.encryption == Encryption::Off,
        ..Facts::default()
    };
    if let Torrent::Whole(metainfo) = &torrent {
        facts.folder.needed = Some(needed(&arguments.output_dir, metainfo));
        facts.clock = Clock::alone(inquiry::now(), metainfo.about().date, MADE);
    } else {
        facts.clock = Clock::alone(inquiry::now(), None, MADE);
    }
    // All that is written was written: strangers are heard from now on.
    Sandbox { output: None, cache: cache_folder(), reads_all: true }.enter();
    let interrupts = interrupts();
    let mut network = options.open(outlet.clone(), !torrent.is_private(), [None, None], &resources)?;
    network.port_mapping = arguments.port_mapping.start(true, &network, &resources);
    let trackers = trackers(&torrent, options);
    let inquiry = Inquiry::start(trackers, torrent.info_hash(), &outlet, network.dht.is_some());
    let within = Duration::from_secs(arguments.timeout);
    let job = job(arguments, &torrent, nowhere, &resources);
    let found = trial::run(&job, &network, within, inquiry, &interrupts, &mut facts);
    look_back(&network, &mut facts);
    let came = found.filter(|_| matches!(torrent, Torrent::Magnet(_)));
    let Some(came) = came else { return Ok((facts, torrent)) };
    facts.folder.needed = Some(needed(&arguments.output_dir, &came));
    Ok((facts, Torrent::Whole(came)))
}

/// What the folder says. Its name is fit to print.
fn folder(path: &Path) -> Folder {
    let probe = storage::probe(path);
    let speed = probe.speed.map_err(|error| (Exit(error.exit_code()), error.to_string()));
    Folder { name: shown(path), speed: Some(speed), free: probe.free, needed: None }
}

/// Bytes that the payload still takes in the folder.
fn needed(folder: &Path, metainfo: &Metainfo) -> u64 {
    let files = || metainfo.files.iter().filter(|file| !file.padding);
    let all = files().map(|file| file.length).fold(0, u64::saturating_add);
    all.saturating_sub(storage::bytes_there(folder, files().map(|file| (&*file.path, file.length))))
}

/// The trackers that a download would ask.
fn trackers(torrent: &Torrent, options: &NetworkOptions) -> Vec<TrackerAddress> {
    let own: Vec<&String> = match torrent {
        _ if options.no_trackers => Vec::new(),
        Torrent::Whole(metainfo) => metainfo.trackers.iter().flatten().collect(),
        Torrent::Magnet(magnet) => magnet.trackers.iter().collect(),
    };
    let is_typed = |tracker: &&String| options.trackers.contains(tracker);
    let named =
        own.into_iter().filter(|tracker| !is_typed(tracker)).map(|tracker| TrackerAddress::new(tracker));
    let typed = options.trackers.iter().filter(|_| !torrent.is_private());
    typed.map(|tracker| TrackerAddress::typed(tracker)).chain(named).collect()
}

/// A download of everything, in order, to nowhere.
fn job(arguments: &DoctorArguments, torrent: &Torrent, nowhere: File, resources: &Resources) -> Job {
    let options = &arguments.network;
    Job {
        torrent: torrent.clone(),
        sources: options.sources(options.port.is_some(), !torrent.is_private()),
        aim: Aim::Stream(StreamOutlet { format: StreamFormat::Tar, file: Arc::new(nowhere) }),
        selected: torrent.selected().to_vec(),
        choice: FileChoice::default(),
        folder: arguments.output_dir.clone(),
        naming: Naming::default(),
        limits: Limits {
            max_peers: PEERS.min(resources.connections),
            memory: MEMORY,
            timeout: Some(Duration::from_secs(arguments.timeout)),
            idle_before: Duration::ZERO,
        },
        uploads: UploadPolicy { limit: Some(0), seeding: None, super_seeding: false },
        allocate: Allocate::Sparse,
        existing: Existing::Keep,
        open_files: resources.open_files,
        check: Check::default(),
        cache: None,
    }
}

/// What the network has learnt by the end.
fn look_back(network: &Network, facts: &mut Facts) {
    let known = |dht: &Dht| IpFamily::BOTH.map(|family| dht.known(family).unwrap_or(0));
    facts.nodes = network.dht.as_ref().map(known);
    facts.port = network.ports.listening();
    facts.reach = network.reach();
}
