//! `seed`: shares the pieces of torrents that are already on the disk, and writes nothing.

use super::arguments::SeedArguments;
use super::events::Events;
use super::exit::{CommandFailure, Exit};
use super::network_options::cache_folder;
use super::resources::Purpose;
use super::sandbox::Sandbox;
use super::sharing_options::RunPlan;
use crate::metainfo::FileChoice;
use crate::session::{Aim, Job, Naming};
use crate::storage::{Allocate, Existing};
use crate::swarm::{Limits, UploadPolicy};
use std::time::Duration;

/// Runs the command.
///
/// # Errors
///
/// As [`SharingOptions::run`](super::sharing_options::SharingOptions::run).
pub fn run(arguments: &SeedArguments, events: &mut Events) -> Result<Exit, CommandFailure> {
    let sharing = &arguments.sharing;
    let sandbox = Sandbox { output: None, cache: None, reads_all: true };
    let plan = RunPlan { down_limit: None, memory: 0, purpose: Purpose::Seed, sandbox, on_complete: None };
    sharing.run(&arguments.sources.sources()?, plan, events, |torrent, share| Job {
        torrent,
        aim: Aim::Share,
        selected: Vec::new(),
        choice: FileChoice::default(),
        folder: arguments.payload.dir.clone(),
        naming: Naming { output_name: sharing.name.output_name.clone(), parts: false },
        sources: sharing.network.sources(true, !sharing.no_pex),
        // Nothing is downloaded, so no piece is ever in memory.
        limits: Limits { max_peers: share.max_peers, memory: 0, timeout: None, idle_before: Duration::ZERO },
        uploads: UploadPolicy {
            limit: share.up_limit,
            seeding: Some(arguments.goals.goals()),
            super_seeding: arguments.super_seeding,
        },
        allocate: Allocate::Sparse,
        existing: Existing::Keep,
        open_files: share.open_files,
        check: sharing.check,
        cache: cache_folder(),
        fetched: Default::default(),
    })
}
