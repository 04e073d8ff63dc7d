//! Which attempts to connect are open at once, and for how long.
//!
//! Most addresses that trackers name never answer, so what a download needs at its start is many attempts and
//! little patience. But too many half-open connections make a home router forget others. So the bound holds
//! for all torrents together, and they take turns at the places that become free.
//!
//! An attempt that others wait for gets [`FIRST_PATIENCE`], in which TCP has asked twice. While nobody waits
//! for its place it may stay for [`PATIENCE`]. So an address far away, or behind a line that loses much, is
//! found when it is tried again and the crowd has been tried once. Pure: it knows no socket and no clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long an attempt is left alone while others wait for its place. TCP asks again after a second.
pub const FIRST_PATIENCE: Duration = Duration::from_millis(2500);
/// How long an attempt may take in any case.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Attempts that are open, and those that wait for a place. `Owner` tells torrents apart.
#[derive(Debug)]
pub struct AttemptQueue<Owner, Waiting, Open> {
    most: usize,
    /// In the order in which they began.
    open: Vec<(Owner, Open, Instant)>,
    /// By owner. The first owner's turn is next.
    waiting: VecDeque<(Owner, VecDeque<Waiting>)>,
}

impl<Owner: Copy + PartialEq, Waiting, Open> AttemptQueue<Owner, Waiting, Open> {
    /// A queue with this many places, at least one.
    pub fn new(most: usize) -> AttemptQueue<Owner, Waiting, Open> {
        AttemptQueue { most: most.max(1), open: Vec::new(), waiting: VecDeque::new() }
    }

    /// Adds an attempt, behind those of the same owner.
    pub fn offer(&mut self, owner: Owner, attempt: Waiting) {
        match self.waiting.iter_mut().find(|(other, _)| *other == owner) {
            Some((_, queue)) => queue.push_back(attempt),
            None => self.waiting.push_back((owner, VecDeque::from([attempt]))),
        }
    }

    /// The attempt to begin now, if there is a place for it. The caller tells with
    /// [`AttemptQueue::begun`] that it is open.
    pub fn next_to_begin(&mut self) -> Option<(Owner, Waiting)> {
        if self.open.len() >= self.most {
            return None;
        }
        let (owner, mut queue) = self.waiting.pop_front()?;
        let attempt = queue.pop_front()?;
        if !queue.is_empty() {
            self.waiting.push_back((owner, queue));
        }
        Some((owner, attempt))
    }

    /// This attempt is open from now on.
    pub fn begun(&mut self, owner: Owner, attempt: Open, now: Instant) {
        self.open.push((owner, attempt, now));
    }

    /// The open attempts, in the order in which they began.
    pub fn open(&self) -> impl Iterator<Item = &Open> {
        self.open.iter().map(|(_, attempt, _)| attempt)
    }

    /// The same, to change them.
    pub fn open_mut(&mut self) -> impl Iterator<Item = &mut Open> {
        self.open.iter_mut().map(|(_, attempt, _)| attempt)
    }

    /// Whether no attempt is open and none waits.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.waiting.is_empty()
    }

    /// Takes out the open attempts that `ended` says are over.
    pub fn take(&mut self, mut ended: impl FnMut(&Open) -> bool) -> Vec<(Owner, Open)> {
        self.open
            .extract_if(.., |(_, attempt, _)| ended(attempt))
            .map(|(owner, open, _)| (owner, open))
            .collect()
    }

    /// Takes out an attempt whose time is over.
    pub fn overdue(&mut self, now: Instant) -> Option<(Owner, Open)> {
        let is_over = self.next_overdue().is_some_and(|due| due <= now);
        is_over.then(|| self.open.remove(0)).map(|(owner, open, _)| (owner, open))
    }

    /// When [`AttemptQueue::overdue`] will have an attempt, as things are now.
    pub fn next_overdue(&self) -> Option<Instant> {
        let (_, _, since) = self.open.first()?;
        let others_wait = !self.waiting.is_empty() && self.open.len() >= self.most;
        Some(*since + if others_wait { FIRST_PATIENCE } else { PATIENCE })
    }

    /// Takes out all attempts. `closed` makes those that are open what they were while they waited.
    pub fn clear(&mut self, closed: impl Fn(Open) -> Waiting) -> Vec<(Owner, Waiting)> {
        let open = std::mem::take(&mut self.open).into_iter();
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let waiting =
            waiting.flat_map(|(owner, queue)| queue.into_iter().map(move |attempt| (owner, attempt)));
        open.map(|(owner, attempt, _)| (owner, closed(attempt))).chain(waiting).collect()
    }

    /// Forgets all attempts of this owner.
    pub fn leave(&mut self, owner: Owner) {
        self.open.retain(|(other, ..)| *other != owner);
        self.waiting.retain(|(other, _)| *other != owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Queue = AttemptQueue<char, u32, u32>;

    /// Begins all attempts that have a place.
    fn begin(queue: &mut Queue, now: Instant) -> Vec<(char, u32)> {
        let begun: Vec<_> = std::iter::from_fn(|| {
            let (owner, attempt) = queue.next_to_begin()?;
            queue.begun(owner, attempt, now);
            Some((owner, attempt))
        })
        .collect();
        begun
    }

    fn ended(queue: &mut Queue, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| queue.overdue(now)).map(|(_, attempt)| attempt).collect()
    }

    #[test]
    fn owners_take_turns_and_the_bound_holds_for_all_together() {
        let (mut queue, now) = (Queue::new(5), Instant::now());
        (0..9).for_each(|attempt| queue.offer('a', attempt));
        (10..13).for_each(|attempt| queue.offer('b', attempt));
        assert_eq!(begin(&mut queue, now), [('a', 0), ('b', 10), ('a', 1), ('b', 11), ('a', 2)]);
        assert_eq!(queue.take(|attempt| *attempt == 1), [('a', 1)]);
        assert_eq!(begin(&mut queue, now), [('b', 12)]);
    }

    #[test]
    fn an_attempt_is_cut_short_only_while_others_wait_for_its_place() {
        let (mut queue, now) = (Queue::new(2), Instant::now());
        (0..3).for_each(|attempt| queue.offer('a', attempt));
        begin(&mut queue, now);
        assert_eq!(queue.next_overdue(), Some(now + FIRST_PATIENCE));
        assert_eq!(queue.overdue(now + FIRST_PATIENCE - Duration::from_millis(1)), None);
        // With the first gone there is room for the third, so the second may stay.
        assert_eq!(queue.overdue(now + FIRST_PATIENCE), Some(('a', 0)));
        assert_eq!(begin(&mut queue, now + FIRST_PATIENCE), [('a', 2)]);
        assert_eq!(queue.overdue(now + FIRST_PATIENCE), None);
        assert_eq!(queue.next_overdue(), Some(now + PATIENCE));
        assert_eq!(ended(&mut queue, now + PATIENCE), [1]);
        assert_eq!(ended(&mut queue, now + FIRST_PATIENCE + PATIENCE), [2]);
        assert_eq!(queue.next_overdue(), None);
    }

    #[test]
    fn who_leaves_takes_all_of_its_attempts_along() {
        let (mut queue, now) = (Queue::new(2), Instant::now());
        (0..5).for_each(|attempt| queue.offer('a', attempt));
        queue.offer('b', 10);
        assert_eq!(begin(&mut queue, now), [('a', 0), ('b', 10)]);
        queue.leave('a');
        assert_eq!(queue.open().collect::<Vec<_>>(), [&10]);
        assert_eq!(queue.next_to_begin(), None);
    }
}
