//! In which order a peer may send its messages, and which it may send at all (BEP 3, BEP 6).
//!
//! Looks at one message at a time, before anything is done with it. Whether its numbers are in range is
//! checked where they are turned into pieces and blocks.

use crate::message::Violation;
use crate::wire::Message;

/// What BEP 3 has every client refuse, in bytes.
const LONGEST_REQUEST: u32 = 128 * 1024;

/// What was heard so far of which the rules depend.
#[derive(Debug)]
pub struct MessageRules {
    /// The peer speaks the Fast extension (BEP 6).
    fast: bool,
    /// The peer has said which pieces it has. BEP 3 wants that as the very first message, but several
    /// clients send the handshake of the extension protocol before it.
    has_introduced: bool,
    /// The peer has said that it has every piece.
    has_all: bool,
}

impl MessageRules {
    /// The rules for a peer that has sent nothing but its handshake.
    pub fn new(fast: bool) -> MessageRules {
        MessageRules { fast, has_introduced: false, has_all: false }
    }

    /// Whether the peer has said which pieces it has.
    pub fn has_introduced(&self) -> bool {
        self.has_introduced
    }

    /// Whether the peer may send this now.
    pub fn check(&self, message: &Message<'_>) -> Result<(), Violation> {
        match message {
            // When aria2 becomes complete, it says once that it has every piece.
            Message::HaveAll if self.has_introduced && self.has_all => Err(Violation::SecondBitfield),
            Message::HaveNone if self.has_introduced => Err(Violation::SecondBitfield),
            Message::HaveAll | Message::HaveNone | Message::Reject(_) | Message::AllowedFast(_)
                if !self.fast =>
            {
                Err(Violation::FastWithoutHandshake)
            }
            Message::Request(request) if request.length > LONGEST_REQUEST => Err(Violation::LongRequest),
            _ => Ok(()),
        }
    }

    /// Remembers a message that was accepted.
    pub fn note(&mut self, message: &Message<'_>) {
        self.has_all |= matches!(message, Message::HaveAll);
        self.has_introduced |=
            matches!(message, Message::Bitfield(_) | Message::HaveAll | Message::HaveNone | Message::Have(_));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::BlockRequest;

    fn check_all(fast: bool, messages: &[Message<'_>]) -> Result<(), Violation> {
        let mut rules = MessageRules::new(fast);
        messages.iter().try_for_each(|message| {
            rules.check(message)?;
            rules.note(message);
            Ok(())
        })
    }

    #[test]
    fn have_all_and_have_none_come_first_except_that_a_peer_may_become_complete_once() {
        let second = Err(Violation::SecondBitfield);
        assert_eq!(check_all(true, &[Message::HaveNone, Message::HaveNone]), second);
        assert_eq!(check_all(true, &[Message::Have(1), Message::HaveNone]), second);
        assert_eq!(check_all(true, &[Message::Bitfield(&[1]), Message::HaveNone]), second);
        assert_eq!(check_all(true, &[Message::HaveAll, Message::HaveAll]), second);
        assert_eq!(check_all(true, &[Message::HaveNone, Message::HaveAll, Message::HaveAll]), second);
        assert_eq!(check_all(true, &[Message::HaveNone, Message::HaveAll]), Ok(()));
        assert_eq!(check_all(true, &[Message::Bitfield(&[1]), Message::Bitfield(&[3])]), Ok(()));
        assert_eq!(check_all(true, &[Message::Interested, Message::HaveAll]), Ok(()));
    }

    #[test]
    fn messages_of_the_fast_extension_need_its_bit_in_the_handshake() {
        let request = BlockRequest { index: 0, begin: 0, length: 1 };
        let messages =
            [Message::HaveAll, Message::HaveNone, Message::Reject(request), Message::AllowedFast(0)];
        for message in messages {
            assert_eq!(check_all(true, std::slice::from_ref(&message)), Ok(()));
            assert_eq!(check_all(false, &[message]), Err(Violation::FastWithoutHandshake));
        }
    }

    #[test]
    fn a_request_has_128_kib_at_most() {
        let request = |length| Message::Request(BlockRequest { index: 0, begin: 0, length });
        assert_eq!(check_all(false, &[request(128 * 1024)]), Ok(()));
        assert_eq!(check_all(false, &[request(128 * 1024 + 1)]), Err(Violation::LongRequest));
    }
}
