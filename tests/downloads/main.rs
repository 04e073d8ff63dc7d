//! Whole downloads and uploads over real sockets: from and to peers that behave well or badly, and as a user
//! starts them.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(all(feature = "tls", feature = "trace"))]
mod captures;
mod certificates;
mod changed_files;
mod checking;
mod choking_peers;
mod command_line;
mod create;
#[cfg(feature = "doctor")]
mod doctor;
mod encryption;
mod events;
mod exchange;
mod finding;
mod hooks;
mod hostile;
mod hostile_floods;
mod hostile_hashes;
mod hostile_leechers;
mod hostile_magnets;
mod hung_disks;
mod large;
mod leeching;
mod limits;
mod magnet_links;
mod magnets;
mod many;
mod names;
#[cfg(not(feature = "tls"))]
mod no_tls;
mod odd_names;
mod partial_peers;
mod privacy;
mod proxies;
mod rights;
mod seeding;
mod selecting;
mod signals;
mod silent_peers;
#[cfg(feature = "doctor")]
mod situations;
mod stalls;
mod stdout;
mod strangers;
mod terminal;
#[cfg(feature = "trace")]
mod trace;
mod trackers;
mod utp;
#[cfg(feature = "watch")]
mod watch;
mod web_seed_options;
mod web_seeds;
mod whole_downloads;
