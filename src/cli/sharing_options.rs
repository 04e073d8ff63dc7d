//! What `get` and `seed` have in common: how the network is used, how long to seed, and the runs.

use super::client_name_options::ClientNameOptions;
use super::events::Events;
use super::exit::{CommandFailure, Exit};
use super::help::headings::{FILES, LIMITS, OUTPUT, PEERS, SEEDING};
use super::hook::Hook;
use super::naming_options::NameOption;
use super::network_options::{NetworkOptions, cache_folder};
use super::pcap_option::PcapOption;
use super::port_mapping_options::PortMappingOptions;
use super::progress::{Screen, Style};
use super::proxy_options;
use super::resources::{Purpose, Resources};
use super::runs::{self, Loaded};
use super::sandbox::Sandbox;
use super::signals::{interrupts, is_asked_to_end};
use super::slow_folder;
use super::source_list::NamedSource;
use super::supervisor::supervise;
use super::terminal;
use super::trace_option::TraceOption;
use super::turns::Room;
use super::values::{decimal, minutes, rate};
use super::watch_option::WatchOption;
use crate::net::Outlet;
use crate::session::{Job, MemoryPool, Torrent};
use crate::storage::Check;
use crate::swarm::SeedGoals;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use log::warn;
use std::path::Path;
use std::time::Duration;

/// How the network is used.
#[derive(Args, Debug)]
pub struct SharingOptions {
    #[command(flatten)]
    pub name: NameOption,
    /// Keep all rights to files
    ///
    /// Otherwise those that are not needed are given up, where the kernel has Landlock.
    #[arg(long, help_heading = FILES)]
    pub no_sandbox: bool,
    /// How much existing data to read at the start
    ///
    /// `always`: all of it. `changed`: what has changed since an earlier run, or was never checked. `never`: nothing
    /// that an earlier run has checked.
    #[arg(long, value_name = "WHEN", default_value = "changed", value_parser = check(), help_heading = FILES)]
    pub check: Check,
    /// Print what happens as JSON, one object a line
    ///
    /// For programs. What is for people stays on standard error. `docs/events.schema.json` describes the objects.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Print only errors
    #[arg(short, long, overrides_with = "verbose", help_heading = OUTPUT)]
    pub quiet: bool,
    #[cfg_attr(feature = "trace", doc = "Log what peers and trackers do (-vv: each message)")]
    #[cfg_attr(feature = "trace", doc = "\n-vv is --trace on standard error.")]
    #[cfg_attr(not(feature = "trace"), doc = "Log what peers and trackers do")]
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,
    #[command(flatten)]
    pub trace: TraceOption,
    #[command(flatten)]
    pub pcap: PcapOption,
    #[command(flatten)]
    pub watch: WatchOption,
    #[command(flatten)]
    pub network: NetworkOptions,
    #[command(flatten)]
    pub port_mapping: PortMappingOptions,
    /// Maximum number of peers per torrent
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=10_000),
        help_heading = LIMITS
    )]
    pub max_peers: u16,
    /// Disable peer exchange (PEX)
    #[arg(long, help_heading = PEERS)]
    pub no_pex: bool,
    #[command(flatten)]
    pub client_name: ClientNameOptions,
    /// Limit the total upload rate
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = LIMITS)]
    pub up_limit: Option<u64>,
    /// Do not upload, as with --up-limit 0
    #[arg(long, help_heading = LIMITS)]
    pub no_upload: bool,
}

/// What each torrent of one command may use.
#[derive(Clone, Copy, Debug)]
pub struct ResourceShare {
    /// The most peers that are connected at once.
    pub max_peers: usize,
    /// The most files that are open at once.
    pub open_files: usize,
    /// Its share of the upload limit, in bytes a second.
    pub up_limit: Option<u64>,
}

/// How the runs of `get` and of `seed` differ.
pub struct RunPlan<'a> {
    /// The most bytes a second from all peers.
    pub down_limit: Option<u64>,
    /// Bytes of memory for pieces.
    pub memory: u64,
    /// What they are for.
    pub purpose: Purpose,
    /// What files the process may touch once it has read the torrents.
    pub sandbox: Sandbox,
    /// What to run when a torrent is complete.
    pub on_complete: Option<&'a Path>,
}

/// How long to seed.
#[derive(Args, Debug)]
pub struct SeedGoalOptions {
    /// Stop seeding at this ratio, such as 1.5
    ///
    /// At 1.5, one and a half times the size of the torrent has been uploaded.
    #[arg(long, value_name = "RATIO", value_parser = amount, help_heading = SEEDING)]
    pub seed_ratio: Option<f64>,
    /// Stop seeding after this many minutes (or 90s, 1.5h)
    ///
    /// Or at --seed-ratio, whichever comes first.
    #[arg(long, value_name = "TIME", value_parser = minutes, help_heading = SEEDING)]
    pub seed_time: Option<f64>,
}

