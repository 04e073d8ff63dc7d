//! How many incoming connections wait in a coordinator's inbox.

use std::sync::Arc;

/// Counts the connections that wait in one inbox.
///
/// The inbox itself cannot say it: other events wait there too, and they hold no descriptor.
#[derive(Debug, Default)]
pub struct InboxSlots(Arc<()>);

/// Counts one connection among those that wait, from its handshake until the coordinator takes it and this
/// is dropped.
#[derive(Debug, Default)]
pub struct InboxSlot(#[expect(dead_code, reason = "it counts by being there")] Arc<()>);

impl InboxSlots {
    /// A slot, where fewer than `most` are taken.
    pub fn take(&self, most: usize) -> Option<InboxSlot> {
        // Counted first, so that threads that come at the same time cannot pass the bound together.
        let slot = InboxSlot(Arc::clone(&self.0));
        let taken = Arc::strong_count(&self.0) - 1;
        (taken <= most).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_it_is_dropped() {
        let slots = InboxSlots::default();
        let first = slots.take(2);
        let second = slots.take(2);
        assert!(first.is_some() && second.is_some());
        assert!(slots.take(2).is_none());
        drop(first);
        assert!(slots.take(2).is_some());
    }
}
