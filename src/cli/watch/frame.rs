//! The whole screen: how the torrent stands, the pages, what is wrong, the page, and the keys. Pure: a function from what
//! is known, what the user looks at and the size of the screen to lines.

use super::body::Body;
use super::page::{PAGES, Page};
use super::pages::body;
use super::peer_order::SORTS;
use super::scene::{Scene, Stage};
use super::ui_state::{Extent, UiState};
use crate::cli::columns::{width, wrapped};
use crate::cli::progress::bar::name_columns;
use crate::cli::progress::view::View;
use crate::cli::terminal::full::{Look, StyledLine};

/// With less than this nothing can be shown.
const LEAST: (usize, usize) = (20, 6);
/// From so many rows on, what is wrong and the note of a page may take two.
const HIGH: usize = 16;

/// A page in its frame.
struct Framed<'a> {
    /// The lines above the page.
    above: Vec<StyledLine>,
    body: Body<'a>,
    /// More about the chosen line.
    note: Vec<String>,
    /// Rows for the lines of the page.
    rows: usize,
}

/// The screen, for the torrent of this number among so many.
pub fn lines(
    scene: &Scene,
    ui: &UiState,
    torrent: (usize, usize),
    (columns, rows): (usize, usize),
) -> Vec<StyledLine> {
    if columns < LEAST.0 || rows < LEAST.1 {
        let text = format!("{columns}x{rows} is too small: {}x{} is needed", LEAST.0, LEAST.1);
        let lines = wrapped(&text, "", columns.max(1));
        return lines.into_iter().take(rows).map(|line| StyledLine::of(Look::Plain, line)).collect();
    }
    let Framed { above, body, note, rows: room } = framed(scene, ui, torrent, (columns, rows));
    let mut lines = above;
    lines.extend(body.head.iter().cloned());
    let shown = body.shown(top(&body, ui, room), columns, room);
    let foot = foot(&body, ui, columns, room);
    let blanks = room.saturating_sub(shown.len());
    lines.extend(shown.into_iter().take(room));
    lines.extend(std::iter::repeat_n(StyledLine::default(), blanks));
    lines.extend(note.into_iter().map(|line| StyledLine::of(Look::Plain, line)));
    lines.truncate(rows.saturating_sub(1));
    lines.push(foot);
    lines
}

/// The lines of the page, for whoever moves among them.
pub fn extent(scene: &Scene, ui: &UiState, size: (usize, usize)) -> Extent {
    let framed = framed(scene, ui, (0, 1), size);
    Extent { count: framed.body.count, rows: framed.rows, cursor: framed.body.cursor }
}

fn framed<'a>(
    scene: &'a Scene,
    ui: &'a UiState,
    torrent: (usize, usize),
    (columns, rows): (usize, usize),
) -> Framed<'a> {
    let few = if rows >= HIGH { 2 } else { 1 };
    let view = view(scene);
    let name = match torrent {
        (_, 0 | 1) => scene.name.clone(),
        (number, of) => format!("{}/{of} {}", number.saturating_add(1), scene.name),
    };
    let names = name_columns([name.as_str()].into_iter(), columns);
    let mut above =
        vec![StyledLine::of(Look::Strong, view.line(&name).fit(names, columns)), tabs(ui, columns)];
    let trouble = view.trouble().map(|trouble| wrapped(&trouble, " ", columns)).unwrap_or_default();
    above.extend(trouble.into_iter().take(few).map(|line| StyledLine::of(Look::Warning, line)));
    // The keys have the last row.
    let room = rows.saturating_sub(above.len()).saturating_sub(1);
    let body = body(scene, ui, columns, room);
    let mut note = wrapped(&body.note, " ", columns);
    note.truncate(few);
    // At least one line of the page is to be seen.
    let room = room.saturating_sub(body.head.len()).saturating_sub(note.len()).max(1);
    Framed { above, body, note, rows: room }
}

/// The first line that is shown. What is followed shows its end.
fn top(body: &Body<'_>, ui: &UiState, rows: usize) -> usize {
    let follows = ui.page.follows() && ui.frozen.is_none() && !ui.is_help;
    body.top(if follows { usize::MAX } else { ui.top }, rows)
}

/// How the torrent stands, as the bar tells it.
fn view(scene: &Scene) -> View {
    match &scene.stage {
        Stage::Waits => View::Waiting("waiting for its turn"),
        Stage::WaitsForCheck => View::Waiting("waiting to be checked"),
        Stage::Metadata(state) => View::Metadata(state.clone()),
        Stage::Checking(done, total) => View::Checking(*done, *total),
        Stage::Runs => View::Running(Box::new(scene.snapshot.clone())),
        Stage::Ended => View::Waiting("over"),
    }
}

/// The pages, with the one that is shown in brackets.
fn tabs(ui: &UiState, columns: usize) -> StyledLine {
    let with_digits: usize = PAGES.iter().map(|(_, name)| name.len() + 5).sum();
    let mut line = StyledLine::default();
    for (number, (page, name)) in (1..).zip(PAGES) {
        let is_shown = page == ui.page && !ui.is_help;
        let text = match (is_shown, with_digits <= columns) {
            (true, true) => format!("[{number} {name}]"),
            (false, true) => format!(" {number} {name} "),
            (true, false) => format!("[{name}]"),
            (false, false) => format!(" {name}"),
        };
        line = line.with(if is_shown { Look::Chosen } else { Look::Plain }, text);
    }
    line
}

/// The last row: what is typed, or the keys, and which lines are shown.
fn foot(body: &Body<'_>, ui: &UiState, columns: usize, rows: usize) -> StyledLine {
    if ui.is_typing {
        return StyledLine::of(Look::Strong, format!("/{}_", ui.filter));
    }
    let mut keys = Vec::new();
    if ui.frozen.is_some() {
        keys.push("paused (p: go on)".to_owned());
    }
    if !ui.filter.is_empty() {
        keys.push(format!("only {:?} (Esc: all)", ui.filter));
    }
    keys.extend(["? help", "q back"].map(str::to_owned));
    match ui.page {
        _ if ui.is_help => {}
        Page::Peers if ui.peer.is_some() => {
            keys.extend(["Esc all peers", "left right long lines"].map(str::to_owned));
        }
        Page::Peers => {
            let sort = SORTS.get(ui.sort).map_or("", |(name, _)| name);
            let reversed = if ui.is_reversed { ", reversed" } else { "" };
            keys.extend([
                format!("s sort ({sort}{reversed})"),
                "r reverse".to_owned(),
                "Enter one in full".to_owned(),
            ]);
        }
        Page::Wire | Page::Log => {
            keys.extend(ui.frozen.is_none().then(|| "p pause".to_owned()));
            keys.push("left right long lines".to_owned());
        }
        _ => {}
    }
    if !ui.is_help && ui.peer.is_none() {
        keys.push("/ filter".to_owned());
    }
    let first = top(body, ui, rows);
    let last = body.count.min(first.saturating_add(rows));
    let place =
        if body.count > rows { format!("{}-{last}/{}", first + 1, body.count) } else { String::new() };
    let mut text = String::new();
    for key in keys {
        if width(&text) + width(&key) + width(&place) + 4 > columns && !text.is_empty() {
            break;
        }
        text.push(' ');
        text.push_str(&key);
        text.push(' ');
    }
    let blanks = columns.saturating_sub(width(&text)).saturating_sub(width(&place));
    StyledLine::of(Look::Plain, format!("{text}{}{place}", " ".repeat(blanks)))
}
