//! The side that was connected to.

use super::group::{KEY_LENGTH, PrivateKey};
use super::keys::{Secret, TorrentMark};
use super::line::Line;
use super::{Agreed, Chance, Keystreams, Method, Methods, MseError, MseFault, VERIFICATION};
use crate::metainfo::InfoHash;
use std::io::{Read, Write};

/// The most that an initiator may send of the conversation before it has our answer. Clients send their handshake,
/// 68 bytes; the format would allow 65,535.
pub const MAX_FIRST_BYTES: usize = 16 * 1024;

/// Exchanges keys with a peer that has connected to us and sent its public key. `find` says which torrent has this
/// mark, `choose` how to go on. Returns the torrent too; the peer's handshake has to be for the same one.
///
/// # Errors
///
/// What the stream says, and what is wrong with the peer's part.
pub fn respond(
    stream: &mut (impl Read + Write),
    theirs: &[u8; KEY_LENGTH],
    find: impl FnOnce(TorrentMark) -> Option<InfoHash>,
    choose: impl FnOnce(Methods) -> Option<Method>,
    chance: &Chance,
) -> Result<(InfoHash, Agreed), MseError> {
    let mut line = Line::new(stream);
    let ours = PrivateKey::new(chance.exponent);
    let secret = Secret(ours.secret(theirs)?);
    line.say(&[&ours.public_key(), &chance.pad])?;

    line.pass_pad(&secret.end_of_pad())?;
    let info_hash = find(secret.hide(line.take()?)).ok_or(MseFault::UnknownTorrent)?;
    let mut incoming = secret.of_initiator(info_hash);
    let mut outgoing = secret.of_responder(info_hash);
    if line.take_hidden(&mut incoming)? != VERIFICATION {
        return Err(MseFault::Verification.into());
    }
    let offered = Methods::from_wire(line.take_hidden(&mut incoming)?);
    line.pass_hidden_pad(&mut incoming)?;
    let first_length = usize::from(u16::from_be_bytes(line.take_hidden(&mut incoming)?));
    if first_length > MAX_FIRST_BYTES {
        return Err(MseFault::LongStart.into());
    }
    let method = choose(offered).ok_or(MseFault::NoMethod)?;
    let mut hidden = [
        &VERIFICATION[..],
        &Methods::from(method).to_wire(),
        &chance.hidden_pad.to_be_bytes(),
        &vec![0; chance.hidden_pad.into()],
    ]
    .concat();
    outgoing.apply(&mut hidden);
    line.say(&[&hidden])?;

    // The first bytes are encrypted whatever was chosen. What follows them is as was chosen.
    let mut early = line.take_some_hidden(first_length, &mut incoming)?;
    let mut rest = line.rest();
    let keystreams = match method {
        Method::Plaintext => None,
        Method::Rc4 => {
            incoming.apply(&mut rest);
            Some(Keystreams { incoming, outgoing })
        }
    };
    early.append(&mut rest);
    Ok((info_hash, Agreed { keystreams, early }))
}
