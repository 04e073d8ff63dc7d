use super::*;
use crate::address::Reach;
use crate::net::addresses::nobody;
use crate::net::proxy::Proxies;
use crate::net::{BindAddress, Outlet};
use crate::strategy::{OnWordOf, Question, Refusal};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{JoinHandle, spawn};
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nspam";

fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().proxy(None).timeout_global(Some(Duration::from_secs(20)))
}

fn ours() -> BindAddress {
    BindAddress::only("127.0.0.2".parse().unwrap())
}

fn agent(config: Config, bind_address: BindAddress) -> Agent {
    super::agent(config, guard(bind_address))
}

fn guard(bind_address: BindAddress) -> Arc<Guard> {
    Arc::new(Guard::new(Outlet::by(bind_address)))
}

/// Accepts one connection, and answers each request with the next of these answers. Returns the address
/// of the client, and the bytes that it sent.
fn serve(answers: &'static [&'static [u8]]) -> (SocketAddr, JoinHandle<(SocketAddr, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(move || {
        let (mut stream, from) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut heard = vec![0; 1];
        stream.read_exact(&mut heard).unwrap();
        for answer in answers {
            while !heard.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                heard.push(byte[0]);
            }
            stream.write_all(answer).unwrap();
            heard.push(b'|');
        }
        (from, heard)
    });
    (address, server)
}

#[test]
fn a_request_leaves_by_the_address_and_the_next_takes_the_same_connection() {
    let (address, server) = serve(&[ANSWER, ANSWER]);
    let agent = agent(config().build(), ours());
    for _ in 0..2 {
        let mut answer = agent.get(format!("http://{address}/")).call().unwrap();
        assert_eq!(answer.body_mut().read_to_string().unwrap(), "spam");
    }
    assert_eq!(Some(server.join().unwrap().0.ip()), ours().address());
}

#[test]
fn without_threads_an_address_is_asked_all_the_same_and_a_name_is_an_error() {
    let (address, server) = serve(&[ANSWER]);
    let agent = agent(config().build(), ours());
    let none = thread::limit::allow(0);
    assert_eq!(agent.get(format!("http://{address}/")).call().unwrap().status(), 200);
    assert_eq!(Some(server.join().unwrap().0.ip()), ours().address());
    let name = format!("http://localhost:{}/", address.port());
    let error = agent.get(name.clone()).call().unwrap_err();
    assert!(error.to_string().contains("no more threads"), "{error}");
    drop(none);
    // Refused, so the name was looked up.
    assert!(matches!(agent.get(name).call(), Err(Error::Io(_) | Error::ConnectionFailed)));
}

#[test]
#[cfg(feature = "tls")]
fn tls_leaves_by_the_address() {
    let (address, server) = serve(&[]);
    assert!(agent(config().build(), ours()).get(format!("https://{address}/")).call().is_err());
    let (from, heard) = server.join().unwrap();
    assert_eq!((Some(from.ip()), heard), (ours().address(), vec![22]));
}

/// A client whose requests go through this proxy. A name is never looked up.
fn through(proxy: &str, bind_address: BindAddress) -> Agent {
    let proxies = Proxies::All(Arc::new(Proxy::typed(proxy).unwrap()));
    let guard = Guard::new(Outlet { proxies, ..Outlet::by(bind_address) });
    super::agent(config().build(), Arc::new(guard))
}

/// Accepts one connection, and answers with each of these as soon as so much of the other side's words has come.
fn script(answers: &'static [(&'static [u8], &'static [u8])]) -> (SocketAddr, JoinHandle<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(move || {
        let (mut stream, from) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for (expected, answer) in answers {
            let mut heard = vec![0; expected.len()];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(expected));
            while heard.starts_with(b"GET") && !heard.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                heard.push(byte[0]);
            }
            stream.write_all(answer).unwrap();
        }
        from
    });
    (address, server)
}

