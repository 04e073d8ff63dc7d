//! Inquiries: a piece was wrong, several peers had sent it, and one of them lied at least.
//!
//! As long as it is not known who, all of them are suspects:
//!
//! - The piece that was wrong comes before all others. Suspects and newcomers are asked for nothing else, but what a
//!   newcomer has begun to send alone, and no other piece is opened.
//! - What is open does not become complete: its last block is left out. So however many pieces liars have a part in by
//!   then, one was wrong.
//!
//! That piece is fetched *crosswise* where three peers can send it (two are enough if both have proved themselves): a
//! block counts when two peers have sent the same, in this attempt or in the one that failed
//! (`swarm/download/requests/comparison.rs`). So it takes about as long as any piece, whatever the rate of one peer is,
//! and it ends well where two peers are honest, unless liars agree on their lies. When it verifies, everyone who has
//! sent something else of it is convicted, the others are cleared, and what the convicted have sent of other pieces is
//! dropped. So each inquiry costs one wrong piece, and at least one liar is convicted for it.
//!
//! Who is much slower than most is not asked to compare, since all would wait for it. Where no two send the same, most of
//! them lie. Then one peer after another sends the piece alone, until one is right.
//! Whoever was wrong is convicted at once.
//!
//! An inquiry ends with a minute, or ten seconds after the last that was heard of its piece. Where all are slow, waiting
//! would cost more than a wrong piece.

use super::probation::Scope;
use super::requests::{Comparison, ExclusivePiece, PieceSource, Within};
use crate::message::PeerKey;
use crate::piece::PieceIndex;
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use std::time::{Duration, Instant};

/// A slow peer may take some blocks' time, but no longer than this: the time of a block is an estimate that grows with
/// the silence itself.
const LONGEST_BLOCK: Duration = Duration::from_secs(8);
/// So many can compare a piece if it is not known of any that it was ever right, and so many if it is.
const JURY: usize = 3;
const PROVED_JURY: usize = 2;
/// A peer is no juror if at least half of those that could be are so many times as fast: all would wait for it.
const MUCH_FASTER: f64 = 4.0;
/// Who alone sends a piece should need no longer for it than this. Soon after it others send it too, and nothing is
/// learned.
const IN_TIME: f64 = 20.0;
/// A comparison takes no longer than this.
const LONGEST_COMPARISON: Duration = Duration::from_secs(60);

