//! `get`: downloads torrents, and shares them meanwhile and, if wished, after.

use super::arguments::{Allocate, Get};
use super::exit::Exit;
use super::runs::Failure;
use crate::session::Job;
use crate::storage;
use crate::swarm::{Aim, Giving, Limits};
use std::time::Duration;

/// Runs the command.
///
/// # Errors
///
/// As [`Peering::run`](super::sharing_options::Peering::run).
pub fn run(arguments: &Get) -> Result<Exit, Failure> {
    let peering = &arguments.peering;
    let seeds = arguments.seed || arguments.goals.are_set();
    let seeding = seeds.then(|| arguments.goals.goals());
    peering.run(&arguments.torrents, arguments.down_limit, |torrent, share| Job {
        selected: torrent.selected().to_vec(),
        torrent,
        aim: Aim::Whole,
        folder: arguments.output_dir.clone(),
        sources: peering.finding.sources(seeds || peering.finding.port.is_some(), !peering.no_pex),
        limits: Limits {
            max_peers: share.max_peers,
            memory: arguments.memory / share.of,
            timeout: arguments.timeout.map(Duration::from_secs),
        },
        giving: Giving { limit: share.up_limit, seeding, super_seeding: false },
        allocate: match arguments.allocate {
            Allocate::Sparse => storage::Allocate::Sparse,
            Allocate::Full => storage::Allocate::Full,
        },
        overwrite: arguments.overwrite,
        open_files: share.open_files,
    })
}
