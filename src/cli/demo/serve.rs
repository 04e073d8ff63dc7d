//! `demo --serve`: a seeder and a tracker that stay, for a student's own client, and say what it does and what is wrong
//! with it.
//!
//! They have a thread each and serve one connection after the other (`lesson` is one of the seeder's). The main thread
//! waits for Ctrl-C, or with `--once` for a client that took everything.

use super::lesson::Teacher;
use super::listen;
use super::material::Material;
use super::mood::Mood;
use super::server::DemoServer;
use super::student::report::{Fault, Report};
use super::student::{Expected, announce};
use super::tracker;
use super::voice::Voice;
use crate::cli::exit::{CommandFailure, Exit};
use crate::cli::signals::interrupts;
use crate::metainfo::{InfoHash, Metainfo};
use crate::piece::PieceDigest;
use crate::text::{reason, shown};
use crossbeam_channel::{bounded, select};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the user wants of it.
pub struct Wish {
    /// Where to listen.
    pub address: SocketAddrV4,
    /// To end after one client that took everything.
    pub once: bool,
    /// How the seeder behaves.
    pub mood: Mood,
}

/// Serves until Ctrl-C, or until one client took everything.
///
/// # Errors
///
/// The address cannot be used, or the torrent cannot be written.
pub fn run(wish: Wish, material: &Material, folder: &Path, voice: Voice) -> Result<Exit, CommandFailure> {
    let interrupts = interrupts();
    let Wish { address, once, mood } = wish;
    let (seeder, seeder_address) = listen(address)?;
    let (tracker, tracker_address) = listen(SocketAddrV4::new(*address.ip(), 0))?;
    let announce = format!("http://{tracker_address}/announce");
    let (path, saved) = material.save_torrent(folder, &announce)?;
    introduce(&path, &saved, material, seeder_address, voice);

    let (done, finished) = bounded(1);
    let was_wrong = Arc::<AtomicBool>::default();
    let teacher = Teacher {
        geometry: material.geometry,
        payload: Arc::clone(&material.payload),
        expected: Expected::of(&saved),
        mood,
        voice,
        was_wrong: Arc::clone(&was_wrong),
        done,
    };
    let serve = move |stream: &TcpStream| teacher.serve(stream);
    let no_thread = |error| (Exit::OTHER, format!("cannot start a thread: {}", reason(&error)));
    let seeder = DemoServer::start("demo-seeder", seeder, Box::new(serve)).map_err(no_thread)?;
    let (info_hash, heard_wrong) = (saved.info_hash, Arc::clone(&was_wrong));
    let examine = move |target: &str| {
        // Many clients ask for that without being told to.
        if announce::is_scrape(target) {
            voice.tell("tracker", "was asked for a scrape (BEP 48), which it does not answer");
            return Some("this tracker answers no scrape".to_owned());
        }
        let fault = examined(target, &info_hash, voice);
        heard_wrong.fetch_or(fault.is_some(), Ordering::Relaxed);
        fault.map(|fault| fault.text)
    };
    let tracker = tracker::start(tracker, &[seeder_address], Arc::default(), examine).map_err(no_thread)?;

    let exit = loop {
        select! {
            recv(interrupts.end) -> _ => {
                voice.tell("end", format_args!("stopped; {} stays for the next time", shown(&path)));
                break Exit::UNFINISHED;
            }
            recv(finished) -> _ => {
                if once {
                    break if was_wrong.load(Ordering::Relaxed) { Exit::NOT_VERIFIED } else { Exit::DONE };
                }
            }
        }
    };
    seeder.cut();
    tracker.cut();
    Ok(exit)
}

/// Says what there is to work with.
fn introduce(path: &Path, saved: &Metainfo, material: &Material, seeder: SocketAddr, voice: Voice) {
    let place = saved.info_place();
    voice.tell("torrent", shown(path));
    voice.tell("info-hash", saved.info_hash);
    voice.tell("", format_args!("the SHA-1 of its bytes {} to {}", place.start, place.end.saturating_sub(1)));
    voice.tell("tracker", saved.trackers.concat().concat());
    voice.tell("seeder", format_args!("{seeder}, which has every piece and speaks BEP 3 alone"));
    let whole: String =
        PieceDigest::sha1_of(&material.payload).bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    voice.tell("payload", format_args!("{}; its sha1sum is {whole}", material.file_name()));
    let text = "Connect your client to the seeder. It is told here what it does, and what is wrong with it. Ctrl-C ends \
                this.";
    voice.explain("your turn", text);
}

/// What is wrong with an announce, which is told.
fn examined(target: &str, info_hash: &InfoHash, voice: Voice) -> Option<Fault> {
    let fault = announce::fault(target, info_hash);
    voice.tell("tracker", if fault.is_some() { "was asked" } else { "was asked, and named the seeder" });
    let mut report = Report::default();
    fault.iter().for_each(|fault| report.wrong(fault.clone()));
    voice.say(&mut report);
    fault
}
