//! Puts the metadata of a magnet link together: which piece to ask whom for, and whom to believe (BEP 9).
//!
//! Called by the threads that speak to one peer each, one at a time. Of the metadata nothing is known but
//! its SHA-1, the info-hash, and that says nothing before the last piece is there. So:
//!
//! - How large it is, each peer only claims. There is an *attempt* for each size that is claimed, and who
//!   lies about the size is in an attempt with other liars.
//! - Peers that claim the same size share an attempt, until one fails its SHA-1. From then on everyone who
//!   claims that size has an attempt alone. Who fails alone is the liar, and whoever is honest finishes.
//! - Nothing is allocated because of a claim: memory grows with the bytes that came, and all attempts
//!   together have [`LARGEST`]. Where that is short, an attempt at a usual size displaces larger ones, and
//!   then one that more peers stand for displaces others.
//!
//! A peer that is silent keeps nobody waiting, for others are asked for its pieces as well. How long to
//! wait for an answer is for the threads to decide.

use crate::message::Violation;
use crate::metainfo::InfoHash;
use crate::wire::metadata::PIECE;
use sha1::{Digest, Sha1};
use std::cmp::Reverse;

/// Bytes in the largest metadata that is accepted, and in all attempts at it together.
pub const LARGEST: u64 = 32 * 1024 * 1024;

/// Bytes in metadata of nearly every torrent. It is never displaced by larger claims, however many stand for
/// them: attempts of this size at all peers together have room.
const USUAL: u64 = 512 * 1024;

/// The metadata while it is put together. A peer is named by the number of its connection.
#[derive(Debug)]
pub struct MetadataAssembly {
    info_hash: InfoHash,
    peers: Vec<Peer>,
    attempts: Vec<Attempt>,
    /// Until somebody takes it.
    found: Option<Vec<u8>>,
    complete: bool,
}

/// What became of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken, or is of no use; others are missing.
    Kept,
    /// The metadata is there, be it by this piece or since before.
    Complete,
    /// It was the last one of an attempt that failed. Who is known to have lied is not in the gathering any
    /// more and not to be spoken to again; that may be nobody.
    Wrong(Vec<u32>),
    /// The peer broke the protocol, in this way.
    Broke(Violation),
}

#[derive(Debug)]
struct Peer {
    key: u32,
    /// Bytes in the metadata as it claims, at least 1 and at most [`LARGEST`].
    size: u64,
    /// Which pieces it owes us.
    asked: Vec<u32>,
    /// Which pieces it will not send.
    refused: Vec<u32>,
}

/// The greater, the less an attempt is worth: larger than usual, few who claim its size, the size, few pieces,
/// its place.
type Rank = (bool, Reverse<usize>, u64, Reverse<usize>, usize);

/// One way in which the pieces may fit together. There is at least one peer for each.
#[derive(Debug)]
struct Attempt {
    size: u64,
    /// The only one who is asked; without, everyone who claims this size.
    owner: Option<u32>,
    /// Those that came, by their number.
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    number: u32,
    sender: u32,
    bytes: Vec<u8>,
}

impl MetadataAssembly {
    /// Nothing yet, of the torrent with this info-hash.
    pub fn new(info_hash: InfoHash) -> MetadataAssembly {
        MetadataAssembly { info_hash, peers: Vec::new(), attempts: Vec::new(), found: None, complete: false }
    }

    /// A peer has the metadata and claims that it has so many bytes. Who says it again starts anew.
    ///
    /// # Errors
    ///
    /// No metadata has that size, or none that we would hold: why not.
    pub fn joined(&mut self, key: u32, claimed_size: u64) -> Result<(), Violation> {
        self.left(key);
        match claimed_size {
            0 => return Err(Violation::EmptyMetadata),
            1..=LARGEST => {}
            _ => return Err(Violation::LongMetadata),
        }
        self.peers.push(Peer { key, size: claimed_size, asked: Vec::new(), refused: Vec::new() });
        let same = self.attempts.iter().find(|attempt| attempt.size == claimed_size);
        // Where the others do not share (any more), this one will not either.
        let owner = match same {
            Some(Attempt { owner: None, .. }) => return Ok(()),
            Some(Attempt { owner: Some(_), .. }) => Some(key),
            None => None,
        };
        self.attempts.push(Attempt { size: claimed_size, owner, pieces: Vec::new() });
        Ok(())
    }

