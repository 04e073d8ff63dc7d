//! What the user looks at, and how keys change it. Pure.

use super::page::Page;
use super::peer_order::SORTS;
use super::scene::{PeerSight, Scene};
use crate::cli::progress::peer_table::source_name;
use crate::cli::terminal::full::Key;
use crate::piece::PeerKey;
use crate::text::is_printable;

/// Columns that long lines are moved by, and the most.
const STEP: (usize, usize) = (20, 400);
/// The most characters of a filter.
const MOST_TYPED: usize = 60;

/// What the user looks at.
#[derive(Clone, Debug, Default)]
pub struct UiState {
    /// The page.
    pub page: Page,
    /// The keys are explained instead.
    pub is_help: bool,
    /// The peer that is shown in full, and the one that is chosen.
    pub peer: Option<PeerKey>,
    pub chosen: Option<PeerKey>,
    /// The first line that is to be shown, and the chosen one.
    pub top: usize,
    pub at: usize,
    /// Columns of long lines that are left out at the left.
    pub left: usize,
    /// By what peers are sorted (`SORTS`).
    pub sort: usize,
    pub is_reversed: bool,
    /// Only lines with these words are shown.
    pub filter: String,
    /// It is being typed.
    pub is_typing: bool,
    /// Messages or lines of the log that stay while others come.
    pub frozen: Option<Vec<String>>,
}

/// What a key wants that is not for the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    None,
    /// Back to the bar.
    Leave,
    /// To have all drawn anew.
    Redraw,
    /// The next torrent, or the one before.
    Torrent(isize),
}

/// The lines of a page, for moving among them.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// All lines.
    pub count: usize,
    /// Those that fit on the screen.
    pub rows: usize,
    /// The chosen one, if the page has one.
    pub cursor: Option<usize>,
}

impl UiState {
    /// A key was pressed, while the page had so many lines.
    pub fn press(&mut self, key: Key, scene: &Scene, extent: Extent) -> Wish {
        if self.is_typing {
            self.type_key(key);
            return Wish::None;
        }
        let page = isize::try_from(extent.rows.max(1)).unwrap_or(1);
        match key {
            Key::Character('q') if self.is_help || self.peer.is_some() => self.back(),
            Key::Escape => self.back(),
            Key::Character('q' | 'w') => return Wish::Leave,
            Key::Control('l') => return Wish::Redraw,
            Key::Character(']') => return Wish::Torrent(1),
            Key::Character('[') => return Wish::Torrent(-1),
            Key::Character('?' | 'h') => {
                self.is_help = !self.is_help;
                self.top = 0;
            }
            Key::Character(digit @ '1'..='9') => self.turn_to(Page::numbered(digit)),
            Key::Tab => self.turn_to(Some(self.page.beside(1))),
            Key::BackTab => self.turn_to(Some(self.page.beside(-1))),
            Key::Character('j') | Key::Down => self.go(1, scene, extent),
            Key::Character('k') | Key::Up => self.go(-1, scene, extent),
            Key::Enter if self.page == Page::Peers && !self.is_help => {
                self.peer = self.chosen_peer(scene);
                self.top = 0;
            }
            Key::Enter => self.go(1, scene, extent),
            Key::Character(' ' | 'f') | Key::PageDown | Key::Control('f') => self.go(page, scene, extent),
            Key::Character('b') | Key::PageUp | Key::Control('b') => self.go(-page, scene, extent),
            Key::Character('d') | Key::Control('d') => self.go(page / 2, scene, extent),
            Key::Character('u') | Key::Control('u') => self.go(-page / 2, scene, extent),
            Key::Character('g' | '<') | Key::Home => self.go(isize::MIN, scene, extent),
            Key::Character('G' | '>') | Key::End => self.go(isize::MAX, scene, extent),
            Key::Right => self.left = (self.left + STEP.0).min(STEP.1),
            Key::Left => self.left = self.left.saturating_sub(STEP.0),
            Key::Character('s') => self.sort = (self.sort + 1) % SORTS.len(),
            Key::Character('r') => self.is_reversed = !self.is_reversed,
            Key::Character('/') => (self.is_typing, self.filter) = (true, String::new()),
            Key::Character('p') => match self.frozen.take() {
                Some(_) => {}
                None => self.freeze(scene, extent),
            },
            _ => {}
        }
        Wish::None
    }

