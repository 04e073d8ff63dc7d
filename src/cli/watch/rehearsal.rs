//! The live view without a terminal: keys come as the bytes that a terminal would send, in any split, and the screen has
//! whatever size the terminal claims. For the fuzzer, which does not know the pages.

use super::frame;
use super::scene::{PeerSight, Scene};
use super::ui_state::{UiState, Wish};
use crate::cli::terminal::full::KeyReader;
use crate::message::{PeerKey, PeerState};
use crate::text::printable;

/// A view of one torrent.
pub struct Rehearsal {
    keys: KeyReader,
    ui: UiState,
    scene: Scene,
}

impl Rehearsal {
    /// Of a torrent of this name, with so many peers, whose messages and whose log are these lines.
    pub fn of(name: &str, lines: &[String], peers: u32) -> Rehearsal {
        let peer = |number| {
            let mut state =
                PeerState { name: format!("{} {number}", printable(name)), ..PeerState::default() };
            state.record.key = PeerKey(number);
            PeerSight { state, history: Vec::new() }
        };
        let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
        let scene = Scene {
            name: printable(name),
            peers: (0..peers).map(peer).collect(),
            wire: lines.clone(),
            log: lines,
            ..Scene::default()
        };
        Rehearsal { keys: KeyReader::default(), ui: UiState::default(), scene }
    }

    /// The terminal sends these bytes, and then nothing for a moment, while it claims to have this size. Returns whether
    /// the view is still open.
    pub fn press(&mut self, bytes: &[u8], size: (usize, usize)) -> bool {
        let mut keys: Vec<_> = bytes.iter().filter_map(|byte| self.keys.read(*byte)).collect();
        keys.extend(self.keys.pause());
        keys.into_iter().all(|key| {
            let extent = frame::extent(&self.scene, &self.ui, size);
            self.ui.press(key, &self.scene, extent) != Wish::Leave
        })
    }

    /// The rows of a screen of so many columns and rows, without colours.
    pub fn screen(&self, size: (usize, usize)) -> Vec<String> {
        let lines = frame::lines(&self.scene, &self.ui, (0, 2), size);
        lines.iter().map(|line| line.text()).collect()
    }

    /// How many characters the filter has.
    pub fn typed(&self) -> usize {
        self.ui.filter.chars().count()
    }
}