    /// The piece to ask this peer for now, which it owes us from then on. None that it owes us already,
    /// and first those that the fewest owe us. `None`: it has nothing to give, or there is no memory for it
    /// now.
    pub fn next(&mut self, key: u32) -> Option<u32> {
        let at = self.attempt_of(key)?;
        if !self.has_room(at) {
            return None;
        }
        let attempt = self.attempts.get(at)?;
        let peer = self.peers.iter().find(|peer| peer.key == key)?;
        // How many owe us each piece; without those that this peer is not to be asked for.
        let mut owed = vec![Some(0_u32); attempt.count() as usize];
        let sharing = self.peers.iter().filter(|peer| attempt.is_for(peer));
        for piece in sharing.flat_map(|peer| &peer.asked) {
            owed.get_mut(*piece as usize).into_iter().flatten().for_each(|times| *times += 1);
        }
        let there = attempt.pieces.iter().map(|piece| &piece.number);
        for piece in there.chain(&peer.asked).chain(&peer.refused) {
            owed.get_mut(*piece as usize).into_iter().for_each(|times| *times = None);
        }
        let open = (0..).zip(owed).filter_map(|(piece, times)| Some((times?, piece)));
        let (_, piece) = open.min()?;
        self.peers.iter_mut().find(|peer| peer.key == key)?.asked.push(piece);
        Some(piece)
    }

    /// A peer sent a piece, and what it says that the whole has.
    pub fn came(&mut self, key: u32, piece: u32, total_size: Option<u64>, bytes: &[u8]) -> Verdict {
        if self.complete {
            return Verdict::Complete;
        }
        let (Some(size), Some(at)) = (self.answered(key, piece), self.attempt_of(key)) else {
            return Verdict::Broke(Violation::UnaskedMetadata);
        };
        if total_size.is_some_and(|total| total != size) {
            return Verdict::Broke(Violation::MetadataSize);
        }
        let length = size.saturating_sub(u64::from(piece) * u64::from(PIECE)).min(PIECE.into());
        if bytes.len() as u64 != length {
            return Verdict::Broke(Violation::MetadataPieceLength);
        }
        if !self.make_room(at) {
            return Verdict::Kept;
        }
        let Some(attempt) = self.attempts.get_mut(at) else { return Verdict::Kept };
        if let Err(place) = attempt.place(piece) {
            attempt.pieces.insert(place, Piece { number: piece, sender: key, bytes: bytes.to_vec() });
        }
        if attempt.pieces.len() < attempt.count() as usize { Verdict::Kept } else { self.judge(at) }
    }

    /// A peer will not send a piece that it was asked for.
    pub fn refused(&mut self, key: u32, piece: u32) {
        if self.answered(key, piece).is_some()
            && let Some(peer) = self.peers.iter_mut().find(|peer| peer.key == key)
        {
            peer.refused.push(piece);
        }
    }

    /// A peer is gone. What it sent to an attempt that others share stays.
    pub fn left(&mut self, key: u32) {
        self.peers.retain(|peer| peer.key != key);
        let peers = &self.peers;
        self.attempts.retain(|attempt| peers.iter().any(|peer| attempt.is_for(peer)));
    }

