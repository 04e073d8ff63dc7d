//! What `--pcap` writes, as Wireshark's own dissectors read it: no packet is malformed, no number or checksum is wrong,
//! and there are as many messages of each type as in the trace of the same run.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::foreign::{Foreign, Leecher, Nodes};
use crate::payload::Payload;
use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::skip::skip;
use crate::{LIMIT, MIB};

/// The messages of BEP 3, 5, 6 and 10, as the trace calls them and by their numbers.
const TYPES: [(&str, &str); 16] = [
    ("choke", "0"),
    ("unchoke", "1"),
    ("interested", "2"),
    ("not interested", "3"),
    ("have", "4"),
    ("bitfield", "5"),
    ("request", "6"),
    ("piece", "7"),
    ("cancel", "8"),
    ("port", "9"),
    ("suggest", "13"),
    ("have all", "14"),
    ("have none", "15"),
    ("reject", "16"),
    ("allowed fast", "17"),
    ("keep-alive", "keep-alive"),
];
/// The messages of extensions have names of their own in the trace, and one number.
const EXTENDED: &str = "20";

/// Where one run writes what it says.
struct Run {
    folder: TestFolder,
    /// The UDP port of its tracker, if it has one.
    tracker: u16,
}

impl Run {
    /// `None` where there is no tshark.
    fn new() -> Option<Run> {
        match Command::new("tshark").arg("--version").output() {
            Ok(_) => Some(Run { folder: TestFolder::new(), tracker: 0 }),
            Err(error) => {
                skip(&format!("tshark: {error}"));
                None
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The options that have it written, and these.
    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let path = |name| self.path(name).to_str().unwrap().to_owned();
        let ours = ["--pcap".to_owned(), path("x.pcapng"), "--trace".to_owned(), path("x.jsonl")];
        ours.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect()
    }

    fn get(&self, source: &Path, payload: &Payload, more: &[&str]) {
        let (output, arguments) = (TestFolder::new(), self.arguments(more));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let outcome = Instance::get(source, output.path(), &arguments).program.finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
        payload.assert_identical(output.path());
    }

    /// How many messages of each type there are, which both say alike.
    fn counts(&self) -> BTreeMap<String, usize> {
        let (dissected, traced) = (self.dissected(), self.traced());
        assert_eq!(dissected, traced, "tshark, and the trace");
        traced
    }

    fn traced(&self) -> BTreeMap<String, usize> {
        let text = std::fs::read_to_string(self.path("x.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let said = lines.filter(|line| line["direction"].is_string() && line["length"].is_u64());
        tally(said.map(|line| {
            let name = line["message"].as_str().unwrap();
            let known = TYPES.iter().find(|(known, _)| *known == name);
            match known {
                Some((_, number)) => (*number).to_owned(),
                None if name == "handshake" => name.to_owned(),
                None if name.starts_with("dht ") => "dht".to_owned(),
                None if name.starts_with("udp ") => "tracker".to_owned(),
                None => EXTENDED.to_owned(),
            }
        }))
    }

    fn dissected(&self) -> BTreeMap<String, usize> {
        let fields = [
            "_ws.malformed",
            "tcp.analysis.flags",
            "ip.checksum.status",
            "tcp.checksum.status",
            "udp.checksum.status",
            "_ws.col.Protocol",
            "udp.port",
            "bittorrent.protocol.name",
            "bittorrent.msg.length",
            "bittorrent.msg.type",
            "frame.comment",
        ];
        let checked = ["ip", "tcp", "udp"].map(|it| format!("{it}.check_checksum:TRUE"));
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(self.path("x.pcapng")).args(["-T", "fields", "-E", "separator=|"]);
        tshark.args(checked.iter().flat_map(|it| ["-o", it]));
        tshark.args(fields.iter().flat_map(|it| ["-e", it]));
        let read = tshark.output().unwrap();
        let text = String::from_utf8_lossy(&read.stdout).into_owned();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        tally(text.lines().filter_map(|line| {
            let found: Vec<&str> = line.split('|').collect();
            let [malformed, analysis, sums @ .., protocol, ports, handshake, length, kind, comment] =
                found.as_slice()
            else {
                panic!("{line}")
            };
            assert!(malformed.is_empty() && analysis.is_empty(), "{line}");
            assert!(sums.iter().all(|sum| matches!(*sum, "" | "1")), "{line}");
            // What was never whole is no message.
            if comment.contains("it ends before this message does") {
                return None;
            }
            match (*protocol, *handshake, *length, *kind) {
                ("BT-DHT", ..) => Some("dht".to_owned()),
                ("UDP", ..) if ports.split(',').any(|port| port == self.tracker.to_string()) => {
                    Some("tracker".to_owned())
                }
                ("BitTorrent", "", "0", "") => Some("keep-alive".to_owned()),
                ("BitTorrent", "", _, kind) => Some(kind.to_owned()),
                ("BitTorrent", ..) => Some("handshake".to_owned()),
                // The segments that begin and end a conversation.
                ("TCP", ..) => None,
                _ => panic!("{line}"),
            }
        }))
    }
}

fn tally(names: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}

#[test]
fn a_download_by_a_tracker_over_udp_is_dissected_as_it_was_traced() {
    let Some(mut run) = Run::new() else { return };
    let address = free_address(Ipv4Addr::LOCALHOST);
    let payload = Payload::single_announced(10 * MIB + 1, &format!("udp://{address}/announce"));
    let tracker = Foreign::opentracker(address, &payload.info_hash());
    run.tracker = address.port();
    let _seeder = Foreign::libtorrent(&payload);
    tracker.wait_for_seeders(&payload.info_hash(), 1);
    run.get(&payload.torrent(), &payload, &[]);
    let counts = run.counts();
    assert!(counts["7"] >= 641 && counts["6"] >= 641 && counts["handshake"] >= 2, "{counts:?}");
    assert!(counts["tracker"] >= 4, "{counts:?}");
}

#[test]
fn an_encrypted_connection_is_dissected_like_a_plain_one() {
    let Some(run) = Run::new() else { return };
    let payload = Payload::single(2 * MIB + 1);
    let seeder = Foreign::libtorrent_encrypting(&payload, "rc4");
    let peer = seeder.address().to_string();
    run.get(&payload.torrent(), &payload, &["--peer", &peer, "--encryption", "require"]);
    let counts = run.counts();
    assert!(counts["7"] >= 129 && counts["handshake"] == 2, "{counts:?}");
}

#[test]
fn a_connection_over_utp_is_dissected_like_one_over_tcp() {
    let Some(run) = Run::new() else { return };
    let payload = Payload::single(2 * MIB + 1);
    let seeder = Foreign::libtorrent_over_utp(&payload, None);
    let peer = seeder.address().to_string();
    run.get(&payload.torrent(), &payload, &["--peer", &peer, "--encryption", "off"]);
    let counts = run.counts();
    // A handshake that TCP carried before the peer hung up may be there too.
    assert!(counts["7"] >= 129 && counts["handshake"] >= 2, "{counts:?}");
}

#[test]
fn a_magnet_link_in_the_dht_is_dissected_from_the_lookup_to_the_last_block() {
    let Some(run) = Run::new() else { return };
    let payload = Payload::single(MIB);
    let mut nodes = Nodes::start(12, 68);
    nodes.seed(&payload);
    let (known, output) = (nodes.arguments(), TestFolder::new());
    let arguments = run.arguments(&["--no-lan"]);
    let arguments: Vec<&str> = known.iter().chain(&arguments).map(String::as_str).collect();
    let instance = Instance::get_in_public(payload.magnet().as_ref(), output.path(), &arguments);
    let outcome = instance.program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());
    let counts = run.counts();
    assert!(counts["7"] >= 64 && counts["dht"] >= 4 && counts[EXTENDED] >= 4, "{counts:?}");
}

#[test]
fn what_we_send_straight_from_a_file_is_dissected_block_for_block() {
    let Some(run) = Run::new() else { return };
    let payload = Payload::single(4 * MIB + 1);
    let arguments = run.arguments(&[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (seed, address) = Instance::seed(&payload.torrent(), &payload.complete(), &arguments);
    let leecher = Leecher::libtorrent(&payload, &[address]);
    leecher.wait_until_complete();
    leecher.assert_identical(&payload);
    seed.stop();
    let counts = run.counts();
    assert!(counts["7"] >= 257, "{counts:?}");
}
