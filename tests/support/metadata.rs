//! Peers that give the metadata of a torrent (BEP 9), as they should or as they should not: what a script
//! of a [`Talk`] says and hears of it.

use std::io;
use std::sync::Arc;

use femtotorrent::metainfo::Magnet;
use femtotorrent::session::Torrent;
use femtotorrent::wire::Message;
use femtotorrent::wire::extension::{HANDSHAKE, UT_METADATA};
use femtotorrent::wire::metadata::{MetadataMessage, PIECE};
use sha1::{Digest, Sha1};

use super::sample::Sample;
use super::scripted_peer::ScriptedPeer;
use super::talk::{MODERN, Said, Talk};

/// Reserved bytes of a peer that speaks the extension protocol (BEP 10) and not the Fast extension.
pub const EXTENDED: [u8; 8] = [0, 0, 0, 0, 0, 0x10, 0, 0];
/// The extended message id under which these peers take messages about metadata.
const OUR_ID: u8 = 3;

/// The metadata of a sample.
pub fn info(sample: &Sample) -> Vec<u8> {
    sample.metainfo().info_bytes().to_vec()
}

/// The link to a sample.
pub fn link(sample: &Sample) -> String {
    link_to(sample.info_hash())
}

/// The link to what has these bytes as its metadata, whether or not they are metadata.
pub fn link_of(info: &[u8]) -> String {
    link_to(Sha1::digest(info).into())
}

/// The same as the session takes it.
pub fn magnet(link: &str) -> Torrent {
    Torrent::Magnet(Arc::new(Magnet::parse(link).unwrap()))
}

/// 40 hex digits.
pub fn hex(hash: [u8; 20]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn link_to(hash: [u8; 20]) -> String {
    format!("magnet:?xt=urn:btih:{}", hex(hash))
}

/// Seven thousand pieces, so that their metadata has nine.
pub fn with_long_metadata() -> Sample {
    Sample::single(7_000 * 64 - 1, 64)
}

/// A peer that has the metadata and everything else, speaks every extension, and serves every request.
pub fn whole(sample: &Sample) -> ScriptedPeer {
    whole_at("127.0.0.1", sample, |_| Ok(()))
}

/// The same at another address of this host. Before it says that it has the metadata it does this.
pub fn whole_at(
    ip: &str,
    sample: &Sample,
    before: impl Fn(&mut Talk) -> io::Result<()> + Send + 'static,
) -> ScriptedPeer {
    ScriptedPeer::seed(sample).at(ip).speaking(MODERN).choking().then(move |talk| {
        before(talk)?;
        claim_honestly(talk)?;
        talk.say(Message::Unchoke)?;
        serve(talk)
    })
}

/// Says that it gives metadata, and how many bytes that has.
pub fn claim(talk: &mut Talk, size: i128) -> io::Result<()> {
    let body = format!("d1:md11:ut_metadatai{OUR_ID}ee13:metadata_sizei{size}ee");
    talk.say(Message::Extended(HANDSHAKE, body.as_bytes()))
}

/// Says that it gives metadata, with the size that it really has.
pub fn claim_honestly(talk: &mut Talk) -> io::Result<()> {
    let size = info(&talk.sample).len();
    claim(talk, size as i128)
}

/// The piece of the metadata that is asked for with these words.
pub fn asked_for(said: &Said) -> Option<u32> {
    let Said::Extended(body) = said else { return None };
    match MetadataMessage::from_wire(body.strip_prefix(&[OUR_ID])?)? {
        MetadataMessage::Request(piece) => Some(piece),
        _ => None,
    }
}

/// Waits until a piece of the metadata is asked for, and passes over what else is said.
pub fn next_request(talk: &mut Talk) -> io::Result<u32> {
    loop {
        if let Some(piece) = asked_for(&talk.next()?) {
            return Ok(piece);
        }
    }
}

/// Sends these bytes as a piece of the metadata.
pub fn give(talk: &mut Talk, piece: u32, total_size: u64, bytes: &[u8]) -> io::Result<()> {
    let message = MetadataMessage::Data { piece, total_size: Some(total_size), bytes };
    talk.say(Message::Extended(UT_METADATA, &message.to_wire()))
}

/// Sends a piece of this metadata as it is.
pub fn give_of(talk: &mut Talk, info: &[u8], piece: u32) -> io::Result<()> {
    let bytes = info.chunks(PIECE as usize).nth(piece as usize).unwrap();
    give(talk, piece, info.len() as u64, bytes)
}

/// Says that it will not send a piece of the metadata.
pub fn refuse(talk: &mut Talk, piece: u32) -> io::Result<()> {
    talk.say(Message::Extended(UT_METADATA, &MetadataMessage::Reject(piece).to_wire()))
}

/// Gives this metadata until the connection ends.
pub fn serve_metadata(talk: &mut Talk, info: &[u8]) -> io::Result<()> {
    loop {
        let piece = next_request(talk)?;
        give_of(talk, info, piece)?;
    }
}

/// Gives metadata and payload until the connection ends.
pub fn serve(talk: &mut Talk) -> io::Result<()> {
    let info = info(&talk.sample);
    loop {
        match talk.next()? {
            Said::Request(wanted) => talk.send(wanted)?,
            said => {
                if let Some(piece) = asked_for(&said) {
                    give_of(talk, &info, piece)?;
                }
            }
        }
    }
}
