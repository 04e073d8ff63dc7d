//! What the test programs share: payloads, scripted peers and trackers, downloads, and our own program.
//!
//! A typical test takes a [`Sample`], scripts a peer, downloads from it, and looks at the record:
//!
//! ```text
//! let sample = Sample::small();
//! let peer = ScriptedPeer::seed(&sample).speaking(FAST).then(|talk| talk.serve());
//! Download::start(&sample, &[&peer]).complete(&sample);
//! ```

#![allow(dead_code, reason = "each test program compiles this folder and uses a part of it")]

pub mod addresses;
pub mod dht_node;
pub mod download;
pub mod extension;
pub mod folder;
pub mod gate;
pub mod hostile;
pub mod instance;
pub mod json_schema;
pub mod leech;
pub mod log_capture;
pub mod metadata;
pub mod process;
pub mod program;
pub mod proxy;
pub mod sample;
pub mod scripted_peer;
pub mod seeder;
pub mod signals;
pub mod skip;
pub mod swarm;
pub mod swarm_progress;
pub mod talk;
pub mod tracker;
pub mod udp_front;
pub mod udp_tracker;
pub mod web_server;
