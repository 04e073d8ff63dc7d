//! Our own programs find each other without a tracker: on the local network and by the DHT.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::metadata::link;
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::skip::skip;
use crate::support::tracker::Tracker;

const LIMIT: Duration = Duration::from_secs(120);

/// A torrent and its payload in a folder, from which it can be seeded.
struct Shared {
    sample: Sample,
    folder: TestFolder,
}

impl Shared {
    /// A torrent that no other test has.
    fn new(name: &str) -> Shared {
        let shared = Shared { sample: Sample::named(name, 300_000, 16_384), folder: TestFolder::new() };
        shared.sample.write_torrent(shared.folder.path());
        shared.sample.write_payload(shared.folder.path());
        shared
    }

    fn torrent(&self) -> std::path::PathBuf {
        self.folder.path().join("sample.torrent")
    }

    fn seed(&self, arguments: &[&str]) -> (Instance, SocketAddr) {
        Instance::seed_in_public(&self.torrent(), self.folder.path(), arguments)
    }

    /// Downloads it by its link, with nothing but these arguments to find peers by.
    fn get(&self, arguments: &[&str]) {
        let output = TestFolder::new();
        let link = link(&self.sample);
        let instance = Instance::get_in_public(link.as_ref(), output.path(), arguments);
        self.assert_downloaded(&instance.program.finish(LIMIT), &output);
    }

    fn assert_downloaded(&self, outcome: &Outcome, output: &TestFolder) {
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
        self.sample.assert_downloaded(output.path());
    }
}

#[test]
fn two_programs_with_nothing_else_find_each_other_on_the_local_network() {
    let shared = Shared::new("on the local network.bin");
    let _seed = shared.seed(&["--no-dht"]);
    shared.get(&["--no-dht"]);
    let output = TestFolder::new();
    let instance = Instance::get_in_public(&shared.torrent(), output.path(), &["--no-dht"]);
    shared.assert_downloaded(&instance.program.finish(LIMIT), &output);
}

#[test]
fn who_comes_first_is_found_by_the_seed_that_comes_later() {
    let shared = Shared::new("first the leecher.bin");
    // It knows no peer but us, and says when it has begun.
    let (tracker, output) = (Tracker::start(&[]), TestFolder::new());
    let link = format!("{}&tr={}", link(&shared.sample), tracker.url());
    let instance = Instance::get_in_public(link.as_ref(), output.path(), &["--no-dht"]);
    tracker.wait_for(1);
    let _seed = shared.seed(&["--no-dht"]);
    shared.assert_downloaded(&instance.program.finish(LIMIT), &output);
}

#[test]
fn in_a_dht_of_our_own_programs_a_link_is_enough() {
    let shares = ["first.bin", "second.bin", "third.bin"].map(Shared::new);
    let (_first, address) = shares[0].seed(&["--no-lan"]);
    let known = address.to_string();
    let (_second, second) = shares[1].seed(&["--no-lan", "--dht-node", &known]);
    let _third = shares[2].seed(&["--no-lan", "--dht-node", &known]);
    let known = second.to_string();
    for shared in &shares {
        shared.get(&["--no-lan", "--dht-node", &known]);
    }
}

#[test]
fn the_nodes_of_one_run_are_enough_for_the_next() {
    let shares = ["before.bin", "after.bin"].map(Shared::new);
    let (_first, address) = shares[0].seed(&["--no-lan"]);
    let known = address.to_string();
    let _second = shares[1].seed(&["--no-lan", "--dht-node", &known]);
    let cache = TestFolder::new();
    let run = |shared: &Shared, more: &[&str]| {
        let output = TestFolder::new();
        let (link, folder) = (link(&shared.sample), output.path().to_str().unwrap());
        let all = ["get", &link, "-o", folder, "--no-lan", "--bind", "127.0.78.1"];
        let program = Program::start_with_cache(cache.path(), [&all, more].concat());
        shared.assert_downloaded(&program.finish(LIMIT), &output);
    };
    run(&shares[0], &["--dht-node", &known]);
    assert!(cache.path().join("femtotorrent/dht").exists());
    run(&shares[1], &[]);
}

