//! The orders that wait for an announcer while it asks its tracker.
//!
//! That may take half a minute, and the other threads do not wait for it. So each kind of order has one place, in which
//! nothing is lost and nothing piles up: of what is said again and again the last word counts, and times add up. A bell
//! wakes the thread; it may ring once too often.

use super::AnnouncerOrder;
use crate::strategy::{Interruption, Supply};
use crate::thread::lock;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The end of those who order.
pub(super) struct OrderSender {
    waiting: Arc<Mutex<WaitingOrders>>,
    bell: Sender<()>,
}

/// The end of the thread.
pub(super) struct OrderInbox {
    waiting: Arc<Mutex<WaitingOrders>>,
    bell: Receiver<()>,
}

#[derive(Default)]
struct WaitingOrders {
    slept: Option<Duration>,
    moved: Option<Interruption>,
    supply: Option<Supply>,
    is_completed: bool,
    /// Whether the download has just become complete, and the deadline.
    stop: Option<(bool, Instant)>,
}

/// Both ends.
pub(super) fn orders() -> (OrderSender, OrderInbox) {
    let (waiting, (ring, bell)) = (Arc::default(), bounded(1));
    (OrderSender { waiting: Arc::clone(&waiting), bell: ring }, OrderInbox { waiting, bell })
}

impl OrderSender {
    /// Never waits.
    pub fn send(&self, order: AnnouncerOrder) {
        lock(&self.waiting).add(order);
        // If it is ringing already, the thread comes anyway.
        let _ = self.bell.try_send(());
    }
}

impl OrderInbox {
    /// The next order, if one comes until then.
    pub fn next(&self, wake: Option<Instant>) -> Result<AnnouncerOrder, RecvTimeoutError> {
        loop {
            if let Some(order) = lock(&self.waiting).take() {
                return Ok(order);
            }
            match wake {
                Some(wake) => self.bell.recv_deadline(wake)?,
                None => self.bell.recv().map_err(|_| RecvTimeoutError::Disconnected)?,
            }
        }
    }

    /// There may be an order while this has something.
    pub fn bell(&self) -> &Receiver<()> {
        &self.bell
    }
}

impl WaitingOrders {
    fn add(&mut self, order: AnnouncerOrder) {
        match order {
            AnnouncerOrder::Supply(supply) => self.supply = Some(supply),
            AnnouncerOrder::Interrupted(Interruption::Slept(time)) => {
                self.slept = Some(self.slept.unwrap_or_default().saturating_add(time));
            }
            AnnouncerOrder::Interrupted(moved) => self.moved = Some(moved),
            AnnouncerOrder::Completed => self.is_completed = true,
            AnnouncerOrder::Stop { is_complete, deadline } => self.stop = Some((is_complete, deadline)),
        }
    }

    /// The order to stop is the last.
    fn take(&mut self) -> Option<AnnouncerOrder> {
        let slept = self.slept.take().map(Interruption::Slept);
        if let Some(interruption) = slept.or_else(|| self.moved.take()) {
            return Some(AnnouncerOrder::Interrupted(interruption));
        }
        if let Some(supply) = self.supply.take() {
            return Some(AnnouncerOrder::Supply(supply));
        }
        if std::mem::take(&mut self.is_completed) {
            return Some(AnnouncerOrder::Completed);
        }
        self.stop.take().map(|(is_complete, deadline)| AnnouncerOrder::Stop { is_complete, deadline })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_order_is_lost_and_none_piles_up_while_nobody_reads() {
        let (sender, inbox) = orders();
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        for _ in 0..100 {
            for supply in [Supply::Nobody, Supply::Good] {
                sender.send(AnnouncerOrder::Supply(supply));
            }
            sender.send(AnnouncerOrder::Interrupted(Interruption::Slept(40 * second)));
            sender.send(AnnouncerOrder::Interrupted(Interruption::NewNetwork));
        }
        sender.send(AnnouncerOrder::Completed);
        sender.send(AnnouncerOrder::Stop { is_complete: false, deadline: now });
        let Ok(AnnouncerOrder::Interrupted(slept)) = inbox.next(Some(now)) else { panic!() };
        assert_eq!(slept, Interruption::Slept(4_000 * second));
        let Ok(AnnouncerOrder::Interrupted(moved)) = inbox.next(Some(now)) else { panic!() };
        assert_eq!(moved, Interruption::NewNetwork);
        assert!(matches!(inbox.next(Some(now)), Ok(AnnouncerOrder::Supply(Supply::Good))));
        assert!(matches!(inbox.next(Some(now)), Ok(AnnouncerOrder::Completed)));
        assert!(matches!(inbox.next(Some(now)), Ok(AnnouncerOrder::Stop { is_complete: false, .. })));
        assert!(matches!(inbox.next(Some(now)), Err(RecvTimeoutError::Timeout)));
        sender.send(AnnouncerOrder::Completed);
        assert_eq!(inbox.bell().len(), 1, "who waits for something else hears it");
        drop(sender);
        assert!(matches!(inbox.next(None), Ok(AnnouncerOrder::Completed)));
        assert!(matches!(inbox.next(None), Err(RecvTimeoutError::Disconnected)));
    }
}
