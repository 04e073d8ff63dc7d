//! A multicast group that we may be in: whether we are is up to the network of the moment.
//!
//! One thread joins, one receives, and whoever announces sends. What was joined before is left as soon as there is
//! something new, which the thread that receives notices.

use crate::net::Group;
use crate::text::reason;
use crate::thread::lock;
use log::debug;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// A group, in or out of which we are.
pub(super) struct MeetingPlace {
    /// The group's address.
    pub address: SocketAddr,
    /// The thread that receives its packets.
    pub thread: &'static str,
    join: Box<dyn Fn() -> io::Result<Group> + Send + Sync>,
    group: Mutex<Option<Arc<Group>>>,
}

impl fmt::Debug for MeetingPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MeetingPlace({})", self.address)
    }
}

impl MeetingPlace {
    /// We are not in it yet.
    pub fn new(
        address: SocketAddr,
        thread: &'static str,
        join: impl Fn() -> io::Result<Group> + Send + Sync + 'static,
    ) -> MeetingPlace {
        MeetingPlace { address, thread, join: Box::new(join), group: Mutex::default() }
    }

    /// The group, if we are in it.
    pub fn group(&self) -> Option<Arc<Group>> {
        lock(&self.group).clone()
    }

    /// Joins it, and leaves it as it was joined before. That it cannot be joined now is no error.
    pub fn join(&self) {
        let joined = (self.join)();
        if let Err(error) = &joined {
            debug!("no local discovery on {} now: {}", self.address, reason(error));
        }
        let before = std::mem::replace(&mut *lock(&self.group), joined.ok().map(Arc::new));
        before.iter().for_each(|group| group.hang_up());
    }

    /// Nothing more comes from this group. If no other was joined since, we are in none.
    pub fn has_ended(&self, group: &Arc<Group>) {
        let mut current = lock(&self.group);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, group)) {
            *current = None;
        }
    }

    /// Leaves it. The thread that receives ends.
    pub fn leave(&self) {
        lock(&self.group).take().iter().for_each(|group| group.hang_up());
    }
}
