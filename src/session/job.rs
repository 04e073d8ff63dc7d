//! What a run is to do: the torrent, and how the user wants it downloaded or shared.

use crate::metainfo::{FileChoice, InfoHash, Magnet, Metainfo};
use crate::net::proxy::Proxies;
use crate::storage::stream::Outlet;
use crate::storage::{Allocate, Check, Existing};
use crate::strategy::OnWordOf;
use crate::swarm::{Limits, UploadPolicy};
use crate::text::excerpt;
use crate::web_seed::WebSeed;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// The most characters of the name that a magnet link gives to its torrent. Anybody can write such a link.
const MAX_NAME: usize = 80;

/// What the user names a torrent by.
#[derive(Clone, Debug)]
pub enum Torrent {
    /// The whole metadata.
    Whole(Arc<Metainfo>),
    /// Only the info-hash, and where to ask for the rest.
    Magnet(Arc<Magnet>),
}

impl Torrent {
    /// The info-hash, which identifies the torrent.
    pub fn info_hash(&self) -> InfoHash {
        match self {
            Torrent::Whole(metainfo) => metainfo.info_hash,
            Torrent::Magnet(magnet) => magnet.info_hash,
        }
    }

    /// The name to show. Without a name it is the info-hash.
    pub fn name(&self) -> String {
        match self {
            Torrent::Whole(metainfo) => metainfo.name.clone(),
            Torrent::Magnet(magnet) => match &magnet.name {
                Some(name) => excerpt(name, MAX_NAME),
                None => magnet.info_hash.to_string(),
            },
        }
    }

    /// The files that a magnet link selects, by their numbers in the torrent's list (BEP 53). Empty for all.
    pub fn selected(&self) -> &[RangeInclusive<u32>] {
        match self {
            Torrent::Whole(_) => &[],
            Torrent::Magnet(magnet) => &magnet.selected,
        }
    }

    /// How many tiers of trackers it names. Each tracker of a magnet is a tier.
    pub fn tiers(&self) -> usize {
        match self {
            Torrent::Whole(metainfo) => metainfo.trackers.len(),
            Torrent::Magnet(magnet) => magnet.trackers.len(),
        }
    }

    /// Whether only its own trackers may be asked for peers (BEP 27). Of a magnet this is not known, and the
    /// answer is no.
    pub fn is_private(&self) -> bool {
        matches!(self, Torrent::Whole(metainfo) if metainfo.private)
    }
}

/// Where peers may come from, besides the DHT and the local network.
#[derive(Clone, Debug)]
pub struct PeerSourceOptions {
    /// Peers that the user named, as `HOST:PORT`.
    pub peers: Vec<String>,
    /// Trackers that the user named.
    pub trackers: Vec<String>,
    /// Whether the trackers of the torrent are asked.
    pub own_trackers: bool,
    /// Whether to wait for incoming connections if there is no source to ask.
    pub waits_for_peers: bool,
    /// Web seeds that the user named (BEP 19).
    pub web_seeds: Vec<String>,
    /// Whether the web seeds of the torrent are asked.
    pub own_web_seeds: bool,
    /// Whether peer addresses are exchanged with other peers (PEX, BEP 11).
    pub pex: bool,
}

impl PeerSourceOptions {
    /// Only the sources that the torrent itself names.
    pub fn of_the_torrent() -> PeerSourceOptions {
        PeerSourceOptions {
            peers: Vec::new(),
            trackers: Vec::new(),
            own_trackers: true,
            waits_for_peers: false,
            web_seeds: Vec::new(),
            own_web_seeds: true,
            pex: false,
        }
    }

    /// The web seeds to ask, of which the torrent names these. Those of the user come first.
    pub(super) fn all_web_seeds(&self, of_the_torrent: &[String], proxies: &Proxies) -> Vec<WebSeed> {
        let on_word = |word| move |address: &String| WebSeed::new(address.clone(), word, proxies);
        let own = of_the_torrent.iter().filter(|_| self.own_web_seeds).map(on_word(OnWordOf::Torrent));
        self.web_seeds.iter().map(on_word(OnWordOf::User)).chain(own).collect()
    }
}

/// What a run is for.
#[derive(Clone, Debug)]
pub enum Aim {
    /// To download what is missing.
    Download,
    /// To share what is on the disk, and write nothing.
    Share,
    /// To write it out in order, and keep nothing.
    Stream(Outlet),
    /// The same, to see whether it comes. Trackers do not hear that it is complete, even if all of it came: some count
    /// who has completed a torrent and does not seed it.
    Try(Outlet),
}

/// What the files are called on the disk.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// The name that the payload has in place of the torrent's: that of the only file, or of the folder.
    pub output_name: Option<String>,
    /// A new file is called `NAME.part` until it is whole.
    pub parts: bool,
}

/// What to download or to share, and how.
pub struct Job {
    /// The torrent.
    pub torrent: Torrent,
    /// Where peers come from.
    pub sources: PeerSourceOptions,
    /// What the run is for.
    pub aim: Aim,
    /// The files to download that a magnet link names, by their numbers in the torrent's list, from 0 (BEP 53). Empty
    /// for all.
    pub selected: Vec<RangeInclusive<u32>>,
    /// Which files the user wants, and in which order.
    pub choice: FileChoice,
    /// The folder that the payload is downloaded into, or is in.
    pub folder: PathBuf,
    /// What the files are called in it.
    pub naming: Naming,
    /// The limits of the run.
    pub limits: Limits,
    /// How much we upload, and how long.
    pub uploads: UploadPolicy,
    /// When disk space is allocated.
    pub allocate: Allocate,
    /// What becomes of files that do not belong to the torrent.
    pub existing: Existing,
    /// The most files that are open at once.
    pub open_files: usize,
    /// How much of what is there is read before the run begins.
    pub check: Check,
    /// The folder in which it is kept what is there of payloads that are complete or shared.
    pub cache: Option<PathBuf>,
    /// What the peers of a magnet have sent, for the next run of this job: it may have to give its turn to others.
    pub fetched: Arc<OnceLock<Arc<Metainfo>>>,
}
