//! The side that has connected.

use super::group::PrivateKey;
use super::keys::{Secret, torrent_mark};
use super::line::Line;
use super::{Agreed, Chance, Keystreams, Method, Methods, MseError, VERIFICATION};
use crate::wire::Handshake;
use std::io::{Read, Write};

/// Exchanges keys with a peer that we have connected to, and sends it our handshake.
///
/// # Errors
///
/// What the stream says, and what is wrong with the peer's part.
pub fn initiate(
    stream: &mut (impl Read + Write),
    handshake: &Handshake,
    offered: Methods,
    chance: &Chance,
) -> Result<Agreed, MseError> {
    let mut line = Line::new(stream);
    let ours = PrivateKey::new(chance.exponent);
    // Transmission drops what comes together with the key, so the rest waits for the answer.
    line.say(&[&ours.public_key(), &chance.pad])?;
    let secret = Secret(ours.secret(&line.take()?)?);
    let mut outgoing = secret.of_initiator(handshake.info_hash);
    let mut incoming = secret.of_responder(handshake.info_hash);

    let first = handshake.to_wire();
    let mut hidden = [
        &VERIFICATION[..],
        &offered.to_wire(),
        &chance.hidden_pad.to_be_bytes(),
        &vec![0; chance.hidden_pad.into()],
        &(first.len() as u16).to_be_bytes(),
        &first,
    ]
    .concat();
    outgoing.apply(&mut hidden);
    let mark = secret.hide(torrent_mark(handshake.info_hash));
    line.say(&[&secret.end_of_pad(), &mark, &hidden])?;

    let mut verification = VERIFICATION;
    incoming.apply(&mut verification);
    line.pass_pad(&verification)?;
    let method = offered.chosen(Methods::from_wire(line.take_hidden(&mut incoming)?))?;
    line.pass_hidden_pad(&mut incoming)?;

    let mut early = line.rest();
    let keystreams = match method {
        Method::Plaintext => None,
        Method::Rc4 => {
            incoming.apply(&mut early);
            Some(Keystreams { incoming, outgoing })
        }
    };
    Ok(Agreed { keystreams, early })
}
