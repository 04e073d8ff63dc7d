//! Which pages there are, and their order.

use super::scene::Scene;

/// A page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// The connected peers, or one of them in full.
    #[default]
    Peers,
    /// Which pieces are there, and which are being filled.
    Pieces,
    /// Where peers and payload come from.
    Sources,
    /// The files of the torrent.
    Files,
    /// The last messages.
    Wire,
    /// The last lines of the log.
    Log,
}

/// All pages, in order.
pub const PAGES: [(Page, &str); 6] = [
    (Page::Peers, "peers"),
    (Page::Pieces, "pieces"),
    (Page::Sources, "sources"),
    (Page::Files, "files"),
    (Page::Wire, "wire"),
    (Page::Log, "log"),
];

impl Page {
    /// The page of this digit.
    pub fn numbered(digit: char) -> Option<Page> {
        let number = digit.to_digit(10)?.checked_sub(1)?;
        PAGES.get(number as usize).map(|(page, _)| *page)
    }

    /// The page so many places further, around the end.
    pub fn beside(self, steps: isize) -> Page {
        let number = PAGES.iter().position(|(page, _)| *page == self).unwrap_or(0);
        let number = (number + PAGES.len()).saturating_add_signed(steps) % PAGES.len();
        PAGES.get(number).map_or(self, |(page, _)| *page)
    }

    /// Whether it shows the end of what comes, until the user looks back.
    pub fn follows(self) -> bool {
        matches!(self, Page::Wire | Page::Log)
    }

    /// The lines that it follows.
    pub fn lines(self, scene: &Scene) -> &[String] {
        match self {
            Page::Wire => &scene.wire,
            Page::Log => &scene.log,
            _ => &[],
        }
    }
}