#[test]
fn a_plain_page_is_asked_of_an_http_proxy_itself_and_the_next_takes_the_same_connection() {
    let (address, server) = serve(&[ANSWER, ANSWER]);
    let agent = through(&format!("http://me:pw@{address}"), ours());
    for path in ["a?b", "c"] {
        let mut answer = agent.get(format!("http://no.such.host.example:81/{path}")).call().unwrap();
        assert_eq!(answer.body_mut().read_to_string().unwrap(), "spam");
    }
    let (from, heard) = server.join().unwrap();
    assert_eq!(Some(from.ip()), ours().address());
    let heard = String::from_utf8(heard).unwrap().to_ascii_lowercase();
    for (request, path) in heard.split('|').zip(["a?b", "c"]) {
        let start =
            format!("get http://no.such.host.example:81/{path} http/1.1\r\nproxy-authorization: basic ");
        assert!(
            request.starts_with(&start) && request.contains("host: no.such.host.example:81\r\n"),
            "{request}"
        );
    }
}

#[test]
#[cfg(feature = "tls")]
fn a_page_by_tls_goes_through_a_tunnel() {
    let (address, server) = script(&[
        (b"CONNECT host.example:443 HTTP/1.1\r\nHost: host.example:443\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        // The first byte of TLS.
        (&[22], b"no TLS"),
    ]);
    assert!(through(&format!("http://{address}"), ours()).get("https://host.example/").call().is_err());
    assert_eq!(Some(server.join().unwrap().ip()), ours().address());
}

#[test]
fn a_page_through_socks_is_asked_of_its_server_which_the_proxy_finds() {
    let (address, server) = script(&[
        (&[5, 1, 0], &[5, 0]),
        (b"\x05\x01\x00\x03\x0chost.example\x00\x51", b"\x05\0\0\x01\0\0\0\0\0\0"),
        (b"GET /x HTTP/1.1\r\n", ANSWER),
    ]);
    let mut answer =
        through(&format!("socks5h://{address}"), ours()).get("http://host.example:81/x").call().unwrap();
    assert_eq!(answer.body_mut().read_to_string().unwrap(), "spam");
    assert_eq!(Some(server.join().unwrap().ip()), ours().address());
}

#[test]
fn a_proxy_that_drips_is_given_up_at_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The head of an answer that has no end.
        while stream.write_all(b"HTTP/1.1 200 OK\r\nx: y\r\n".get(..1).unwrap()).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let proxies = Proxies::All(Arc::new(Proxy::typed(&format!("http://{address}")).unwrap()));
    let guard = Guard::new(Outlet { proxies, ..Outlet::default() });
    let config = config().timeout_connect(Some(Duration::from_millis(300))).build();
    let error = super::agent(config, Arc::new(guard)).get("https://host.example/").call().unwrap_err();
    assert!(error.to_string().contains(&format!("the proxy {address} ")), "{error}");
    server.join().unwrap();
}

#[test]
fn what_cannot_be_reached_from_the_bind_address_is_not_reached_otherwise() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    for ip in ["::1", "192.0.2.1"] {
        let bind_address = BindAddress::only(ip.parse().unwrap());
        for agent in
            [agent(config().build(), bind_address), through(&format!("http://{address}"), bind_address)]
        {
            let error = agent.get(format!("http://{address}/")).call().unwrap_err();
            assert!(error.to_string().contains(ip), "{error}");
            assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }
}

/// A resolver that has these addresses for every host.
#[derive(Debug)]
struct Known(Vec<SocketAddr>);

impl Resolver for Known {
    fn resolve(&self, _: &ureq::http::Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        self.0.iter().for_each(|address| addresses.push(*address));
        Ok(addresses)
    }
}

/// A listener that answers no connection, because more connections wait than it has room for.
fn full() -> (Socket, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let waiting = std::iter::repeat_with(|| {
        let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let came = waiting.connect_timeout(&address, Duration::from_millis(100)).is_ok();
        (waiting, came)
    });
    let waiting = waiting.take(50).take_while(|(_, came)| *came).map(|(waiting, _)| waiting).collect();
    (listener, waiting)
}

