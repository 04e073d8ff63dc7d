//! Whole downloads over real sockets: from peers of every temper, from peers that mean harm, and as a
//! user starts them.

#![cfg(test)]

#[path = "../support/download.rs"]
mod download;
#[path = "../support/folder.rs"]
mod folder;
#[path = "../support/logbook.rs"]
mod logbook;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/sample.rs"]
mod sample;
#[path = "../support/tracker.rs"]
mod tracker;

mod command_line;
mod create;
mod hostile;
mod large;
mod swarm;
mod trackers;
