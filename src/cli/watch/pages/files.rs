//! The files: how much of each is done, and which are not selected.

use super::super::body::Body;
use super::super::files::FileSight;
use super::super::scene::Scene;
use super::super::ui_state::UiState;
use super::super::words::{bar, compact, end_of};
use crate::cli::progress::figures::percent;
use crate::cli::terminal::full::{Look, StyledLine};

/// Columns of the bar, and of a screen that has room for it.
const BAR: (usize, usize) = (20, 100);

/// The page.
pub fn body<'a>(scene: &'a Scene, ui: &UiState, columns: usize) -> Body<'a> {
    let is_all = ui.filter.is_empty();
    let found: Vec<FileSight> = match is_all {
        true => Vec::new(),
        false => scene.files.iter().filter(|file| ui.shows(&[&file.path])).collect(),
    };
    let count = if is_all { scene.files.len() } else { found.len() };
    let width = if columns >= BAR.1 { BAR.0 } else { 0 };
    let line = move |number: usize| {
        let file = if is_all { scene.files.get(number) } else { found.get(number).cloned() };
        file.map(|file| row(&file, width, columns)).unwrap_or_default()
    };
    let blanks = if width > 0 { width + 3 } else { 0 };
    let head = format!(" {:>5} {:>6}{:blanks$} {}", "done", "size", "", "file");
    Body {
        head: vec![StyledLine::of(Look::Strong, head)],
        count,
        line: Box::new(line),
        cursor: None,
        note: String::new(),
        empty: if scene.files.len() == 0 { "the files are not known yet" } else { "no file has these words" },
    }
}

fn row(file: &FileSight, width: usize, columns: usize) -> StyledLine {
    let (done, look) = match (file.selected, percent(file.done, file.length)) {
        (false, 0) => ("skip".to_owned(), Look::Plain),
        (_, 100) => ("100%".to_owned(), Look::Good),
        (_, percent) => (format!("{percent}%"), Look::Plain),
    };
    let bar = if width > 0 { format!(" [{}]", bar(file.done, file.length, width)) } else { String::new() };
    let start = format!(" {:>6}{bar} ", compact(file.length));
    let left = columns.saturating_sub(start.len() + 6);
    StyledLine::of(look, format!(" {done:>5}")).with(Look::Plain, start + &end_of(&file.path, left))
}
