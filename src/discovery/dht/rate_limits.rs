//! How much other nodes may ask of us, and which of them have shown that the address on their packets is
//! their own.
//!
//! Pure. Anyone can write any address on a packet, so that the answer goes to a host that never asked (a
//! *reflection attack*). An attacker that wants to flood a host in this way must get little out of us: few
//! answers a second to one address, few bytes a second in all, and no answer much longer than the query
//! unless the address has answered us.

use super::addresses::owner;
use crate::strategy::TokenBucket;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Addresses that we remember. With many addresses an attacker can make us forget one. Then that address gets
/// only short answers until it proves itself again.
const MAX_CALLERS: usize = 1_024;

/// How long an address counts as proven after its last answer.
const PROOF_LASTS: Duration = Duration::from_secs(15 * 60);

/// Queries a second from one address that are answered, and how many at once.
const QUERIES: u32 = 10;
const QUERIES_AT_ONCE: u32 = 30;

#[derive(Debug)]
struct Caller {
    owner: u64,
    queries: TokenBucket,
    /// When it last asked or proved something.
    heard: Instant,
    proven: Option<Instant>,
}

/// The addresses that asked or answered lately.
#[derive(Debug, Default)]
pub struct Callers {
    /// In the order of their addresses.
    known: Vec<Caller>,
}

impl Callers {
    /// Whether a query of this address may be answered; counts it.
    pub fn may_ask(&mut self, ip: IpAddr, now: Instant) -> bool {
        self.caller(ip, now).is_some_and(|caller| caller.queries.take(now))
    }

    /// The address is proved to be the sender's own: it answered a query of ours, or sent a token that we had
    /// given to it.
    pub fn proved(&mut self, ip: IpAddr, now: Instant) {
        if let Some(caller) = self.caller(ip, now) {
            caller.proven = Some(now);
        }
    }

    /// Whether the address was proved to be that of the node that uses it.
    pub fn is_proven(&self, ip: IpAddr, now: Instant) -> bool {
        let place = self.place(ip).ok().and_then(|place| self.known.get(place));
        place.is_some_and(|caller| caller.is_proven(now))
    }

    fn place(&self, ip: IpAddr) -> Result<usize, usize> {
        let owner = owner(ip);
        self.known.binary_search_by(|caller| caller.owner.cmp(&owner))
    }

    /// The caller at this address, which is heard from now.
    fn caller(&mut self, ip: IpAddr, now: Instant) -> Option<&mut Caller> {
        let mut place = self.place(ip);
        if place.is_err() && self.known.len() >= MAX_CALLERS {
            self.forget_some(now);
            place = self.place(ip);
        }
        let at = match place {
            Ok(at) => at,
            Err(at) => {
                let queries = TokenBucket::with_burst(QUERIES, QUERIES_AT_ONCE, now);
                self.known.insert(at, Caller { owner: owner(ip), queries, heard: now, proven: None });
                at
            }
        };
        let caller = self.known.get_mut(at)?;
        caller.heard = now;
        Some(caller)
    }

    /// Forgets the callers that lose nothing by it: their bucket is full again, and they have proved nothing.
    /// If there is none, forgets those that were heard from longer ago than the average, and at least half of
    /// all.
    fn forget_some(&mut self, now: Instant) {
        self.known.retain(|caller| caller.is_proven(now) || !caller.queries.is_full(now));
        if self.known.len() >= MAX_CALLERS {
            let age = |caller: &Caller| now.saturating_duration_since(caller.heard);
            let average = self.known.iter().map(age).sum::<Duration>() / self.known.len() as u32;
            let mut room = MAX_CALLERS / 2;
            self.known.retain(|caller| {
                let kept = room > 0 && age(caller) <= average;
                room -= usize::from(kept);
                kept
            });
        }
    }
}

impl Caller {
    fn is_proven(&self, now: Instant) -> bool {
        self.proven.is_some_and(|then| now.saturating_duration_since(then) < PROOF_LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(number: u32) -> IpAddr {
        IpAddr::V4((0x0100_0000 + number).into())
    }

    #[test]
    fn a_caller_that_asks_too_much_is_not_answered_and_others_are() {
        let start = Instant::now();
        let mut callers = Callers::default();
        let answered = (0..500).filter(|_| callers.may_ask(ip(1), start)).count();
        assert_eq!(answered, QUERIES_AT_ONCE as usize);
        assert!(callers.may_ask(ip(2), start));
        assert!(callers.may_ask(ip(1), start + SECOND));
    }

    #[test]
    fn a_proof_lasts_a_quarter_of_an_hour() {
        let start = Instant::now();
        let mut callers = Callers::default();
        callers.may_ask(ip(1), start);
        assert!(!callers.is_proven(ip(1), start) && !callers.is_proven(ip(2), start));
        callers.proved(ip(1), start);
        assert!(callers.is_proven(ip(1), start + PROOF_LASTS - SECOND));
        assert!(!callers.is_proven(ip(1), start + PROOF_LASTS));
    }

    #[test]
    fn a_flood_of_addresses_fills_no_memory_and_drives_out_no_proof_that_is_fresh() {
        let start = Instant::now();
        let mut callers = Callers::default();
        callers.proved(ip(1 << 20), start);
        for number in 0..3000 {
            let now = start + SECOND * number;
            assert!(callers.may_ask(ip(number), now));
            assert!(callers.known.len() <= MAX_CALLERS);
        }
        for number in 0..20_000 {
            callers.may_ask(ip(number), start + SECOND * 3001);
            assert!(callers.known.len() <= MAX_CALLERS);
        }
    }
}
