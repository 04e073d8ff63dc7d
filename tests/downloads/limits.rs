//! Downloads where the system gives little: few threads, few open files; and peers that want much memory.

use std::fs::{Permissions, set_permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::large;
use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::process::peak_memory;
use crate::support::program::Program;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::skip::skip;
use crate::support::talk::PLAIN;
use crate::support::tracker::Tracker;
use femtotorrent::metainfo::Metainfo;
use femtotorrent::wire::Message;

const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
const LIMIT: Duration = Duration::from_secs(120);
/// A user of which no other process is, we hope: the limit of threads counts all that it has.
const USER: u32 = 61_743;

/// The arguments of a download that finds no peers but those of the torrent's tracker.
fn get(sample: &Sample, torrents: &TestFolder, output: &TestFolder) -> Vec<String> {
    let (torrent, output) = (sample.write_torrent(torrents.path()), output.path().to_str().unwrap());
    ["get", &torrent, "-o", output, "--no-dht", "--no-lan"].map(str::to_owned).to_vec()
}

#[test]
fn a_flood_of_connections_takes_no_file_away_from_the_download() {
    let files: Vec<(String, usize)> =
        (0..60).map(|number| (format!("folder{}/file{number}", number % 5), 40_000)).collect();
    let files: Vec<(&str, usize)> = files.iter().map(|(path, length)| (path.as_str(), *length)).collect();
    for limit in [40, 64, 128] {
        let (sample, flooded) = (Sample::multi(&files, 32_768), Gate::new());
        let peer = ScriptedPeer::seed(&sample).unchoking_after(flooded).serving();
        let tracker = Tracker::start(&[peer.address()]);
        let sample = sample.with_tracker(&tracker.url());
        // The tracker does not change the info-hash, so the peer knows the torrent.
        let (torrents, output) = (TestFolder::new(), TestFolder::new());
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\""), PROGRAM])
            .stdin(Stdio::null());
        let program = Program::launch({
            command.args(get(&sample, &torrents, &output));
            command
        });
        let port = tracker.wait_for(1)[0].get("port").parse::<u16>().unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        // More than there are descriptors. What has no room waits in the system, and is no concern of this test.
        let flood: Vec<Socket> = (0..200).map(|_| begin_to_connect(to)).collect();
        assert!(flood.iter().filter(|socket| socket.peer_addr().is_ok()).count() > 64, "{limit}");
        flooded.open();
        let outcome = program.finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "{limit}: {}", outcome.output);
        sample.assert_downloaded(output.path());
    }
}

/// A connection that comes about by itself, if there is room for it. Over loopback it has by then.
fn begin_to_connect(to: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    // It says that it is under way.
    let _ = socket.connect(&to.into());
    socket
}

#[test]
fn few_threads_are_enough_for_a_download_by_way_of_a_tracker() {
    let sample = Sample::small();
    let peers: Vec<ScriptedPeer> = (0..8).map(|_| ScriptedPeer::honest(&sample)).collect();
    let addresses: Vec<SocketAddr> = peers.iter().map(ScriptedPeer::address).collect();
    let tracker = Tracker::start(&addresses);
    let sample = sample.with_tracker(&tracker.url());
    for threads in [7, 12] {
        let limited = |arguments: &[String]| {
            let mut command = Command::new("prlimit");
            command.arg(format!("--nproc={threads}")).arg(PROGRAM).args(arguments).stdin(Stdio::null());
            command.uid(USER).gid(USER).env("HOME", "/nonexistent").current_dir("/");
            command
        };
        if !limited(&["--version".to_owned()]).output().is_ok_and(|output| output.status.success()) {
            return skip("limits of threads need root, and a prlimit and a program that all users may run");
        }
        let (torrents, output) = (TestFolder::new(), TestFolder::new());
        for folder in [&torrents, &output] {
            set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        }
        let before = tracker.announces().len();
        let program = Program::launch(limited(&get(&sample, &torrents, &output)));
        let outcome = program.finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "{threads}: {}", outcome.output);
        assert!(!outcome.output.contains("panicked"), "{}", outcome.output);
        // The user has turned both off.
        let is_missed = |words: &str| outcome.output.contains(words);
        assert!(!is_missed("the DHT") && !is_missed("the local network"), "{}", outcome.output);
        sample.assert_downloaded(output.path());
        let said: Vec<String> = tracker.announces()[before..].iter().map(|one| one.get("event")).collect();
        assert_eq!(said.last().map(String::as_str), Some("stopped"), "{threads}: {said:?}");
    }
}

