//! The room on the disk that the torrents of one process still need, all together.
//!
//! Each storage knows what it needs itself. Several that write to one file system take it from each other, so here it
//! is added up, before the first byte of each. Takes no room itself.

use crate::storage::{Room, Shortage};
use crate::thread::lock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// What the running torrents still need, by file system.
#[derive(Debug, Default)]
pub struct RoomBook(Mutex<Vec<(u64, Weak<AtomicU64>)>>);

impl RoomBook {
    /// Notes what one more torrent needs. Returns what there is too little of, if all of them do not fit.
    pub fn add(&self, room: &Room) -> Option<Shortage> {
        let mut book = lock(&self.0);
        book.retain(|(_, needed)| needed.strong_count() > 0);
        let of_others = book.iter().filter(|(device, _)| *device == room.device);
        let of_others = of_others.filter_map(|(_, needed)| needed.upgrade());
        let others = of_others.map(|needed| needed.load(Ordering::Relaxed)).fold(0, u64::saturating_add);
        let needed = room.needed.load(Ordering::Relaxed);
        if needed > 0 {
            book.push((room.device, Arc::downgrade(&room.needed)));
        }
        let is_short = needed > 0 && needed.saturating_add(others) > room.free;
        is_short.then(|| Shortage { needed, others, free: room.free, place: room.place.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torrents_on_one_file_system_are_added_up_as_long_as_they_need_room() {
        let book = RoomBook::default();
        let room = |device, needed, free| {
            let needed = Arc::new(AtomicU64::new(needed));
            Room { device, needed, free, place: "/srv".into() }
        };
        let (first, second) = (room(1, 4, 10), room(1, 4, 10));
        assert_eq!((book.add(&first), book.add(&second)), (None, None));
        let third = room(1, 4, 10);
        let shortage = Shortage { needed: 4, others: 8, free: 10, place: "/srv".into() };
        assert_eq!(book.add(&third), Some(shortage));
        assert_eq!(book.add(&room(2, 4, 10)), None, "it is on another one");
        assert_eq!(book.add(&room(1, 0, 10)), None, "it is complete");
        // The first one has written all, and the second is over.
        first.needed.store(0, Ordering::Relaxed);
        drop(second);
        assert_eq!(book.add(&room(1, 6, 10)), None);
    }
}
