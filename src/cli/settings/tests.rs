//! What settings do to a command line.

use super::super::arguments::{Arguments, CliCommand, GetArguments, SeedArguments, program};
use super::*;
use crate::cli::option_words::shown;
use clap::FromArgMatches;

/// The settings in this text and these variables.
fn settings(text: &str, variables: &[(&str, &str)], program: &Command) -> Result<Settings, String> {
    let lines = file::parse(text.as_bytes()).map_err(|bad| format!("config:{}: {}", bad.number, bad.why))?;
    let mut all = location::in_order(lines, "config");
    all.iter_mut().try_for_each(|setting| options::settle(setting, program))?;
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let found = environment::settings(variables, program)?;
    all.extend(found.settings);
    Ok(Settings { all, warnings: found.warnings, notes: found.notes })
}

/// What a line means with these settings, and what is said with `-v`.
fn with(text: &str, variables: &[(&str, &str)], line: &str) -> Result<(CliCommand, Vec<String>), String> {
    let mut program = program();
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let typed = program.try_get_matches_from_mut(&words).unwrap();
    program.build();
    let additions =
        settings(text, variables, &program)?.beside(&typed, &program).map_err(|(exit, why)| {
            assert_eq!(exit, Exit::BAD_OPTION);
            why
        })?;
    let parsed =
        program.try_get_matches_from(additions.in_front_of(&words)).map_err(|error| error.to_string())?;
    Ok((Arguments::from_arg_matches(&parsed).unwrap().command, additions.notes))
}

fn get(text: &str, variables: &[(&str, &str)], line: &str) -> GetArguments {
    match with(text, variables, line).unwrap().0 {
        CliCommand::Get(get) => *get,
        other => panic!("{other:?}"),
    }
}

