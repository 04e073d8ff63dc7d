//! A connection that is one of many at a port, with which it shares memory.

use super::conversation::Conversation;
use super::early_memory::{EarlyMemory, EarlyShare};
use std::sync::Arc;

impl Conversation {
    /// The same, where no more bytes wait on their way in than this memory has room for.
    #[must_use]
    pub fn sharing(mut self, memory: &Arc<EarlyMemory>) -> Conversation {
        self.receiving.share(EarlyShare::of(Arc::clone(memory)));
        self
    }
}
