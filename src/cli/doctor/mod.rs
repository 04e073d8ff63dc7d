//! `doctor`: says why a torrent does not download, or that it does, and what to do.
//!
//! It looks at what a friend who knows would look at: the torrent, the clock, the folder, names and trackers, and then
//! it tries (`trial`): a download that keeps nothing on the disk and uploads nothing. What it found are values
//! (`facts`), from which `report` makes lines and `verdict` the one sentence at the end and the exit code.
//!
//! Runs on the main thread.

mod facts;
mod inquiry;
mod place;
mod report;
#[cfg(test)]
mod tests;
mod trial;
mod verdict;

use super::client_name_options::ClientNameOptions;
use super::exit::{CommandFailure, Exit};
use super::folder_options::OutputOption;
use super::help::headings::{LIMITS, OUTPUT, PEERS};
use super::json;
use super::network_options::NetworkOptions;
use super::port_mapping_options::PortMappingOptions;
use super::proxy_options;
use super::resources::{Purpose, Resources};
use super::sandbox::Sandbox;
use super::signals::{Interrupts, interrupts};
use super::source;
use super::source_name::source_name;
use super::terminal;
use super::values::seconds;
use super::web_seed_options::WebSeedOptions;
use crate::address::IpFamily;
use crate::discovery::dht::Dht;
use crate::metainfo::FileChoice;
use crate::net::server_clock::now;
use crate::net::{Outlet, ThisHost, raise_descriptor_limit};
use crate::port_mapping::MappingState;
use crate::session::{Aim, Job, Naming, Network, PeerSourceOptions, Torrent};
use crate::storage::stream::Outlet as StreamOutlet;
use crate::storage::{Allocate, Check, Existing};
use crate::strategy::{Encryption, Surroundings};
use crate::swarm::{Limits, UploadPolicy};
use crate::text::reason;
use crate::tracker::TrackerAddress;
use clap::{Args, ValueHint};
use facts::{Clock, End, Facts};
use inquiry::Inquiry;
use place::Place;
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

/// When this program was made: the 1st of January 2026, in seconds since 1970. No clock can be earlier.
const MADE: u64 = 1_767_225_600;
/// How long what is asked beside the trial may take after its end, and the time between two looks at that.
const MOMENT: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(50);
/// What a trial may use: as many peers as `get` has, and as much memory for pieces.
const MOST_PEERS: usize = 100;
const MEMORY: u64 = 32 << 20;

#[derive(Args, Debug)]
#[command(mut_args(|argument| OutputOption::changed(argument, |folder| {
    folder.help("The folder that it is to be downloaded into").default_value(".")
})))]
pub struct DoctorArguments {
    /// A .torrent file, web address, magnet link, info-hash
    #[arg(value_hint = ValueHint::FilePath, value_name = "TORRENT", value_parser = source_name())]
    pub torrent: String,
    #[command(flatten)]
    pub output: OutputOption,
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
    pub web: WebSeedOptions,
    /// Disable peer exchange (PEX)
    #[arg(long, help_heading = PEERS)]
    pub no_pex: bool,
    #[command(flatten)]
    pub client_name: ClientNameOptions,
    #[command(flatten)]
    pub port_mapping: PortMappingOptions,
}

