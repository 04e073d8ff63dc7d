//! The twelve situations in which a download fails most often: what `doctor` and `get` say in each. The sentences are
//! those of the table in the manual, which is read here, so that it cannot say what the program does not.
//!
//! All runs go on side by side, because each lasts as long as it is told to.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::addresses::nobody;
use crate::support::folder::TestFolder;
use crate::support::program::Program;
use crate::support::proxy::{Manner, Proxy};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::skip::skip;
use crate::support::talk::{MODERN, Talk};
use crate::support::web_server::{WebServer, certificate};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(120);
/// Long enough for a peer that is silent to be given up, and for the reason why nothing moves to be known; the system asks
/// its name servers more than once.
const SECONDS: &str = "30";

/// Makes a network of its own, that leads nowhere: one end of its only cable asks nobody for hardware addresses, and
/// nobody listens at the other, so what is sent is swallowed.
const VOID: &str = "
ip link set lo up && ip link add void type veth peer name nowhere &&
ip address add 198.51.100.1/24 dev void && ip link set void arp off up && ip link set nowhere up &&
ip route add default via 198.51.100.2 dev void || exit 99
";
/// Mounts a disk without room, or one that cannot be written, at the folder `out`.
const FULL: &str =
    "mount -t tmpfs -o size=4k none out && { cat /dev/zero > out/other 2> /dev/null; true; } || exit 99\n";
const READ_ONLY: &str = "mount -t tmpfs -o ro,size=4k none out || exit 99\n";

/// One row of the manual's table: what both say, where `…` stands for anything.
struct Row {
    situation: String,
    sentences: [String; 2],
}

fn rows() -> Vec<Row> {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/MANUAL.md")).unwrap();
    let (_, table) =
        manual.split_once("| situation | `doctor` says | `get` says |\n|---|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [situation, doctor, get] = cells[..] else { panic!("{line}") };
        Row { situation: situation.to_owned(), sentences: [doctor, get].map(str::to_owned) }
    })
    .collect()
}

