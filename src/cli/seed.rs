//! `seed`: shares what is there of torrents, and writes nothing.

use super::arguments::Seed;
use super::exit::Exit;
use super::runs::Failure;
use crate::session::Job;
use crate::storage::Allocate;
use crate::swarm::{Aim, Giving, Limits};

/// Runs the command.
///
/// # Errors
///
/// As [`Peering::run`](super::sharing_options::Peering::run).
pub fn run(arguments: &Seed) -> Result<Exit, Failure> {
    let peering = &arguments.peering;
    peering.run(&arguments.torrents, None, |torrent, share| Job {
        torrent,
        aim: Aim::Share,
        selected: Vec::new(),
        folder: arguments.dir.clone(),
        sources: peering.finding.sources(true, !peering.no_pex),
        // Nothing is fetched, so no piece is ever in memory.
        limits: Limits { max_peers: share.max_peers, memory: 0, timeout: None },
        giving: Giving {
            limit: share.up_limit,
            seeding: Some(arguments.goals.goals()),
            super_seeding: arguments.super_seeding,
        },
        allocate: Allocate::Sparse,
        overwrite: false,
        open_files: share.open_files,
    })
}
