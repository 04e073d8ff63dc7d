//! The last messages, and the last lines of the log. The end is shown as more comes, until the user looks back or pauses.

use super::super::body::Body;
use super::super::page::Page;
use super::super::scene::Scene;
use super::super::ui_state::UiState;
use super::super::words::without_start;
use crate::cli::terminal::full::{Look, StyledLine};

/// The page.
pub fn body<'a>(scene: &'a Scene, ui: &'a UiState, columns: usize) -> Body<'a> {
    let all = ui.frozen.as_deref().unwrap_or(ui.page.lines(scene));
    let lines: Vec<&String> = all.iter().filter(|line| ui.shows(&[line])).collect();
    let legend = match columns {
        0..76 => " seconds, peer, < it or > we say: what",
        _ => " seconds, peer, < it says or > we say: message, meaning, why, first bytes",
    };
    let head = match ui.page {
        Page::Wire => vec![StyledLine::of(Look::Strong, legend)],
        _ => Vec::new(),
    };
    Body {
        head,
        count: lines.len(),
        line: Box::new(move |number| {
            let line = lines.get(number).map_or("", |line| line.as_str());
            StyledLine::of(Look::Plain, format!(" {}", without_start(line, ui.left)))
        }),
        cursor: None,
        note: String::new(),
        empty: if ui.page == Page::Wire { "no message yet" } else { "nothing was logged" },
    }
}