/// Looks at everything, and prints what it found on `out`.
///
/// # Errors
///
/// The torrent cannot be read, the network cannot be used as the user wants it, or `out` cannot be written.
pub fn run(mut arguments: DoctorArguments, out: &mut impl Write) -> Result<Exit, CommandFailure> {
    arguments.network.keeps_nothing = true;
    let (facts, torrent) = examine(&arguments)?;
    let verdict = verdict::of(&facts);
    let findings = report::findings(&torrent, &facts);
    let written = if arguments.json {
        json::write(out, &report::object(&torrent, &findings, &facts, &verdict))
    } else {
        let text = report::page(&findings, &verdict.advice, terminal::columns());
        write!(out, "{text}").and_then(|()| out.flush())
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
    let resources = Resources::find(std::slice::from_ref(&torrent), MOST_PEERS, Purpose::Download)?;
    let nowhere = StreamOutlet::nowhere();
    let nowhere =
        nowhere.map_err(|error| (Exit::IO, format!("cannot open /dev/null: {}", reason(&error))))?;
    let place = Place::ask(arguments.output.folder());
    let mut facts = Facts {
        folder: place.for_torrent(arguments.output.folder(), &torrent),
        open_files: raise_descriptor_limit(),
        room_for: MOST_PEERS.min(resources.connections),
        routes: ThisHost(outlet.bind_address).local_addresses(),
        is_never_encrypted: options.encryption.encryption == Encryption::Off,
        is_private: torrent.is_private(),
        ..Facts::default()
    };
    let created = match &torrent {
        Torrent::Whole(metainfo) => metainfo.about().date,
        Torrent::Magnet(_) => None,
    };
    facts.clock = Clock::alone(now(), created, MADE);
    // All that is written was written: strangers are heard from now on.
    Sandbox { output: None, cache: None, reads_all: true }.enter();
    let interrupts = interrupts();
    let mut network = options.open(outlet.clone(), !torrent.is_private(), [None, None], &resources)?;
    network.name = arguments.client_name.name();
    network.port_mapping = arguments.port_mapping.start(true, &network, &resources);
    let trackers = trackers(&torrent, options);
    facts.trackers = trackers.len();
    let inquiry = Inquiry::start(trackers, torrent.info_hash(), &outlet, network.dht.is_some());
    let within = Duration::from_secs(arguments.timeout);
    let job = job(arguments, &torrent, nowhere, &resources);
    let found = trial::run(&job, &network, within, &interrupts, &mut facts);
    if facts.end != End::Interrupted {
        wait_for_the_rest(&network, &inquiry, &interrupts);
    }
    inquiry.note(&mut facts);
    look_back(&network, &outlet, &mut facts);
    let came = found.filter(|_| matches!(torrent, Torrent::Magnet(_)));
    let Some(came) = came else { return Ok((facts, torrent)) };
    let torrent = Torrent::Whole(came);
    facts.folder = place.for_torrent(arguments.output.folder(), &torrent);
    facts.is_private = torrent.is_private();
    Ok((facts, torrent))
}

/// The trial was perhaps shorter than what is asked beside it takes, which gets a moment.
fn wait_for_the_rest(network: &Network, inquiry: &Inquiry, interrupts: &Interrupts) {
    let until = Instant::now() + MOMENT;
    let has_nodes = || {
        let dht = network.dht.as_ref();
        dht.is_none_or(|dht| IpFamily::BOTH.into_iter().any(|family| dht.known(family).unwrap_or(0) > 0))
    };
    let is_mapped =
        || network.port_mapping.as_ref().is_none_or(|mapping| mapping.state() != MappingState::Asking);
    while Instant::now() < until && !(inquiry.is_over() && has_nodes() && is_mapped()) {
        if interrupts.end.recv_timeout(LOOK).is_ok() {
            return;
        }
    }
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
fn job(arguments: &DoctorArguments, torrent: &Torrent, nowhere: StreamOutlet, resources: &Resources) -> Job {
    let options = &arguments.network;
    Job {
        torrent: torrent.clone(),
        sources: PeerSourceOptions {
            web_seeds: arguments.web.web_seeds.clone(),
            own_web_seeds: !arguments.web.no_web_seeds,
            ..options.sources(options.port.is_some(), !arguments.no_pex)
        },
        aim: Aim::Try(nowhere),
        selected: torrent.selected().to_vec(),
        choice: FileChoice::default(),
        folder: arguments.output.folder().to_owned(),
        naming: Naming::default(),
        limits: Limits {
            max_peers: MOST_PEERS.min(resources.connections),
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
        fetched: Default::default(),
    }
}

/// What the network has learnt by the end.
fn look_back(network: &Network, outlet: &Outlet, facts: &mut Facts) {
    if let Some((ahead, by)) = outlet.clock.nearest() {
        facts.clock = Clock::Beside(ahead, by);
    }
    let known = |dht: &Dht| IpFamily::BOTH.map(|family| dht.known(family).unwrap_or(0));
    facts.nodes = network.dht.as_ref().map(known);
    facts.port = network.ports.listening();
    facts.reach = network.reach();
}
