//! Which web seeds may be asked when, and what is said of them.

use super::*;
use crate::net::proxy::{Proxies, Proxy, ProxyFault};
use crate::strategy::OnWordOf;
use std::sync::Arc;

const SECOND: Duration = Duration::from_secs(1);

fn web_seeds(addresses: &[&str]) -> WebSeeds {
    let seed = |address: &&str| WebSeed::new((*address).to_owned(), OnWordOf::Torrent, &Proxies::None);
    WebSeeds::new(addresses.iter().map(seed).collect())
}

fn failure(why: WebSeedFailure) -> PeerError {
    PeerError::WebSeed(why)
}

fn said_of(seeds: &WebSeeds) -> Option<String> {
    seeds.trouble().map(|trouble| trouble.said)
}

/// How long a server rests after each of these failures, in seconds, if it is asked again as soon as it may be.
fn rests(failures: &[WebSeedFailure]) -> Vec<u64> {
    let (mut seeds, mut now) = (web_seeds(&["http://one.example/"]), Instant::now());
    let mut rests = Vec::new();
    for (key, why) in (1..).map(PeerKey).zip(failures) {
        let server = seeds.get_mut(0).unwrap();
        server.begun(key, now);
        server.ended(key, &failure(why.clone()), 0.5, now);
        let Some(rest) = (0..4000).find(|seconds| seeds.due(now + SECOND * *seconds).is_some()) else {
            break;
        };
        rests.push(u64::from(rest));
        now += SECOND * rest;
    }
    rests
}