    /// The metadata, verified, once.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.found.take()
    }

    /// How many pieces are there and how many there should be, in the attempt that is ahead. Unproven.
    pub fn progress(&self) -> (u32, u32) {
        let ahead = self.attempts.iter().max_by_key(|attempt| (attempt.pieces.len(), Reverse(attempt.size)));
        ahead.map_or((0, 0), |attempt| (u32::try_from(attempt.pieces.len()).unwrap_or(0), attempt.count()))
    }

    /// Takes an answer off what the peer owes us: the size that it claims, where it owed us this.
    fn answered(&mut self, key: u32, piece: u32) -> Option<u64> {
        let peer = self.peers.iter_mut().find(|peer| peer.key == key)?;
        let place = peer.asked.iter().position(|asked| *asked == piece)?;
        peer.asked.swap_remove(place);
        Some(peer.size)
    }

    fn attempt_of(&self, key: u32) -> Option<usize> {
        let peer = self.peers.iter().find(|peer| peer.key == key)?;
        self.attempts.iter().position(|attempt| attempt.is_for(peer))
    }

    /// What a complete attempt is.
    fn judge(&mut self, at: usize) -> Verdict {
        let Some(attempt) = self.attempts.get_mut(at) else { return Verdict::Kept };
        let (size, pieces) = (attempt.size, std::mem::take(&mut attempt.pieces));
        let mut digest = Sha1::new();
        pieces.iter().for_each(|piece| digest.update(&piece.bytes));
        if InfoHash(digest.finalize().into()) == self.info_hash {
            self.attempts.clear();
            self.complete = true;
            let mut found = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            pieces.into_iter().for_each(|piece| found.extend_from_slice(&piece.bytes));
            self.found = Some(found);
            return Verdict::Complete;
        }
        let sender = pieces.first().map(|piece| piece.sender);
        let liar = sender.filter(|sender| pieces.iter().all(|piece| piece.sender == *sender));
        if let Some(liar) = liar {
            self.left(liar);
            return Verdict::Wrong(vec![liar]);
        }
        self.attempts.swap_remove(at);
        self.attempts.extend(self.peers.iter().filter(|peer| peer.size == size).map(|peer| Attempt {
            size,
            owner: Some(peer.key),
            pieces: Vec::new(),
        }));
        // What each has sent is a part of what it has to answer for.
        for piece in pieces {
            let own = self.attempts.iter_mut().find(|attempt| attempt.owner == Some(piece.sender));
            if let Some(attempt) = own.filter(|attempt| attempt.size == size) {
                attempt.pieces.push(piece);
            }
        }
        Verdict::Wrong(Vec::new())
    }

    /// Which attempts are displaced first: the greatest of these.
    fn rank(&self, at: usize) -> Option<Rank> {
        let attempt = self.attempts.get(at)?;
        let claimants = self.peers.iter().filter(|peer| peer.size == attempt.size).count();
        Some((attempt.size > USUAL, Reverse(claimants), attempt.size, Reverse(attempt.pieces.len()), at))
    }

    /// The attempt that would have to make room for another piece of the one at `at`. `Err` where it
    /// would have to be that one itself, and `Ok(None)` where there is room.
    fn displaced_by(&self, at: usize) -> Result<Option<usize>, ()> {
        let held: u64 = self.attempts.iter().map(Attempt::held).sum();
        if held.saturating_add(PIECE.into()) <= LARGEST {
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

impl Attempt {
    fn is_for(&self, peer: &Peer) -> bool {
        self.size == peer.size && self.owner.is_none_or(|owner| owner == peer.key)
    }

    /// How many pieces it will have.
    fn count(&self) -> u32 {
        // At most 2,048.
        u32::try_from(self.size.div_ceil(PIECE.into())).unwrap_or(0)
    }

    fn held(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.bytes.len() as u64).sum()
    }

    /// Where the piece is, or would have to be.
    fn place(&self, number: u32) -> Result<usize, usize> {
        self.pieces.binary_search_by_key(&number, |piece| piece.number)
    }
}

#[cfg(test)]
mod tests;
