//! In the place of the live view, where it was left out of the program: it is never shown.

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

/// No live view.
#[derive(Default)]
pub struct Watch;

impl Watch {
    pub fn new(_: Wanted, _: &[String]) -> Watch {
        Watch
    }

    pub fn keys(&self) -> Receiver<Key> {
        never()
    }

    pub fn has_no_keys(&mut self) {}

    pub fn is_open(&self) -> bool {
        false
    }

    pub fn due(&self) -> Option<Instant> {
        None
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
