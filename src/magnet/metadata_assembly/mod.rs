//! Puts the metadata of a magnet link together from what peers send (BEP 9, "Extension for Peers to Send
//! Metadata Files").
//!
//! A magnet link has the info-hash of a torrent and not the torrent. The *metadata* is the `info` dictionary of the
//! torrent, and the info-hash is its SHA-1, in version 2 its SHA-256. Peers that have it say how large it is in their
//! extension handshake (`metadata_size`), and send it in pieces of 16 KiB on request, or reject the request.
//!
//! Only the whole can be verified: no piece proves anything before the last one is there. So a single liar
//! could spoil the metadata for ever, and we could not tell which peer it was. Against that:
//!
//! - The size is only claimed. There is an *attempt* for each size that a peer claims, so a peer that lies
//!   about the size shares an attempt with other liars only.
//! - Peers that claim the same size share an attempt until one fails: the hash of the whole is wrong. From
//!   then on each peer that claims this size has an attempt of its own, which begins with what it has sent
//!   already. A peer whose own attempt fails has lied and is banned; the attempt of an honest peer succeeds;
//!   and no peer is blamed for what another one sent.
//! - Nothing is allocated because of a claim. Memory grows with the bytes that came, and all attempts
//!   together may take 4 MiB at first and a MiB more with each second ([`room`]), [`MAX_METADATA_SIZE`] at most.
//!   When that is used up, an attempt at a usual size displaces larger ones, and after that an attempt that more
//!   peers claim displaces others.
//!
//! A silent peer delays little: its pieces are soon requested from other peers, too ([`asking`]). The threads
//! that call this decide how long to wait for an answer. There is one for each peer (`magnet/worker.rs`), and
//! a lock lets one in at a time. Nothing here waits.

mod asking;
mod hashes;
mod room;

use super::layers::LayerAssembly;
use crate::message::Violation;
use crate::metainfo::{self, Called, MAX_TORRENT_BYTES, Version};
use crate::piece::PeerKey;
use crate::piece::merkle::Node;
use crate::wire::metadata::PIECE;
use asking::{Asked, Pace, Progress};
use room::Room;
use std::cmp::Reverse;
use std::time::Instant;

/// Bytes in the largest metadata that we accept, and in all attempts at it together.
pub const MAX_METADATA_SIZE: u64 = MAX_TORRENT_BYTES;

/// The metadata of nearly every torrent has no more bytes than this. An attempt of such a size is never
/// displaced by larger ones, however many peers claim them: there is room for an attempt of this size for
/// every peer.
const USUAL_METADATA_SIZE: u64 = 512 * 1024;

/// The metadata while it is put together.
#[derive(Debug)]
pub struct MetadataAssembly {
    called: Called,
    peers: Vec<MetadataPeer>,
    attempts: Vec<MetadataAttempt>,
    /// How much memory they may take together.
    room: Room,
    /// What time it is.
    now: Instant,
    /// The verified metadata, until it is taken, and how many pieces it had.
    verified: Option<FoundMetadata>,
    pieces: u32,
    /// The layers that belong to it (version 2).
    layers: LayerAssembly,
    complete: bool,
}

/// The metadata, verified.
#[derive(Debug)]
pub struct FoundMetadata {
    /// The bencoded `info` value.
    pub info: Vec<u8>,
    /// As what it has the hash that it was searched by.
    pub version: Version,
    /// The layers of digests that belong to it, by their roots in order (version 2).
    pub layers: Vec<(Node, Vec<u8>)>,
}

/// What became of a piece of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was kept, or is of no use. Other pieces are missing.
    Kept,
    /// The metadata is complete, by this piece or since before.
    Complete,
    /// It was the last piece of an attempt, and the attempt failed. These peers are known to have lied; there
    /// may be none. They are no longer part of the assembly, and should be banned.
    Wrong(Vec<PeerKey>),
    /// The peer broke the protocol, in this way.
    Broke(Violation),
}

