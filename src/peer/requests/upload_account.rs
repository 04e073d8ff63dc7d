//! What was sent to a peer, for the coordinator, which counts it.

use std::time::Instant;

/// What became of the blocks since the coordinator asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadAccount {
    /// Bytes of blocks that were sent.
    pub sent: u64,
    /// When we began to send the block that is being sent, if one is.
    pub sending_since: Option<Instant>,
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

    /// The account until now. It begins again with nothing sent.
    pub(super) fn settle(&mut self) -> UploadAccount {
        UploadAccount { sent: std::mem::take(&mut self.sent), ..*self }
    }
}
