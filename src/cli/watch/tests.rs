//! What is drawn, beside what it is to look like: `tests/watch/PAGE-COLUMNSxROWS.txt`. After a change on purpose
//! `REWRITE=1 cargo test --lib watch` writes the files, to be read before they are kept.

use super::files::FileSight;
use super::frame::{extent, lines};
use super::page::{PAGES, Page};
use super::scene::{PeerSight, Scene, Stage};
use super::ui_state::{UiState, Wish};
use crate::cli::columns::width;
use crate::cli::terminal::full::{Key, Keyboard, StyledLine, draw};
use crate::message::{BlockCounts, Bucket, OpenPieceSight, PieceSight, SourceSight};
use crate::message::{Lull, PeerFlags, PeerReasons, PeerRecord, PeerState, Snapshot, Stall, Transport};
use crate::piece::PeerKey;
use crate::strategy::{Security, Source};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

const SIZES: [(usize, usize); 3] = [(40, 10), (80, 24), (200, 50)];

fn peer(key: u32, name: &str, client: &str) -> PeerSight {
    let flags =
        PeerFlags { am_interested: true, am_choking: true, peer_interested: false, peer_choking: false };
    let state = PeerState {
        name: name.to_owned(),
        client: client.to_owned(),
        source: Some(Source::Tracker),
        encryption: Security::Plain,
        pieces: 1500,
        of: 1500,
        down_rate: f64::from(key) * 700_000.0,
        up_rate: 0.0,
        flags,
        in_flight: 12,
        depth: 64,
        snubs: 0,
        transport: Transport::Tcp,
        why: PeerReasons { down: None, up: Some("it wants nothing") },
        record: PeerRecord {
            key: PeerKey(key),
            age: Duration::from_secs(u64::from(key) * 45),
            received: u64::from(key) << 20,
            ..PeerRecord::default()
        },
    };
    PeerSight { state, history: Vec::new() }
}

fn peers() -> Vec<PeerSight> {
    let mut choker = peer(2, "192.0.2.17:51413", "Transmission 4.0.5");
    choker.state.flags =
        PeerFlags { peer_choking: true, am_choking: false, peer_interested: true, ..choker.state.flags };
    (choker.state.down_rate, choker.state.up_rate) = (0.0, 81_000.0);
    choker.state.why =
        PeerReasons { down: Some(Lull::Chokes(Duration::from_secs(84))), up: Some("it gives most") };
    (choker.state.pieces, choker.state.source, choker.state.encryption) =
        (700, Some(Source::Incoming), Security::Rc4);
    choker.history = vec!["0.1 it came in".to_owned(), "0.4 it chokes us".to_owned()];
    let mut silent = peer(3, "[2001:db8:85a3::8a2e:370:7334]:6881", "µTorrent\u{202e} 别的");
    (silent.state.snubs, silent.state.down_rate) = (2, 0.0);
    silent.state.why.down = Some(Lull::Silent(Duration::from_secs(75), 2));
    silent.state.record.wasted = 300_000;
    let mut web = peer(4, "https://mirror.example", "");
    (web.state.transport, web.state.source, web.state.why.up) = (Transport::Http, None, None);
    let more = (5..33).map(|key| peer(key, &format!("198.51.100.{key}:6881"), "libtorrent 2.1.1"));
    [peer(1, "10.77.0.10:7000", "qBittorrent 5.0"), choker, silent, web].into_iter().chain(more).collect()
}

fn pieces() -> PieceSight {
    let bucket = |number: u32| {
        let (stored, open, unwanted, rarest) = match number {
            0..200 => (3, 0, 0, 0),
            200..215 => (1, 2, 0, 3),
            215..230 => (0, 0, 3, 0),
            230 => (0, 0, 0, 0),
            231..240 => (0, 0, 0, 1),
            _ => (number % 3, 0, 0, number % 13),
        };
        Bucket { pieces: 3, stored, open, unwanted, rarest }
    };
    let open = |number: u32| OpenPieceSight {
        index: 600 + 3 * number,
        blocks: BlockCounts { came: 4 * number, on_their_way: 8, all: 64 },
        availability: number,
        from: vec!["10.77.0.10:7000".to_owned(), "https://mirror.example".to_owned()],
    };
    PieceSight {
        count: 1500,
        length: 1 << 20,
        buckets: (0..500).map(bucket).collect(),
        open: (0..15).map(open).collect(),
        copies: 31_480,
    }
}