/// Whether the parts between `…` are all in the text, one behind the other.
fn says(text: &str, sentence: &str) -> bool {
    let mut rest = text;
    sentence.split('…').all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

/// Where both commands are tried.
struct Ward {
    folder: TestFolder,
    runs: Vec<(&'static str, [Program; 2])>,
    skipped: Vec<&'static str>,
}

impl Ward {
    /// Starts both commands in this situation: behind this preparation, each with arguments of its own, since a scripted
    /// peer talks to one at a time.
    fn admit(
        &mut self,
        situation: &'static str,
        prepared: &str,
        mut arguments: impl FnMut() -> String,
        sample: &Sample,
    ) {
        if !prepared.is_empty() && !self.can(prepared) {
            return self.skipped.push(situation);
        }
        let runs = ["doctor", "get"].map(|command| {
            let place = self.folder.path().join(format!("{command}-{}", self.runs.len()));
            fs::create_dir_all(place.join("out")).unwrap();
            sample.write_torrent(&place);
            let more = if command == "doctor" { "--json" } else { "" };
            let mut shell = Self::apart(prepared);
            shell.arg(format!("{prepared}exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_femtotorrent"));
            shell.args([command, "sample.torrent", "-d", "out", "--timeout", SECONDS]);
            shell.args(["--no-listen", "--no-dht", "--no-lan", "--no-map-port"]);
            shell.args(arguments().split_whitespace()).args(more.split_whitespace());
            shell.current_dir(place).env("XDG_CACHE_HOME", "/dev/null");
            Program::launch(shell)
        });
        self.runs.push((situation, runs));
    }

    /// Whether this host lets us prepare that.
    fn can(&self, prepared: &str) -> bool {
        let place = self.folder.path().join("can");
        fs::create_dir_all(place.join("out")).unwrap();
        let mut shell = Self::apart(prepared);
        let done = shell.arg(prepared).current_dir(place).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    }

    /// A shell that has what it mounts, and the network if it makes one, for itself.
    fn apart(prepared: &str) -> Command {
        let mut command = match prepared {
            "" => Command::new("sh"),
            _ => Command::new("unshare"),
        };
        if !prepared.is_empty() {
            command.args(["--map-root-user", "--mount"]);
            command.args(prepared.contains("ip link").then_some("--net")).arg("sh");
        }
        command.arg("-c").stdin(Stdio::null());
        command
    }
}

#[test]
fn in_each_situation_of_the_manual_both_say_what_it_says() {
    let mut ward = Ward { folder: TestFolder::new(), runs: Vec::new(), skipped: Vec::new() };
    let (sample, private) = (Sample::small(), Sample::small().private());
    let mut peers = Vec::new();
    let mut peer = |peer: ScriptedPeer| {
        peers.push(peer);
        format!("--peer {}", peers[peers.len() - 1].address())
    };
    let tracker = || format!("--tracker http://{}/announce", nobody());
    ward.admit("dead tracker", "", tracker, &sample);
    let other = || {
        ScriptedPeer::start(&sample, |talk| {
            let (_, id) = talk.hear_handshake()?;
            talk.say_handshake([0; 8], [7; 20], id.map(|byte| !byte))?;
            talk.hear_out()
        })
    };
    ward.admit("wrong info-hash", "", || peer(other()), &sample);
    let chokes = || ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(Talk::hear_out);
    ward.admit("everybody chokes", "", || peer(chokes()), &sample);
    let partial = || ScriptedPeer::seed(&sample).speaking(MODERN).having(|_| false).serving();
    ward.admit("no seed", "", || peer(partial()), &sample);
    ward.admit("firewall", VOID, || "--peer 198.51.100.7:6881".to_owned(), &sample);
    let encrypted = || ScriptedPeer::start(&sample, |talk| talk.hear_handshake().map(drop));
    let plain = || format!("--encryption off {}", peer(encrypted()));
    ward.admit("only encrypted peers, and `--encryption off`", "", plain, &sample);
    let named = || "--tracker http://tracker.example:1/announce".to_owned();
    ward.admit("no name server", VOID, named, &sample);
    let proxy = Proxy::start(Manner::Refusing(2, 403), &[]);
    let by_proxy = || format!("--proxy socks5h://{} --peer 192.0.2.7:6881", proxy.address());
    ward.admit("proxy that refuses", "", by_proxy, &sample);
    ward.admit("full disk", FULL, || peer(ScriptedPeer::honest(&sample)), &sample);
    ward.admit("read-only folder", READ_ONLY, || peer(ScriptedPeer::honest(&sample)), &sample);
    let server = WebServer::start_tls(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "expired");
    let authority = certificate("authority");
    let by_tls = || format!("--tracker https://localhost:{}/announce --ca-file {authority}", server.port());
    ward.admit("clock wrong by a year", "", by_tls, &sample);
    ward.admit("private torrent without a tracker", "", String::new, &private);

    let rows = rows();
    let mut wrong = Vec::new();
    let mut seen = ward.skipped.clone();
    for (situation, runs) in ward.runs {
        seen.push(situation);
        let row = rows.iter().find(|row| row.situation == situation);
        let row = row.unwrap_or_else(|| panic!("the manual lacks {situation}"));
        for ((program, sentence), command) in runs.into_iter().zip(&row.sentences).zip(["doctor", "get"]) {
            let outcome = program.finish(LIMIT);
            let advice =
                || Some(serde_json::from_str::<Value>(&outcome.stdout_text()).ok()?["advice"].clone());
            let text = match command {
                "doctor" => advice().and_then(|it| Some(it.as_str()?.to_owned())).unwrap_or_default(),
                _ => outcome.output.clone(),
            };
            // Once, and only where it knows more.
            let hints = outcome.output.matches("femtotorrent doctor TORRENT").count();
            let expected = usize::from(command == "get" && outcome.code == Some(2));
            if !says(&text, sentence) || hints != expected {
                wrong.push(format!("{situation}: {command}: {sentence:?} is not in\n{}", outcome.output));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let mut expected: Vec<&str> = rows.iter().map(|row| &*row.situation).collect();
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected, "each row of the manual is tried");
    if !ward.skipped.is_empty() {
        skip(&format!("this host lets no user mount or have a network: {:?}", ward.skipped));
    }
}
