//! Making a tunnel through a proxy of a connection to it.
//!
//! Blocks the thread of the caller until the proxy has answered, refused or broken a rule, or the deadline is over,
//! however slowly its answer drips.

use crate::net::proxy::{Negotiation, ProxyError};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Bytes of an answer that are looked at in one go.
const ANSWER_BYTES: usize = 512;

/// Says to the proxy at the other end what is to be said, until the connection leads to its target.
///
/// # Errors
///
/// It does not come to that by `deadline`.
pub(super) fn open(
    mut stream: &TcpStream,
    mut negotiation: Negotiation,
    deadline: Instant,
) -> Result<(), ProxyError> {
    let outcome = loop {
        if negotiation.is_done() {
            break Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Err(negotiation.timed_out());
        }
        let waits = stream.set_read_timeout(Some(left)).and_then(|()| stream.set_write_timeout(Some(left)));
        let mut answer = [0; ANSWER_BYTES];
        let came = waits.and_then(|()| {
            stream.write_all(negotiation.unsent())?;
            let sent = negotiation.unsent().len();
            negotiation.sent(sent);
            // What comes behind the answer is the server's, and stays where it is.
            stream.peek(&mut answer)
        });
        let taken = match came {
            Ok(0) => break Err(negotiation.closed()),
            Ok(came) => negotiation.receive(answer.get(..came).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                break Err(negotiation.timed_out());
            }
            Err(_) => break Err(negotiation.closed()),
        };
        match taken {
            Ok(taken) if stream.read_exact(answer.get_mut(..taken).unwrap_or_default()).is_ok() => {}
            Ok(_) => break Err(negotiation.closed()),
            Err(error) => break Err(error),
        }
    };
    if outcome.is_ok() {
        negotiation.proxy().note(Ok(()));
    }
    outcome
}
