//! The extension protocol (BEP 10) and peer exchange (BEP 11), as a script of a [`Talk`] speaks them.

use std::io;
use std::net::SocketAddr;

use femtotorrent::wire::Message;
use femtotorrent::wire::extension::{ExtensionHandshake, HANDSHAKE, UT_PEX};

use super::talk::{Said, Talk};

/// The extended message id under which our peers take messages about metadata (BEP 9).
pub const OUR_METADATA: u8 = 7;
/// The extended message id under which our peers take messages of peer exchange (BEP 11).
pub const OUR_PEX: u8 = 8;

/// What femtotorrent said in its next message of the extension protocol: the message id, and the rest.
pub fn next_extended(talk: &mut Talk) -> io::Result<(u8, Vec<u8>)> {
    loop {
        if let Said::Extended(body) = talk.next()? {
            return Ok((body[0], body[1..].to_vec()));
        }
    }
}

/// Exchanges the handshakes of the extension protocol: what femtotorrent said in its own.
pub fn extend(talk: &mut Talk) -> io::Result<ExtensionHandshake> {
    let (id, body) = next_extended(talk)?;
    assert_eq!(id, HANDSHAKE);
    let ours = ExtensionHandshake { metadata: Some(OUR_METADATA), pex: Some(OUR_PEX), ..Default::default() };
    talk.say(Message::Extended(HANDSHAKE, &ours.to_wire()))?;
    Ok(ExtensionHandshake::from_wire(&body).unwrap())
}

/// Says that it is connected to these IPv4 addresses.
pub fn say_pex(talk: &mut Talk, added: impl IntoIterator<Item = SocketAddr>) -> io::Result<()> {
    let mut list = Vec::new();
    for address in added {
        let SocketAddr::V4(address) = address else { panic!("{address}") };
        list.extend(address.ip().octets());
        list.extend(address.port().to_be_bytes());
    }
    let body = [format!("d5:added{}:", list.len()).as_bytes(), &list, b"e"].concat();
    talk.say(Message::Extended(UT_PEX, &body))
}
