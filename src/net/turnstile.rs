//! How many exchanges with trackers may go on at once, of all torrents together.
//!
//! Each takes a descriptor or two for as long as the tracker takes. A few hundred torrents that begin at one moment
//! would need more than a process may have, and then each announce would fail and come again much later.

use crossbeam_channel::{Receiver, Select, Sender, bounded};
use std::time::Instant;

/// Lets in so many at once, or any number.
#[derive(Clone, Debug, Default)]
pub struct Turnstile(Option<Inside>);

/// Holds one value for each that is inside.
#[derive(Clone, Debug)]
struct Inside {
    enter: Sender<()>,
    leave: Receiver<()>,
}

/// One that is inside, until this is dropped.
#[derive(Debug)]
pub struct Pass(Option<Receiver<()>>);

impl Turnstile {
    /// Lets in `most` at once.
    pub fn at_most(most: usize) -> Turnstile {
        let (enter, leave) = bounded(most.max(1));
        Turnstile(Some(Inside { enter, leave }))
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
    use std::time::Duration;

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
