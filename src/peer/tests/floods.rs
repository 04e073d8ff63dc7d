//! What of a flood reaches the coordinator.

use super::*;
use crate::message::{MAX_REPORTS, MessageKind, Report};

/// How long we look whether something comes that must not.
const MOMENT: Duration = Duration::from_millis(200);

fn report(torrent: &Torrent) -> Report {
    match torrent.event() {
        Event::Heard(KEY, report) => report,
        other => panic!("{other:?}"),
    }
}

/// So many `have` and others between them that they need this many reports.
fn haves(reports: usize) -> Vec<Message<'static>> {
    (0..32 * reports).flat_map(|_| [Message::Have(0), Message::AllowedFast(0)]).collect()
}

#[test]
fn a_flood_ends_on_the_thread_that_reads_it() {
    let torrent = Torrent::new();
    let (_worker, peer) = torrent.introduced_worker();
    peer.says(&(0..2000).map(|_| Message::KeepAlive).collect::<Vec<_>>());
    peer.expect_disconnect();
    // Nothing else was told before.
    let end = torrent.gone();
    assert!(matches!(end, PeerError::Violation(Violation::Flood(MessageKind::KeepAlive))), "{end:?}");
}

#[test]
fn of_interest_that_changes_all_the_time_only_the_last_is_told() {
    let torrent = Torrent::new();
    let (_worker, peer) = torrent.introduced_worker();
    let mut messages = [Message::Interested, Message::NotInterested].repeat(200);
    messages.push(Message::Interested);
    peer.says(&messages);
    assert!(matches!(torrent.news().as_slice(), [News::Interested(true)]));
}

#[test]
fn a_peer_has_a_few_reports_on_their_way_and_says_the_rest_when_they_are_taken_in() {
    let torrent = Torrent::new();
    let (_worker, peer) = torrent.introduced_worker();
    peer.says(&haves(MAX_REPORTS + 2));
    let mut taken: Vec<Report> = (0..MAX_REPORTS).map(|_| report(&torrent)).collect();
    assert!(torrent.inbox.recv_timeout(MOMENT).is_err(), "it has no place for one more");
    taken.pop();
    taken.push(report(&torrent));
    assert!(torrent.inbox.recv_timeout(MOMENT).is_err());
    drop(taken);
    assert_eq!(report(&torrent).news.len(), 64);
}

#[test]
fn pieces_that_are_told_one_after_the_other_are_told_together_and_few_in_one_report() {
    let torrent = Torrent::new();
    let (_worker, peer) = torrent.introduced_worker();
    peer.says(&[Message::Have(0), Message::Have(1)].repeat(300));
    let first = report(&torrent);
    assert!(matches!(first.news.as_slice(), [News::HaveMany(pieces)] if pieces.len() == 512), "{first:?}");
    let second = report(&torrent);
    assert!(matches!(second.news.as_slice(), [News::HaveMany(pieces)] if pieces.len() == 88), "{second:?}");
}

#[test]
fn a_late_bitfield_takes_all_places() {
    let torrent = Torrent::new();
    let (_worker, peer) = torrent.introduced_worker();
    let lost = [&[0; 4][..]].concat();
    peer.says(&[
        Message::Bitfield(&[0x80]),
        Message::Bitfield(&[0x80]),
        Message::Extended(extension::LT_DONTHAVE, &lost),
        Message::Bitfield(&[0x80]),
    ]);
    let first = report(&torrent);
    let news = first.news.as_slice();
    assert!(matches!(news, [News::Bitfield(_), News::AnotherBitfield(_), News::DontHave(_)]), "{news:?}");
    assert!(torrent.inbox.recv_timeout(MOMENT).is_err(), "there is one at a time");
    drop(first);
    assert!(matches!(report(&torrent).news.as_slice(), [News::AnotherBitfield(_)]));
}

#[test]
fn of_many_late_bitfields_in_one_read_the_sum_is_told() {
    let torrent = Torrent::new();
    let (_worker, peer) = torrent.introduced_worker();
    let mut messages = vec![Message::Bitfield(&[0]), Message::Have(1)];
    messages.extend([Message::Bitfield(&[0x80]), Message::Bitfield(&[0x40])].repeat(20));
    peer.says(&messages);
    let report = report(&torrent);
    match report.news.as_slice() {
        [News::Bitfield(_), News::Have(_), News::AnotherBitfield(sum)] => assert_eq!(sum.to_wire(), [0xc0]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn late_bitfields_have_a_bound_in_bytes() {
    // Fewer of them than there may be messages.
    const MANY: usize = 90;
    let pieces = 65_536;
    let torrent = Torrent::of(pieces, 16);
    let (_worker, peer) = torrent.introduced_worker();
    let bits = vec![0; pieces as usize / 8];
    // It hangs up in the middle.
    std::thread::scope(|scope| {
        scope.spawn(|| (0..MANY).for_each(|_| peer.tries_to_say(&Message::Bitfield(&bits))));
        loop {
            match torrent.event() {
                Event::Gone(KEY, PeerError::HungUp(HangUp::BitfieldFlood)) => break,
                Event::Gone(KEY, why) => panic!("{why:?}"),
                Event::Heard(..) => {}
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn what_a_peer_said_before_we_hung_up_is_not_heard_to_its_end() {
    let torrent = Torrent::new();
    let (worker, peer) = torrent.introduced_worker();
    peer.says(&haves(MAX_REPORTS + 5));
    let taken: Vec<Report> = (0..MAX_REPORTS).map(|_| report(&torrent)).collect();
    worker.hang_up(HangUp::Idle);
    drop(taken);
    // This one waited already.
    drop(report(&torrent));
    assert!(matches!(torrent.gone(), PeerError::HungUp(HangUp::Idle)));
}

#[test]
fn a_peer_that_waits_for_a_place_ends_when_the_coordinator_lets_go_of_it() {
    let torrent = Torrent::new();
    let (worker, peer) = torrent.introduced_worker();
    peer.says(&haves(MAX_REPORTS + 5));
    let taken: Vec<Report> = (0..MAX_REPORTS).map(|_| report(&torrent)).collect();
    drop(worker);
    assert!(matches!(torrent.gone(), PeerError::HungUp(HangUp::Released)));
    torrent.no_thread_is_left();
    drop(taken);
}
