//! What peers say of each other (BEP 11), and who is worth more where there is no room for all (BEP 40).

use crate::message::{HangUp, Order, PeerKey};
use crate::strategy::{Source, may_name};
use crate::swarm::peers::Peer;
use crate::swarm::{Coordinator, Phase};
use crate::wire::pex::{REACHABLE, UPLOAD_ONLY};
use log::debug;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A peer that was of no use for so long may lose its place to one that ranks higher.
const PROBATION: Duration = Duration::from_secs(60);

impl Coordinator<'_> {
    /// Tells each peer what it does not know yet of the others, where it is time for that.
    pub(in crate::swarm) fn tell_of_others(&mut self, now: Instant) {
        let is_due = |(_, peer): (_, &Peer)| peer.pex.is_some() && peer.gossip.is_due(now);
        if !self.shared.pex || !self.roster.greeted().any(is_due) {
            return;
        }
        let connected: Vec<(SocketAddr, u8)> = self
            .roster
            .greeted()
            .filter_map(|(_, peer)| {
                let reachable = if peer.incoming { 0 } else { REACHABLE };
                let upload_only = if peer.wants_nothing() { UPLOAD_ONLY } else { 0 };
                Some((peer.dial?, reachable | upload_only))
            })
            .collect();
        let here = self.roster.all_mut().filter(|(_, peer)| peer.greeting.is_some() && !peer.leaving);
        for (_, peer) in here {
            let at = peer.dial.unwrap_or(peer.address);
            if let Some(number) = peer.pex
                && let Some(news) = peer.gossip.news(at, &connected, now)
            {
                peer.order(Order::TellOfOthers(number, news));
            }
        }
    }

    /// A peer says that it is connected to these. What it may know of is tried when the better known ones
    /// were.
    pub(in crate::swarm) fn heard_of_others(
        &mut self,
        key: PeerKey,
        others: &[(SocketAddr, u8)],
        now: Instant,
    ) {
        let Some(address) = self.roster.get(key).map(|peer| peer.address) else { return };
        let teller = address.ip();
        let is_of_use = |flags: u8| self.phase != Phase::Seeding || flags & UPLOAD_ONLY == 0;
        let believed =
            others.iter().filter(|(address, flags)| may_name(teller, *address) && is_of_use(*flags));
        let new =
            believed.filter(|(address, _)| self.candidates.add(*address, Source::Pex(teller), now)).count();
        debug!("{address}: it told of {} peers, {new} of them new", others.len());
        if new > 0 {
            self.attempt_at = Some(now);
        }
    }

    /// Lets the peer go that ranks lowest of those that are of no use now, if it ranks lower than who is at
    /// `address`. So a swarm of full clients still takes in some of whoever comes.
    pub(in crate::swarm) fn let_lower_go(&mut self, address: SocketAddr, now: Instant) -> bool {
        let rank = |at: SocketAddr| self.candidates.rank(at);
        let idle = self.roster.greeted().filter(|(key, peer)| {
            let served = self.choker.is_unchoked(*key) || !peer.in_flight.is_empty();
            let last = peer.last_block.max(peer.last_taken);
            !served && now.saturating_duration_since(last) >= PROBATION
        });
        let lowest = idle.map(|(key, peer)| (rank(peer.dial.unwrap_or(peer.address)), key)).min();
        let lowest = lowest.filter(|(lowest, _)| *lowest < rank(address));
        if let Some((_, key)) = lowest {
            self.let_go(key, HangUp::LowerPriority);
        }
        lowest.is_some()
    }
}
