//! What a proxy says before a connection leads further, in any pieces; and what users and the environment say of
//! proxies.
//!
//! An answer means the same however it arrives, has a bound, and takes nothing of what follows it.

#![no_main]

use femtotorrent::net::proxy::{Negotiation, Proxies, Proxy, ProxyFault, Target};
use femtotorrent::strategy::{is_near_name, literal};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

/// More than all answers of a proxy together have.
const MOST: usize = 9 * 1024;

/// Shows these bytes in pieces of so many. How many of them were the proxy's, and how it ended, if it did.
fn heard(proxy: &Arc<Proxy>, bytes: &[u8], pieces: usize) -> (usize, Option<Result<(), ProxyFault>>) {
    let mut talk = Negotiation::new(Arc::clone(proxy), Target::Name("peer.example".to_owned(), 6881));
    let mut taken = 0;
    while taken < bytes.len() {
        talk.sent(talk.unsent().len());
        let shown = &bytes[taken..bytes.len().min(taken + pieces)];
        match talk.receive(shown) {
            Err(error) => return (taken, Some(Err(error.fault))),
            Ok(came) => {
                assert!(came <= shown.len() && (came > 0 || talk.is_done()));
                taken += came;
            }
        }
        assert!(taken <= MOST && talk.unsent().len() <= 1024);
        if talk.is_done() {
            return (taken, Some(Ok(())));
        }
    }
    (taken, None)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, rest)) = bytes.split_first() else { return };
    let known = ["socks5h://h:1", "socks5h://user:word@h:1", "http://h:1", "http://user:word@h:1"];
    if let Some(proxy) = known.get(usize::from(kind)) {
        let proxy = Arc::new(Proxy::typed(proxy).unwrap());
        let whole = heard(&proxy, rest, rest.len().max(1));
        for pieces in [1, 3] {
            let again = heard(&proxy, rest, pieces);
            assert_eq!(again.1, whole.1);
            assert!(again.0 == whole.0 || matches!(whole.1, Some(Err(_))));
        }
        return;
    }
    let text = String::from_utf8_lossy(rest).into_owned();
    if let Ok(proxy) = Proxy::typed(&text) {
        assert!(Proxy::typed(&proxy.to_string()).is_ok_and(|again| again.to_string() == proxy.to_string()));
    }
    let (proxy, exceptions) = text.split_once('\n').unwrap_or((&text, &text));
    let variable = |name: &str| match name {
        "http_proxy" => Some(proxy.to_owned()),
        "no_proxy" => Some(exceptions.to_owned()),
        _ => None,
    };
    if let Ok(proxies) = Proxies::from_environment(variable) {
        let through = |host: &str| proxies.for_web("http", host, None).is_some();
        assert_eq!(through("Host.example"), through("host.example."));
        through("1.2.3.4");
        through("[2001:db8::1]");
    }
    // An address that is one is one in this spelling.
    assert!(literal(&text).is_none_or(|ip| literal(&ip.to_string()) == Some(ip)));
    is_near_name(&text);
});
