//! The doctor in each situation in which a friend is asked: the sentence at the end and the exit code.
//!
//! The runs of one test go on side by side, because each lasts as long as it is told to.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::program::Program;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::{MODERN, Talk};
use crate::support::tracker::{Reply, Tracker};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(90);
/// Long enough for a peer that is silent to be given up, and for the reason why nothing moves to be known.
const SECONDS: &str = "14";

/// Runs of the doctor, and what each is to say.
struct Patients {
    folder: TestFolder,
    runs: Vec<(Program, u8, String)>,
}

impl Patients {
    fn new() -> Patients {
        Patients { folder: TestFolder::new(), runs: Vec::new() }
    }

    fn ask(&mut self, sample: &Sample, arguments: &str, exit: u8, advice: &str) {
        let place = self.folder.path().join(self.runs.len().to_string());
        std::fs::create_dir(&place).unwrap();
        let torrent = sample.write_torrent(&place);
        self.ask_of(&torrent, arguments, exit, advice);
    }

    /// The output folder is one that does not exist, unless the arguments name another.
    fn ask_of(&mut self, torrent: &str, arguments: &str, exit: u8, advice: &str) {
        let output = self.folder.path().join("output");
        let mut all = vec!["doctor", torrent, "--json", "--no-listen", "--timeout", SECONDS];
        all.extend(["-d", output.to_str().unwrap()]);
        all.extend(arguments.split_whitespace());
        self.runs.push((Program::start(all), exit, advice.to_owned()));
    }

    fn assert_all_are_helped(self) {
        for (program, exit, advice) in self.runs {
            let outcome = program.finish(LIMIT);
            let text = outcome.stdout_text();
            let said: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let found = said["advice"].as_str().unwrap();
            assert!(found.contains(&advice), "{advice:?} is not in\n{text}");
            assert_eq!(outcome.code, Some(i32::from(exit)), "{text}");
            assert_eq!((&said["exit_code"], &said["format"]), (&exit.into(), &1.into()));
        }
        assert!(!self.folder.path().join("output").exists(), "the doctor writes nothing");
    }
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn where_a_download_works_one_piece_is_enough_and_it_goes_nowhere() {
    let mut patients = Patients::new();
    let sample = Sample::small();
    let seed = ScriptedPeer::honest(&sample);
    let tracker = Tracker::start(&[seed.address()]);
    let arguments = format!("--tracker {}", tracker.url());
    patients.ask(&sample, &arguments, 0, "Download it: a piece came and was right.");
    patients.assert_all_are_helped();
    assert!(!seed.record().requests().is_empty());
}

#[test]
fn where_peers_are_the_trouble_it_says_which() {
    let mut patients = Patients::new();
    let sample = Sample::small();
    let mut ask = |peer: SocketAddr, more: &str, advice: &str| {
        patients.ask(&sample, &format!("--peer {peer} {more}"), 2, advice);
    };
    ask(nobody(), "", "of the only peer, none is there any more (connection refused)");
    let other = ScriptedPeer::start(&sample, |talk| {
        let (_, id) = talk.hear_handshake()?;
        talk.say_handshake([0; 8], [7; 20], id.map(|byte| !byte))?;
        talk.hear_out()
    });
    ask(other.address(), "", "the peers answer for another torrent");
    let closes = ScriptedPeer::start(&sample, |talk| talk.hear_handshake().map(drop));
    ask(closes.address(), "", "Check the info-hash: the peers close the connection");
    ask(closes.address(), "--encryption off", "Leave out --encryption off");
    let silent = ScriptedPeer::start(&sample, Talk::hear_out);
    ask(silent.address(), "", "the only peer took the connection and did not answer");
    let chokes = ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(Talk::hear_out);
    ask(chokes.address(), "", "Wait: all peers choke us");
    let partial = ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece == 0).serving();
    ask(partial.address(), "", "none of the connected peers has piece");
    let proxy = format!("--proxy socks5://{}", nobody());
    ask(nobody(), &proxy, "Look after the proxy, or choose another one with --proxy");
    patients.assert_all_are_helped();
}

#[test]
fn where_nobody_is_found_it_says_why() {
    let mut patients = Patients::new();
    let sample = Sample::small();
    let dead = format!("http://{}", nobody());
    let why = format!("{dead} does not help (cannot be reached: connection refused)");
    patients.ask(&sample, &format!("--tracker {dead}/announce"), 2, &why);
    let knows_nobody = Tracker::start(&[]);
    patients.ask(&sample, &format!("--tracker {}", knows_nobody.url()), 2, "nobody has it now");
    let names = "--tracker http://one.invalid/announce --tracker http://two.invalid/announce";
    patients.ask(&sample, names, 2, "no name can be looked up");
    let of_another_time = Tracker::start(&[]);
    for _ in 0..16 {
        let head =
            b"HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 2061 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n";
        of_another_time.script(Reply::Raw(head.to_vec()));
    }
    let site = of_another_time.url().replace("/announce", "");
    let arguments = format!("--tracker {}", of_another_time.url());
    patients.ask(&sample, &arguments, 2, &format!("days behind that of {site}."));
    let advice = "the torrent is private and has no usable tracker";
    patients.ask(&Sample::small().private(), "", 6, advice);
    patients.assert_all_are_helped();
}

#[test]
fn a_folder_that_takes_nothing_matters_most() {
    let mut patients = Patients::new();
    let sample = Sample::small();
    let seed = ScriptedPeer::honest(&sample);
    let file = patients.folder.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let arguments = format!("--peer {} -d {}", seed.address(), file.display());
    patients.ask(&sample, &arguments, 16, "Make the folder writable, or choose another folder with -d");
    // Twelve terabytes.
    let (piece, count) = (1_u64 << 27, 100_000);
    let mut torrent = format!(
        "d4:infod6:lengthi{}e4:name4:huge12:piece lengthi{piece}e6:pieces{}:",
        piece * count,
        count * 20
    )
    .into_bytes();
    torrent.resize(torrent.len() + count as usize * 20, 7);
    torrent.extend(b"ee");
    let huge = patients.folder.path().join("huge.torrent");
    std::fs::write(&huge, torrent).unwrap();
    let arguments = format!("--peer {} --timeout 2", nobody());
    patients.ask_of(huge.to_str().unwrap(), &arguments, 9, "Make room at");
    patients.assert_all_are_helped();
}
