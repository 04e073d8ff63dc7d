//! The Internet Gateway Device of UPnP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use femtotorrent::address::IpFamily;
use femtotorrent::port_mapping::Way;

use crate::gateway::{Client, Datagrams, Device, PORT, WAIT, gateways, say};

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(1);

fn description(version: u8) -> String {
    format!(
        "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><deviceList><device>\
         <serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:{version}</serviceType>\
         <controlURL>/ctl</controlURL></service></serviceList></device></deviceList></device></root>"
    )
}

fn fault(stream: &mut TcpStream, code: u16) {
    let body = format!(
        "<s:Envelope xmlns:s=\"x\"><s:Body><s:Fault><detail><UPnPError><errorCode>{code}</errorCode></UPnPError>\
         </detail></s:Fault></s:Body></s:Envelope>"
    );
    say(stream, "500 Internal Server Error", &body);
}

fn done(stream: &mut TcpStream, inside: &str) {
    say(
        stream,
        "200 OK",
        &format!("<s:Envelope xmlns:s=\"x\"><s:Body><u:R>{inside}</u:R></s:Body></s:Envelope>"),
    );
}

/// Answers a request as a good router does, of this version.
fn answer_well(request: &str, stream: &mut TcpStream, version: u8) {
    if request.starts_with("GET ") {
        say(stream, "200 OK", &description(version));
    } else if request.contains("#GetExternalIPAddress\"") {
        done(stream, "<NewExternalIPAddress>5.6.7.8</NewExternalIPAddress>");
    } else {
        done(stream, "");
    }
}

fn value<'a>(request: &'a str, name: &str) -> &'a str {
    let (_, rest) = request.split_once(&format!("<{name}>")).unwrap();
    rest.split_once('<').unwrap().0
}

/// A router that speaks nothing but UPnP.
struct Router {
    device: Device,
    search: Datagrams,
    other: Datagrams,
}

impl Router {
    fn that(answer: impl FnMut(&str, &mut TcpStream) + Send + 'static) -> Router {
        let device = Device::that(answer);
        let place = format!("http://{}/desc.xml", device.address);
        Router::at(device, place)
    }

    /// Its description is there.
    fn at(device: Device, place: String) -> Router {
        Router::found_at(device, move || place.clone())
    }

    /// Its description is where this says at that moment.
    fn found_at(device: Device, place: impl Fn() -> String + Send + 'static) -> Router {
        let search = Datagrams::that(move |question, _| {
            assert!(question.starts_with(b"M-SEARCH * HTTP/1.1\r\n"));
            let target = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
            vec![format!("HTTP/1.1 200 OK\r\nST: {target}\r\nLOCATION: {}\r\n\r\n", place()).into_bytes()]
        });
        Router { device, search, other: Datagrams::silent() }
    }

    fn client(&self, second: Duration) -> Client {
        Client::with(gateways(self.other.address, self.search.address), second)
    }
}

#[test]
fn a_router_at_home_opens_the_port_for_both_protocols_and_closes_it_at_the_end() {
    let router = Router::that(|request, stream| answer_well(request, stream, 1));
    let mut client = router.client(SECOND);
    let mapped = client.mapped();
    assert_eq!((mapped.way, mapped.tcp, mapped.udp), (Way::Upnp, PORT, PORT));
    assert_eq!((mapped.gateway, mapped.external), (router.device.address.ip(), Some([5, 6, 7, 8].into())));
    assert!(router.device.next().starts_with("GET /desc.xml HTTP/1.1\r\n"));
    for protocol in ["TCP", "UDP"] {
        let request = router.device.next_call("AddPortMapping");
        let names =
            ["NewProtocol", "NewExternalPort", "NewInternalPort", "NewInternalClient", "NewLeaseDuration"];
        assert_eq!(
            names.map(|name| value(&request, name)),
            [protocol, "61234", "61234", "127.0.0.2", "3600"]
        );
    }
    client.end();
    for protocol in ["TCP", "UDP"] {
        let request = router.device.next_call("DeletePortMapping");
        assert_eq!(["NewProtocol", "NewExternalPort"].map(|name| value(&request, name)), [protocol, "61234"]);
    }
}

