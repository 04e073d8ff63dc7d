//! A piece that was wrong and is fetched crosswise: a block of it counts when two peers have sent the same.
//!
//! Each block is asked of one peer after another, of none twice, until two agree; who has sent it in the attempt that
//! failed counts as the first. Only *jurors* are asked. Once two of them have agreed with somebody, the others are asked
//! only for blocks of which those two differ: most likely they are honest.
//!
//! Where most lie, nearly no two send the same, and asking all for everything would cost a piece for each. Then the
//! others are asked for two blocks only, until two jurors have agreed. If two of them are honest, that shows who they are.

use crate::message::PeerKey;

/// The part of a piece that one peer owes us at a time is so small, so that all of them send it together.
const PART: u32 = 8;
/// So many blocks that no two have sent alike, if more than the others, mean that most jurors lie.
const MANY: usize = 8;
/// So many blocks at a time are then asked of all of them.
const FOCUS: usize = 2;

/// What was said of the blocks of one piece.
#[derive(Debug)]
pub struct Comparison {
    jurors: Vec<PeerKey>,
    /// Of each block who has sent it, or was asked and does not send it.
    heard: Vec<Vec<PeerKey>>,
    /// Jurors that have sent the same as another peer.
    credible: Vec<PeerKey>,
    /// How many blocks two have sent alike.
    agreements: usize,
    /// How many times a juror has sent a block that nobody else had sent alike.
    disputes: usize,
    /// The blocks of which that is so, and that no two have sent alike yet. The first one comes first.
    disputed: Vec<u32>,
}

impl Comparison {
    /// Of a piece that failed once or more often, when its blocks were sent by these, attempt by attempt.
    pub fn new(blocks: u32, jurors: Vec<PeerKey>, attempts: &[Vec<PeerKey>]) -> Comparison {
        let of_block = |number: usize| {
            attempts.iter().filter_map(|attempt| attempt.get(number).copied()).collect::<Vec<PeerKey>>()
        };
        let heard = (0..blocks as usize).map(of_block).collect();
        Comparison { jurors, heard, credible: Vec::new(), agreements: 0, disputes: 0, disputed: Vec::new() }
    }

    /// Blocks that one juror may owe us at a time.
    pub fn most(&self) -> u32 {
        (self.heard.len() as u32).div_ceil(PART).max(1)
    }

    /// Whether this peer may be asked for a block.
    pub fn may_ask(&self, peer: PeerKey, number: u32) -> bool {
        let Some(heard) = self.heard.get(number as usize) else { return false };
        if !self.jurors.contains(&peer) || heard.contains(&peer) {
            return false;
        }
        if self.credible.contains(&peer) {
            return true;
        }
        match self.credible.len() {
            0 | 1 if self.most_lie() => self.focus().any(|focus| focus == number),
            0 | 1 => true,
            _ => self.credible.iter().all(|juror| heard.contains(juror)),
        }
    }

    /// The blocks that all are asked for where most lie: where one is credible, those that it has sent.
    fn focus(&self) -> impl Iterator<Item = u32> {
        let credible = self.credible.first();
        let heard = |number: &u32| self.heard.get(*number as usize);
        let is_sent = move |number: &u32| {
            credible.is_none_or(|juror| heard(number).is_some_and(|heard| heard.contains(juror)))
        };
        self.disputed.iter().copied().filter(is_sent).take(FOCUS)
    }

    fn most_lie(&self) -> bool {
        self.disputes >= MANY && self.is_disputed()
    }

    /// Whether more was said by one alone than by two.
    pub fn is_disputed(&self) -> bool {
        self.disputes > self.agreements
    }

    /// A juror sent a block, and another peer had sent the same.
    pub fn agreed(&mut self, peer: PeerKey, number: u32) {
        self.agreements += 1;
        self.disputed.retain(|other| *other != number);
        if !self.credible.contains(&peer) {
            self.credible.push(peer);
        }
    }

    /// A juror sent a block, and nobody else had sent the same.
    pub fn disputed(&mut self, peer: PeerKey, number: u32) {
        self.disputes += 1;
        if let Some(heard) = self.heard.get_mut(number as usize) {
            heard.push(peer);
        }
        if !self.disputed.contains(&number) {
            self.disputed.push(number);
        }
    }

    /// It does not send anything any more.
    pub fn left(&mut self, peer: PeerKey) {
        self.jurors.retain(|juror| *juror != peer);
        self.credible.retain(|juror| *juror != peer);
    }

    /// Whether any juror may be asked for this block.
    pub fn has_juror_for(&self, number: u32) -> bool {
        self.jurors.iter().any(|juror| self.may_ask(*juror, number))
    }

    /// Jurors that have sent the same as another peer.
    pub fn credible(&self) -> &[PeerKey] {
        &self.credible
    }
}
