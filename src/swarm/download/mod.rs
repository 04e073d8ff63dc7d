//! Downloading: which piece is in which state, which peer was asked for which block, and what becomes of
//! wrong pieces and their senders.
//!
//! This runs on the coordinator's thread and never sees a byte of a block: the workers receive and verify
//! pieces and the writer stores them, and all of them report it here.

mod choked;
mod completion;
mod corruption;
mod end_game;
mod forgotten;
mod inquiry;
mod memory;
mod orphans;
mod pace;
mod piece_map;
mod pipelining;
mod probation;
mod rare_first;
mod requests;
mod sparing;
mod suspicions;

pub(super) use orphans::Orphans;
pub(super) use pace::{RUN_IN_PACE, RUN_NEVER_LATE};
pub(super) use piece_map::PieceMap;
pub(super) use requests::{Arrival, PieceSource, Requests, Within};
pub(super) use suspicions::Suspicions;
