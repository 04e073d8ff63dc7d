//! The pages. Each is a function from what is known and what the user looks at to a [`Body`]. Pure.

mod files;
mod help;
mod lines;
mod peer;
mod peers;
mod pieces;
mod sources;

use super::body::Body;
use super::page::Page;
use super::scene::Scene;
use super::ui_state::UiState;

/// What the user looks at, for a screen of this many columns, of which so many rows are below the tabs.
pub fn body<'a>(scene: &'a Scene, ui: &'a UiState, columns: usize, rows: usize) -> Body<'a> {
    let peer = ui.peer.map(|key| (key, scene.peers.iter().find(|peer| peer.state.record.key == key)));
    match ui.page {
        _ if ui.is_help => help::body(columns),
        Page::Peers => match peer {
            Some((_, peer)) => peer::body(peer, ui),
            None => peers::body(scene, ui, columns, rows),
        },
        Page::Pieces => pieces::body(scene, ui, columns, rows),
        Page::Sources => sources::body(scene, ui, columns, rows),
        Page::Files => files::body(scene, ui, columns),
        Page::Wire | Page::Log => lines::body(scene, ui, columns),
    }
}
