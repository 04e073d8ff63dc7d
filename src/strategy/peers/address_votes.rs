//! Votes on an address of ours that we cannot see ourselves.
//!
//! A peer, a node or a tracker that tells us our address may lie or be wrong. So each voter has one vote, its
//! latest, and we believe the address that has the majority. The caller says what counts as one voter.

use crate::address::is_local;
use std::collections::VecDeque;
use std::net::IpAddr;

/// The votes on one address.
#[derive(Debug)]
pub struct AddressVotes<Voter> {
    /// Each voter and the address that it voted for, the oldest vote first. No voter twice.
    votes: VecDeque<(Voter, IpAddr)>,
    /// Votes that an address needs, besides more than half of all.
    quorum: usize,
    /// Votes that are kept, so that a new address wins after a while, and memory has a bound.
    max_votes: usize,
    majority: Option<IpAddr>,
}

impl<Voter: PartialEq> AddressVotes<Voter> {
    /// No votes yet.
    pub fn new(quorum: usize, max_votes: usize) -> AddressVotes<Voter> {
        AddressVotes { votes: VecDeque::new(), quorum, max_votes, majority: None }
    }

    /// The voter says that it sees us at this address. A local address counts only from a voter that is
    /// local itself: others cannot see it.
    pub fn vote(&mut self, voter: Voter, is_local_voter: bool, seen: IpAddr) {
        if is_local(seen) && !is_local_voter || seen.is_unspecified() || seen.is_multicast() {
            return;
        }
        self.votes.retain(|(known, _)| *known != voter);
        if self.votes.len() >= self.max_votes {
            self.votes.pop_front();
        }
        self.votes.push_back((voter, seen));
        // Only the address of the new vote can have gained a majority, and only the old one can have lost it.
        let candidates = [Some(seen), self.majority].into_iter().flatten();
        self.majority = candidates.into_iter().find(|one| self.has_majority(*one));
    }

    fn has_majority(&self, address: IpAddr) -> bool {
        let count = self.votes.iter().filter(|(_, seen)| *seen == address).count();
        count >= self.quorum && count * 2 > self.votes.len()
    }

    /// The address that more than half of the votes are for.
    pub fn majority(&self) -> Option<IpAddr> {
        self.majority
    }

    /// How many votes there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.votes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_the_quorum_and_more_than_half_of_the_votes() {
        let [one, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        let mut votes = AddressVotes::new(3, 5);
        (0..2).for_each(|voter| votes.vote(voter, false, one));
        assert_eq!(votes.majority(), None);
        (2..4).for_each(|voter| votes.vote(voter, false, other));
        votes.vote(4, false, one);
        assert_eq!(votes.majority(), Some(one));
        // The oldest vote is dropped, or the voter's own.
        votes.vote(5, false, other);
        assert_eq!((votes.majority(), votes.count()), (Some(other), 5));
        votes.vote(5, false, one);
        assert_eq!(votes.majority(), Some(one));
    }

    #[test]
    fn a_local_address_counts_from_a_local_voter_only_and_some_never_count() {
        let mut votes = AddressVotes::new(1, 5);
        votes.vote(1, false, [10, 0, 0, 1].into());
        votes.vote(2, true, [0, 0, 0, 0].into());
        votes.vote(3, true, [224, 0, 0, 1].into());
        assert_eq!((votes.majority(), votes.count()), (None, 0));
        votes.vote(4, true, [10, 0, 0, 1].into());
        assert_eq!(votes.majority(), Some([10, 0, 0, 1].into()));
    }
}
