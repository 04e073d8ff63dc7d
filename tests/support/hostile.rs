//! A download from a peer that means harm, beside an honest one.

use std::io;

use femtotorrent::wire::{Frame, FrameError, FrameLimits};

use super::download::Download;
use super::gate::Gate;
use super::log_capture;
use super::metadata::whole_at;
use super::sample::Sample;
use super::scripted_peer::ScriptedPeer;
use super::talk::Talk;

/// What a download begins with.
#[derive(Clone, Copy)]
pub enum Known {
    /// The whole torrent.
    Torrent,
    /// A magnet link.
    Link,
}

/// Downloads from a peer with this script and from an honest one, which gives nothing before the connection
/// with the other has ended. Returns the peer with the script.
pub fn download_beside_honest(
    sample: &Sample,
    known: Known,
    script: impl Fn(&mut Talk) -> io::Result<()> + Send + 'static,
) -> ScriptedPeer {
    log_capture::open();
    let over = Gate::new();
    let hostile = ScriptedPeer::start(sample, move |talk| {
        let end = script(talk);
        talk.wait_for_end();
        over.open();
        end
    });
    let (honest, download) = match known {
        Known::Torrent => {
            let honest = ScriptedPeer::honest_after(sample, over);
            let download = Download::start(sample, &[&hostile, &honest]);
            (honest, download)
        }
        Known::Link => {
            let honest = whole_at("127.0.0.1", sample, move |_| over.pass());
            let download = Download::by_link(sample, &[&hostile, &honest]);
            (honest, download)
        }
    };
    download.complete(sample);
    assert!(honest.record().served > 0, "the honest peer was not needed");
    hostile
}

/// Why a peer is dropped that sends a frame of this length, which no message with this id has.
pub fn impossible_length(id: u8, length: u32) -> FrameError {
    let [a, b, c, d] = length.to_be_bytes();
    let limits = FrameLimits::for_pieces(5);
    Frame::parse(&[a, b, c, d, id], &limits).expect_err("the length is impossible")
}
