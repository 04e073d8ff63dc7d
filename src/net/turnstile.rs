//! How many exchanges with trackers may go on at once, of all torrents together.
//!
//! Each takes a descriptor or two for as long as the tracker takes. A few hundred torrents that begin at one moment
//! would need more than a process may have, and then each announce would fail and come again much later.
//!
//! A tracker that is dead keeps who asks it inside for half a minute. If each torrent had to find that out by itself,
//! those that are alive would hardly be asked. So one that several in a row asked in vain is left alone for a while by
//! all.

use crate::thread::lock;
use crossbeam_channel::{Receiver, Select, Sender, bounded};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Whoever was asked in vain this often in a row is left alone for this long. Then one asks again for all.
const IN_VAIN: u32 = 3;
const LEFT_ALONE: Duration = Duration::from_secs(5 * 60);

/// Lets in so many at once, or any number.
#[derive(Clone, Debug, Default)]
pub struct Turnstile(Option<Inside>);

/// Holds one value for each that is inside.
#[derive(Clone, Debug)]
struct Inside {
    enter: Sender<()>,
    leave: Receiver<()>,
    /// Those that did not answer when they were asked last.
    silent: Arc<Mutex<HashMap<String, Silent>>>,
}

/// How often one was asked in vain, and until when it is left alone.
#[derive(Debug, Default)]
struct Silent {
    times: u32,
    until: Option<Instant>,
}

/// One that is inside, until this is dropped.
#[derive(Debug)]
pub struct Pass(Option<Receiver<()>>);

impl Turnstile {
    /// Lets in `most` at once.
    pub fn at_most(most: usize) -> Turnstile {
        let (enter, leave) = bounded(most.max(1));
        Turnstile(Some(Inside { enter, leave, silent: Arc::default() }))
    }

    /// Whether this one is to be asked, which is not so while it is known to be silent.
    pub fn may_ask(&self, whom: &str, now: Instant) -> bool {
        let Some(inside) = &self.0 else { return true };
        match lock(&inside.silent).get_mut(whom).and_then(|silent| silent.until.as_mut()) {
            Some(until) if now < *until => false,
            Some(until) => {
                // If it answers, all will hear of it.
                *until = now + LEFT_ALONE;
                true
            }
            None => true,
        }
    }

    /// It was asked, and has answered or not.
    pub fn was_asked(&self, whom: &str, has_answered: bool, now: Instant) {
        let Some(inside) = &self.0 else { return };
        let mut all = lock(&inside.silent);
        if has_answered {
            all.remove(whom);
            return;
        }
        let silent = all.entry(whom.to_owned()).or_default();
        silent.times = silent.times.saturating_add(1);
        silent.until = (silent.times >= IN_VAIN).then(|| now + LEFT_ALONE);
    }

    /// Nothing is known any more of who is silent: we may have another network now.
    pub fn forget_silent(&self) {
        self.0.iter().for_each(|inside| lock(&inside.silent).clear());
    }

    /// Whether only so many may be inside at once. Then nobody should keep open what it does not need.
    pub fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until then to be let in.
    pub fn enter(&self, until: Instant) -> Option<Pass> {
        match &self.0 {
            None => Some(Pass(None)),
            Some(inside) => {
                inside.enter.send_deadline((), until).is_ok().then(|| Pass(Some(inside.leave.clone())))
            }
        }
    }

    /// Waits to be let in, until there is something in this channel. `None` if there is.
    pub fn enter_unless<T>(&self, orders: &Receiver<T>) -> Option<Pass> {
        loop {
            if let Some(pass) = self.enter(Instant::now()) {
                return Some(pass);
            }
            let Some(inside) = &self.0 else { continue };
            let mut either = Select::new();
            let order = either.recv(orders);
            either.send(&inside.enter);
            if either.ready() == order {
                return None;
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.iter().for_each(|leave| _ = leave.try_recv());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_let_in_and_the_next_when_one_has_left() {
        let (turnstile, now) = (Turnstile::at_most(2), Instant::now());
        let passes = [0; 2].map(|_| turnstile.enter(now).unwrap());
        assert!(turnstile.enter(now).is_none());
        let waits = turnstile.clone();
        let next = std::thread::spawn(move || waits.enter(now + Duration::from_secs(60)).is_some());
        drop(passes);
        assert!(next.join().unwrap() && turnstile.is_limited());
        let all = Turnstile::default();
        assert!((0..100).map(|_| all.enter(now)).all(|pass| pass.is_some()) && !all.is_limited());
    }

    #[test]
    fn one_that_several_asked_in_vain_is_left_alone_and_then_asked_by_one() {
        let (turnstile, now) = (Turnstile::at_most(2), Instant::now());
        for _ in 1..IN_VAIN {
            turnstile.was_asked("dead", false, now);
            assert!(turnstile.may_ask("dead", now), "it may have been an accident");
        }
        turnstile.was_asked("dead", false, now);
        assert!(!turnstile.may_ask("dead", now) && turnstile.may_ask("another", now));
        let later = now + LEFT_ALONE;
        assert!(turnstile.may_ask("dead", later) && !turnstile.may_ask("dead", later), "one asks for all");
        turnstile.was_asked("dead", false, later);
        assert!(!turnstile.may_ask("dead", later + LEFT_ALONE / 2));
        turnstile.was_asked("dead", true, later);
        assert!((0..9).all(|_| turnstile.may_ask("dead", later)));
        (0..IN_VAIN).for_each(|_| turnstile.was_asked("dead", false, later));
        turnstile.forget_silent();
        assert!(turnstile.may_ask("dead", later));
        let all = Turnstile::default();
        (0..IN_VAIN).for_each(|_| all.was_asked("dead", false, now));
        assert!(all.may_ask("dead", now), "where nobody has to wait each asks for itself");
    }

    #[test]
    fn an_order_comes_before_a_turn() {
        let turnstile = Turnstile::at_most(1);
        let pass = turnstile.enter(Instant::now());
        let (order, orders) = bounded(1);
        let waits = turnstile.clone();
        let waiting = std::thread::spawn(move || waits.enter_unless(&orders).is_none() && orders.len() == 1);
        order.send(()).unwrap();
        assert!(waiting.join().unwrap(), "the order was not heard, or taken");
        drop(pass);
        let (_order, orders) = bounded::<()>(1);
        assert!(turnstile.enter_unless(&orders).is_some());
    }
}
