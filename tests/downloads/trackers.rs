//! Downloads whose peers come from a tracker, or in spite of it.

use std::net::Ipv6Addr;

use crate::support::download::Download;
use crate::support::gate::Gate;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::MODERN;
use crate::support::tracker::{Reply, Tracker};

#[test]
fn a_tracker_names_the_peer_and_hears_of_the_end() {
    let sample = Sample::small();
    let peer = ScriptedPeer::honest(&sample);
    let tracker = Tracker::start(&[peer.address()]);
    let sample = Sample::small().with_tracker(&tracker.url());
    Download::start(&sample, &[]).complete(&sample);
    let said = tracker.wait_for(2);
    assert_eq!(said[0].path(), "/announce");
    assert_eq!(said[0].bytes("info_hash"), Some(&sample.info_hash()[..]));
    assert_eq!((said[0].get("event"), said[0].get("left")), ("started".into(), "524188".into()));
    assert_eq!((said[1].get("event"), said[1].get("left")), ("completed".into(), "0".into()));
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn over_ipv6_everything_goes_as_over_ipv4() {
    let sample = Sample::small();
    let peer = ScriptedPeer::seed(&sample).at("::1").speaking(MODERN).serving();
    let tracker = Tracker::start_at(Ipv6Addr::LOCALHOST.into(), &[peer.address()]);
    let with_tracker = Sample::small().with_tracker(&tracker.url());
    Download::start(&with_tracker, &[]).complete(&with_tracker);
    assert_eq!(tracker.announces().last().unwrap().get("event"), "stopped");
    Download::start(&sample, &[&peer]).complete(&sample);
    assert!(peer.record().connections >= 2);
}

#[test]
fn whatever_a_tracker_says_a_named_peer_serves() {
    let nonsense = [
        Reply::Body(b"garbage".to_vec()),
        Reply::Body(b"d5:peers1000000000:".to_vec()),
        Reply::Body(b"d5:peers6:\x7f\x00\x00\x01\x00\x00e".to_vec()),
        Reply::Body(b"d14:failure reason9:\x1b[2Jgo away".to_vec()),
        Reply::Raw(b"\x00\xff\xfe garbage that is no HTTP\r\n\r\n".to_vec()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nd".to_vec()),
        Reply::Hang,
    ];
    for reply in nonsense {
        let sample = Sample::small();
        let gate = Gate::new();
        let peer = ScriptedPeer::honest_after(&sample, gate);
        let tracker = Tracker::start(&[]);
        tracker.script(reply);
        let sample = Sample::small().with_tracker(&tracker.url());
        let download = Download::start(&sample, &[&peer]);
        tracker.wait_for(1);
        gate.open();
        download.complete(&sample);
        assert!(!tracker.announces().is_empty());
    }
}

#[test]
fn a_dead_tracker_does_not_keep_a_named_peer_from_serving() {
    let sample = Sample::small().with_tracker("http://127.0.0.1:1/announce");
    let peer = ScriptedPeer::honest(&sample);
    Download::start(&sample, &[&peer]).complete(&sample);
}
