//! What a peer requested, entered by the reading half and answered by the writing half, in any order.
//!
//! A peer with the Fast extension gets one answer to each request, another gets at most one. While it is choked it gets
//! blocks of its allowed-fast set only. Where the writing half sleeps and there is something to answer, it is woken.

#![no_main]

use femtotorrent::peer::{NextUpload, PeerRequests};
use femtotorrent::piece::PieceIndex;
use femtotorrent::wire::BlockRequest;
use femtotorrent_fuzz::{Choices, Ground, PIECES};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::time::Instant;

const METADATA_PIECES: u32 = 3;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let fast = choices.coin();
    let requests = PeerRequests::default();
    requests.set_fast(fast);
    let mut scene =
        Scene { requests, fast, chokes: true, allowed: Vec::new(), open: BTreeMap::new(), sleeps: false };
    while !choices.is_over() {
        if !scene.step(&mut choices) {
            // The peer asked for too much, and the connection ends.
            return;
        }
    }
    scene.requests.choke();
    scene.take_rejects();
    while scene.next(u32::MAX, true) {}
    assert!(!fast || scene.open.values().all(|open| *open == 0), "a request without an answer");
});

struct Scene {
    requests: PeerRequests,
    fast: bool,
    chokes: bool,
    allowed: Vec<PieceIndex>,
    /// How many answers each request may still get.
    open: BTreeMap<(u32, u32, u32), u32>,
    /// The writing half waits to be woken.
    sleeps: bool,
}

fn name(request: BlockRequest) -> (u32, u32, u32) {
    (request.index, request.begin, request.length)
}

impl Scene {
    /// False where the peer has to go.
    fn step(&mut self, choices: &mut Choices<'_>) -> bool {
        let piece = Ground::get().geometry.piece(choices.below(PIECES)).expect("one of the pieces");
        let request =
            BlockRequest { index: piece.get(), begin: choices.below(3), length: 1 + choices.below(3) };
        let kind = choices.below(16);
        let heard = match kind {
            0..=3 => {
                let entered = self.requests.request(piece, request);
                if entered.is_ok() {
                    *self.open.entry(name(request)).or_default() += 1;
                }
                entered
            }
            4 | 5 => self.requests.cancel(request),
            6 => {
                let (piece, length) = (choices.below(METADATA_PIECES + 1), choices.coin().then_some(16));
                self.requests.request_metadata(piece, length, METADATA_PIECES)
            }
            _ => {
                // The writing half does all the rest, so it is awake.
                self.sleeps = false;
                self.write(kind, piece, choices);
                return true;
            }
        };
        let Ok(wakes) = heard else { return false };
        self.sleeps &= !wakes;
        let pending = self.requests.pending();
        assert!(
            !self.sleeps || (!pending.rejects && pending.next_length.is_none()),
            "it sleeps over an answer"
        );
        true
    }

    fn write(&mut self, kind: u32, piece: PieceIndex, choices: &mut Choices<'_>) {
        match kind {
            7 => {
                self.chokes = false;
                self.requests.unchoke();
            }
            8 => {
                self.chokes = true;
                self.requests.choke();
            }
            9 => {
                self.allowed.push(piece);
                self.requests.allow_fast(self.allowed.clone(), u64::from(choices.number()));
            }
            10 => self.requests.set_metadata_id(choices.byte() % 3),
            11 => self.take_rejects(),
            12 => {
                if let Some((id, _)) = self.requests.take_metadata_rejects() {
                    assert!(id != 0);
                }
            }
            13 => _ = self.requests.account(),
            14 => _ = self.next(choices.number(), choices.coin()),
            _ => {
                let pending = self.requests.pending();
                self.sleeps = self.requests.sleep(false);
                assert_eq!(self.sleeps, !pending.rejects && pending.next_length.is_none());
            }
        }
    }

    fn answered(&mut self, request: BlockRequest) {
        let open = self.open.get_mut(&name(request)).filter(|open| **open > 0);
        *open.unwrap_or_else(|| panic!("{request:?} has its answer")) -= 1;
    }

    fn take_rejects(&mut self) {
        for (request, _) in self.requests.take_rejects() {
            assert!(self.fast, "it does not understand that");
            self.answered(request);
        }
    }

    /// Sends the next block, or finds that it cannot be sent. False where there is none.
    fn next(&mut self, released: u32, is_there: bool) -> bool {
        let Some(next) = self.requests.next(released, Instant::now()) else { return false };
        assert!(next.length() <= released);
        if let NextUpload::Block(piece, request) = next {
            assert!(!self.chokes || self.allowed.contains(&piece), "a choked peer is served");
            if is_there {
                self.answered(request);
                self.requests.sent(request.length);
            } else {
                // It has its answer among the rejects.
                assert_eq!(self.requests.reject(request), self.fast);
            }
        }
        true
    }
}