#[derive(Debug)]
struct MetadataPeer {
    key: PeerKey,
    /// Bytes in the metadata, as it claims: at least 1 and at most [`MAX_METADATA_SIZE`].
    size: u64,
    /// The pieces that we requested and that have not come.
    requested: Vec<Asked>,
    /// The pieces that it will not send.
    rejected: Vec<u32>,
    pace: Pace,
}

/// How little an attempt is worth. The attempt with the greatest rank is displaced first. In this order:
/// whether it is larger than usual, how few peers claim its size, its size, how few pieces it has, its place
/// in the list.
type AttemptRank = (bool, Reverse<usize>, u64, Reverse<usize>, usize);

/// One attempt at the metadata: pieces from one or several peers that claim the same size. Each attempt has
/// at least one peer.
#[derive(Debug)]
struct MetadataAttempt {
    size: u64,
    /// The only peer that is asked. Without an owner, every peer that claims this size is asked.
    owner: Option<PeerKey>,
    /// The pieces that came, in order.
    pieces: Vec<MetadataPiece>,
    progress: Progress,
}

#[derive(Debug)]
struct MetadataPiece {
    number: u32,
    sender: PeerKey,
    bytes: Vec<u8>,
}

impl MetadataAssembly {
    /// No metadata yet, of the torrent that is called this.
    pub fn new(called: Called) -> MetadataAssembly {
        MetadataAssembly {
            called,
            peers: Vec::new(),
            attempts: Vec::new(),
            room: Room::new(),
            now: Instant::now(),
            verified: None,
            pieces: 0,
            layers: LayerAssembly::default(),
            complete: false,
        }
    }

    /// It is now this time: whoever asks peers says so, beginning with the first one.
    pub fn passed(&mut self, now: Instant) {
        self.room.passed(now);
        self.now = now;
    }

    /// Whether this peer is asked for nothing as long as the attempts have no more memory.
    pub fn waits_for_room(&self, key: PeerKey) -> bool {
        self.attempt_of(key).is_some_and(|at| self.verified.is_none() && !self.has_room(at))
    }

    /// Whether this peer has said that it has metadata.
    pub fn is_source(&self, key: PeerKey) -> bool {
        self.peers.iter().any(|peer| peer.key == key)
    }

    /// A peer has the metadata and claims that it has this many bytes. A peer that claims a size again starts
    /// anew.
    ///
    /// # Errors
    ///
    /// No metadata has that size, or it is more than we accept.
    pub fn joined(&mut self, key: PeerKey, claimed_size: u64) -> Result<(), Violation> {
        self.left(key);
        match claimed_size {
            0 => return Err(Violation::EmptyMetadata),
            1..=MAX_METADATA_SIZE => {}
            _ => return Err(Violation::LongMetadata),
        }
        self.peers.push(MetadataPeer {
            key,
            size: claimed_size,
            requested: Vec::new(),
            rejected: Vec::new(),
            pace: Pace::new(self.now),
        });
        let same = self.attempts.iter().find(|attempt| attempt.size == claimed_size);
        // If the other peers do not share an attempt any more, this peer gets one of its own, too.
        let owner = match same {
            Some(MetadataAttempt { owner: None, .. }) => return Ok(()),
            Some(MetadataAttempt { owner: Some(_), .. }) => Some(key),
            None => None,
        };
        self.attempts.push(MetadataAttempt::new(claimed_size, owner, self.now));
        Ok(())
    }

