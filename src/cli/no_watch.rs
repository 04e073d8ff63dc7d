//! In the place of the live view, where it was left out of the program: it is never shown.

use crate::net::tap::Tap;
use crate::session::{Progress, Stop};
use crossbeam_channel::{Receiver, never};
use std::sync::Arc;
use std::time::Instant;

/// No key is read.
#[derive(Clone, Copy, Debug)]
pub enum Key {}

/// When the live view is to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Never.
    #[default]
    Never,
}

#[cfg(feature = "demo")]
impl Wanted {
    pub fn opens_at_once(self) -> bool {
        false
    }
}

/// There is none of it.
pub enum Watch {}

impl Watch {
    pub fn new(_: Wanted, _: &[String], _: &Tap) -> Option<Watch> {
        None
    }

    pub fn keys(&self) -> Receiver<Key> {
        never()
    }

    pub fn is_open(&self) -> bool {
        match *self {}
    }

    pub fn due(&self) -> Option<Instant> {
        match *self {}
    }

    pub fn begins(&mut self, _: usize, _: &Arc<Stop>) {}

    pub fn ends(&mut self, _: usize, _: bool) {}

    pub fn hears(&mut self, _: usize, _: &Progress) {}

    pub fn draw(&mut self, _: Instant) {}

    pub fn press(&mut self, key: Key, _: Instant) {
        match key {}
    }

    pub fn close(&mut self) {}
}

/// The log goes to the terminal alone.
pub mod log_ring {
    use log::{LevelFilter, Log};

    /// Makes this the logger of the process, which takes in what is up to this level. Nothing happens if there is one.
    pub fn start(logger: impl Log + 'static, level: LevelFilter) {
        if log::set_boxed_logger(Box::new(logger)).is_ok() {
            log::set_max_level(level);
        }
    }
}
