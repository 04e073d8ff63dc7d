use super::*;
use crate::net::BindAddress;
use crate::net::basic_auth;
use crate::net::proxy::{Proxies, Proxy};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{JoinHandle, spawn};

const LONG: Duration = Duration::from_secs(20);
const BY_USER: Errand = Errand { word: OnWordOf::User, question: Question::Web, within: LONG };
const BY_TORRENT: Errand = Errand { word: OnWordOf::Torrent, question: Question::Web, within: LONG };

fn client() -> WebClient {
    WebClient::new(Outlet::by(BindAddress::any()), "a test", LONG)
}

/// The head of one request.
fn request(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(LONG)).unwrap();
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        heard.push(byte[0]);
    }
    String::from_utf8(heard).unwrap()
}

/// Answers one connection after the other with these heads, and returns the requests. `HERE` in a head is the
/// server's own address.
fn serve(heads: &[&str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    use std::io::Write;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads: Vec<String> = heads.iter().map(|head| head.replace("HERE", &address.to_string())).collect();
    let server = spawn(move || {
        let answer = |head: &String| {
            let (mut stream, _) = listener.accept().unwrap();
            let heard = request(&mut stream);
            write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            heard
        };
        heads.iter().map(answer).collect()
    });
    (address, server)
}

#[test]
fn a_password_is_decoded_and_goes_to_its_own_server_only() {
    let (other, other_server) = serve(&["302 Found\r\nLocation: /again", "200 OK"]);
    let moved = format!("307 Moved\r\nLocation: http://{other}/there");
    let (at, server) = serve(&["301 Moved\r\nLocation: /b", "303 Moved\r\nLocation: http://HERE/c", &moved]);
    let answer = client().get(&format!("http://me:pa%40ss@{at}/a"), BY_USER).unwrap();
    assert_eq!((answer.status(), answer.from), (200, Some(other)));
    let basic = basic_auth::split("http://me:pa%40ss@h/").1.unwrap().to_ascii_lowercase();
    for (heard, path) in server.join().unwrap().iter().zip(["/a", "/b", "/c"]) {
        assert!(heard.starts_with(&format!("GET {path} ")), "{heard}");
        assert!(heard.to_ascii_lowercase().contains(&format!("authorization: {basic}")), "{heard}");
    }
    for heard in other_server.join().unwrap() {
        assert!(!heard.to_ascii_lowercase().contains("authorization"), "{heard}");
    }
}

#[test]
fn a_redirect_to_a_magnet_is_one_and_other_schemes_are_refused() {
    for (location, expected) in [
        ("magnet:?xt=urn:btih:00", "redirects to a magnet link"),
        ("file:///etc/passwd", "redirects to a file: address (only"),
        ("ftp://127.0.0.1/x", "redirects to a ftp: address (only"),
    ] {
        let (at, server) = serve(&[&format!("302 Found\r\nLocation: {location}")]);
        let error = client().get(&format!("http://{at}/"), BY_USER).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(
            matches!(&error, WebError::Magnet(link) if link == location),
            location.starts_with("magnet")
        );
        server.join().unwrap();
    }
}

#[test]
fn a_circle_of_redirects_ends() {
    let (at, server) = serve(&["302 Found\r\nLocation: /"; MAX_REDIRECTS + 1]);
    let error = client().get(&format!("http://{at}/"), BY_USER).unwrap_err();
    assert!(matches!(error, WebError::Redirects), "{error}");
    server.join().unwrap();
}

#[test]
fn a_status_without_a_location_is_an_answer() {
    for head in ["302 Found", "304 Not Modified\r\nLocation: /x", "404 Not Found\r\nLocation: /x"] {
        let (at, server) = serve(&[head]);
        let answer = client().get(&format!("http://{at}/"), BY_USER).unwrap();
        assert_eq!(answer.status().to_string(), head[..3]);
        server.join().unwrap();
    }
}

#[test]
fn what_a_torrent_may_not_name_hears_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in
        ["127.0.0.1", "localhost", "a.localhost.", "[::ffff:127.0.0.1]", "127.1", "0x7f000001", "2130706433"]
    {
        let error = client().get(&format!("http://{host}:{port}/x"), BY_TORRENT).unwrap_err();
        // A resolver may not know the odd spellings.
        let is_unknown =
            matches!(error, WebError::NoAddress | WebError::Broken(_)) && host.starts_with(char::is_numeric);
        assert!(
            matches!(error, WebError::Refused(Refusal::Near(_))) || is_unknown && host != "127.0.0.1",
            "{host}: {error}"
        );
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "{host}");
    }
}

#[test]
fn our_own_port_hears_nothing_even_if_the_user_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    let outlet = Outlet { ports: crate::net::OwnPorts::listening_at(Some(at.port())), ..Outlet::default() };
    let client = WebClient::new(outlet, "a test", LONG);
    for word in [OnWordOf::User, OnWordOf::Torrent] {
        let errand = Errand { word, question: Question::Announce, within: LONG };
        let error = client.get(&format!("http://{at}/announce"), errand).unwrap_err();
        assert!(matches!(error, WebError::Refused(Refusal::OurOwn(_))), "{error}");
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_redirect_to_our_own_port_is_not_followed() {
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    ours.set_nonblocking(true).unwrap();
    let own = ours.local_addr().unwrap();
    let (at, server) = serve(&[&format!("302 Found\r\nLocation: http://{own}/")]);
    let outlet = Outlet { ports: crate::net::OwnPorts::listening_at(Some(own.port())), ..Outlet::default() };
    let error = WebClient::new(outlet, "a test", LONG).get(&format!("http://{at}/"), BY_USER).unwrap_err();
    assert!(matches!(error, WebError::Refused(Refusal::OurOwn(_))), "{error}");
    assert_eq!(ours.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    server.join().unwrap();
}

#[test]
fn a_proxy_that_wants_a_password_is_no_server_that_does() {
    for (login, expected) in [("", "requires a user name and password"), ("me:pw@", "rejected the user name")]
    {
        let (at, server) = serve(&["407 Who are you"]);
        let proxy = Arc::new(Proxy::typed(&format!("http://{login}{at}")).unwrap());
        let outlet = Outlet { proxies: Proxies::All(proxy), ..Outlet::default() };
        let error = WebClient::new(outlet, "a test", LONG).get("http://h.example/", BY_USER).unwrap_err();
        assert!(matches!(error, WebError::Proxy(_)) && error.to_string().contains(expected), "{error}");
        server.join().unwrap();
    }
}

#[test]
fn a_part_of_a_file_is_not_fetched_nearer_than_the_server_that_sent_us_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let near = format!("http://{}/x", listener.local_addr().unwrap());
    let far: SocketAddr = "1.2.3.4:80".parse().unwrap();
    let site = Site::new("http://h.example/x", OnWordOf::User).redirected(&near, Some(far));
    let client = WebClient::for_ranges(Outlet::default(), "a test", LONG, LONG);
    for _ in 0..2 {
        assert!(matches!(
            client.get_range(&site, &(0..1), Vec::new()),
            Err(WebError::Refused(Refusal::Nearer(_)))
        ));
    }
    assert!(listener.accept().is_err(), "it hears nothing");
}
