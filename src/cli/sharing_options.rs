//! What `get` and `seed` have in common: how the network is used, until when to seed, and the runs.

use super::arguments::rate;
use super::exit::Exit;
use super::network_options::Finding;
use super::progress::{Screen, Style};
use super::runs::{self, Failure};
use crate::session::{Job, Torrent};
use crate::swarm::Goals;
use clap::Args;
use std::time::Duration;

/// How the network is used.
#[derive(Args, Debug)]
pub struct Peering {
    #[command(flatten)]
    pub finding: Finding,
    /// Peers at once, for each torrent
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub max_peers: u16,
    /// Neither ask peers for other peers nor tell them of any
    #[arg(long)]
    pub no_pex: bool,
    /// Upload so many bytes a second at most, to all peers together (K, M, G; 0: nothing)
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub up_limit: Option<u64>,
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell what peers and trackers do (twice for more)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What each torrent of one command may use.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// How many torrents there are.
    pub of: u64,
    /// Peers at once.
    pub max_peers: usize,
    /// Files that are open at once.
    pub open_files: usize,
    /// What it may count on of the upload limit, in bytes a second.
    pub up_limit: Option<u64>,
}

/// Until when to seed.
#[derive(Args, Debug)]
pub struct Until {
    /// Seed until so many times the payload was uploaded
    #[arg(long, value_name = "R", value_parser = amount)]
    pub seed_ratio: Option<f64>,
    /// Seed for so many minutes; whichever comes first, if there is a ratio too
    #[arg(long, value_name = "MINUTES", value_parser = amount)]
    pub seed_time: Option<f64>,
}

impl Peering {
    /// Runs these torrents side by side, each by the job that `job` makes of it.
    ///
    /// # Errors
    ///
    /// No torrent can be read, or the network cannot be used as the user wants. Whatever happens to a run
    /// is told by the exit code.
    pub fn run(
        &self,
        torrents: &[String],
        down_limit: Option<u64>,
        job: impl Fn(Torrent, Share) -> Job,
    ) -> Result<Exit, Failure> {
        let bind_address = self.finding.bind_address()?;
        let (torrents, failure) = runs::load(torrents, bind_address)?;
        let public = torrents.iter().any(|torrent| !torrent.is_private());
        let network = self.finding.network(bind_address, public, [down_limit, self.up_limit])?;
        let of = torrents.len().max(1) as u64;
        let (max_peers, open_files) = runs::share_descriptors(u64::from(self.max_peers), of);
        let up_limit = self.up_limit.map(|limit| limit.div_ceil(of));
        let share = Share { of, max_peers, open_files, up_limit };
        let names = torrents.iter().map(Torrent::name).collect();
        let jobs = torrents.into_iter().map(|torrent| job(torrent, share)).collect();
        let exit = runs::supervise(jobs, network, Screen::new(self.style(), names), runs::interrupts());
        Ok(failure.unwrap_or(exit))
    }

    /// How much is shown.
    fn style(&self) -> Style {
        // The log would tear the bars apart.
        if self.verbose > 0 { Style::Lines } else { Style::of(self.quiet) }
    }
}

impl Until {
    /// Whether the user set one.
    pub fn are_set(&self) -> bool {
        self.seed_ratio.is_some() || self.seed_time.is_some()
    }

    /// The goals.
    pub fn goals(&self) -> Goals {
        // The minutes passed `amount`, which leaves none out that a duration cannot hold.
        let time = self.seed_time.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
        Goals { ratio: self.seed_ratio, time }
    }
}

fn amount(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..1e12).contains(number));
    number.ok_or_else(|| "a number such as 1.5 is expected".to_owned())
}
