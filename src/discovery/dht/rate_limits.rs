//! How much we answer and ask, and who has shown that the address on its packets is its own.
//!
//! Pure. Anybody can write any address on a packet, so that the answer goes to somebody who never asked.
//! Whoever wants to flood a host like that must find that we send it little: few answers a second to one
//! address, few bytes a second in all, and no answer much longer than the question unless the address
//! has answered us.

use super::addresses::owner;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Addresses that are remembered. A stranger can make us forget one, which costs it the longer answers.
const MAX_CALLERS: usize = 1_024;

/// How long an address counts as proven after its last answer.
const PROOF_LASTS: Duration = Duration::from_secs(15 * 60);

/// Queries a second of one address that are answered, and how many at once.
const QUERIES: f32 = 10.0;
const QUERIES_AT_ONCE: f32 = 30.0;

/// So much of something a second, and so much at once.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    a_second: f32,
    at_once: f32,
    left: f32,
    counted: Instant,
}

impl Allowance {
    /// A full one.
    pub fn new(a_second: f32, at_once: f32, now: Instant) -> Allowance {
        Allowance { a_second, at_once, left: at_once, counted: now }
    }

    /// Takes so much. False where there is too little.
    pub fn take(&mut self, amount: f32, now: Instant) -> bool {
        let enough = self.has(amount, now);
        if enough {
            self.left -= amount;
        }
        enough
    }

    /// Whether there is so much.
    pub fn has(&mut self, amount: f32, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted).as_secs_f32();
        self.left = (self.left + passed * self.a_second).min(self.at_once);
        self.counted = now;
        self.left >= amount
    }
}

#[derive(Debug)]
struct Caller {
    owner: u64,
    queries: Allowance,
    proven: Option<Instant>,
}

/// Whoever asked or answered lately.
#[derive(Debug, Default)]
pub struct Callers {
    /// In the order of their addresses.
    known: Vec<Caller>,
}

impl Callers {
    /// Whether a query of this address may be answered; counts it.
    pub fn may_ask(&mut self, ip: IpAddr, now: Instant) -> bool {
        self.caller(ip, now).is_some_and(|caller| caller.queries.take(1.0, now))
    }

    /// It answered a query of ours, or sent a token that we had given to this address.
    pub fn proved(&mut self, ip: IpAddr, now: Instant) {
        if let Some(caller) = self.caller(ip, now) {
            caller.proven = Some(now);
        }
    }

    /// Whether the address has proved to be the one of who uses it.
    pub fn is_proven(&self, ip: IpAddr, now: Instant) -> bool {
        let place = self.place(ip).ok().and_then(|place| self.known.get(place));
        place.and_then(|caller| caller.proven).is_some_and(|then| is_recent(then, now))
    }

    fn place(&self, ip: IpAddr) -> Result<usize, usize> {
        let owner = owner(ip);
        self.known.binary_search_by(|caller| caller.owner.cmp(&owner))
    }

    fn caller(&mut self, ip: IpAddr, now: Instant) -> Option<&mut Caller> {
        let mut place = self.place(ip);
        if place.is_err() && self.known.len() >= MAX_CALLERS {
            self.forget_some(now);
            place = self.place(ip);
        }
        let at = match place {
            Ok(at) => at,
            Err(at) => {
                let queries = Allowance::new(QUERIES, QUERIES_AT_ONCE, now);
                self.known.insert(at, Caller { owner: owner(ip), queries, proven: None });
                at
            }
        };
        self.known.get_mut(at)
    }

    /// Forgets those who have nothing to lose: their allowance is full again, and they have proved
    /// nothing. Where that is nobody, who was heard of longer ago than the average, and half at least.
    fn forget_some(&mut self, now: Instant) {
        self.known.retain_mut(|caller| {
            let proven = caller.proven.is_some_and(|then| is_recent(then, now));
            proven || !caller.queries.has(QUERIES_AT_ONCE, now)
        });
        if self.known.len() >= MAX_CALLERS {
            let age = |caller: &Caller| now.saturating_duration_since(caller.last());
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
    /// When it asked or proved something the last time.
    fn last(&self) -> Instant {
        self.proven.map_or(self.queries.counted, |proven| proven.max(self.queries.counted))
    }
}

fn is_recent(then: Instant, now: Instant) -> bool {
    now.saturating_duration_since(then) < PROOF_LASTS
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(number: u32) -> IpAddr {
        IpAddr::V4((0x0100_0000 + number).into())
    }

    #[test]
    fn an_allowance_fills_up_and_no_further() {
        let start = Instant::now();
        let mut allowance = Allowance::new(2.0, 5.0, start);
        let taken = |allowance: &mut Allowance, now| (0..20).filter(|_| allowance.take(1.0, now)).count();
        assert_eq!(taken(&mut allowance, start), 5);
        assert_eq!(taken(&mut allowance, start + SECOND), 2);
        assert_eq!(taken(&mut allowance, start + 1000 * SECOND), 5);
        assert_eq!(taken(&mut allowance, start), 0);
    }

    #[test]
    fn one_who_asks_too_much_is_not_answered_and_others_are() {
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