#[cfg(feature = "trace")]
#[test]
fn whoever_watches_sees_each_question_to_a_router_each_answer_and_the_bytes_of_its_pages() {
    use femtotorrent::cli::trace::Conversations;
    use femtotorrent::net::tap::{Seen, Tap, WebEvent};
    let router = Router::that(|request, stream| answer_well(request, stream, 1));
    let (tap, told) = (Tap::switch(), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&told);
    let _listening = tap.listen_to_blocks(move |one| seen.lock().unwrap().push(one));
    let gateways = gateways(router.other.address, router.search.address);
    let mut client = Client::watched_by(tap, gateways, SECOND);
    client.mapped();
    client.end();
    let (mut lines, mut pages, mut conversations) = (String::new(), Vec::new(), Conversations::default());
    for one in told.lock().unwrap().iter() {
        if let Seen::Web(_, WebEvent::Bytes(_, bytes)) = one {
            pages.extend(&bytes.start);
        }
        conversations.line(one).into_iter().for_each(|line| lines.push_str(&(line.text() + "\n")));
    }
    for words in [
        "pcp map",
        "lead TCP port 61234 outside to our port 61234, for 3600 s",
        "nat-pmp map",
        "upnp search",
        "who is urn:schemas-upnp-org:device:InternetGatewayDevice:1?",
        "I am described at http://127.0.0.1:",
        "lead TCP port 61234 outside to 127.0.0.2:61234, for 3600 s",
        "my address outside is 5.6.7.8",
        "close UDP port 61234 outside again",
    ] {
        assert!(lines.contains(words), "{words}: {lines}");
    }
    let pages = String::from_utf8(pages).unwrap();
    assert!(
        pages.starts_with("GET /desc.xml HTTP/1.1\r\n") && pages.contains("<NewLeaseDuration>3600<"),
        "{pages}"
    );
}

#[test]
fn a_router_that_knows_permanent_leases_only_is_asked_for_one_and_looked_after() {
    let router = Router::that(|request, stream| match request.contains("<NewLeaseDuration>3600<") {
        true => fault(stream, 725),
        false => answer_well(request, stream, 1),
    });
    let client = router.client(SHORT);
    assert_eq!(client.mapped().tcp, PORT);
    let leases: Vec<String> = (0..3)
        .map(|_| value(&router.device.next_call("AddPortMapping"), "NewLeaseDuration").to_owned())
        .collect();
    assert_eq!(leases, ["3600", "0", "0"]);
    // It is for ever, and a router may be switched off all the same.
    router.device.next_call("AddPortMapping");
}

#[test]
fn a_device_that_has_another_port_after_a_restart_is_found_again() {
    let well = |request: &str, stream: &mut TcpStream| answer_well(request, stream, 1);
    let place = Arc::new(Mutex::new(String::new()));
    let first = Device::that(well);
    *place.lock().unwrap() = format!("http://{}/desc.xml", first.address);
    let named = Arc::clone(&place);
    let router = Router::found_at(Device::that(well), move || named.lock().unwrap().clone());
    let client = router.client(SHORT);
    client.mapped();
    *place.lock().unwrap() = format!("http://{}/desc.xml", router.device.address);
    drop(first);
    router.device.next_call("AddPortMapping");
}

#[test]
fn where_others_have_the_port_another_one_is_taken_for_both_protocols() {
    // For TCP at once, or only for UDP: then TCP gives its own back.
    for conflict in ["TCP", "UDP"] {
        let router = Router::that(move |request, stream| {
            let is_taken = request.contains("#AddPortMapping\"")
                && value(request, "NewExternalPort") == "61234"
                && value(request, "NewProtocol") == conflict;
            match is_taken {
                true => fault(stream, 718),
                false => answer_well(request, stream, 1),
            }
        });
        let client = router.client(SECOND);
        let mapped = client.mapped();
        assert!(mapped.tcp != PORT && mapped.tcp == mapped.udp, "{mapped:?}");
        assert_eq!(client.ports.announced(IpFamily::V4), Some(mapped.tcp));
        if conflict == "UDP" {
            let closed = router.device.next_call("DeletePortMapping");
            assert_eq!(["NewProtocol", "NewExternalPort"].map(|name| value(&closed, name)), ["TCP", "61234"]);
        }
    }
}

