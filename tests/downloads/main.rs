//! Whole downloads and uploads over real sockets: from and to peers of every temper, peers that mean
//! harm, and as a user starts them.

#![cfg(test)]

#[path = "../support/download.rs"]
mod download;
#[path = "../support/folder.rs"]
mod folder;
#[path = "../support/instance.rs"]
mod instance;
#[path = "../support/logbook.rs"]
mod logbook;
#[path = "../support/metadata.rs"]
mod metadata;
#[path = "../support/node.rs"]
mod node;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/sample.rs"]
mod sample;
#[path = "../support/seeder.rs"]
mod seeder;
#[path = "../support/spread.rs"]
mod spread;
#[path = "../support/swarm.rs"]
mod swarms;
#[path = "../support/tracker.rs"]
mod tracker;

mod command_line;
mod create;
mod exchange;
mod finding;
mod hostile;
mod hostile_leechers;
mod large;
mod leeching;
mod magnet_liars;
mod magnet_links;
mod magnets;
mod seeding;
mod selecting;
mod swarm;
mod trackers;
mod witnesses;
