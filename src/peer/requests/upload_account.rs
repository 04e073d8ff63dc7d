//! What was sent to a peer, for the coordinator, which counts it.

use std::time::Instant;

/// What became of the blocks since the coordinator asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadAccount {
    /// Bytes of blocks that were sent.
    pub sent: u64,
    /// When we began to send the block that is being sent, if one is.
    pub sending_since: Option<Instant>,
    /// It asked for a block and is served, or what it asked for earlier still waits.
    pub is_asking: bool,
}

impl UploadAccount {
    /// We begin to send a block.
    pub(super) fn begin(&mut self, now: Instant) {
        self.sending_since = Some(now);
    }

    /// The block that was begun cannot be sent.
    pub(super) fn abandon(&mut self) {
        self.sending_since = None;
    }

    /// The block that was begun was sent.
    pub(super) fn sent(&mut self, bytes: u32) {
        self.sent = self.sent.saturating_add(u64::from(bytes));
        self.sending_since = None;
    }

    /// It asked for a block that it is to get.
    pub(super) fn asked(&mut self) {
        self.is_asking = true;
    }

    /// The account until now. It begins again with nothing sent. `waits`: it asked for blocks that are still
    /// to be sent.
    pub(super) fn settle(&mut self, waits: bool) -> UploadAccount {
        let until_now = *self;
        (self.sent, self.is_asking) = (0, false);
        UploadAccount {
            is_asking: until_now.is_asking || waits || until_now.sending_since.is_some(),
            ..until_now
        }
    }
}