impl Coordinator<'_> {
    /// Whether it may soon be known who lied: a piece that was wrong is being fetched again.
    pub(in crate::swarm) fn inquires(&self, now: Instant) -> bool {
        self.suspicions.are_fresh(now) && self.requests.has_exclusive()
    }

    /// Whether this peer may have lied, and it may soon be known whether it did.
    pub(in crate::swarm) fn is_under_inquiry(&self, key: PeerKey, now: Instant) -> bool {
        let is_suspect = |peer: &Peer| peer.download.trust.is_suspect();
        self.inquires(now) && self.roster.get(key).is_some_and(is_suspect)
    }

    /// A block came. Perhaps its piece was wrong before.
    pub(in crate::swarm) fn heard_of_inquiry(&mut self, piece: PieceIndex, now: Instant) {
        if self.suspicions.has_any() && self.requests.is_exclusive(piece) {
            self.suspicions.heard(now);
        }
    }

    /// What a peer may be asked for besides the pieces that were wrong: what is open, if it has proved itself, and where
    /// most lie only if it was right when others were not.
    pub(in crate::swarm) fn scope_during_inquiry(&self, key: PeerKey) -> Scope {
        let is_credible = !self.suspicions.most_lie() || self.suspicions.times_right(key) > 0;
        match is_credible && self.is_proved(key) {
            true => Scope { first: Within::Shared, opens: None, then: None },
            false => Scope { first: Within::These(Vec::new()), opens: None, then: None },
        }
    }

    /// Fetches a piece that was wrong again, crosswise or from one peer alone. If none is there that could send it, or no
    /// room, then later.
    pub(in crate::swarm) fn retry(&mut self, piece: PieceIndex, but: Option<PeerKey>, now: Instant) {
        if self.compare(piece, now) {
            return;
        }
        let Some(sender) = self.choose_sender(piece, but, now) else { return };
        if self.reopen(piece) {
            self.open(piece, PieceSource::OnePeer(Some(sender)), now);
            self.fill(sender, now);
        }
    }

    /// Fetches it crosswise, if that may lead to something and there is room.
    fn compare(&mut self, piece: PieceIndex, now: Instant) -> bool {
        let attempts = self.suspicions.attempts_at(piece);
        if attempts.is_empty() || !self.suspicions.may_be_compared(piece) {
            return false;
        }
        let jurors = self.jurors(piece, now);
        if jurors.is_empty() || !self.reopen(piece) {
            return false;
        }
        let senders: Vec<Vec<PeerKey>> =
            attempts.iter().map(|attempt| attempt.sender_of_each().collect()).collect();
        let comparison = Comparison::new(self.geometry.block_count(piece), jurors, &senders);
        let assembly = self.assembly(piece, attempts);
        self.requests.open_compared(assembly, comparison, now);
        true
    }

    /// Opens a piece that was wrong. If no other is being fetched again, it need not wait for room.
    fn reopen(&mut self, piece: PieceIndex) -> bool {
        (self.pieces.has_room() || !self.requests.has_exclusive()) && self.pieces.reopen(piece)
    }

    /// Who can compare the blocks of a piece: those who have been right before, if they are enough.
    fn jurors(&self, piece: PieceIndex, now: Instant) -> Vec<PeerKey> {
        let able =
            || self.roster.senders().filter(|(_, peer)| may_send(piece, peer, now) && !peer.is_web_seed());
        let mut rates: Vec<f64> = able().map(|(_, peer)| peer.download.pipeline.rate()).collect();
        rates.sort_unstable_by(|one, two| two.total_cmp(one));
        let usual = rates.get(rates.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
        // Of a peer that has sent nothing it is not known.
        let is_slow = |rate: f64| rate > 0.0 && rate * MUCH_FASTER < usual;
        let all = || able().filter(|(_, peer)| !is_slow(peer.download.pipeline.rate()));
        let proved = all().filter(|(_, peer)| peer.download.trust.has_sent_good());
        let proved: Vec<PeerKey> = proved.map(|(key, _)| key).collect();
        if proved.len() >= PROVED_JURY {
            return proved;
        }
        let all: Vec<PeerKey> = all().map(|(key, _)| key).collect();
        let is_open = proved.is_empty() && !self.suspicions.most_lie() && all.len() >= JURY;
        if is_open { all } else { Vec::new() }
    }

    /// Of pieces that were wrong: sees that they come. Of those that one peer alone is to send, finds another if there is
    /// none, or if this one has fallen silent. The attempt begins anew then, so that again one peer has sent all of it.
    pub(in crate::swarm) fn look_after_retries(&mut self, now: Instant) {
        self.requests.share_overdue(now);
        self.release_held_back(now);
        self.look_after_newcomers(now);
        for piece in self.requests.compared() {
            self.look_after_comparison(piece, now);
        }
        for piece in self.suspicions.pieces() {
            // It found no sender, or no room.
            self.retry(piece, None, now);
        }
        for ExclusivePiece { piece, owner, senders } in self.requests.exclusive() {
            if owner.is_some_and(|owner| !self.is_silent(owner, now)) {
                continue;
            }
            let Some(other) = self.choose_sender(piece, owner, now) else { continue };
            if owner.is_none() && senders.iter().all(|sender| *sender == other) {
                self.requests.assign(piece, other);
                self.fill(other, now);
                continue;
            }
            if self.suspicions.may_begin_anew(piece) {
                self.give_up(piece, now);
                self.retry(piece, owner, now);
            }
        }
    }

    /// A juror that has fallen silent is one no more. Where the jurors do not agree, one peer alone sends the piece.
    fn look_after_comparison(&mut self, piece: PieceIndex, now: Instant) {
        for juror in self.requests.holders(piece) {
            if self.is_silent(juror, now) {
                self.requests.leaves_comparison(piece, juror);
            }
        }
        if self.requests.is_comparable(piece, LONGEST_COMPARISON, now) {
            return;
        }
        let credible = self.requests.credible(piece);
        if self.requests.is_disputed(piece) {
            self.suspicions.most_seem_to_lie();
        }
        self.suspicions.not_comparable(piece, credible);
        self.give_up(piece, now);
        self.retry(piece, None, now);
    }

    /// If nothing is to be found out soon, the other pieces wait no longer.
    pub(in crate::swarm) fn release_held_back(&mut self, now: Instant) {
        if !self.inquires(now) {
            self.requests.hold_back(false);
        }
    }

    pub(in crate::swarm) fn is_silent(&self, key: PeerKey, now: Instant) -> bool {
        let Some(peer) = self.roster.get(key) else { return true };
        let block_time = peer.download.pipeline.block_time().unwrap_or(1.0) * 4.0;
        let slow = Duration::try_from_secs_f64(block_time).unwrap_or(Duration::MAX).min(LONGEST_BLOCK);
        let silence = now.saturating_duration_since(peer.download.last_block);
        let patience = self.patience().max(slow).max(peer.shortest_silence());
        peer.download.overtaken || (self.requests.count(key) > 0 && silence > patience)
    }

    /// The peer that is to send a piece alone, in time if one can: one that was right when others were not, or that
    /// has proved itself and no part in the failures of this piece, if there is one, and of those the fastest. Of
    /// peers that were never right any: liars may be fast.
    fn choose_sender(&mut self, piece: PieceIndex, but: Option<PeerKey>, now: Instant) -> Option<PeerKey> {
        let suspects = self.suspicions.senders_of(piece);
        let soon = f64::from(self.geometry.length(piece)) / IN_TIME;
        let candidates =
            self.roster.senders().filter(|(key, peer)| Some(*key) != but && may_send(piece, peer, now));
        let ranked = candidates.map(|(key, peer)| {
            let trust = peer.download.trust;
            let (is_new, has_sent_good) = (!suspects.contains(&key), trust.has_sent_good());
            let times_right = self.suspicions.times_right(key);
            // Of a liar that was never met before, nothing bad is known either.
            let rate = peer.download.pipeline.rate();
            let in_time = rate <= 0.0 || rate >= soon;
            let rank =
                (in_time, times_right, trust.is_proved() && is_new, has_sent_good, has_sent_good && is_new);
            let rate = if has_sent_good { rate } else { self.random.f64() };
            (rank, rate, key)
        });
        let best = ranked.max_by(|one, two| one.0.cmp(&two.0).then(one.1.total_cmp(&two.1)));
        best.map(|(_, _, key)| key)
    }
}

/// Whether a peer can be asked for this piece now.
fn may_send(piece: PieceIndex, peer: &Peer, now: Instant) -> bool {
    !peer.download.overtaken
        && !peer.download.standing.rests(now)
        && peer.may_be_asked().is_some_and(|allowed| allowed.allows(piece))
}
