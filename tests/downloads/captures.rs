//! `get --pcap`: a capture in a pipe, and that no capture keeps a download from going on.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::program::Program;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::MODERN;
use crate::support::tracker::Tracker;
use crate::support::web_server::WebServer;

const LIMIT: Duration = Duration::from_secs(120);
/// The type of a block with a packet.
const ENHANCED_PACKET: u32 = 6;

/// The types and lengths of the blocks of a capture, which is whole.
fn blocks(mut file: &[u8]) -> Vec<(u32, usize)> {
    let mut blocks = Vec::new();
    while !file.is_empty() {
        let [kind, length] = [0, 4].map(|at| u32::from_le_bytes(*file[at..].first_chunk().unwrap()));
        let length = length as usize;
        assert_eq!(file[length - 4..length], file[4..8]);
        blocks.push((kind, length));
        file = &file[length..];
    }
    blocks
}

#[test]
fn a_capture_in_a_pipe_is_all_that_is_on_standard_output_and_has_every_block() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).then(|talk| talk.serve());
    let torrent = sample.write_torrent(folder.path());
    let (output, peer) = (folder.path().join("dl"), peer.address().to_string());
    let output = output.to_str().unwrap();
    let arguments = ["get", &torrent, "-o", output, "--no-listen", "--peer", &peer, "--pcap", "-"];
    let outcome = Program::start(arguments).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let blocks = blocks(&outcome.stdout);
    let packets = blocks.iter().filter(|(kind, _)| *kind == ENHANCED_PACKET);
    let large = packets.clone().filter(|(_, length)| *length > 16_384).count();
    assert_eq!(large, sample.payload.len() / 16_384, "{blocks:?}");
    // What begins and ends a conversation, both handshakes, a request for each block.
    assert!(packets.count() > 6 + 2 + large);
}

/// What the TCP packets of a capture carry to this port, or from it.
fn carried(mut file: &[u8], port: u16) -> Vec<u8> {
    let mut carried = Vec::new();
    while !file.is_empty() {
        let [kind, length] = [0, 4].map(|at| u32::from_le_bytes(*file[at..].first_chunk().unwrap()));
        if kind == ENHANCED_PACKET {
            let captured = u32::from_le_bytes(*file[20..].first_chunk().unwrap()) as usize;
            let packet = &file[28..28 + captured];
            // IPv4 without options, and TCP.
            let ports = [20, 22].map(|at| u16::from_be_bytes([packet[at], packet[at + 1]]));
            if packet[9] == 6 && ports.contains(&port) {
                carried.extend(&packet[20 + usize::from(packet[32] >> 4) * 4..]);
            }
        }
        file = &file[length as usize..];
    }
    carried
}

#[test]
fn http_trackers_and_web_seeds_are_in_a_capture_and_no_key_or_password_of_an_address() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    // The server waits for the peer that the tracker has named: so its answer is there before all has come.
    let answered = Gate::new();
    let named = ScriptedPeer::seed(&sample).having(|_| false).then(move |talk| {
        answered.open();
        talk.hear_out()
    });
    let tracker = Tracker::start(&[named.address()]);
    let server = WebServer::start_file_after(&sample.payload, answered);
    let key = "0123456789abcdef";
    let torrent = sample.clone().with_tracker(&format!("{}?passkey={key}", tracker.url()));
    let torrent = torrent.write_torrent(folder.path());
    let web = format!("http://me:{key}@127.0.0.1:{}/", server.port());
    let output = folder.path().join("dl").display().to_string();
    let arguments = ["get", &torrent, "-o", &output, "--no-listen", "--web-seed", &web, "--pcap", "-"];
    let outcome = Program::start(arguments).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let port = tracker.url().rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
    let [announced, fetched] = [port, server.port()].map(|port| carried(&outcome.stdout, port));
    let announced = String::from_utf8_lossy(&announced);
    assert!(announced.starts_with("GET /"), "{announced}");
    assert!(announced.contains("passkey=xxxxxxxxxxxxxxxx&info_hash=%"), "{announced}");
    assert!(announced.contains("\r\n\r\nd8:") && announced.contains("event=started"), "{announced}");
    let beginning = String::from_utf8_lossy(&fetched[..2000]);
    assert!(beginning.contains("range: bytes=0-") && beginning.contains(" 206 "), "{beginning}");
    assert!(beginning.contains("asic xxxx"), "{beginning}");
    assert!(fetched.len() > sample.payload.len());
    let shown = outcome.stdout.windows(key.len()).any(|part| part == key.as_bytes());
    assert!(!shown, "the key is in the capture");
}

#[test]
fn where_a_capture_cannot_be_written_one_sentence_says_so_and_the_download_is_whole() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        return crate::support::skip::skip("this host has no /dev/full");
    };
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).then(|talk| talk.serve());
    let torrent = sample.write_torrent(folder.path());
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args(["get", &torrent, "--no-listen", "--no-dht", "--no-lan", "--pcap", "-", "--peer"]);
    command.arg(peer.address().to_string()).arg("-o").arg(folder.path().join("dl"));
    command.stdout(full).stderr(Stdio::piped()).env("XDG_CACHE_HOME", "/dev/null");
    command.env("XDG_CONFIG_HOME", "/dev/null");
    let outcome = command.spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(0), "{said}");
    let sentence = "femtotorrent: cannot write the capture to standard output: no space left on device (it ends here; \
                    all else goes on)";
    assert_eq!(said.lines().filter(|line| line.contains("capture")).collect::<Vec<_>>(), [sentence]);
    sample.assert_downloaded(&folder.path().join("dl"));
}

#[test]
fn a_capture_takes_the_place_of_no_file() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let torrent = sample.write_torrent(folder.path());
    let taken = folder.path().join("taken");
    fs::write(&taken, b"mine").unwrap();
    let output = folder.path().to_str().unwrap();
    let outcome =
        Program::start(["get", &torrent, "-o", output, "--pcap", taken.to_str().unwrap()]).finish(LIMIT);
    assert_eq!(outcome.code, Some(13), "{}", outcome.output);
    assert!(outcome.output.contains("for --pcap: it exists (remove it, or name another file)"));
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
}