    /// A peer sent a piece. `total_size` is the size of the whole metadata that it gave with the piece.
    pub fn received(&mut self, key: PeerKey, piece: u32, total_size: Option<u64>, bytes: &[u8]) -> Verdict {
        if self.complete {
            return Verdict::Complete;
        }
        if self.verified.is_some() {
            // Others had sent it before.
            return self
                .answered(key, piece)
                .map_or(Verdict::Broke(Violation::UnaskedMetadata), |_| Verdict::Kept);
        }
        let (Some((size, asked)), Some(at)) = (self.answered(key, piece), self.attempt_of(key)) else {
            return Verdict::Broke(Violation::UnaskedMetadata);
        };
        if total_size.is_some_and(|total| total != size) {
            return Verdict::Broke(Violation::MetadataSize);
        }
        let length = size.saturating_sub(u64::from(piece) * u64::from(PIECE)).min(PIECE.into());
        if bytes.len() as u64 != length {
            return Verdict::Broke(Violation::MetadataPieceLength);
        }
        self.paced(key, asked);
        if !self.make_room(at) {
            return Verdict::Kept;
        }
        let Some(attempt) = self.attempts.get_mut(at) else { return Verdict::Kept };
        if let Err(place) = attempt.place(piece) {
            attempt.pieces.insert(place, MetadataPiece { number: piece, sender: key, bytes: bytes.to_vec() });
        }
        if attempt.pieces.len() < attempt.count() as usize { Verdict::Kept } else { self.judge(at) }
    }

    /// A peer rejected the request for a piece.
    pub fn rejected(&mut self, key: PeerKey, piece: u32) {
        if self.answered(key, piece).is_some()
            && let Some(peer) = self.peers.iter_mut().find(|peer| peer.key == key)
        {
            peer.rejected.push(piece);
        }
    }

    /// What a peer has rejected may be requested from it again. False if it has rejected nothing.
    pub fn may_ask_again(&mut self, key: PeerKey) -> bool {
        let peer = self.peers.iter_mut().find(|peer| peer.key == key);
        peer.is_some_and(|peer| !std::mem::take(&mut peer.rejected).is_empty())
    }

    /// A peer is gone. What it sent for an attempt that other peers share stays.
    pub fn left(&mut self, key: PeerKey) {
        self.peers.retain(|peer| peer.key != key);
        self.layers.left(key);
        let peers = &self.peers;
        self.attempts.retain(|attempt| peers.iter().any(|peer| attempt.is_for(peer)));
    }

    /// Whether the verified metadata has been taken.
    pub fn is_taken(&self) -> bool {
        self.complete && self.verified.is_none()
    }

    /// The verified metadata, which can be taken once.
    pub fn take(&mut self) -> Option<FoundMetadata> {
        let found = self.verified.take_if(|_| self.complete)?;
        Some(FoundMetadata { layers: self.layers.take(), ..found })
    }

    /// How many pieces the attempt with the most pieces has, and how many it needs. Neither is verified.
    pub fn progress(&self) -> (u32, u32) {
        if self.verified.is_some() {
            let (there, of) = self.layers.progress();
            return (self.pieces.saturating_add(there), self.pieces.saturating_add(of));
        }
        let ahead = self.attempts.iter().max_by_key(|attempt| (attempt.pieces.len(), Reverse(attempt.size)));
        ahead.map_or((0, 0), |attempt| (u32::try_from(attempt.pieces.len()).unwrap_or(0), attempt.count()))
    }

    /// The peer answered a request. Returns the size that it claims and when it was asked, or `None` if there
    /// was no such request.
    fn answered(&mut self, key: PeerKey, piece: u32) -> Option<(u64, Instant)> {
        let peer = self.peers.iter_mut().find(|peer| peer.key == key)?;
        let place = peer.requested.iter().position(|asked| asked.piece == piece)?;
        Some((peer.size, peer.requested.swap_remove(place).since))
    }

    fn attempt_of(&self, key: PeerKey) -> Option<usize> {
        let peer = self.peers.iter().find(|peer| peer.key == key)?;
        self.attempts.iter().position(|attempt| attempt.is_for(peer))
    }