#[test]
fn a_router_of_the_second_version_chooses_a_port_by_itself() {
    let router = Router::that(|request, stream| {
        if request.contains("#AddAnyPortMapping\"") {
            done(stream, "<NewReservedPort>7200</NewReservedPort>");
        } else if request.contains("#AddPortMapping\"") && value(request, "NewExternalPort") == "61234" {
            fault(stream, 718);
        } else {
            answer_well(request, stream, 2);
        }
    });
    let mapped = router.client(SECOND).mapped();
    assert_eq!((mapped.tcp, mapped.udp), (7200, 7200));
}

#[test]
fn where_others_have_all_ports_we_give_up_with_a_reason() {
    let router = Router::that(|request, stream| match request.contains("#AddPortMapping\"") {
        true => fault(stream, 718),
        false => answer_well(request, stream, 1),
    });
    let why = router.client(SECOND).refused();
    assert!(why.contains("the ports are taken") && why.contains("718"), "{why}");
}

#[test]
fn a_router_that_says_of_a_taken_port_that_the_action_failed_is_asked_for_another() {
    let router = Router::that(|request, stream| {
        match request.contains("#AddPortMapping\"") && value(request, "NewExternalPort") == "61234" {
            true => fault(stream, 501),
            false => answer_well(request, stream, 1),
        }
    });
    let mapped = router.client(SECOND).mapped();
    assert!(mapped.tcp != PORT && mapped.tcp == mapped.udp, "{mapped:?}");
}

#[test]
fn a_router_whose_action_fails_because_of_the_time_is_asked_to_open_the_port_for_good() {
    let router = Router::that(|request, stream| {
        match request.contains("#AddPortMapping\"") && value(request, "NewLeaseDuration") != "0" {
            true => fault(stream, 501),
            false => answer_well(request, stream, 1),
        }
    });
    let mapped = router.client(SECOND).mapped();
    assert!(mapped.tcp != 0 && mapped.tcp == mapped.udp, "{mapped:?}");
}

#[test]
fn a_router_that_wants_one_number_inside_and_outside_and_has_given_it_away_says_that_it_is_taken() {
    let router = Router::that(|request, stream| match request.contains("#AddPortMapping\"") {
        true => fault(stream, if value(request, "NewExternalPort") == "61234" { 718 } else { 724 }),
        false => answer_well(request, stream, 1),
    });
    let why = router.client(SECOND).refused();
    assert!(why.contains("the ports are taken") && why.contains("718"), "{why}");
}

/// What a hostile router says instead of a description.
type Hostile = fn(&mut TcpStream);

/// The descriptions that it may have, and what is said of each.
fn hostile() -> Vec<(&'static str, Hostile)> {
    vec![
        ("malformed", |stream| {
            let bomb =
                "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><a>&c;</a>";
            say(stream, "200 OK", bomb);
        }),
        ("malformed", |stream| say(stream, "200 OK", &"<a>".repeat(30_000))),
        ("too long", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b' '; 4096]).is_ok() {}
        }),
        ("status 302", |stream| {
            let _ = stream.write_all(
                b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.3:1/\r\nContent-Length: 0\r\n\r\n",
            );
        }),
        ("not HTTP", |_| ()),
        ("not HTTP", |stream| {
            let _ = stream.write_all(b"SSH-2.0-none\r\n");
        }),
        ("no service", |stream| say(stream, "200 OK", "<root></root>")),
        ("no service", |stream| {
            let elsewhere = description(1).replace("/ctl", "http://127.0.0.3:1/ctl");
            say(stream, "200 OK", &elsewhere);
        }),
    ]
}

#[test]
fn a_description_that_is_a_bomb_endless_elsewhere_or_none_opens_nothing_and_harms_nobody() {
    for (reason, answer) in hostile() {
        let router = Router::that(move |_, stream| answer(stream));
        let why = router.client(SECOND).refused();
        assert!(why.contains(reason), "{reason}: {why}");
    }
}