#[test]
fn an_address_of_a_host_that_fails_or_does_not_answer_leaves_time_for_the_others() {
    let (full, _waiting) = full();
    let refusing = nobody();
    let (good, server) = serve(&[ANSWER]);
    let six = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], good.port()));
    let addresses = vec![six, full.local_addr().unwrap().as_socket().unwrap(), refusing, six, good];
    let config = config().timeout_connect(Some(Duration::from_secs(1))).build();
    let agent = with_resolver(config.clone(), guard(ours()), Known(addresses));
    assert_eq!(agent.get("http://host.example/").call().unwrap().status(), 200);
    assert_eq!(Some(server.join().unwrap().0.ip()), ours().address());

    let nowhere = vec![full.local_addr().unwrap().as_socket().unwrap(); 5];
    let error = with_resolver(config, guard(ours()), Known(nowhere)).get("http://host.example/").call();
    assert!(matches!(error, Err(Error::Timeout(ureq::Timeout::Connect))), "{error:?}");
}

#[test]
fn a_server_that_does_not_answer_is_given_up_at_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = config().timeout_global(Some(Duration::from_millis(200))).build();
    let error = agent(config, ours()).get(format!("http://{address}/")).call().unwrap_err();
    assert!(matches!(error, Error::Timeout(ureq::Timeout::Global)), "{error}");
}

/// A request to a name that has this address, on the word of a server far away.
fn redirected_to(at: SocketAddr) -> Result<(), Error> {
    let guard = guard(BindAddress::any());
    let agent = with_resolver(config().build(), guard.clone(), Known(vec![at]));
    let uri = "http://host.example/".parse().unwrap();
    guard.begin(&uri, OnWordOf::Server(Reach::Internet), Question::Web).unwrap();
    agent.get(uri).call().map(drop)
}

#[test]
fn a_name_is_judged_by_the_address_that_we_would_connect_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let error = redirected_to(listener.local_addr().unwrap()).unwrap_err();
    let refused = matches!(&error, Error::Other(why) if why.is::<Refusal>());
    assert!(refused, "{error}");
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_kept_connection_is_judged_before_it_is_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    // Answers as long as somebody asks, on one connection.
    let server = spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (mut heard, mut byte) = (Vec::new(), [0]);
        while stream.read(&mut byte).unwrap_or(0) == 1 {
            heard.push(byte[0]);
            if heard.ends_with(b"\r\n\r\n") {
                stream.write_all(ANSWER).unwrap();
            }
        }
        String::from_utf8(heard).unwrap()
    });
    let guard = guard(BindAddress::any());
    let agent = with_resolver(config().build(), guard.clone(), Known(vec![at]));
    let ask = |path: &str| {
        let mut answer = agent.get(format!("http://host.example/{path}")).call()?;
        answer.body_mut().read_to_string()
    };
    assert_eq!((ask("a").unwrap(), ask("b").unwrap()), ("spam".to_owned(), "spam".to_owned()));
    assert_eq!(guard.address(), Some(at));
    guard.begin(&"http://host.example/c".parse().unwrap(), OnWordOf::Torrent, Question::Web).unwrap();
    let error = ask("c").unwrap_err();
    assert!(matches!(&error, Error::Other(why) if why.is::<Refusal>()), "{error}");
    drop(agent);
    let heard = server.join().unwrap();
    assert!(heard.contains("GET /b ") && !heard.contains("GET /c "), "{heard}");
}

#[test]
fn of_a_name_with_any_number_of_addresses_some_of_each_family_are_tried() {
    let six = (0..1000).map(|number| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, number], 80)));
    let four = (0..3).map(|number| SocketAddr::from(([192, 0, 2, number], 80)));
    let room = HostNames(guard(BindAddress::any())).empty();
    let tried = as_many_as_fit(six.chain(four).collect(), room);
    assert_eq!((tried.len(), tried.iter().filter(|to| to.is_ipv4()).count()), (16, 3));
}
