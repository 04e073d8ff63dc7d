//! How connections to a candidate begin: plain or encrypted.
//!
//! Some peers take only encrypted connections, some only plain ones, most take both, and an address does not say
//! which. A peer that does not take what we began with ends the connection before a word of its own. So where
//! the user leaves the choice to us, such a peer is tried the other way *at once*: it is there and only wants to
//! be spoken to differently, so it comes before every address that may be dead, and no failure is held against
//! it. That happens once. If it ends the second connection too, it has other reasons, and waits as after any
//! failure. A peer that is silent to the first approach may be behind a box that swallows what it does not
//! know, or it may just be slow: that is a failure, and the other approach is the next one.
//!
//! A handshake that was waited for in vain is waited for longer the next time that the connection begins in the same
//! way: a busy peer may take a while to greet. If its place is needed meanwhile, it has to leave sooner.
//!
//! The way that a peer took is remembered. If such a peer ends the next connection early, it was probably full:
//! it is tried the other way only if it does so again.

use super::Candidates;
use crate::address::canonical;
use crate::strategy::{Approach, Encryption, Opening};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a handshake is waited for...
const HANDSHAKE: Duration = Duration::from_secs(10);
/// ...and how long where none came in that time before.
const LATE_HANDSHAKE: Duration = Duration::from_secs(30);

/// How a connection ended that was made, and that no handshake of the peer came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuff {
    /// The peer ended it, or what it said is not what the approach calls for.
    Closed,
    /// Nothing came in time.
    Silent,
}

/// What is known of the way in which connections to one candidate have to begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Approaches {
    /// The way that it took, or is said to prefer.
    first: Option<Approach>,
    /// It took the first way, and has not refused it since.
    proven: bool,
    /// How the last connection began.
    last: Approach,
    /// How the next one begins, where the last one was refused.
    second: Option<Approach>,
    /// It was silent when a connection began plainly, and when one began encrypted.
    silent: [bool; 2],
}

impl Approaches {
    /// A connection has come about. How to begin it.
    fn begin(&mut self, policy: Encryption) -> Opening {
        let first = self.first.filter(|_| policy.has_choice()).unwrap_or(policy.first());
        self.last = self.second.unwrap_or(first);
        let patience = if *self.was_silent() { LATE_HANDSHAKE } else { HANDSHAKE };
        Opening { approach: self.last, patience }
    }

    /// Whether it was silent when a connection began like the last one.
    fn was_silent(&mut self) -> &mut bool {
        let [plain, encrypted] = &mut self.silent;
        match self.last {
            Approach::Plain => plain,
            Approach::Encrypted => encrypted,
        }
    }

    /// That way was refused. Whether the other one is next.
    pub(super) fn rebuffed(&mut self, policy: Encryption, rebuff: Rebuff) -> bool {
        *self.was_silent() |= rebuff == Rebuff::Silent;
        let was_second = self.second.take().is_some();
        if policy.has_choice() && !was_second && !std::mem::take(&mut self.proven) {
            self.second = Some(self.last.other());
        }
        self.second.is_some()
    }
}

impl Candidates {
    /// What the user wants about encryption. Until this is called it is the default.
    pub fn set_encryption(&mut self, encryption: Encryption) {
        self.encryption = encryption;
    }

    /// There is a connection to this address, and this is how to begin it.
    pub fn begin(&mut self, address: SocketAddr) -> Opening {
        let policy = self.encryption;
        let unknown = Opening { approach: policy.first(), patience: HANDSHAKE };
        let candidate = self.known.get_mut(&canonical(address));
        candidate.map_or(unknown, |candidate| candidate.approaches.begin(policy))
    }

    /// The connection that we made to this address has led to handshakes, so later ones begin like it.
    pub fn greeted(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.known.get_mut(&canonical(address)) {
            let approaches = &mut candidate.approaches;
            (approaches.first, approaches.proven, approaches.second) = (Some(approaches.last), true, None);
            approaches.silent = [false; 2];
        }
    }

    /// The peer at this address is said to prefer encrypted connections, or has made one to us. That counts
    /// while we know no better.
    pub fn prefers_encryption(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.known.get_mut(&canonical(address)) {
            candidate.approaches.first.get_or_insert(Approach::Encrypted);
        }
    }

