//! What peers can be sorted by.

use super::scene::PeerSight;
use std::cmp::Ordering;

/// Which of two peers comes first.
type Order = fn(&PeerSight, &PeerSight) -> Ordering;

/// The orders, with their names, in the order in which a key goes through them.
pub const SORTS: [(&str, Order); 7] = [
    ("time", |_, _| Ordering::Equal),
    ("down", |one, other| other.state.down_rate.total_cmp(&one.state.down_rate)),
    ("up", |one, other| other.state.up_rate.total_cmp(&one.state.up_rate)),
    ("has", |one, other| other.state.pieces.cmp(&one.state.pieces)),
    ("in flight", |one, other| other.state.in_flight.cmp(&one.state.in_flight)),
    ("wasted", |one, other| other.state.record.wasted.cmp(&one.state.record.wasted)),
    ("client", |one, other| one.state.client.cmp(&other.state.client)),
];