fn seed(text: &str, line: &str) -> SeedArguments {
    match with(text, &[], line).unwrap().0 {
        CliCommand::Seed(seed) => seed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_beats_variables_and_they_beat_the_file_in_which_a_head_beats_the_top() {
    let text = "max-peers 1\n[get]\nmax-peers 2\n[seed]\nmax-peers = 9\n";
    assert_eq!(get("max-peers 1", &[], "x get a").sharing.max_peers, 1);
    assert_eq!(get(text, &[], "x get a").sharing.max_peers, 2);
    assert_eq!(seed(text, "x seed a").sharing.max_peers, 9);
    let variables = [("FEMTOTORRENT_MAX_PEERS", "3")];
    assert_eq!(get(text, &variables, "x get a").sharing.max_peers, 3);
    assert_eq!(get(text, &variables, "x get a --max-peers 4").sharing.max_peers, 4);
    // A variable that is set to nothing is not set.
    assert_eq!(get(text, &[("FEMTOTORRENT_MAX_PEERS", "")], "x get a").sharing.max_peers, 2);
    // The last one counts.
    assert_eq!(get("max-peers 1\n--max-peers=7", &[], "x get a").sharing.max_peers, 7);
    assert_eq!(get("", &[], "x get a").sharing.max_peers, 100);
}

#[test]
fn a_no_leaves_a_flag_off() {
    for (text, variables, expected) in [
        ("no-dht", &[][..], true),
        ("no-dht = yes", &[], true),
        ("no-dht = TRUE", &[], true),
        ("no-dht = no", &[], false),
        ("no-dht false", &[], false),
        ("no-dht\nno-dht = no", &[], false),
        ("no-dht = no\nno-dht", &[], true),
        ("no-dht", &[("FEMTOTORRENT_NO_DHT", "0")], false),
        ("no-dht = no", &[("FEMTOTORRENT_NO_DHT", "1")], true),
        ("no-dht\n[get]\nno-dht = no", &[], false),
    ] {
        assert_eq!(get(text, variables, "x get a").sharing.network.no_dht, expected, "{text:?}");
    }
    assert!(get("no-dht = no", &[], "x get a --no-dht").sharing.network.no_dht);
    assert_eq!(get("verbose = 2", &[], "x get a").sharing.verbose, 2);
    assert_eq!(get("verbose = 2", &[], "x get a -v").sharing.verbose, 1);
}

#[test]
fn options_that_can_be_given_several_times_collect() {
    let variables = [("FEMTOTORRENT_PEER", "c:3")];
    let peers = get("peer = a:1\npeer = b:2", &variables, "x get a --peer d:4").sharing.network.peers;
    assert_eq!(peers, ["a:1", "b:2", "c:3", "d:4"]);
}

#[test]
fn what_the_command_line_says_otherwise_is_no_conflict() {
    let quiet = get("quiet", &[], "x get a -v").sharing;
    assert_eq!((quiet.quiet, quiet.verbose), (false, 1));
    let loud = get("verbose", &[], "x get a -q").sharing;
    assert_eq!((loud.quiet, loud.verbose), (true, 0));
    let deaf = get("port = 7\nmap-port", &[], "x get a --no-listen").sharing;
    assert!(deaf.network.no_listen && deaf.network.port.is_none() && !deaf.port_mapping.map_port);
    let heard = get("no-listen", &[], "x get a --port 7").sharing.network;
    assert!(!heard.no_listen && heard.port == Some(7));
    let mapped = get("no-map-port", &[], "x get a --map-port").sharing.port_mapping;
    assert!(mapped.map_port && !mapped.no_map_port);
    let found = get("no-dht", &[], "x get a --dht-node a:1").sharing.network;
    assert!(!found.no_dht && found.dht_nodes.len() == 1);
    // The same between a file and a variable, and within a file.
    let later = get("port = 7", &[("FEMTOTORRENT_NO_LISTEN", "yes")], "x get a").sharing.network;
    assert!(later.no_listen && later.port.is_none());
    assert_eq!(get("no-listen\nport = 7", &[], "x get a").sharing.network.port, Some(7));
    // What is off beats nothing but itself.
    assert_eq!(get("port = 7\nno-listen = no", &[], "x get a").sharing.network.port, Some(7));
    for (text, typed, note) in [
        ("port = 7", "--no-listen", "port is not used, because of --no-listen"),
        ("quiet", "-v", "quiet is not used, because of --verbose"),
        ("no-map-port", "--map-port", "no-map-port is not used, because of --map-port"),
    ] {
        let (_, notes) = with(text, &[], &format!("x get a {typed}")).unwrap();
        assert_eq!(notes, [format!("config:1: {note}")]);
    }
}

#[test]
fn a_proxy_that_is_set_is_never_turned_off_in_silence() {
    let proxy = "proxy = socks5h://127.0.0.1:1";
    for (option, word) in [("port", "7"), ("dht-node", "a:1"), ("tracker", "udp://a:1/"), ("map-port", "yes")]
    {
        // A setting that would go past it is not used, wherever it stands.
        for text in [format!("{proxy}\n{option} = {word}"), format!("{option} = {word}\n{proxy}")] {
            let (command, notes) = with(&text, &[], "x get a").unwrap();
            assert!(
                matches!(command, CliCommand::Get(get) if get.sharing.network.proxy.proxies().is_ok_and(|it| it.for_all().is_some()))
            );
            assert_eq!(notes.len(), 1, "{text}");
            let (_, notes) =
                with(&format!("{option} = {word}"), &[], "x get a --proxy http://127.0.0.1:1").unwrap();
            assert_eq!(notes.len(), 1, "{text}");
        }
        let typed = if option == "map-port" { "--map-port".to_owned() } else { format!("--{option} {word}") };
        let why = with(proxy, &[], &format!("x get a {typed}")).unwrap_err();
        assert!(why.contains("config:1") && why.contains("--proxy none"), "{why}");
        assert!(with(proxy, &[], &format!("x get a {typed} --proxy none")).is_ok());
        assert!(with("proxy = none", &[], &format!("x get a {typed}")).unwrap().1.is_empty());
    }
    let (_, notes) = with(&format!("{proxy}\ntracker = http://a/"), &[], "x get a").unwrap();
    assert!(notes.is_empty());
}

#[test]
fn what_is_set_for_all_commands_is_for_those_that_have_it_and_in_no_new_torrent() {
    let text = "tracker = http://a/announce\nprivate\nquiet\nsuper\n[create]\ntracker = http://b/announce\n";
    let (command, _) = with(text, &[("FEMTOTORRENT_TRACKER", "http://c/announce")], "x create a").unwrap();
    match command {
        CliCommand::Create(made) => {
            assert_eq!(made.trackers, ["http://b/announce"]);
            assert!(made.private && made.quiet);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(get(text, &[], "x get a").sharing.network.trackers, ["http://a/announce"]);
    assert!(seed(text, "x share a").super_seeding);
    assert_eq!(get("[download]\noutput-dir = f", &[], "x get a").output.folder().to_str(), Some("f"));
}

#[test]
fn what_nobody_understands_is_named_with_its_place_and_the_way_out() {
    for (text, words) in [
        ("\ndwon-limit = 2M", "config:2: there is no option 'dwon-limit' (did you mean 'down-limit'?)"),
        ("dht = no", "config:1: there is no option 'dht' (did you mean 'no-dht'?)"),
        ("frobnicate", "config:1: there is no option 'frobnicate' (see femtotorrent get --help)"),
        ("[gte]\nquiet", "config:2: [gte] is no command that can be set (did you mean [get]?)"),
        #[cfg(all(feature = "doctor", feature = "demo"))]
        (
            "[demo]\nquiet",
            "config:2: [demo] is no command that can be set (the heads are [get], [seed], [create], [verify], [show], [doctor])",
        ),
        ("[get]\nsuper", "config:2: 'super' is no option of get (put it under [seed])"),
        (
            "input-file = list",
            "config:1: 'input-file' cannot be set once and for all (it belongs on the command line)",
        ),
        ("[get]\nhelp", "config:2: 'help' cannot be set once and for all (it belongs on the command line)"),
        ("torrent = a", "config:1: there is no option 'torrent' (see femtotorrent get --help)"),
        (
            "down-limit = fast",
            "config:1: down-limit: 'fast' cannot be used: a rate in bytes a second is expected, such as 500K or 1.5M",
        ),
        ("down-limit", "config:1: down-limit needs a value, as in down-limit = RATE"),
        (
            "no-dht = maybe",
            "config:1: no-dht: 'maybe' is not understood (write yes or no, or the name alone)",
        ),
        ("allocate = all", "config:1: allocate: 'all' cannot be used: one of sparse, full is expected"),
        (
            "max-peers = 5 # few",
            "config:1: max-peers: '5 # few' cannot be used: a number is expected (a comment has a line of its own)",
        ),
        (
            "proxy = me:secret@host",
            "config:1: proxy: '***@host' cannot be used: expected socks5h://HOST:PORT or http://HOST:PORT",
        ),
        (
            "tracker = ftp://me:secret@a/",
            "config:1: tracker: 'ftp://***@a/' cannot be used: an address that begins with http://, https:// or udp:// is expected",
        ),
    ] {
        assert_eq!(with(text, &[], "x get a").unwrap_err(), words, "{text}");
    }
}

#[test]
fn a_variable_that_is_a_slip_ends_the_run_and_one_of_others_does_not() {
    let program = program();
    let warnings = |name: &str| settings("", &[(name, "x")], &program).map(|settings| settings.warnings);
    let why = warnings("FEMTOTORRENT_DWON_LIMIT").unwrap_err();
    assert_eq!(
        why,
        "FEMTOTORRENT_DWON_LIMIT: there is no such variable (did you mean FEMTOTORRENT_DOWN_LIMIT?)"
    );
    let why = with("", &[("FEMTOTORRENT_PORT", "http://10.0.0.1:80")], "x get a").unwrap_err();
    assert!(why.starts_with("FEMTOTORRENT_PORT: port: 'http://10.0.0.1:80' cannot be used: "), "{why}");
    for name in ["FEMTOTORRENT_VERSION", "FEMTOTORRENT_PORT_X_TCP"] {
        assert_eq!(warnings(name).unwrap(), [format!("{name} is no variable of ours, and is ignored")]);
    }
    // What a program of --on-complete gets, other programs, and nothing.
    for name in [
        "FEMTOTORRENT_NAME",
        "FEMTOTORRENT_PATH",
        "FEMTOTORRENT_TORRENT_FILE",
        "FEMTOTORRENT_INFO_HASH",
        "FEMTOTORRENT_SIZE",
        "OTHER_PORT",
        "FEMTOTORRENT_",
    ] {
        assert_eq!(warnings(name).unwrap().len(), 0, "{name}");
    }
}

#[test]
fn a_service_of_our_name_beside_a_container_sets_nothing_and_ends_nothing() {
    // As Kubernetes and Docker set them for a service `femtotorrent` with the port 6881.
    let described = [
        ("FEMTOTORRENT_SERVICE_HOST", "10.0.0.1"),
        ("FEMTOTORRENT_SERVICE_PORT", "6881"),
        ("FEMTOTORRENT_SERVICE_PORT_PEERS", "6881"),
        ("FEMTOTORRENT_PORT", "tcp://10.0.0.1:6881"),
        ("FEMTOTORRENT_PORT_6881_TCP", "tcp://10.0.0.1:6881"),
        ("FEMTOTORRENT_PORT_6881_TCP_PROTO", "tcp"),
        ("FEMTOTORRENT_PORT_6881_TCP_PORT", "6881"),
        ("FEMTOTORRENT_PORT_6881_TCP_ADDR", "10.0.0.1"),
        ("FEMTOTORRENT_PORT_6881_UDP", "udp://10.0.0.1:6881"),
    ];
    let found = settings("", &described, &program()).unwrap();
    assert_eq!((found.all.len(), found.warnings.len(), found.notes.len()), (0, 0, described.len()));
    let (command, notes) = with("", &described[3..4], "x get a").unwrap();
    assert_eq!(notes, ["FEMTOTORRENT_PORT describes a service of this name, and is ignored"]);
    let CliCommand::Get(get) = command else { panic!() };
    assert_eq!(get.sharing.network.port, None);
    let CliCommand::Get(get) = with("", &[("FEMTOTORRENT_PORT", "6882")], "x get a").unwrap().0 else {
        panic!()
    };
    assert_eq!(get.sharing.network.port, Some(6882));
}

#[test]
fn no_value_that_is_shown_has_a_password_in_it() {
    for (key, value, expected) in [
        ("proxy", "socks5h://me:secret@host:1", "socks5h://***@host:1"),
        ("proxy", "me:secret@host", "***@host"),
        ("proxy", "http://host:1", "http://host:1"),
        ("tracker", "http://me:secret@host/announce", "http://***@host/announce"),
        ("tracker", "http://host/0123456789abcdef0123/announce", "http://host/01…/announce"),
        ("select", "a@b", "a@b"),
    ] {
        assert_eq!(shown(key, value), expected);
    }
}

#[test]
fn each_option_that_is_named_here_is_one() {
    let program = program();
    let all: Vec<&str> =
        options::commands(&program).flat_map(Command::get_arguments).map(|it| it.get_id().as_str()).collect();
    let named = merge::OPPOSITES.iter().flat_map(|(one, other)| [one, other]);
    for id in named.chain(&merge::PAST_A_PROXY).chain(merge::INTO_A_TORRENT.iter().map(|(_, id)| id)) {
        assert!(all.contains(id), "{id}");
    }
}
