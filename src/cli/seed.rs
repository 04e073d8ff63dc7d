//! `seed`: shares what is there of torrents, and writes nothing.

use super::arguments::Seed;
use super::exit::Exit;
use super::progress::Screen;
use super::runs::{self, Failure};
use crate::session::Job;
use crate::storage::Allocate;
use crate::swarm::{Aim, Giving, Limits};

/// Runs the command.
///
/// # Errors
///
/// No torrent can be read, or the network cannot be used as the user wants.
pub fn run(arguments: &Seed) -> Result<Exit, Failure> {
    let peering = &arguments.peering;
    let origin = peering.origin()?;
    let (torrents, failure) = runs::load(&arguments.torrents, origin)?;
    let network = peering.network(origin, None)?;
    let count = torrents.len().max(1) as u64;
    let (max_peers, open_files) = runs::share_descriptors(u64::from(peering.max_peers), count);
    let giving = Giving {
        limit: peering.up_limit_of_each(count),
        seeding: Some(arguments.goals.goals()),
        super_seeding: arguments.super_seeding,
    };
    let names = torrents.iter().map(|torrent| torrent.name.clone()).collect();
    let job = |metainfo| Job {
        metainfo,
        aim: Aim::Share,
        folder: arguments.dir.clone(),
        peers: peering.peers.clone(),
        waits_for_peers: true,
        // Nothing is fetched, so no piece is ever in memory.
        limits: Limits { max_peers, memory: 0, timeout: None },
        giving,
        allocate: Allocate::Sparse,
        overwrite: false,
        open_files,
    };
    let jobs = torrents.into_iter().map(job).collect();
    let screen = Screen::new(peering.style(), names);
    let exit = runs::supervise(jobs, network, screen, runs::interrupts());
    Ok(failure.unwrap_or(exit))
}
