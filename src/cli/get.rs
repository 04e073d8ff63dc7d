//! `get`: downloads torrents. It uploads during the download and, if the user wants it, afterwards.

use super::arguments::GetArguments;
use super::events::Events;
use super::exit::{CommandFailure, Exit};
use super::network_options::cache_folder;
use super::resources::Purpose;
use super::sandbox::Sandbox;
use super::sharing_options::RunPlan;
use crate::session::{Aim, Job, Naming, PeerSourceOptions};
use crate::swarm::{Limits, UploadPolicy};
use std::time::Duration;

/// Runs the command.
///
/// # Errors
///
/// As [`SharingOptions::run`](super::sharing_options::SharingOptions::run).
pub fn run(arguments: &GetArguments, events: &mut Events) -> Result<Exit, CommandFailure> {
    let sharing = &arguments.sharing;
    let seeds = (arguments.seed || arguments.goals.are_set()) && !arguments.goals.are_nothing();
    let seeding = seeds.then(|| arguments.goals.goals());
    let sources = arguments.sources.sources()?;
    arguments.output.check()?;
    sharing.pcap.check(arguments.stream.format.is_some(), "--stdout")?;
    sharing.trace.check(arguments.stream.format.is_some(), "--stdout")?;
    let aim = arguments.stream.aim(&sources)?;
    // What has left cannot be uploaded.
    let keeps = matches!(aim, Aim::Download);
    let output = keeps.then(|| arguments.output.folder().to_owned());
    let plan = RunPlan {
        down_limit: arguments.down_limit,
        memory: arguments.memory,
        purpose: if seeds { Purpose::DownloadAndSeed } else { Purpose::Download },
        sandbox: Sandbox { output, cache: None, reads_all: false },
        on_complete: arguments.hook.on_complete.as_deref(),
    };
    sharing.run(&sources, plan, events, |torrent, share| Job {
        selected: torrent.selected().to_vec(),
        choice: arguments.order.of(arguments.selection.choice()),
        torrent,
        aim: aim.clone(),
        folder: arguments.output.folder().to_owned(),
        naming: Naming { output_name: sharing.name.output_name.clone(), parts: arguments.existing.part },
        sources: PeerSourceOptions {
            web_seeds: arguments.web.web_seeds.clone(),
            own_web_seeds: !arguments.web.no_web_seeds,
            ..sharing.network.sources(seeds || sharing.network.port.is_some(), !sharing.no_pex)
        },
        limits: Limits {
            max_peers: share.max_peers,
            memory: arguments.memory,
            timeout: arguments.timeout.map(Duration::from_secs),
            idle_before: Duration::ZERO,
        },
        uploads: UploadPolicy {
            limit: if keeps { share.up_limit } else { Some(0) },
            seeding,
            super_seeding: false,
        },
        allocate: arguments.allocate,
        existing: arguments.existing.existing(),
        open_files: share.open_files,
        check: sharing.check,
        cache: cache_folder(),
        fetched: Default::default(),
    })
}