fn sources() -> Vec<SourceSight> {
    let source = |kind, name: &str, last: &str, next: Option<u64>| SourceSight {
        kind,
        name: name.to_owned(),
        last: last.to_owned(),
        is_trouble: last.contains("404"),
        next: next.map(Duration::from_secs),
    };
    vec![
        source("tracker", "udp://tracker.example:6969", "50 peers", Some(1650)),
        source(
            "tracker",
            "https://a-tracker-of-a-very-long-name.example:443",
            "answered with HTTP status 404",
            Some(41),
        ),
        source("DHT", "214 nodes", "12 peers of 3 lookups", Some(290)),
        source("PEX", "31 peers", "4 peers", None),
        source("LAN", "", "nobody answered", Some(10)),
        source("web seed", "https://mirror.example", "2.7 MiB/s", None),
    ]
}

fn files() -> Vec<FileSight> {
    let file = |number: u64| FileSight {
        path: format!(
            "season {}/a rather long name of an episode in the folder, number {number}.mkv",
            number / 10
        ),
        length: (number + 1) * 31_000_000,
        done: if number < 4 { (number + 1) * 31_000_000 } else { number * 1_000_000 },
        selected: number != 7,
    };
    let mut files: Vec<FileSight> = (0..60).map(file).collect();
    files[8] = FileSight {
        path: "别的世界/e\u{301}te\u{301} \u{1b}[2J\u{202e}gpj.exe".to_owned(),
        done: 0,
        ..files[8].clone()
    };
    files[7].done = 0;
    files
}

fn scene() -> Scene {
    let said = |what: &str| (0..90).map(|number| format!("{number:>3}.250 {what} {number}")).collect();
    Scene {
        name: "a name\u{1b}[2J of a 世界".to_owned(),
        stage: Stage::Runs,
        snapshot: Snapshot {
            done: 620 << 20,
            total: 1500 << 20,
            rate: 5_600_000.0,
            up_rate: 81_000.0,
            peers: 31,
            seeds: 29,
            web_seeds: 1,
            ..Snapshot::default()
        },
        peers: peers(),
        pieces: pieces(),
        sources: sources(),
        files: files().into(),
        wire: said("198.51.100.7:6881     < piece          block 3 of piece 604, 16 KiB; message"),
        log: said("198.51.100.9:6881: connection refused by"),
    }
}

