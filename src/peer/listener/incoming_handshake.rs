//! A connection that came to us, until its peer has said which torrent it wants.
//!
//! Runs on the thread `incoming-ADDRESS`. The first bytes tell the two ways to begin apart: the name of the protocol,
//! or anything else, which then is a public key. All of it, the key exchange too, has one deadline.

use super::{ListenerState, ThreadSlot, TurnedAway};
use crate::message::{Event, HangUp, InboxSlot, Incoming};
use crate::net::PeerStream;
use crate::peer::key_exchange;
use crate::strategy::Approach;
use crate::thread::lock;
use crate::wire::mse::{KEY_LENGTH, MseError, MseFault};
use crate::wire::{HANDSHAKE_LENGTH, Handshake, PREFIX_LENGTH};
use crossbeam_channel::{Sender, select};
use log::debug;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// A connection whose handshake is not complete.
pub(super) struct IncomingHandshake {
    pub thread: ThreadSlot,
    pub address: SocketAddr,
    pub stream: Arc<PeerStream>,
    pub deadline: Instant,
}

impl IncomingHandshake {
    /// The life of its thread.
    pub fn run(self) {
        let (address, state) = (self.address, Arc::clone(self.state()));
        let handed = self.read().and_then(|handshake| {
            let (events, slot) = self.find_inbox(&handshake)?;
            self.hand_over(&events, handshake, slot)
        });
        if let Err(why) = handed {
            if why.is_in_vain() {
                state.came_in_vain(address.ip(), 0);
            }
            debug!("{address}: incoming connection dropped: {why}");
        }
    }

    fn state(&self) -> &Arc<ListenerState> {
        &self.thread.state
    }

    fn read(&self) -> Result<Handshake, TurnedAway> {
        let start: [u8; PREFIX_LENGTH] = self.read_behind(&[])?;
        let is_plain = Handshake::begins_with(&start);
        let approach = if is_plain { Approach::Plain } else { Approach::Encrypted };
        if !self.state().encryption.admits(approach) {
            return Err(if is_plain { TurnedAway::NotEncrypted } else { TurnedAway::NotBitTorrent });
        }
        match approach {
            Approach::Plain => self.read_handshake_behind(&start),
            Approach::Encrypted => self.exchange_keys(&start),
        }
    }

    fn exchange_keys(&self, start: &[u8]) -> Result<Handshake, TurnedAway> {
        let theirs: [u8; KEY_LENGTH] = self.read_behind(start)?;
        if !lock(&self.state().arrivals).may_exchange_keys(self.address.ip(), Instant::now()) {
            return Err(TurnedAway::TooManyKeyExchanges);
        }
        let find = |mark| self.state().torrent_of(mark);
        let encryption = self.state().encryption;
        let info_hash = key_exchange::respond(&self.stream, &theirs, find, encryption, self.deadline);
        let info_hash = info_hash.map_err(|error| match error {
            MseError::Stream(error) => self.turned_away(&error),
            MseError::Fault(MseFault::UnknownTorrent) => TurnedAway::UnknownTorrent,
            MseError::Fault(fault) => TurnedAway::KeyExchange(fault),
        })?;
        let handshake = self.read_handshake_behind(&[])?;
        if handshake.info_hash == info_hash { Ok(handshake) } else { Err(TurnedAway::OtherTorrent) }
    }

    fn read_handshake_behind(&self, start: &[u8]) -> Result<Handshake, TurnedAway> {
        let bytes: [u8; HANDSHAKE_LENGTH] = self.read_behind(start)?;
        Handshake::from_wire(&bytes).map_err(|_| TurnedAway::NotBitTorrent)
    }

    /// So many bytes, of which the first were read before.
    fn read_behind<const N: usize>(&self, start: &[u8]) -> Result<[u8; N], TurnedAway> {
        let mut bytes = [0; N];
        bytes.iter_mut().zip(start).for_each(|(to, from)| *to = *from);
        let rest = bytes.get_mut(start.len()..).unwrap_or_default();
        self.stream.read_exact_by(rest, self.deadline).map_err(|error| self.turned_away(&error))?;
        Ok(bytes)
    }

    fn turned_away(&self, error: &io::Error) -> TurnedAway {
        let reason = match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TurnedAway::NoHandshake,
            io::ErrorKind::UnexpectedEof => TurnedAway::Closed,
            _ => TurnedAway::Lost,
        };
        self.stream.hung_up().map_or(reason, TurnedAway::HungUp)
    }

    /// The inbox of the torrent that the peer asks for, and a slot in it.
    fn find_inbox(&self, handshake: &Handshake) -> Result<(Sender<Event>, InboxSlot), TurnedAway> {
        let inboxes = self.state().inboxes();
        let inbox = inboxes.get(&handshake.info_hash).ok_or(TurnedAway::UnknownTorrent)?;
        let slot = inbox.slots.take(self.state().bounds.waiting).ok_or(TurnedAway::Busy)?;
        Ok((inbox.events.clone(), slot))
    }

    /// Gives the connection to its coordinator.
    fn hand_over(
        self,
        events: &Sender<Event>,
        handshake: Handshake,
        slot: InboxSlot,
    ) -> Result<(), TurnedAway> {
        let IncomingHandshake { thread, address, stream, deadline } = self;
        // A connection that is no longer among the pending ones cannot be hung up from outside.
        if !thread.state.remove(thread.number) {
            return Err(TurnedAway::HungUp(stream.hung_up().unwrap_or(HangUp::TooManyHandshakes)));
        }
        // So nothing else holds the stream.
        let stream = Arc::into_inner(stream).ok_or(TurnedAway::HungUp(HangUp::NotAccepting))?;
        let incoming = Event::Incoming(Incoming { address, stream, handshake, slot });
        let left = deadline.saturating_duration_since(Instant::now());
        select! {
            send(events, incoming) -> sent => sent.map_err(|_| TurnedAway::TorrentEnded),
            recv(thread.state.closed) -> _ => Err(TurnedAway::HungUp(HangUp::NotAccepting)),
            default(left) => Err(TurnedAway::Busy),
        }
    }
}