#[test]
fn each_address_of_the_web_is_kept_once_and_not_too_many() {
    let seeds = web_seeds(&["http://a/", "ftp://b/", "HTTPS://c/", "http://a/", "c"]);
    assert_eq!(seeds.servers.len(), 2);
    let many: Vec<String> = (0..500).map(|number| format!("http://{number}/")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(web_seeds(&many).servers.len(), MOST_KEPT);
}

#[test]
fn few_are_asked_at_a_time_and_one_of_each_host() {
    let addresses = ["http://a/1", "http://a/2", "http://b/", "http://c/", "http://d/", "http://e/"];
    let (mut seeds, now) = (web_seeds(&addresses), Instant::now());
    let mut asked = Vec::new();
    while let Some(number) = seeds.due(now) {
        seeds.get_mut(number).unwrap().begun(PeerKey(number as u32), now);
        asked.push(number);
    }
    assert_eq!((asked, seeds.running()), (vec![0, 2, 3, 4], MOST_RUNNING));
    let busy = failure(WebSeedFailure::Busy(Some(SECOND * 60)));
    seeds.get_mut(0).unwrap().ended(PeerKey(0), &busy, 0.5, now);
    assert_eq!(seeds.due(now), Some(5), "another address of a host that is busy is not asked either");
    seeds.get_mut(2).unwrap().ended(PeerKey(2), &failure(WebSeedFailure::Refused(String::new())), 0.5, now);
    seeds.get_mut(5).unwrap().begun(PeerKey(9), now);
    assert_eq!((seeds.due(now), seeds.due(now + SECOND * 60)), (None, Some(1)), "the other one comes first");
}

/// All that may be asked now are, as workers from this number on. Returns their numbers.
fn begin_all(seeds: &mut WebSeeds, first: u32, now: Instant) -> Vec<usize> {
    let mut asked = Vec::new();
    while let Some(number) = seeds.due(now) {
        seeds.get_mut(number).unwrap().begun(PeerKey(first + asked.len() as u32), now);
        asked.push(number);
    }
    asked
}

#[test]
fn where_servers_say_nothing_others_are_asked_beside_them() {
    let addresses: Vec<String> = (0..40).map(|number| format!("http://{number}.example/")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let (mut seeds, now) = (web_seeds(&addresses), Instant::now());
    assert_eq!(begin_all(&mut seeds, 0, now), [0, 1, 2, 3]);
    seeds.get_mut(0).unwrap().succeeded();
    assert_eq!(begin_all(&mut seeds, 100, now + SLOW_START), [4, 5, 6], "one of four sends");
    for turn in 2..20 {
        begin_all(&mut seeds, 100 * turn, now + SLOW_START * turn);
    }
    assert_eq!(seeds.running(), MOST_STARTED);
}

#[test]
fn an_address_that_fails_keeps_no_other_of_its_host_from_being_asked_in_its_turn() {
    let (mut seeds, now) = (web_seeds(&["https://one.example/", "http://one.example/"]), Instant::now());
    assert_eq!(begin_all(&mut seeds, 0, now), [0]);
    let failed = failure(WebSeedFailure::Failed("does not speak TLS".to_owned()));
    seeds.get_mut(0).unwrap().ended(PeerKey(0), &failed, 0.5, now);
    assert_eq!(seeds.due(now), None, "its host is left in peace");
    assert_eq!(seeds.due(now + FIRST_REST), Some(1), "and then the other address comes first");
}

#[test]
fn a_server_that_fails_is_asked_more_and_more_seldom() {
    let failed = || WebSeedFailure::Failed("500".to_owned());
    assert_eq!(rests(&[(); 9].map(|()| failed())), [10, 20, 40, 80, 160, 320, 600, 600, 600]);
    assert_eq!(rests(&[failed(), WebSeedFailure::Refused("a loop".to_owned()), failed()]), [10]);
}

#[test]
fn a_server_that_is_busy_is_believed_within_bounds() {
    let busy = |seconds| WebSeedFailure::Busy(Some(SECOND * seconds));
    assert_eq!(rests(&[busy(5), busy(5), busy(5), busy(5), busy(86_400)]), [5, 5, 5, 8, 3600]);
    assert_eq!(rests(&[busy(0), busy(0), busy(0)]), [1, 2, 4]);
    assert_eq!(rests(&[WebSeedFailure::Busy(None)]), [10]);
}

#[test]
fn the_rest_of_a_server_without_a_file_is_asked_for_at_once_but_not_for_ever() {
    let missing: Vec<WebSeedFailure> = (0..9).map(WebSeedFailure::NoFile).collect();
    assert_eq!(rests(&missing), [0, 0, 0, 0, 0, 0, 0, 10, 0]);
    assert_eq!(rests(&[WebSeedFailure::NoFile(3), WebSeedFailure::NoFile(3)]), [0, 10]);
}

/// A server that is asked through an HTTP proxy, which failed so.
fn behind_a_proxy(why: &PeerError) -> WebSeeds {
    let proxies = Proxies::All(Arc::new(Proxy::typed("http://me:secret@proxy.example:3128").unwrap()));
    let seed = WebSeed::new("http://one.example/".to_owned(), OnWordOf::User, &proxies);
    let mut seeds = WebSeeds::new(vec![seed]);
    let server = seeds.get_mut(0).unwrap();
    let now = Instant::now();
    server.begun(PeerKey(1), now);
    server.ended(PeerKey(1), why, 0.5, now);
    seeds
}

#[test]
fn what_the_proxy_may_have_done_is_not_told_as_the_fault_of_the_server_alone() {
    let doubt = "(asked through the proxy proxy.example:3128, which may be at fault)";
    let failed = failure(WebSeedFailure::Failed("answered with HTTP status 502".to_owned()));
    let mut seeds = behind_a_proxy(&failed);
    let said = format!("the web seed one.example: answered with HTTP status 502 {doubt}");
    assert_eq!(said_of(&seeds), Some(said));
    seeds.get_mut(0).unwrap().ban();
    assert_eq!(said_of(&seeds), Some(format!("the web seed one.example: {} {doubt}", HangUp::WrongData)));
}

#[test]
fn a_proxy_that_fails_is_not_held_against_the_server() {
    let proxy = Proxy::typed("http://proxy.example:3128").unwrap();
    let of_the_proxy = WebSeedFailure::Proxy(proxy.error(ProxyFault::Closed));
    let said = said_of(&behind_a_proxy(&failure(of_the_proxy.clone()))).unwrap();
    assert!(said.starts_with("the web seed one.example: the proxy proxy.example:3128 closed"), "{said}");
    assert!(!said.contains("asked through"), "once is enough: {said}");
    assert_eq!(rests(&[(); 4].map(|()| of_the_proxy.clone())), [10; 4]);
    let of_the_server = WebSeedFailure::Proxy(proxy.error(ProxyFault::Status(502)));
    assert_eq!(rests(&[(); 3].map(|()| of_the_server.clone())), [10, 20, 40]);
}

#[test]
fn what_is_wrong_is_said_until_it_is_over() {
    let (mut seeds, now) = (web_seeds(&["http://user:secret@one.example/x"]), Instant::now());
    let server = seeds.get_mut(0).unwrap();
    server.begun(PeerKey(1), now);
    server.ended(PeerKey(1), &failure(WebSeedFailure::Failed("it answers 500".to_owned())), 0.5, now);
    let said = "the web seed one.example: it answers 500".to_owned();
    assert_eq!(seeds.trouble(), Some(WebSeedTrouble { said, is_final: false }));
    seeds.get_mut(0).unwrap().succeeded();
    assert_eq!(seeds.trouble(), None);
}

#[test]
fn nobody_says_that_a_server_is_asked_again_when_it_is_not() {
    let (mut seeds, now) = (web_seeds(&["http://one.example/", "http://two.example/"]), Instant::now());
    for (number, expected) in [(0, false), (1, true)] {
        let server = seeds.get_mut(number).unwrap();
        server.begun(PeerKey(1), now);
        server.ended(PeerKey(1), &failure(WebSeedFailure::Refused("no".into())), 0.5, now);
        assert_eq!(seeds.trouble().map(|trouble| trouble.is_final), Some(expected));
    }
}

#[test]
fn after_an_interruption_those_that_failed_are_asked_at_once_and_those_that_said_when_are_not() {
    let addresses = ["http://failed/", "http://busy/", "http://none/", "http://out/"];
    let (mut seeds, now) = (web_seeds(&addresses), Instant::now());
    let failed = || WebSeedFailure::Failed("no route".to_owned());
    for turn in 0..9 {
        let server = seeds.get_mut(0).unwrap();
        server.begun(PeerKey(turn), now);
        server.ended(PeerKey(turn), &failure(failed()), 0.5, now);
    }
    let ends = [WebSeedFailure::Busy(Some(SECOND * 60)), failed(), WebSeedFailure::Refused(String::new())];
    for (number, why) in (1..).zip(ends) {
        let server = seeds.get_mut(number).unwrap();
        server.begun(PeerKey(99), now);
        server.ended(PeerKey(99), &failure(why), 0.5, now);
    }
    seeds.get_mut(2).unwrap().is_of_no_use(now);
    assert_eq!(seeds.due(now), None);
    seeds.look_again();
    assert_eq!(begin_all(&mut seeds, 200, now), [0, 2]);
    // It begins with the shortest rest again.
    seeds.get_mut(0).unwrap().ended(PeerKey(200), &failure(failed()), 0.5, now);
    assert_eq!(seeds.due(now + FIRST_REST), Some(0));
}

#[test]
fn what_a_server_does_during_an_interruption_may_fail_once_more_at_no_cost() {
    let (mut seeds, now) = (web_seeds(&["http://one.example/"]), Instant::now());
    for turn in 0..9 {
        let server = seeds.get_mut(0).unwrap();
        server.begun(PeerKey(turn), now);
        if turn == 8 {
            seeds.look_again();
        }
        let why = failure(WebSeedFailure::Failed("no route".to_owned()));
        seeds.get_mut(0).unwrap().ended(PeerKey(turn), &why, 0.5, now);
    }
    assert_eq!(seeds.due(now + FIRST_REST), Some(0));
}

#[test]
fn a_connection_that_an_interruption_broke_is_not_held_against_the_server() {
    for why in [HangUp::InterfaceGone, HangUp::NoSignOfLife] {
        let (mut seeds, now) = (web_seeds(&["http://one.example/"]), Instant::now());
        let server = seeds.get_mut(0).unwrap();
        server.begun(PeerKey(1), now);
        server.ended(PeerKey(1), &PeerError::HungUp(why), 0.5, now);
        assert_eq!(seeds.due(now), Some(0), "{why}");
    }
}
