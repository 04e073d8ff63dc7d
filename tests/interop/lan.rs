//! libtorrent and we on one network, which is the loopback interface.

use std::net::SocketAddr;
use std::time::Duration;

use crossbeam_channel::bounded;
use femtotorrent::discovery::lan::Lan;
use femtotorrent::message::Event;
use femtotorrent::metainfo::InfoHash;
use femtotorrent::net::BindAddress;
use femtotorrent::net::tap::Tap;

use crate::foreign::Foreign;

#[test]
fn libtorrent_and_we_hear_each_other_on_the_local_network() {
    // One that no other test has that runs on this host now.
    let hash = std::array::from_fn(|_| fastrand::u8(..));
    let here = BindAddress::only([127, 0, 0, 1].into());
    let (events, inbox) = bounded(64);
    let listening = Lan::start(here, 7_001, Tap::default()).unwrap();
    let _listening = (listening.announce(InfoHash(hash), events), listening);
    let theirs = Foreign::libtorrent_on_lan(hash);
    match inbox.recv_timeout(Duration::from_secs(60)) {
        Ok(Event::Found(_, found)) => assert_eq!(found, [theirs.address()]),
        other => panic!("{other:?}"),
    }
    let speaking = Lan::start(here, 7_002, Tap::default()).unwrap();
    let _speaking = (speaking.announce(InfoHash(hash), bounded(1).0), speaking);
    theirs.expect_line(&format!("heard {}", SocketAddr::from(([127, 0, 0, 1], 7_002))));
}