    /// Whether an attempt that has all its pieces is the metadata. If not, which peers are known to have
    /// lied.
    fn judge(&mut self, at: usize) -> Verdict {
        let Some(attempt) = self.attempts.get_mut(at) else { return Verdict::Kept };
        let (size, pieces) = (attempt.size, std::mem::take(&mut attempt.pieces));
        if let Some(version) = self.called.version_of(pieces.iter().map(|piece| &piece.bytes[..])) {
            self.attempts.clear();
            self.pieces = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
            let mut info = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            pieces.into_iter().for_each(|piece| info.extend_from_slice(&piece.bytes));
            if version == Version::Two {
                self.layers = LayerAssembly::new(&metainfo::layers_of(&info));
            }
            self.complete = self.layers.is_complete();
            self.verified = Some(FoundMetadata { info, version, layers: Vec::new() });
            return if self.complete { Verdict::Complete } else { Verdict::Kept };
        }
        let sender = pieces.first().map(|piece| piece.sender);
        let only_sender = sender.filter(|sender| pieces.iter().all(|piece| piece.sender == *sender));
        if let Some(liar) = only_sender {
            self.left(liar);
            return Verdict::Wrong(vec![liar]);
        }
        self.attempts.swap_remove(at);
        let claimants = self.peers.iter().filter(|peer| peer.size == size);
        let now = self.now;
        self.attempts.extend(claimants.map(|peer| MetadataAttempt::new(size, Some(peer.key), now)));
        // What a peer has sent is the beginning of its own attempt: if any of it was wrong, that attempt
        // fails.
        for piece in pieces {
            let own = self.attempts.iter_mut().find(|attempt| attempt.owner == Some(piece.sender));
            if let Some(attempt) = own.filter(|attempt| attempt.size == size) {
                attempt.pieces.push(piece);
            }
        }
        Verdict::Wrong(Vec::new())
    }

    /// The attempt with the greatest rank is displaced first.
    fn rank(&self, at: usize) -> Option<AttemptRank> {
        let attempt = self.attempts.get(at)?;
        let claimants = self.peers.iter().filter(|peer| peer.size == attempt.size).count();
        Some((
            attempt.size > USUAL_METADATA_SIZE,
            Reverse(claimants),
            attempt.size,
            Reverse(attempt.pieces.len()),
            at,
        ))
    }

    /// The attempt that would have to make room for another piece of the attempt at `at`. `Ok(None)` if there
    /// is room, and `Err` if it would have to be the attempt at `at` itself.
    fn displaced_by(&self, at: usize) -> Result<Option<usize>, ()> {
        let held: u64 = self.attempts.iter().map(MetadataAttempt::held).sum();
        if held.saturating_add(PIECE.into()) <= self.room.bytes {
            return Ok(None);
        }
        let filled = self.attempts.iter().enumerate().filter(|(_, attempt)| !attempt.pieces.is_empty());
        let worst = filled.map(|(other, _)| other).max_by_key(|other| self.rank(*other));
        match worst {
            Some(worst) if worst != at && self.rank(worst) > self.rank(at) => Ok(Some(worst)),
            _ => Err(()),
        }
    }

    fn has_room(&self, at: usize) -> bool {
        self.displaced_by(at).is_ok()
    }

    fn make_room(&mut self, at: usize) -> bool {
        while let Ok(worst) = self.displaced_by(at) {
            match worst.and_then(|worst| self.attempts.get_mut(worst)) {
                Some(attempt) => attempt.pieces = Vec::new(),
                None => return true,
            }
        }
        false
    }
}

impl MetadataAttempt {
    fn new(size: u64, owner: Option<PeerKey>, now: Instant) -> MetadataAttempt {
        MetadataAttempt { size, owner, pieces: Vec::new(), progress: Progress::new(now) }
    }

    fn is_for(&self, peer: &MetadataPeer) -> bool {
        self.size == peer.size && self.owner.is_none_or(|owner| owner == peer.key)
    }

    /// How many pieces it needs.
    fn count(&self) -> u32 {
        // At most 4,096.
        u32::try_from(self.size.div_ceil(PIECE.into())).unwrap_or(0)
    }

    fn held(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.bytes.len() as u64).sum()
    }

    /// The index of the piece in the list, or the index at which to insert it.
    fn place(&self, number: u32) -> Result<usize, usize> {
        self.pieces.binary_search_by_key(&number, |piece| piece.number)
    }
}

#[cfg(test)]
mod tests;
