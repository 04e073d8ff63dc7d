//! Downloading: which piece is in which state, who was asked for which block, and what becomes of a
//! piece that was wrong.

mod corruption;
mod end_game;
mod filling;
mod leases;
mod piece_map;

pub(super) use leases::{Arrival, Leases};
pub(super) use piece_map::PieceMap;