#[test]
fn a_description_on_another_host_than_the_one_that_answered_is_not_asked_for() {
    for (host, place) in [
        ("127.0.0.3", "http://127.0.0.3:{port}/desc.xml"),
        ("127.0.0.1", "http://localhost:{port}/desc.xml"),
        ("127.0.0.1", "https://127.0.0.1:{port}/"),
    ] {
        let device = Device::at(host, |request, stream| answer_well(request, stream, 1));
        let place = place.replace("{port}", &device.address.port().to_string());
        let router = Router::at(device, place);
        let client = router.client(SECOND);
        assert!(client.refused().contains("no answer to PCP"));
        assert!(router.device.asked.is_empty());
    }
}

#[test]
fn of_a_host_that_answers_as_many_devices_four_are_asked() {
    let device = Device::that(|_, stream| say(stream, "404 Not Found", ""));
    let place = device.address;
    let search = Datagrams::that(move |_, _| {
        let target = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
        let answer = |number| {
            format!("HTTP/1.1 200 OK\r\nST: {target}\r\nLOCATION: http://{place}/{number}.xml\r\n\r\n")
        };
        (0..20).map(|number| answer(number).into_bytes()).collect()
    });
    let other = Datagrams::silent();
    let client = Client::with(gateways(other.address, search.address), SECOND);
    client.refused();
    assert_eq!(device.asked.try_iter().count(), 4);
}

#[test]
fn an_answer_that_is_a_bomb_or_none_opens_nothing() {
    for body in ["<!DOCTYPE a><a/>", "", "<a>", "\u{0}"] {
        let router = Router::that(move |request, stream| match request.starts_with("GET ") {
            true => say(stream, "200 OK", &description(1)),
            false => say(stream, "500 Internal Server Error", body),
        });
        let why = router.client(SECOND).refused();
        assert!(why.contains("status 500"), "{why}");
    }
}

#[test]
fn what_was_opened_a_moment_before_the_end_is_closed_too() {
    let router = Router::that(|request, stream| match request.contains("#GetExternalIPAddress\"") {
        // Until the other side gives up.
        true => _ = stream.read(&mut [0]),
        false => answer_well(request, stream, 1),
    });
    let mut client = router.client(SECOND);
    router.device.next_call("GetExternalIPAddress");
    client.end();
    for protocol in ["TCP", "UDP"] {
        assert_eq!(value(&router.device.next_call("DeletePortMapping"), "NewProtocol"), protocol);
    }
}

#[test]
fn a_port_that_is_being_opened_when_the_end_comes_is_closed_too() {
    for being_opened in ["TCP", "UDP"] {
        let (end, ended) = crossbeam_channel::bounded::<()>(0);
        let router = Router::that(move |request, stream| {
            if request.contains("#AddPortMapping\"") && value(request, "NewProtocol") == being_opened {
                // The router has opened it, and says so only when we are on our way out.
                let _ = ended.recv_timeout(WAIT);
            }
            answer_well(request, stream, 1);
        });
        let mut client = router.client(SECOND);
        while value(&router.device.next_call("AddPortMapping"), "NewProtocol") != being_opened {}
        let answers = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(end);
        });
        client.end();
        answers.join().unwrap();
        let opened: &[&str] = if being_opened == "TCP" { &["TCP"] } else { &["TCP", "UDP"] };
        for protocol in opened {
            assert_eq!(value(&router.device.next_call("DeletePortMapping"), "NewProtocol"), *protocol);
        }
    }
}

#[test]
fn a_device_that_says_nothing_any_more_does_not_hold_up_the_end() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let (hold, held) = crossbeam_channel::bounded::<()>(0);
    let router = Router::that(move |request, stream| match request.starts_with("GET ") {
        true => say(stream, "200 OK", &description(1)),
        false => {
            counted.fetch_add(1, Ordering::AcqRel);
            let _ = held.recv_timeout(WAIT);
        }
    });
    let mut client = router.client(SECOND);
    router.device.next_call("AddPortMapping");
    client.end();
    assert_eq!(calls.load(Ordering::Acquire), 1);
    drop(hold);
}
