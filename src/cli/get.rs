//! `get`: downloads torrents, and shares them meanwhile and, if wished, after.

use super::arguments::{Allocate, Get};
use super::exit::Exit;
use super::progress::Screen;
use super::runs::{self, Failure};
use crate::session::Job;
use crate::storage;
use crate::swarm::{Aim, Giving, Limits};
use std::time::Duration;

/// Runs the command.
///
/// # Errors
///
/// No torrent can be read, or the network cannot be used as the user wants. Whatever happens to a
/// download is told by the exit code.
pub fn run(arguments: &Get) -> Result<Exit, Failure> {
    let peering = &arguments.peering;
    let origin = peering.origin()?;
    let (torrents, failure) = runs::load(&arguments.torrents, origin)?;
    let network = peering.network(origin, arguments.down_limit)?;
    let count = torrents.len().max(1) as u64;
    let (max_peers, open_files) = runs::share_descriptors(u64::from(peering.max_peers), count);
    let limits = Limits {
        max_peers,
        memory: arguments.memory / count,
        timeout: arguments.timeout.map(Duration::from_secs),
    };
    let goals = arguments.goals.goals();
    let seeding = (arguments.seed || arguments.goals.are_set()).then_some(goals);
    let giving = Giving { limit: peering.up_limit_of_each(count), seeding, super_seeding: false };
    let names = torrents.iter().map(|torrent| torrent.name.clone()).collect();
    let job = |metainfo| Job {
        metainfo,
        aim: Aim::Whole,
        folder: arguments.output_dir.clone(),
        peers: peering.peers.clone(),
        waits_for_peers: seeding.is_some() || peering.port.is_some(),
        limits,
        giving,
        allocate: match arguments.allocate {
            Allocate::Sparse => storage::Allocate::Sparse,
            Allocate::Full => storage::Allocate::Full,
        },
        overwrite: arguments.overwrite,
        open_files,
    };
    let jobs = torrents.into_iter().map(job).collect();
    let screen = Screen::new(peering.style(), names);
    let exit = runs::supervise(jobs, network, screen, runs::interrupts());
    Ok(failure.unwrap_or(exit))
}
