//! Whose payload is checked: that of one torrent at a time, since a disk that two read at once gives each less than
//! half.
//!
//! The one that has the least left to read comes first, so that most downloads begin soon. A check under way pauses
//! for a shorter one. A check that has nothing to read asks for no turn. A torrent waits on its own thread, and those
//! that hash for it wait with it.

use super::Stop;
use crate::thread::lock;
use crossbeam_channel::{Sender, bounded, select};
use std::sync::{Arc, Mutex, OnceLock};

/// The checks that wait, of all torrents of the process.
#[derive(Clone, Debug, Default)]
pub struct CheckQueue(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    is_taken: bool,
    /// In the order in which they came.
    waiting: Vec<WaitingCheck>,
    last_number: u64,
}

#[derive(Debug)]
struct WaitingCheck {
    number: u64,
    /// Bytes to read.
    left: u64,
    /// Says that it is its turn.
    tell: Sender<()>,
}

/// The turn of one check. When it is dropped, the next has its turn.
struct CheckTurn(CheckQueue);

/// The check of one torrent. It has or waits for the turn from its first byte until it is dropped.
pub(super) struct QueuedCheck<'a> {
    queue: &'a CheckQueue,
    stop: &'a Stop,
    /// `None` before it has something to read.
    turn: OnceLock<Mutex<Option<CheckTurn>>>,
}

impl CheckQueue {
    /// A check that has not begun.
    pub(super) fn check<'a>(&'a self, stop: &'a Stop) -> QueuedCheck<'a> {
        QueuedCheck { queue: self, stop, turn: OnceLock::new() }
    }

    /// Waits for the turn of a check that has so many bytes left to read. Before it waits, `waits` is told so.
    /// `None` if the run was stopped.
    fn wait(&self, left: u64, stop: &Stop, waits: impl FnOnce()) -> Option<CheckTurn> {
        let (tell, told) = bounded(1);
        let number = {
            let mut queue = lock(&self.0);
            if !std::mem::replace(&mut queue.is_taken, true) {
                return Some(CheckTurn(self.clone()));
            }
            queue.last_number += 1;
            let number = queue.last_number;
            queue.waiting.push(WaitingCheck { number, left, tell });
            number
        };
        waits();
        select! {
            recv(told) -> _ => Some(CheckTurn(self.clone())),
            recv(stop.asked()) -> _ => {
                let mut queue = lock(&self.0);
                let waiting = queue.waiting.len();
                queue.waiting.retain(|check| check.number != number);
                // If it waits no more, the turn is on its way to us, and goes on to the next.
                let has_turn = queue.waiting.len() == waiting;
                drop(queue);
                drop(has_turn.then(|| CheckTurn(self.clone())));
                None
            }
        }
    }

    /// Whether a check waits that has less left to read.
    fn has_shorter(&self, left: u64) -> bool {
        lock(&self.0).waiting.iter().any(|check| check.left < left)
    }
}

impl Drop for CheckTurn {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.0);
        let next = queue.waiting.iter().min_by_key(|check| check.left).map(|check| check.number);
        let position = queue.waiting.iter().position(|check| Some(check.number) == next);
        match position.map(|position| queue.waiting.remove(position)) {
            // It has room for this one.
            Some(check) => _ = check.tell.send(()),
            None => queue.is_taken = false,
        }
    }
}

impl QueuedCheck<'_> {
    /// To be called before the first byte is read and then from time to time, by any thread: waits until the check
    /// may go on. Before it waits, `waits` is told so. False if the run was stopped.
    pub(super) fn may_go_on(&self, left: u64, waits: impl FnOnce()) -> bool {
        // Held while we wait: the other threads of this check wait here, too.
        let mut turn = lock(self.turn.get_or_init(Mutex::default));
        if turn.is_some() && left > 0 && self.queue.has_shorter(left) {
            *turn = None;
        }
        if turn.is_none() {
            *turn = self.queue.wait(left, self.stop, waits);
        }
        turn.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a check on a thread of its own and returns when it waits. It tells its number when it has its turn.
    fn waiting(
        queue: &CheckQueue,
        left: u64,
        stop: &Arc<Stop>,
        told: &Sender<u64>,
    ) -> std::thread::JoinHandle<()> {
        let (queue, stop, told) = (queue.clone(), Arc::clone(stop), told.clone());
        let (waits, is_waiting) = bounded(1);
        let thread = std::thread::spawn(move || {
            let check = queue.check(&stop);
            if check.may_go_on(left, || _ = waits.send(())) {
                told.send(left).unwrap();
            }
        });
        is_waiting.recv().unwrap();
        thread
    }

    #[test]
    fn one_is_checked_at_a_time_and_the_shortest_first() {
        let (queue, stop) = (CheckQueue::default(), Arc::<Stop>::default());
        let (tell, told) = bounded(9);
        let first = queue.check(&stop);
        assert!(first.may_go_on(10, || panic!("nothing else is checked")));
        let threads = [30, 20, 25].map(|left| waiting(&queue, left, &stop, &tell));
        assert!(told.is_empty() && first.may_go_on(10, || panic!("it is the shortest")));
        drop(first);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [20, 25, 30]);
        assert!(queue.check(&stop).may_go_on(1, || panic!("all have ended")));
    }

    #[test]
    fn a_long_check_pauses_for_a_shorter_one() {
        let (queue, stop) = (CheckQueue::default(), Arc::<Stop>::default());
        let (tell, told) = bounded(9);
        let long = queue.check(&stop);
        assert!(long.may_go_on(100, || panic!("nothing else is checked")));
        let short = waiting(&queue, 20, &stop, &tell);
        // The short one may have ended before the long one comes to wait.
        assert!(long.may_go_on(90, || ()));
        assert_eq!(told.try_recv(), Ok(20));
        short.join().unwrap();
        let other = waiting(&queue, 20, &stop, &tell);
        assert!(long.may_go_on(10, || panic!("it is the shorter one now")));
        drop(long);
        other.join().unwrap();
    }

    #[test]
    fn who_is_stopped_waits_no_more_and_loses_no_turn() {
        let (queue, stop) = (CheckQueue::default(), Arc::<Stop>::default());
        let (tell, told) = bounded(9);
        let first = queue.check(&stop);
        assert!(first.may_go_on(10, || panic!("nothing else is checked")));
        let stopped = Arc::<Stop>::default();
        let (one, other) = (waiting(&queue, 5, &stopped, &tell), waiting(&queue, 7, &stop, &tell));
        stopped.stop();
        one.join().unwrap();
        assert!(told.is_empty() && lock(&queue.0).waiting.len() == 1);
        drop(first);
        other.join().unwrap();
        assert_eq!(told.try_recv(), Ok(7));
        assert!(!lock(&queue.0).is_taken);
    }
}
