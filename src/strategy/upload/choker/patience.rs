//! How long an unchoked peer may take to ask for something.
//!
//! A first request takes a round trip. How long that is nobody tells us, but a peer says that it is interested one round
//! trip after it was told what we have, at the earliest. So peers that are near get little time, and those behind a
//! satellite get enough: else their slots would be given to others while their requests are on the way, and then there
//! would be several times as many peers unchoked as there are slots.

use super::{ChokeRecord, ChokerPeer};
use std::time::Duration;

/// The shortest and the longest time that an unchoked peer has for its first request. When it is over, another is
/// unchoked beside it. A peer may say as late as it likes that it is interested, so the longest time has to be short.
pub(super) const LEAST_PATIENCE: Duration = Duration::from_millis(200);
pub(super) const MOST_PATIENCE: Duration = Duration::from_secs(5);
/// That time, where nothing is known of the peer.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// An unchoked peer that asks for nothing for this long makes no use of its slot, unless it is so far away that it has
/// more than half of that for its first request.
const USE_DEADLINE: Duration = Duration::from_secs(3);

/// How long this peer has for its first request: half as long again as it took to say that it is interested, since a
/// line that has become busy takes longer.
pub(super) fn patience(peer: &ChokerPeer) -> Duration {
    let after = peer.interested_after.map_or(PATIENCE, |after| after.saturating_add(after / 2));
    after.clamp(LEAST_PATIENCE, MOST_PATIENCE)
}

impl ChokeRecord {
    /// A peer that asks for nothing for this long makes no use of its slot.
    pub(super) fn use_deadline(&self) -> Duration {
        USE_DEADLINE.max(self.patience * 2)
    }
}
