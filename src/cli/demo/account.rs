//! What the demo says before its download and after it.

use super::cast::Accounts;
use super::folder::DemoFolder;
use super::material::Material;
use super::voice::Voice;
use crate::metainfo::Metainfo;
use crate::piece::BLOCK_LENGTH;
use crate::text::{shown, size};
use std::fmt::Display;

/// Says what is to be downloaded, and where to.
pub(super) fn introduce(material: &Material, folder: &DemoFolder, site: &str, voice: Voice) {
    let Material { metainfo: Metainfo { name, info_hash, .. }, geometry, .. } = material;
    voice.tell(
        "torrent",
        format_args!(
            "{name}, {} in {} pieces of {}, the last one shorter; blocks of {}",
            size(geometry.total_size()),
            geometry.piece_count(),
            size(u64::from(geometry.piece_length())),
            size(u64::from(BLOCK_LENGTH))
        ),
    );
    voice.tell("info-hash", info_hash);
    let removed = if folder.temporary { ", removed at the end" } else { "" };
    voice.tell("folder", format_args!("{}{removed}", shown(&folder.path)));
    voice.tell("tracker", format_args!("{site}/announce, which knows all seeders"));
}

/// Says what the tracker and the seeders did.
pub(super) fn account(Accounts { events, sent }: &Accounts, voice: Voice) {
    voice.tell("tracker", format_args!("heard from us: {}", listed(events)));
    for (name, sent) in sent {
        voice.tell(&format!("seeder {name}"), format_args!("sent {}", blocks(sent)));
    }
}

/// How many blocks of which pieces, in their order.
fn blocks(sent: &[u32]) -> String {
    let mut words = Vec::new();
    for run in sent.chunk_by(|one, other| one == other) {
        let (count, piece) = (run.len(), run.first().copied().unwrap_or_default());
        let what = match (words.is_empty(), count) {
            (false, _) => "of",
            (true, 1) => "block of piece",
            (true, _) => "blocks of piece",
        };
        words.push(format!("{count} {what} {piece}"));
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// Says what can be learned of it, or where to go on.
pub(super) fn learned(lessons: &[&str], prints_trace: bool, voice: Voice) {
    lessons.iter().for_each(|lesson| voice.explain("learned", lesson));
    if lessons.is_empty() {
        let next = if prints_trace {
            "--liar, --slow and --choke change the story. --serve and --with are partners for a client of your own."
        } else {
            "--trace shows each message of this. --liar, --slow and --choke change the story."
        };
        voice.explain("next", next);
    }
}

/// The items with spaces between them.
fn listed(items: &[impl Display]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}