    /// The connection to this address was made and ended before its handshake came. True if it is tried the
    /// other way at once, so that this was no failure. Otherwise the caller reports one.
    pub fn rebuffed(&mut self, address: SocketAddr, rebuff: Rebuff, now: Instant) -> bool {
        let policy = self.encryption;
        let candidate = self.known.get_mut(&canonical(address));
        candidate.is_some_and(|candidate| candidate.rebuffed(policy, rebuff, now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AttemptFailure, Source};
    use super::*;
    use std::time::Duration;

    const PEER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1)), 6881);
    /// No attempt is later than this.
    const END: Duration = Duration::from_secs(25);

    /// What a peer does when a connection begins so.
    type Answer = fn(Approach) -> Result<(), Rebuff>;

    const BOTH: Answer = |_| Ok(());
    const ENCRYPTED_ONLY: Answer = |approach| only(Approach::Encrypted, approach, Rebuff::Closed);
    const PLAIN_ONLY: Answer = |approach| only(Approach::Plain, approach, Rebuff::Closed);
    const FULL: Answer = |_| Err(Rebuff::Closed);
    const PLAIN_IS_SWALLOWED: Answer = |approach| only(Approach::Encrypted, approach, Rebuff::Silent);
    const MUTE: Answer = |_| Err(Rebuff::Silent);

    fn only(taken: Approach, approach: Approach, otherwise: Rebuff) -> Result<(), Rebuff> {
        if approach == taken { Ok(()) } else { Err(otherwise) }
    }

    /// A book with one candidate, a clock, and what was tried: the whole seconds that had passed, and how the
    /// connection began.
    struct World {
        candidates: Candidates,
        random: fastrand::Rng,
        start: Instant,
        now: Instant,
        tried: Vec<(u64, Approach)>,
    }

    impl World {
        fn new(policy: Encryption) -> World {
            let (mut candidates, now) = (Candidates::default(), Instant::now());
            candidates.set_encryption(policy);
            assert!(candidates.add(PEER, Source::Tracker, now));
            let random = fastrand::Rng::with_seed(1);
            World { candidates, random, start: now, now, tried: Vec::new() }
        }

        /// Connects until the peer greets us or nothing is due for long. Returns whether it did.
        fn dial(&mut self, answer: Answer) -> bool {
            self.wait_for(|opening| answer(opening.approach))
        }

        fn wait_for(&mut self, answer: impl Fn(Opening) -> Result<(), Rebuff>) -> bool {
            loop {
                let due = self.candidates.next_due().unwrap();
                if due > self.start + END {
                    return false;
                }
                self.now = self.now.max(due);
                assert_eq!(self.candidates.next(self.now), Some(PEER));
                let opening = self.candidates.begin(PEER);
                self.tried.push(((self.now - self.start).as_secs(), opening.approach));
                assert!(self.tried.len() < 100, "without end: {:?}", &self.tried[..9]);
                let Err(rebuff) = answer(opening) else {
                    self.candidates.greeted(PEER);
                    return true;
                };
                if rebuff == Rebuff::Silent {
                    self.now += opening.patience;
                }
                if !self.candidates.rebuffed(PEER, rebuff, self.now) {
                    self.candidates.failed(PEER, AttemptFailure::Unreachable, self.now, &mut self.random);
                }
            }
        }
    }

    fn tried(policy: Encryption, answer: Answer) -> Vec<(u64, Approach)> {
        let mut world = World::new(policy);
        world.dial(answer);
        world.tried
    }

    #[test]
    fn each_kind_of_peer_is_tried_as_each_policy_says_and_the_other_way_at_once() {
        use Approach::{Encrypted as E, Plain as P};
        use Encryption::{Allow, Off, Prefer, Require};
        for (policy, answer, expected) in [
            (Off, BOTH, vec![(0, P)]),
            (Allow, BOTH, vec![(0, P)]),
            (Prefer, BOTH, vec![(0, E)]),
            (Require, BOTH, vec![(0, E)]),
            (Allow, ENCRYPTED_ONLY, vec![(0, P), (0, E)]),
            (Prefer, ENCRYPTED_ONLY, vec![(0, E)]),
            (Require, ENCRYPTED_ONLY, vec![(0, E)]),
            (Off, PLAIN_ONLY, vec![(0, P)]),
            (Allow, PLAIN_ONLY, vec![(0, P)]),
            (Prefer, PLAIN_ONLY, vec![(0, E), (0, P)]),
            // What it is silent to is over after ten seconds; then the other way, but not before others.
            (Allow, PLAIN_IS_SWALLOWED, vec![(0, P), (11, E)]),
            (Prefer, PLAIN_IS_SWALLOWED, vec![(0, E)]),
            (Allow, MUTE, vec![(0, P), (11, E), (23, P)]),
            (Prefer, MUTE, vec![(0, E), (11, P), (23, E)]),
            (Off, MUTE, vec![(0, P), (11, P)]),
            (Require, MUTE, vec![(0, E), (11, E)]),
        ] {
            assert_eq!(tried(policy, answer), expected, "{policy:?}");
        }
    }

    #[test]
    fn a_handshake_that_comes_late_is_waited_for_where_none_came_sooner() {
        use Approach::{Encrypted as E, Plain as P};
        // What it does with a key exchange, and what is tried.
        for (policy, exchange, expected) in [
            (Encryption::Off, Rebuff::Silent, vec![(0, P), (11, P)]),
            (Encryption::Allow, Rebuff::Closed, vec![(0, P), (11, E), (13, P)]),
            (Encryption::Allow, Rebuff::Silent, vec![(0, P), (11, E), (23, P)]),
        ] {
            let mut world = World::new(policy);
            let is_late = |opening: Opening| match opening.approach {
                P if opening.patience >= Duration::from_secs(15) => Ok(()),
                P => Err(Rebuff::Silent),
                E => Err(exchange),
            };
            assert!(world.wait_for(is_late), "{policy:?}: {:?}", world.tried);
            assert_eq!(world.tried, expected);
            // Once it has greeted us it has no more time than others.
            world.candidates.release(PEER, world.now);
            world.candidates.next(world.now);
            assert_eq!(world.candidates.begin(PEER), Opening { approach: P, patience: HANDSHAKE });
        }
    }

    #[test]
    fn a_peer_that_refuses_both_waits_as_after_any_failure_and_each_round_has_two_attempts() {
        let once = tried(Encryption::Off, FULL);
        assert!(once.iter().all(|(_, approach)| *approach == Approach::Plain));
        assert_eq!(tried(Encryption::Require, FULL).len(), once.len());
        for policy in [Encryption::Allow, Encryption::Prefer] {
            let tried = tried(policy, FULL);
            assert_eq!(tried.len(), 2 * once.len(), "{tried:?}");
            for (round, single) in tried.chunks(2).zip(&once) {
                assert_eq!([round[0].0, round[1].0], [single.0; 2], "{tried:?}");
                assert_eq!([round[0].1, round[1].1], [policy.first(), policy.first().other()]);
            }
        }
    }

    #[test]
    fn the_way_that_a_peer_took_is_remembered_and_one_early_end_does_not_change_that() {
        let mut world = World::new(Encryption::Allow);
        assert!(world.dial(ENCRYPTED_ONLY));
        world.candidates.release(PEER, world.now);
        world.tried.clear();
        assert!(world.dial(ENCRYPTED_ONLY));
        world.candidates.release(PEER, world.now);
        world.dial(FULL);
        let ways: Vec<Approach> = world.tried.iter().map(|(_, approach)| *approach).collect();
        use Approach::{Encrypted as E, Plain as P};
        assert_eq!(ways[..6], [E, E, E, P, E, P], "a failure, and then two attempts a round");
        assert!(world.tried[2].0 > world.tried[1].0, "the first of them is a failure like any other");
    }

    #[test]
    fn a_peer_that_is_said_to_prefer_encryption_is_tried_so_first_and_only_while_nothing_better_is_known() {
        use Approach::{Encrypted as E, Plain as P};
        for (policy, expected) in
            [(Encryption::Off, vec![P]), (Encryption::Allow, vec![E, P]), (Encryption::Require, vec![E])]
        {
            let mut world = World::new(policy);
            world.candidates.prefers_encryption(PEER);
            world.dial(|approach| if approach == E { Err(Rebuff::Closed) } else { Ok(()) });
            let ways: Vec<Approach> = world.tried.iter().map(|(_, approach)| *approach).collect();
            assert_eq!(ways[..expected.len()], expected, "{policy:?}");
        }
        let mut world = World::new(Encryption::Allow);
        assert!(world.dial(BOTH));
        world.candidates.prefers_encryption(PEER);
        world.candidates.release(PEER, world.now);
        assert!(world.dial(BOTH) && world.tried == [(0, P), (0, P)]);
    }

    #[test]
    fn what_is_tried_the_other_way_has_not_failed_and_comes_before_what_was_never_tried() {
        let mut world = World::new(Encryption::Allow);
        let (now, other) = (world.now, SocketAddr::from(([203, 0, 114, 2], 6881)));
        assert_eq!(world.candidates.next(now), Some(PEER));
        world.candidates.begin(PEER);
        world.candidates.add_from_user(other, now);
        assert!(world.candidates.rebuffed(PEER, Rebuff::Closed, now));
        assert!(!world.candidates.has_failed(PEER) && world.candidates.has_due(true, now));
        assert_eq!((world.candidates.next(now), world.candidates.next(now)), (Some(PEER), Some(other)));
        // It is nothing special any more.
        world.candidates.failed(PEER, AttemptFailure::Unreachable, now, &mut world.random);
        world.candidates.release(other, now + END);
        assert_eq!(world.candidates.next(now + END), Some(other));
    }

    #[test]
    fn a_peer_that_was_banned_meanwhile_is_not_tried_the_other_way() {
        let mut world = World::new(Encryption::Allow);
        assert_eq!(world.candidates.next(world.now), Some(PEER));
        world.candidates.begin(PEER);
        world.candidates.failed(PEER, AttemptFailure::Banned, world.now, &mut world.random);
        assert!(!world.candidates.rebuffed(PEER, Rebuff::Closed, world.now));
        assert_eq!(world.candidates.next(world.now + END), None);
    }
}
