//! Which peers give their places to others.

use super::super::exchange::tests::{OTHERS, PEER, context_without_room};
use super::*;
use crate::message::InboxSlot;
use crate::strategy::{Interruption, Supply};
use crate::wire::{Handshake, PeerId};
use std::io;
use std::net::IpAddr;

/// A world in which nothing happens.
struct Still;

impl SearchEnvironment for Still {
    fn show(&self, _state: MetadataState) {}

    fn is_stopped(&self) -> bool {
        false
    }

    fn supply(&self, _supply: Supply) {}

    fn look_around(&self, _now: Instant) -> Option<Interruption> {
        None
    }

    fn search_trouble(&self, _now: Instant) -> Option<String> {
        None
    }

    fn half_open(&self) -> usize {
        8
    }

    fn refuse(&self, _from: IpAddr) {}

    fn met_ourselves(&self, _address: SocketAddr) {}

    fn connect(&self, _key: PeerKey, _address: SocketAddr) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn who_waits_for_memory_gives_its_place_to_others() {
    let (context, _inbox) = context_without_room(&vec![5; 4 << 20]);
    let context = Arc::new(context);
    let mut search = MetadataSearch::new(&context, &Still, 1);
    let address = SocketAddr::from(([192, 0, 2, 1], 6881));
    // It says nothing, and neither do we.
    let (stream, _peer) = PeerStream::in_memory();
    let handshake = Handshake::ours(context.info_hash, PeerId([2; 20]), false);
    let incoming = Incoming { address, stream, handshake, slot: InboxSlot::default() };
    let worker = MetadataWorker::accept(&context, PEER, incoming).unwrap();
    search.add(PEER, address, false, worker);
    let for_untried = |after: u64| search.places(Instant::now() + Duration::from_secs(after)).for_untried;
    assert_eq!(for_untried(0), 0, "it has a moment");
    assert_eq!(for_untried(60), 1, "it waits for memory");
    OTHERS.iter().for_each(|other| context.assembly().left(*other));
    assert_eq!(for_untried(60), 0, "it is asked for metadata");
}

#[test]
fn who_sends_slowly_gives_its_place_to_others_and_a_quarter_stays() {
    let (context, _inbox) = context_without_room(&vec![5; 4 << 20]);
    let context = Arc::new(context);
    let mut search = MetadataSearch::new(&context, &Still, 8);
    let mut ends = Vec::new();
    for number in 10..18 {
        let address = SocketAddr::from(([192, 0, 2, number], 6881));
        let (stream, peer) = PeerStream::in_memory();
        let handshake = Handshake::ours(context.info_hash, PeerId([number; 20]), false);
        let incoming = Incoming { address, stream, handshake, slot: InboxSlot::default() };
        let key = PeerKey(u32::from(number));
        let worker = MetadataWorker::accept(&context, key, incoming).unwrap();
        search.add(key, address, false, worker);
        context.assembly().joined(key, 100_000).unwrap();
        ends.push(peer);
    }
    let for_untried = |after: u64| search.places(Instant::now() + Duration::from_secs(after)).for_untried;
    assert_eq!((for_untried(0), for_untried(15)), (0, 0), "they say that they have it, and have a moment");
    assert_eq!(for_untried(25), 6);
}
