//! The door itself: who listens, and since when.

use super::{Listens, Seen, Spares};
use crate::metainfo::InfoHash;
use crate::piece::Geometry;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Where what is seen goes. By default there is no door: nobody can ever listen.
#[derive(Clone, Default)]
pub struct Tap(Option<Arc<Door>>);

#[derive(Default)]
struct Door {
    /// The number of the last opening; 0 while nobody listens. It is all that is looked at while the door is closed.
    opening: AtomicU64,
    /// The number of the first opening since the door was closed.
    since: AtomicU64,
    /// The number of the last connection.
    connections: AtomicU64,
    spares: Spares,
    inside: RwLock<Inside>,
}

#[derive(Default)]
struct Inside {
    /// How often somebody has begun to listen.
    openings: u64,
    /// Those who want the bytes of blocks are the last.
    listeners: Vec<Listener>,
    /// How the payload of each torrent is cut: told to whoever listens later.
    torrents: Vec<(InfoHash, Geometry)>,
}

struct Listener {
    /// The number of its opening.
    opening: u64,
    wants_blocks: bool,
    listens: Box<Listens>,
}

/// Somebody listens, until this is dropped.
#[must_use = "whoever listens hears nothing more once this is dropped"]
pub struct Listening {
    door: Arc<Door>,
    opening: u64,
}

impl Tap {
    /// A door that is closed, and can be opened at any time.
    pub fn switch() -> Tap {
        Tap(Some(Arc::default()))
    }

    /// A door that is open to this listener for good.
    pub fn to(listens: impl Fn(Seen) + Send + Sync + 'static) -> Tap {
        let door = Door::default();
        door.admit(Box::new(listens), false);
        Tap(Some(Arc::new(door)))
    }

    /// From now on this listener is told what is seen. `None` if there is no door.
    pub fn listen(&self, listens: impl Fn(Seen) + Send + Sync + 'static) -> Option<Listening> {
        let door = self.0.as_ref()?;
        Some(Listening { opening: door.admit(Box::new(listens), false), door: Arc::clone(door) })
    }

    /// The same, for one who wants all bytes: of connections that begin from now on, those of blocks are copied, and what
    /// has begun when a connection ends is told ([`StreamEvent::Unfinished`](super::StreamEvent::Unfinished)).
    pub fn listen_to_blocks(&self, listens: impl Fn(Seen) + Send + Sync + 'static) -> Option<Listening> {
        let door = self.0.as_ref()?;
        Some(Listening { opening: door.admit(Box::new(listens), true), door: Arc::clone(door) })
    }

    /// The buffers for the bytes of blocks: whoever has listened to those gives them back here.
    pub fn spares(&self) -> Spares {
        self.0.as_ref().map(|door| door.spares.clone()).unwrap_or_default()
    }

    /// Whether somebody wants the bytes of blocks.
    pub(super) fn wants_blocks(&self) -> bool {
        self.0.as_ref().is_some_and(|door| door.look().listeners.last().is_some_and(|last| last.wants_blocks))
    }

    /// Whether somebody listens.
    pub fn is_open(&self) -> bool {
        self.opening() != 0
    }

    /// The number of the last opening; 0 while nobody listens.
    pub(super) fn opening(&self) -> u64 {
        self.0.as_ref().map_or(0, |door| door.opening.load(Ordering::Relaxed))
    }

    /// The number of the first opening since the door was closed.
    pub(super) fn since(&self) -> u64 {
        self.0.as_ref().map_or(0, |door| door.since.load(Ordering::Relaxed))
    }

    /// Tells what `seen` makes, if somebody listens.
    pub fn tell(&self, seen: impl FnOnce() -> Seen) {
        if self.is_open() {
            self.pass_on(seen());
        }
    }

    #[cold]
    #[inline(never)]
    fn pass_on(&self, seen: Seen) {
        let Some(door) = &self.0 else { return };
        if let Some((last, others)) = door.look().listeners.split_last() {
            let (is_bytes, wants) = (matches!(seen, Seen::Web(..)), last.wants_blocks);
            for one in others.iter().filter(|one| one.wants_blocks || !is_bytes) {
                (one.listens)(if one.wants_blocks { seen.clone() } else { seen.without_block() });
            }
            if wants || !is_bytes {
                (last.listens)(seen);
            }
        }
    }

    /// The payload of this torrent is cut like this.
    pub fn torrent(&self, info_hash: InfoHash, geometry: Geometry) {
        let Some(door) = &self.0 else { return };
        let mut inside = door.change();
        inside.torrents.retain(|(known, _)| *known != info_hash);
        inside.torrents.push((info_hash, geometry));
        inside.listeners.iter().for_each(|one| (one.listens)(Seen::Torrent(info_hash, geometry)));
    }

    /// The number of a new connection. `None` if there is no door.
    pub(super) fn next_number(&self) -> Option<u64> {
        Some(self.0.as_ref()?.connections.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }
}

impl Door {
    /// Returns the number of the opening.
    fn admit(&self, listens: Box<Listens>, wants_blocks: bool) -> u64 {
        let mut inside = self.change();
        inside
            .torrents
            .iter()
            .for_each(|(info_hash, geometry)| listens(Seen::Torrent(*info_hash, *geometry)));
        inside.openings = inside.openings.saturating_add(1);
        let opening = inside.openings;
        if inside.listeners.is_empty() {
            self.since.store(opening, Ordering::Relaxed);
        }
        let at = if wants_blocks { inside.listeners.len() } else { 0 };
        inside.listeners.insert(at, Listener { opening, wants_blocks, listens });
        // Whoever sees this number sees also since when the door is open.
        self.opening.store(opening, Ordering::Release);
        opening
    }

    fn look(&self) -> RwLockReadGuard<'_, Inside> {
        self.inside.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Inside> {
        self.inside.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut inside = self.door.change();
        inside.listeners.retain(|one| one.opening != self.opening);
        if inside.listeners.is_empty() {
            self.door.opening.store(0, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_open() { "open" } else { "closed" })
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "listening since opening {}", self.opening)
    }
}