    /// A key of the filter.
    fn type_key(&mut self, key: Key) {
        match key {
            Key::Enter => self.is_typing = false,
            Key::Escape => (self.is_typing, self.filter) = (false, String::new()),
            Key::Backspace if self.filter.pop().is_none() => self.is_typing = false,
            // What is pasted may have hidden characters, which would turn the line around. No line has them.
            Key::Character(character)
                if is_printable(character) && self.filter.chars().count() < MOST_TYPED =>
            {
                self.filter.push(character)
            }
            _ => {}
        }
        (self.top, self.at) = (0, 0);
    }

    /// Closes what was opened last.
    fn back(&mut self) {
        if self.is_help {
            self.is_help = false;
        } else if self.peer.take().is_none() {
            self.filter.clear();
        }
        self.top = 0;
    }

    /// The peers that are shown, in order.
    pub fn peers<'a>(&self, scene: &'a Scene) -> Vec<&'a PeerSight> {
        let shown = |peer: &&PeerSight| {
            self.shows(&[&peer.state.name, &peer.state.client, source_name(peer.state.source)])
        };
        let mut peers: Vec<&PeerSight> = scene.peers.iter().filter(shown).collect();
        if let Some((_, order)) = SORTS.get(self.sort) {
            peers.sort_by(|one, other| order(one, other));
        }
        if self.is_reversed {
            peers.reverse();
        }
        peers
    }

    /// The line of the chosen peer among these: of the one that the user chose, as long as it is there, and else the one
    /// that the user was at.
    pub fn line_of_chosen(&self, peers: &[&PeerSight]) -> usize {
        let line = peers.iter().position(|peer| Some(peer.state.record.key) == self.chosen);
        line.unwrap_or_else(|| self.at.min(peers.len().saturating_sub(1)))
    }

    fn chosen_peer(&self, scene: &Scene) -> Option<PeerKey> {
        let peers = self.peers(scene);
        peers.get(self.line_of_chosen(&peers)).map(|peer| peer.state.record.key)
    }

    fn turn_to(&mut self, page: Option<Page>) {
        let Some(page) = page else { return };
        *self = UiState {
            page,
            chosen: self.chosen,
            sort: self.sort,
            is_reversed: self.is_reversed,
            ..UiState::default()
        };
    }

    /// Goes so many lines down.
    fn go(&mut self, lines: isize, scene: &Scene, extent: Extent) {
        let last = extent.count.saturating_sub(1);
        if let Some(cursor) = extent.cursor {
            self.at = cursor.saturating_add_signed(lines).min(last);
            if self.page == Page::Peers {
                self.chosen = self.peers(scene).get(self.at).map(|peer| peer.state.record.key);
            }
            // The screen moves no more than it has to.
            self.top = self.top.min(self.at).max((self.at + 1).saturating_sub(extent.rows));
            return;
        }
        let end = extent.count.saturating_sub(extent.rows);
        let follows = self.page.follows() && !self.is_help;
        if follows && self.frozen.is_none() {
            if lines >= 0 {
                return;
            }
            self.freeze(scene, extent);
        }
        self.top = self.top.min(end).saturating_add_signed(lines).min(end);
        if follows && self.top == end && lines > 0 {
            self.frozen = None;
        }
    }

    /// What comes from now on is not shown.
    fn freeze(&mut self, scene: &Scene, extent: Extent) {
        if self.page.follows() && !self.is_help {
            self.frozen = Some(self.page.lines(scene).to_vec());
            self.top = extent.count.saturating_sub(extent.rows);
        }
    }

    /// Whether a line with these words is shown.
    pub fn shows(&self, texts: &[&str]) -> bool {
        let wanted = self.filter.to_lowercase();
        wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}