#[test]
fn peers_that_send_bitfields_without_end_take_little_memory() {
    const PIECES: u32 = 1 << 16;
    const MEMORY: u64 = 48 << 20;
    let raw = large::torrent(PIECES, 16 << 10, &[]);
    let info_hash = Metainfo::parse(raw.clone()).unwrap().info_hash.0;
    let peers: Vec<ScriptedPeer> = (1..=4_u8)
        .map(|host| {
            ScriptedPeer::at(&format!("127.0.0.{host}"), &Sample::small(), move |talk| {
                talk.hear_handshake()?;
                talk.say_handshake(PLAIN, info_hash, [host; 20])?;
                let mut bits = vec![0; PIECES as usize / 8];
                // Each says something new, so that only their number is wrong.
                for byte in 0..bits.len() {
                    bits[byte] = 0x80;
                    talk.say(Message::Bitfield(&bits))?;
                }
                talk.hear_out()
            })
        })
        .collect();
    let (torrents, output) = (TestFolder::new(), TestFolder::new());
    let torrent = torrents.path().join("large.torrent");
    std::fs::write(&torrent, raw).unwrap();
    let mut arguments = vec!["get".into(), torrent.into_os_string(), "-o".into(), output.path().into()];
    for peer in &peers {
        arguments.extend(["--peer".into(), peer.address().to_string().into()]);
    }
    let program = Program::start(arguments);
    for peer in &peers {
        peer.wait_until(|record| record.ended > 0);
    }
    let peak = peak_memory(program.child.id());
    assert!(peak < MEMORY, "{peak} bytes");
}

#[test]
fn a_limit_of_file_sizes_is_named_and_kills_nothing() {
    let (sample, folder, output) = (Sample::single(300_000, 32_768), TestFolder::new(), TestFolder::new());
    let peer = ScriptedPeer::honest(&sample);
    let limited = |arguments: &[String]| {
        let mut command = Command::new("sh");
        // In blocks of 512 bytes, or of 1024: less than the payload has.
        command
            .args(["-c", "ulimit -f 100 && exec \"$0\" \"$@\"", PROGRAM])
            .args(arguments)
            .stdin(Stdio::null());
        command
    };
    let mut arguments = get(&sample, &folder, &output);
    arguments.extend(["--peer".to_owned(), peer.address().to_string()]);
    // Before anything is downloaded.
    let outcome = Program::launch(limited(&arguments)).finish(LIMIT);
    assert_eq!(outcome.code, Some(16), "{}", outcome.output);
    assert!(outcome.output.contains("raise ulimit -f"), "{}", outcome.output);
    assert_eq!(std::fs::read_dir(output.path()).unwrap().count(), 0);
    // A write that goes beyond it.
    sample.write_payload(folder.path());
    let mut command = Command::new("sh");
    let payload = folder.path().join("payload.bin");
    let torrent = folder.path().join("made.torrent");
    command.args(["-c", "ulimit -f 0 && exec \"$0\" \"$@\"", PROGRAM, "create"]).arg(payload);
    command.arg("-o").arg(torrent).stdin(Stdio::null());
    let outcome = Program::launch(command).finish(LIMIT);
    assert!(
        outcome.code.is_some_and(|code| (1..128).contains(&code)),
        "no signal ends it: {}",
        outcome.output
    );
    assert!(outcome.output.contains("made.torrent"), "{}", outcome.output);
}