impl SharingOptions {
    /// Runs these torrents side by side. `job` says what to do with each of them. `events` tells programs what happens.
    ///
    /// # Errors
    ///
    /// Hardly any file may be open or thread be started, or the network cannot be used as the user wants. A torrent that
    /// cannot be read, and a run that fails, is no error here: the exit code reports it.
    pub fn run(
        &self,
        sources: &[NamedSource],
        plan: RunPlan<'_>,
        events: &mut Events,
        job: impl Fn(Torrent, ResourceShare) -> Job,
    ) -> Result<Exit, CommandFailure> {
        self.name.check(sources.len())?;
        self.pcap.check(self.json, "--json")?;
        self.trace.check(self.json, "--json")?;
        self.pcap.check(self.trace.goes_to_output(), "the trace")?;
        let outlet = self.network.outlet()?;
        let trace = self.trace.begin(self.verbose)?;
        let outlet = Outlet { tap: trace.tap(), ..outlet };
        let pcap = self.pcap.begin(&outlet.tap, outlet.bind_address)?;
        proxy_options::check_map_port(self.port_mapping.map_port, &outlet.proxies)?;
        let RunPlan { down_limit, memory, purpose, mut sandbox, on_complete } = plan;
        let Loaded { torrents, names: sources, files, failure } = runs::load(sources, &outlet, events);
        if torrents.is_empty() {
            return Ok(failure.unwrap_or(Exit::DONE));
        }
        let public = torrents.iter().any(|torrent| !torrent.is_private());
        let resources = Resources::find(&torrents, usize::from(self.max_peers), purpose)?;
        let door = events.hook_door();
        let hook = |program: &Path| Hook::start(program.to_owned(), files, torrents.len(), door);
        let hook = on_complete.map(hook).transpose()?;
        sandbox.output.iter().for_each(|folder| slow_folder::wait_for(folder, self.quiet));
        if !self.no_sandbox {
            sandbox.cache = cache_folder();
            sandbox.enter();
        }
        // Before the threads that we could do without.
        let interrupts = interrupts();
        let up_limit = self.up_limit();
        let mut network = self.network.open(outlet, public, [down_limit, up_limit], &resources)?;
        network.memory = MemoryPool::new(memory);
        network.port_mapping = self.port_mapping.start(purpose != Purpose::Download, &network, &resources);
        network.name = self.client_name.name();
        let max_peers = usize::from(self.max_peers).min(resources.connections);
        let of = resources.places as u64;
        let up_limit = up_limit.map(|limit| limit.div_ceil(of));
        let share = ResourceShare { max_peers, open_files: resources.open_files, up_limit };
        let names = torrents.iter().map(Torrent::name).collect();
        let jobs: Vec<Job> = torrents.into_iter().map(|torrent| job(torrent, share)).collect();
        jobs.iter().zip(&sources).for_each(|(job, source)| network.reserve(job, source));
        let style = self.style();
        let screen = Screen::new(style, names)
            .with_watch(self.watch.wanted(style == Style::Bars, self.shows_events()), &network.tap);
        let completions = hook.as_ref().map(Hook::completions);
        let interrupted = interrupts.end.clone();
        let room = Room { places: resources.places, running: resources.running };
        let exit = supervise(jobs, room, network, screen, events, interrupts, completions);
        trace.end();
        pcap.end();
        hook.into_iter().for_each(|hook| hook.finish(&interrupted));
        // What was cut short by a signal ends by it.
        Ok(failure.filter(|_| exit != Exit::UNFINISHED || !is_asked_to_end()).unwrap_or(exit))
    }

    /// The upload limit. Elsewhere 0 stands for no limit, so it is not taken without a word.
    fn up_limit(&self) -> Option<u64> {
        if self.up_limit == Some(0) && !self.no_upload {
            warn!("--up-limit 0 uploads nothing (leave it out for no limit; --no-upload for no upload)");
        }
        if self.no_upload { Some(0) } else { self.up_limit }
    }

    /// Whether events stand between the lines for people.
    fn shows_events(&self) -> bool {
        self.json && terminal::shows_both()
    }

    /// How much is shown.
    fn style(&self) -> Style {
        // Other lines would break up the bars.
        let breaks_bars = self.verbose > 0 || self.shows_events();
        if breaks_bars && !self.quiet { Style::Lines } else { Style::of(self.quiet) }
    }
}

impl SeedGoalOptions {
    /// Whether the user set a goal.
    pub fn are_set(&self) -> bool {
        self.seed_ratio.is_some() || self.seed_time.is_some()
    }

    /// Whether they are reached before anything is seeded: `--seed-time 0` is how users of aria2 say so.
    pub fn are_nothing(&self) -> bool {
        self.seed_time == Some(0.0) || self.seed_ratio == Some(0.0)
    }

    /// The goals.
    pub fn goals(&self) -> SeedGoals {
        // `minutes` accepts only numbers that fit into a `Duration`.
        let time = self.seed_time.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
        SeedGoals { ratio: self.seed_ratio, time }
    }
}

/// How much is read at the start: `always`, `changed` or `never`.
fn check() -> impl TypedValueParser<Value = Check> {
    PossibleValuesParser::new(["always", "changed", "never"]).map(|when| match when.as_str() {
        "always" => Check::Always,
        "never" => Check::Never,
        _ => Check::Changed,
    })
}

/// A number that is not negative and below 10^12.
fn amount(text: &str) -> Result<f64, String> {
    decimal(text).ok_or_else(|| "a number such as 1.5 is expected".to_owned())
}
