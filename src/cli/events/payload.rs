//! Events about the payload: what it is, what is there, and its pieces.

use super::line::Line;
use crate::message::{CheckResult, PieceChange};
use crate::metainfo::Metainfo;
use crate::piece::PieceIndex;

pub(super) fn metadata(line: &mut Line<'_>, metainfo: &Metainfo) {
    if let Some(hash) = metainfo.whole_info_hash_v2() {
        line.word("info_hash_v2", &hash.to_string());
    }
    line.text("name", &metainfo.name);
    line.number("size", metainfo.geometry.total_size());
    line.number("piece_length", metainfo.geometry.piece_length().into());
    line.number("pieces", metainfo.geometry.piece_count().into());
    line.count("files", metainfo.files.iter().filter(|file| !file.padding).count());
    line.flag("private", metainfo.private);
}

pub(super) fn checked(line: &mut Line<'_>, check: &CheckResult) {
    line.number("good_pieces", check.good.into());
    line.number("wanted_pieces", check.wanted.into());
    line.number("bytes", check.bytes);
    line.path(&check.path);
}

pub(super) fn piece(line: &mut Line<'_>, piece: PieceIndex, change: PieceChange) {
    line.number("piece", piece.get().into());
    line.word(
        "state",
        match change {
            PieceChange::Stored => "stored",
            PieceChange::Wrong => "wrong",
            PieceChange::Lost => "lost",
        },
    );
}

pub(super) fn seeding(line: &mut Line<'_>, port: Option<u16>) {
    if let Some(port) = port {
        line.number("port", port.into());
    }
}