fn text(lines: &[StyledLine], columns: usize) -> String {
    let line = |line: &StyledLine| {
        line.painted(columns, false, false).0.replace("\x1b[0m", "").replace("\x1b[1m", "")
    };
    let lines = lines.iter().map(line).map(|line| line.replace("\x1b[7m", ""));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

fn compare(name: &str, scene: &Scene, ui: &UiState) {
    for (columns, rows) in SIZES {
        let lines = lines(scene, ui, (0, 1), (columns, rows));
        assert_eq!(lines.len(), rows, "{name} {columns}x{rows}");
        let shown = text(&lines, columns);
        let path = format!("{}/tests/watch/{name}-{columns}x{rows}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("REWRITE").is_some() {
            fs::write(&path, &shown).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(shown, expected, "{path} (REWRITE=1 writes it)");
    }
}

fn page(page: Page) -> UiState {
    UiState { page, ..UiState::default() }
}

#[test]
fn each_page_looks_as_it_is_to_look() {
    let scene = scene();
    for (shown, name) in PAGES {
        compare(name, &scene, &page(shown));
    }
    compare("help", &scene, &UiState { is_help: true, ..UiState::default() });
    compare("peer", &scene, &UiState { peer: Some(PeerKey(2)), ..UiState::default() });
    let stalled = Snapshot { stall: Some(Stall::AllChoke), rate: 0.0, ..scene.snapshot.clone() };
    compare(
        "stalled",
        &Scene { snapshot: stalled, ..scene },
        &UiState { sort: 1, chosen: Some(PeerKey(3)), ..UiState::default() },
    );
}

#[test]
fn a_torrent_of_which_nothing_is_known_yet_has_all_pages() {
    for stage in [
        Stage::Waits,
        Stage::WaitsForCheck,
        Stage::Checking(1, 2),
        Stage::Metadata(Default::default()),
        Stage::Ended,
    ] {
        let scene = Scene { name: "x".to_owned(), stage, ..Scene::default() };
        for (shown, name) in PAGES {
            let lines = lines(&scene, &page(shown), (1, 3), (80, 24));
            assert!(lines[0].text().starts_with("2/3 x"), "{name}: {:?}", lines[0]);
            assert_eq!(lines.len(), 24);
        }
    }
}

/// What a terminal may say of its size, lies included.
#[test]
fn no_size_is_too_much_and_no_line_too_wide() {
    let scene = scene();
    let states = |page: Page| {
        let shown = UiState { page, top: 1000, at: 1000, ..UiState::default() };
        [
            shown.clone(),
            UiState { is_help: true, ..shown.clone() },
            UiState { peer: Some(PeerKey(99)), ..shown.clone() },
            UiState { filter: "nothing has this".to_owned(), ..shown },
        ]
    };
    for (columns, rows) in
        [(0, 0), (1, 1), (5, 3), (19, 6), (20, 6), (21, 7), (40, 6), (500, 6), (20, 200), (500, 200)]
    {
        for (shown, name) in PAGES {
            for ui in states(shown) {
                let lines = lines(&scene, &ui, (0, 1), (columns, rows));
                assert!(lines.len() <= rows, "{name} {columns}x{rows}");
                for line in &lines {
                    assert!(
                        width(
                            &line
                                .painted(columns, false, true)
                                .0
                                .replace("\x1b[1m", "")
                                .replace("\x1b[7m", "")
                                .replace("\x1b[0m", "")
                        ) <= columns,
                        "{name} {columns}x{rows}: {line:?}"
                    );
                }
                extent(&scene, &ui, (columns, rows));
            }
        }
    }
    let small = lines(&scene, &page(Page::Peers), (0, 1), (12, 4));
    assert!(small[0].text().starts_with("12x4 is too"), "{small:?}");
}

/// Presses these keys on 80x24.
fn press(ui: &mut UiState, scene: &Scene, keys: &[Key]) -> Wish {
    let mut wish = Wish::None;
    for key in keys {
        let extent = extent(scene, ui, (80, 24));
        wish = ui.press(*key, scene, extent);
    }
    wish
}

fn typed(text: &str) -> Vec<Key> {
    text.chars().map(Key::Character).collect()
}

#[test]
fn the_chosen_peer_stays_chosen_where_others_come_and_go_and_can_be_shown_in_full() {
    let (mut scene, mut ui) = (scene(), UiState::default());
    press(&mut ui, &scene, &typed("jj"));
    assert_eq!(ui.chosen, Some(PeerKey(3)));
    scene.peers.rotate_left(2);
    press(&mut ui, &scene, &typed("s"));
    press(&mut ui, &scene, &[Key::Enter]);
    assert_eq!(ui.peer, Some(PeerKey(3)));
    assert_eq!(press(&mut ui, &scene, &typed("q")), Wish::None, "back to all peers first");
    assert_eq!(press(&mut ui, &scene, &typed("G")), Wish::None);
    let shown = text(&lines(&scene, &ui, (0, 1), (80, 24)), 80);
    assert_eq!(shown.lines().filter(|line| line.starts_with('>')).count(), 1, "{shown}");
    assert_eq!(press(&mut ui, &scene, &typed("q")), Wish::Leave);
}

#[test]
fn messages_follow_until_the_user_looks_back_and_follow_again_from_the_end_on() {
    let (mut scene, mut ui) = (scene(), page(Page::Wire));
    let last = |scene: &Scene, ui: &UiState| lines(scene, ui, (0, 1), (80, 24))[22].text();
    assert!(last(&scene, &ui).contains("message 89"));
    press(&mut ui, &scene, &[Key::Right]);
    assert!(last(&scene, &ui).starts_with(" :6881     < piece"), "{}", last(&scene, &ui));
    press(&mut ui, &scene, &[Key::Left]);
    scene.wire.push("new".to_owned());
    assert_eq!(last(&scene, &ui), " new");
    press(&mut ui, &scene, &typed("k"));
    scene.wire.push("newer".to_owned());
    assert!(last(&scene, &ui).contains("message 89"), "{}", last(&scene, &ui));
    press(&mut ui, &scene, &typed("G"));
    assert_eq!(last(&scene, &ui), " newer");
    press(&mut ui, &scene, &typed("p"));
    scene.wire.push("newest".to_owned());
    assert_eq!(last(&scene, &ui), " newer");
    press(&mut ui, &scene, &typed("p"));
    assert_eq!(last(&scene, &ui), " newest");
}

#[test]
fn the_last_row_tells_how_to_read_lines_that_are_cut() {
    let foot = |page, peer| {
        let ui = UiState { page, peer, ..UiState::default() };
        lines(&scene(), &ui, (0, 1), (80, 24)).last().map(StyledLine::text).unwrap_or_default()
    };
    for (page, peer) in [(Page::Wire, None), (Page::Log, None), (Page::Peers, Some(PeerKey(1)))] {
        assert!(foot(page, peer).contains("left right long lines"), "{page:?}");
    }
    assert!(!foot(Page::Files, None).contains("left right"));
}

#[test]
fn a_filter_leaves_what_has_its_words_and_what_is_typed_is_no_other_key() {
    let (scene, mut ui) = (scene(), UiState::default());
    assert_eq!(press(&mut ui, &scene, &typed("/qbit")), Wish::None);
    press(&mut ui, &scene, &[Key::Enter]);
    assert_eq!(extent(&scene, &ui, (80, 24)).count, 1);
    press(&mut ui, &scene, &[Key::Escape]);
    assert_eq!(extent(&scene, &ui, (80, 24)).count, scene.peers.len());
    press(&mut ui, &scene, &typed("/"));
    press(&mut ui, &scene, &typed(&"x".repeat(10_000)));
    assert_eq!(ui.filter.len(), 60);
    let (mut ui, scene) = (UiState::default(), Scene::default());
    press(&mut ui, &scene, &typed("/ar\u{202e}\u{200b}x"));
    assert_eq!(ui.filter, "arx", "what is hidden would act on the line");
}

#[test]
fn no_keys_in_any_order_lead_astray() {
    let mut random = fastrand::Rng::with_seed(11);
    let scenes = [scene(), Scene::default()];
    let keys: Vec<Key> = typed("123456789jkfbdugGsrp/?h[]qw<>x ")
        .into_iter()
        .chain([
            Key::Enter,
            Key::Escape,
            Key::Backspace,
            Key::Tab,
            Key::BackTab,
            Key::Up,
            Key::Down,
            Key::PageUp,
        ])
        .chain([Key::PageDown, Key::Home, Key::End, Key::Control('l')])
        .collect();
    let mut ui = UiState::default();
    for _ in 0..20_000 {
        let scene = &scenes[random.usize(..2)];
        let size = (random.usize(..120), random.usize(..40));
        let extent = extent(scene, &ui, size);
        ui.press(keys[random.usize(..keys.len())], scene, extent);
        assert!(lines(scene, &ui, (0, 1), size).len() <= size.1);
    }
}

/// The test runs itself in a terminal, and panics there.
#[test]
fn a_panic_gives_the_terminal_back_before_it_is_printed() {
    if std::env::var_os("PANICS_HERE").is_some() {
        // Nothing but the panic may give it back.
        std::mem::forget(Keyboard::open().unwrap());
        assert!(draw(&lines(&scene(), &UiState::default(), (0, 1), (80, 24)), (80, 24)));
        panic!("on purpose");
    }
    let module = module_path!().split_once("::").unwrap().1;
    let test = format!("{module}::a_panic_gives_the_terminal_back_before_it_is_printed");
    let program = std::env::current_exe().unwrap();
    let line = format!(
        "stty cols 80 rows 24; stty -g; PANICS_HERE=1 {} --exact {test} --nocapture; stty -g",
        program.display()
    );
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).env("TERM", "xterm");
    let Ok(output) = command.output() else { return };
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    let (left, said) = (seen.find("\x1b[?1049l"), seen.find("panicked at"));
    assert!(seen.contains("\x1b[?1049h") && left.is_some() && left < said, "{seen:?}");
    let is_mode =
        |line: &&str| line.len() > 40 && line.bytes().all(|byte| byte == b':' || byte.is_ascii_hexdigit());
    let modes: Vec<&str> = seen.lines().map(str::trim).filter(is_mode).collect();
    assert_eq!(modes.len(), 2, "{seen:?}");
    assert_eq!(modes[0], modes[1]);
}
