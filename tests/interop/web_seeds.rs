//! Downloads from nginx alone: no peer, no tracker.

use std::ffi::OsString;

use crate::foreign::Nginx;
use crate::payload::Payload;
use crate::support::folder::TestFolder;
use crate::support::program::Program;
use crate::{LIMIT, MIB, get};

/// Downloads from this web seed and compares.
fn fetch(payload: &Payload, web_seed: &str) {
    let output = TestFolder::new();
    let mut arguments = get(payload, output.path(), &[]);
    arguments.extend(["--web-seed", web_seed].map(OsString::from));
    let outcome = Program::start(arguments).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());
}

/// Downloads in which something is to happen that chance decides.
const MOST_TRIES: usize = 20;

#[test]
fn a_file_arrives_over_one_connection_in_few_parts() {
    let payload = Payload::single(50 * MIB + 1);
    let nginx = Nginx::start(&payload.complete());
    fetch(&payload, &format!("{}{}", nginx.url(), payload.name()));
    let answered = nginx.answered();
    assert!(answered.iter().all(|answered| answered.status == 206), "{answered:?}");
    // It begins with any of the three long parts, asks for 16 MiB at first, and then for four times what has come, to the
    // end of the gap.
    assert!((1..=6).contains(&answered.len()), "{answered:?}");
    assert_eq!(nginx.connections(), 1, "{answered:?}");
}

#[test]
fn a_folder_of_a_hundred_files_arrives() {
    let payload = Payload::hundred_files();
    let nginx = Nginx::start(&payload.complete());
    fetch(&payload, &nginx.url());
    assert!(nginx.answered().iter().all(|answered| answered.status == 206));
    assert_eq!(nginx.connections(), 1);
}

#[test]
fn files_of_odd_names_are_asked_for_by_these_names() {
    let payload = Payload::odd_names();
    let nginx = Nginx::start(&payload.complete());
    let output = TestFolder::new();
    let mut arguments = get(&payload, output.path(), &[]);
    arguments.extend(["--web-seed", nginx.url().as_str()].map(OsString::from));
    let outcome = Program::start(arguments).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    let answered = nginx.answered();
    assert!(answered.len() >= 16 && answered.iter().all(|answered| answered.status == 206), "{answered:?}");
}

#[test]
fn a_redirect_is_followed_once_and_then_remembered() {
    let payload = Payload::single(50 * MIB + 1);
    for _ in 0..MOST_TRIES {
        let nginx = Nginx::start(&payload.complete());
        fetch(&payload, &format!("{}{}", nginx.redirecting_url(), payload.name()));
        let answered = nginx.answered();
        let redirects = answered.iter().filter(|answered| answered.port != nginx.port()).count();
        assert_eq!(redirects, 1, "{answered:?}");
        assert_eq!(nginx.connections(), 1, "{answered:?}");
        // One download in three begins with the first part, and needs no second request to show anything.
        if answered.len() > 2 {
            return;
        }
    }
    panic!("no download of {MOST_TRIES} asked twice");
}
