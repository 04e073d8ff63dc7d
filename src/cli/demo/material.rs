//! What the demo downloads: a torrent that is part of the program, and its payload, which is computed.

use super::super::exit::{CommandFailure, Exit};
use super::payload;
use crate::metainfo::Metainfo;
use crate::metainfo::draft::{Content, Draft};
use crate::piece::{Geometry, PieceDigest};
use crate::text::{reason, shown};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TORRENT: &[u8] = include_bytes!("../../../sample-torrents/factors.torrent");

/// The torrent and its payload.
pub struct Material {
    /// The torrent.
    pub metainfo: Metainfo,
    /// How it is cut.
    pub geometry: Geometry,
    /// All bytes.
    pub payload: Arc<[u8]>,
}

impl Material {
    /// Reads the one and computes the other.
    ///
    /// # Errors
    ///
    /// The torrent inside is none.
    pub fn new() -> Result<Material, CommandFailure> {
        let metainfo = Metainfo::parse(TORRENT.to_vec()).map_err(|error| (Exit::OTHER, error.to_string()))?;
        let geometry = metainfo.geometry;
        let payload = payload::factors(geometry.total_size()).into();
        Ok(Material { metainfo, geometry, payload })
    }

    /// The digests of the pieces.
    pub fn digests(&self) -> Vec<PieceDigest> {
        (0..).map_while(|piece| self.metainfo.piece_digest(piece)).collect()
    }

    /// The name of the payload's file.
    pub fn file_name(&self) -> &str {
        &self.metainfo.name
    }

    /// Writes the torrent, with this tracker, to a folder. The path and the bytes.
    ///
    /// # Errors
    ///
    /// Another torrent is there, or nothing can be written.
    pub fn save_torrent(&self, folder: &Path, tracker: &str) -> Result<(PathBuf, Metainfo), CommandFailure> {
        let draft = Draft {
            name: self.metainfo.name.clone().into_bytes(),
            content: Content::File(self.geometry.total_size()),
            geometry: self.geometry,
            private: false,
            trackers: vec![vec![tracker.to_owned()]],
            web_seeds: Vec::new(),
            comment: None,
            date: None,
        };
        let digests = self.digests().iter().flat_map(|digest| digest.bytes().to_vec()).collect();
        let bytes = draft.encode(digests);
        let path = folder.join("factors.torrent");
        let is_ours = |there: Vec<u8>| {
            Metainfo::parse(there).is_ok_and(|there| there.info_hash == self.metainfo.info_hash)
        };
        save(&path, &bytes, is_ours)?;
        let saved = Metainfo::parse(bytes).map_err(|error| (Exit::OTHER, error.to_string()))?;
        Ok((path, saved))
    }

    /// Writes the payload to a folder.
    ///
    /// # Errors
    ///
    /// Another file is there, or nothing can be written.
    pub fn save_payload(&self, folder: &Path) -> Result<PathBuf, CommandFailure> {
        let path = folder.join(self.file_name());
        save(&path, &self.payload, |there| *there == *self.payload)?;
        Ok(path)
    }
}

/// Writes a file. One that is there is replaced if it is ours.
fn save(path: &Path, bytes: &[u8], is_ours: impl Fn(Vec<u8>) -> bool) -> Result<(), CommandFailure> {
    let failed = |error: std::io::Error| {
        let text =
            format!("cannot write {}: {} (choose a folder with --output-dir)", shown(path), reason(&error));
        (Exit::CANNOT_CREATE, text)
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let created = match File::create_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if !fs::read(path).is_ok_and(is_ours) {
                let text = format!(
                    "{} exists, and is not the demo's (choose another folder with --output-dir)",
                    shown(path)
                );
                return Err((Exit::EXISTS, text));
            }
            File::create(path)
        }
        created => created,
    };
    created.and_then(|mut file| file.write_all(bytes)).map_err(failed)
}
