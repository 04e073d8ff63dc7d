//! Whole swarms of real coordinators on a virtual clock, in one thread.
//!
//! # Why
//!
//! A swarm is more than its clients. Whether a choker is fair, whether a slow peer holds up a fast one, and whether a
//! download ends when peers come, go or say nothing shows only where many clients meet, over minutes. With real
//! sockets such a test takes these minutes, gives another result each time, and needs shaped lines to say
//! anything about a line.
//!
//! Here the clock is a number. Time passes by going to the next thing that happens, so a download of ten minutes takes
//! milliseconds, a hundred hosts need no hundred machines, and a swarm of a seed is the same swarm each time: what
//! goes wrong once can be looked at again. And since the speed of every line is known, so is the time that the
//! download would take if nothing were wasted, and each run can be held against it.
//!
//! # What is real
//!
//! Every decision. A host of [`real_host`] runs the program's own `Coordinator`: which piece, which peer, how many
//! requests, whom to unchoke, whom to dial, when to give up. It takes events and the time as arguments and acts only
//! through the trait `Environment`, so it cannot tell that the world is not there. The two books of a worker are
//! real, too: the `Ledger`, which says whether a block was requested, and the `PeerRequests`, which say whether the
//! peer's own requests are served.
//!
//! # What is simulated
//!
//! Every wire, disk and thread. Messages are values and not bytes ([`message`]); lines have a bandwidth, a latency and
//! losses ([`link`]); blocks are counted and neither hashed nor written; trackers name everyone ([`tracker`]). Of a
//! block that a liar sends is known that it is wrong, and the verdict on its piece follows from that.
//!
//! # Where to find what
//!
//! - [`clock`] is the queue of what happens when, [`world`] carries it out, [`link`] carries the messages.
//! - [`host`] is what every host can do. [`real_host`], [`connection`] and [`environment`] are one with a real
//!   coordinator; [`stub`] is a scripted seeder, which costs next to nothing and may have bad manners, and
//!   [`web_server`] is a server of the web (BEP 19), of the same kind.
//! - [`scene`] builds a swarm in a few lines, [`report`] is what came of it, [`catalogue`] has the scenes by name.
//!   [`table`] and [`asking`] print the tables of `docs/SIMULATION.md`: `make simulate`.
//! - [`good_scenes`], [`crowds`], [`choking_peers`], [`dead_addresses`], [`encryption`], [`liars`], [`stream`],
//!   [`web_seeds`], [`random_swarms`] and [`asking`] are the tests.

#![cfg(test)]

mod asking;
mod catalogue;
mod choking_peers;
mod clock;
mod connection;
mod counted_pieces;
mod crowds;
mod dead_addresses;
#[path = "../support/dht_world.rs"]
#[allow(dead_code, reason = "each test program that compiles this file uses a part of it")]
mod dht_world;
mod encryption;
mod environment;
mod good_scenes;
mod host;
mod liars;
mod link;
mod message;
mod random_swarms;
mod real_host;
mod report;
mod scene;
mod stream;
mod stub;
mod table;
mod tracker;
mod web_seeds;
mod web_server;
mod world;
