//! The sources of peers and payload: what came of each last, and when it is asked again.

use super::super::body::Body;
use super::super::scene::Scene;
use super::super::ui_state::UiState;
use super::peers::NARROW;
use crate::cli::columns::filled;
use crate::cli::progress::figures::short_time;
use crate::cli::terminal::full::{Look, StyledLine};
use crate::message::SourceSight;

/// The most columns of a name, and the part of the screen that it has.
const NAME: (usize, usize) = (48, 3);
/// From so many rows on there is room for all that the chosen one said.
const ROWS: usize = 6;

/// The page.
pub fn body<'a>(scene: &'a Scene, ui: &UiState, columns: usize, rows: usize) -> Body<'a> {
    let shown = |source: &&SourceSight| ui.shows(&[source.kind, &source.name, &source.last]);
    let sources: Vec<&SourceSight> = scene.sources.iter().filter(shown).collect();
    let name = (columns / NAME.1).min(NAME.0);
    let cursor = ui.at.min(sources.len().saturating_sub(1));
    let chosen = sources.get(cursor).filter(|_| rows >= ROWS);
    let note = chosen.map(|source| match columns {
        0..NARROW => source.last.clone(),
        _ => format!("{} {}: {}", source.kind, source.name, source.last),
    });
    let head = format!("   {:<8} {:<name$} {:>5}  {}", "kind", "name", "next", "what came of it last");
    Body {
        head: vec![StyledLine::of(Look::Strong, head)],
        count: sources.len(),
        line: Box::new(move |number| sources.get(number).map(|source| row(source, name)).unwrap_or_default()),
        cursor: Some(cursor),
        note: note.unwrap_or_default(),
        empty: "no source is known yet",
    }
}

fn row(source: &SourceSight, name: usize) -> StyledLine {
    let (mark, look) = if source.is_trouble { ('!', Look::Warning) } else { (' ', Look::Plain) };
    let next = source.next.map_or("-".to_owned(), |next| short_time(next.as_secs()));
    let start = format!(" {mark} {:<8} {} {next:>5}  ", source.kind, filled(&source.name, name));
    StyledLine::of(Look::Plain, start).with(look, source.last.as_str())
}