#[test]
fn the_port_of_one_run_is_that_of_the_next_unless_it_is_taken() {
    let (shared, cache) = (Shared::new("at one port.bin"), TestFolder::new());
    let torrent = shared.torrent();
    let seed = || {
        let all = ["seed", torrent.to_str().unwrap(), "-d", shared.folder.path().to_str().unwrap()];
        let alone = ["--no-lan", "--no-dht", "--bind", "127.0.78.2"];
        let program = Program::start_with_cache(cache.path(), [&all[..], &alone].concat());
        let port: u16 = program
            .wait_for(LIMIT, |line| line.split_once("seeding, listening on port ")?.1.trim().parse().ok());
        (program, port)
    };
    let ((first, port), (second, other)) = (seed(), seed());
    assert!(port >= 49_152 && other >= 49_152 && port != other, "{port} and {other}");
    first.terminate();
    first.finish(LIMIT);
    assert_eq!(seed().1, port);
    second.terminate();
    second.finish(LIMIT);
    assert_eq!(seed().1, port, "what a run had for a while is not kept");
}

/// Raises the loopback interface of a network that holds nothing else, takes IPv6 away from it, seeds there,
/// and downloads from that by its link.
const WITHOUT_IPV6: &str = r#"
ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || exit 99
timeout 100 "$0" seed "$1" -d "$2" --port 6990 2> "$2/said" &
until grep -q listening "$2/said"; do kill -0 $! || exit 98; done
"$0" get "$3" -o "$4" --dht-node 127.0.0.1:6990
code=$?
kill $!
exit $code
"#;

#[test]
fn a_host_without_ipv6_misses_nothing() {
    let try_it = "ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
    let unshared = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c"]).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", "/dev/null");
        command
    };
    let permitted = unshared().arg(try_it).stderr(Stdio::null()).status();
    if !permitted.is_ok_and(|status| status.success()) {
        return skip("this host lets no user have a network of its own");
    }
    let (shared, output) = (Shared::new("without IPv6.bin"), TestFolder::new());
    let mut command = unshared();
    command.args([WITHOUT_IPV6, env!("CARGO_BIN_EXE_femtotorrent")]);
    command.arg(shared.torrent()).arg(shared.folder.path()).arg(link(&shared.sample)).arg(output.path());
    let outcome = Program::launch(command).finish(LIMIT);
    shared.assert_downloaded(&outcome, &output);
    assert!(!outcome.output.contains("WARN") && !outcome.output.contains("no DHT"), "{}", outcome.output);
}

#[test]
fn our_own_node_of_the_dht_is_not_asked_where_a_peer_would_have_one() {
    if !cfg!(feature = "trace") {
        return;
    }
    let (shared, output) = (Shared::new("own node.bin"), TestFolder::new());
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.set_read_timeout(Some(LIMIT)).unwrap();
    let port = free_address(Ipv4Addr::LOCALHOST).port();
    let (ours, trace) = (format!("127.0.0.1:{port}"), output.path().join("trace.jsonl"));
    let arguments = [
        "--bind".into(),
        "127.0.0.1".into(),
        "--port".into(),
        port.to_string(),
        "--no-lan".into(),
        "--trace".into(),
        trace.display().to_string(),
        "--peer".into(),
        ours.clone(),
        "--peer".into(),
        other.local_addr().unwrap().to_string(),
    ];
    let torrent = shared.torrent().display().to_string();
    let place = ["-o".into(), output.path().join("payload").display().to_string()];
    let program = Program::start_in_public(["get".into(), torrent].into_iter().chain(place).chain(arguments));
    // It is asked behind ours, if that is asked. The wait is interrupted now and then where other tests start programs.
    while let Err(error) = other.recv(&mut [0; 2000]) {
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
    program.terminate();
    let outcome = program.finish(LIMIT);
    let trace = std::fs::read_to_string(trace).unwrap();
    let asked = trace.lines().filter(|line| line.contains(&ours) && line.contains("dht"));
    assert_eq!(asked.count(), 0, "{trace}\n{}", outcome.output);
}
