//! A tracker and a seeder behind proxies that are not ours: Dante (SOCKS5), Squid and Tinyproxy (HTTP).

use crate::foreign::Foreign;
use crate::payload::Payload;
use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;
use crate::support::program::{Outcome, Program};
use crate::support::skip::skip;
use crate::{LIMIT, MIB, get};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

/// What Squid's own configuration has in front of everything else.
const SQUIDS_RULE: &str = "acl tls port 443\nacl CONNECT method CONNECT\nhttp_access deny CONNECT !tls\n";

/// Dante, which takes everybody, or this user of the system with this password: a user that only it sees.
fn dante(login: Option<(&str, &str)>) -> Foreign {
    let (address, folder) = (free_address(Ipv4Addr::LOCALHOST), TestFolder::new());
    let method = if login.is_some() { "username" } else { "none" };
    let everyone = "from: 127.0.0.0/8 to: 0.0.0.0/0";
    let conf = format!(
        "logoutput: stderr\ninternal: 127.0.0.1 port = {}\nexternal: 127.0.0.1\nclientmethod: none\n\
         socksmethod: {method}\nuser.privileged: root\nuser.unprivileged: nobody\n\
         client pass {{ {everyone} }}\nsocks pass {{ {everyone} command: connect }}\n",
        address.port()
    );
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("danted.conf"), conf).unwrap();
    let mut script = String::new();
    if let Some((user, password)) = login {
        let hash = Command::new("openssl").args(["passwd", "-6", password]).output().unwrap().stdout;
        let hash = String::from_utf8(hash).unwrap();
        let with = |path: &str, line: String| fs::read_to_string(path).unwrap() + &line;
        let user_line = format!("{user}:x:65533:65534::/nonexistent:/usr/sbin/nologin\n");
        fs::write(at("passwd"), with("/etc/passwd", user_line)).unwrap();
        fs::write(at("shadow"), with("/etc/shadow", format!("{user}:{}:19000::::::\n", hash.trim())))
            .unwrap();
        for name in ["passwd", "shadow"] {
            script += &format!("mount --bind {} /etc/{name} && ", at(name));
        }
    }
    script += &format!("exec danted -f {}", at("danted.conf"));
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]);
    Foreign::proxy(command, address, folder)
}

/// Squid with these rules. It takes everybody that they do not keep out, or this user with this password.
fn squid(rules: &str, login: Option<(&str, &str)>) -> Foreign {
    let (address, folder) = (free_address(Ipv4Addr::LOCALHOST), TestFolder::new());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let mut access = "http_access allow all\n".to_owned();
    if let Some((user, password)) = login {
        let hash = Command::new("openssl").args(["passwd", "-apr1", password]).output().unwrap().stdout;
        fs::write(at("users"), format!("{user}:{}", String::from_utf8(hash).unwrap())).unwrap();
        access = format!(
            "auth_param basic program /usr/lib/squid/basic_ncsa_auth {}\nacl known proxy_auth REQUIRED\n\
             http_access allow known\nhttp_access deny all\n",
            at("users")
        );
    }
    let conf = format!(
        "http_port {address}\npid_filename none\naccess_log none\ncache_log {}\ncache deny all\nshutdown_lifetime 0\n\
         pinger_enable off\nlogfile_rotate 0\n{rules}{access}",
        at("log")
    );
    fs::write(at("squid.conf"), conf).unwrap();
    // It works as another user, who writes its log and reads who may use it.
    Command::new("chmod").args(["-R", "a+rwX", &folder.path().display().to_string()]).status().unwrap();
    let mut command = Command::new("squid");
    command.args(["-N", "-d", "1", "-f", &at("squid.conf")]);
    Foreign::proxy(command, address, folder)
}

/// Tinyproxy, which takes everybody, or this user with this password.
fn tinyproxy(login: Option<(&str, &str)>) -> Foreign {
    let (address, folder) = (free_address(Ipv4Addr::LOCALHOST), TestFolder::new());
    let login = login.map_or(String::new(), |(user, password)| format!("BasicAuth {user} {password}\n"));
    let conf = format!("Listen 127.0.0.1\nPort {}\nTimeout 600\nMaxClients 100\n{login}", address.port());
    let path = folder.path().join("tinyproxy.conf");
    fs::write(&path, conf).unwrap();
    let mut command = Command::new("tinyproxy");
    command.arg("-d").arg("-c").arg(path);
    Foreign::proxy(command, address, folder)
}

/// Downloads through a proxy from a libtorrent, and asks an opentracker.
fn fetch(proxy: &str, timeout: &str) -> (Outcome, bool) {
    let payload = Payload::single(10 * MIB + 1);
    let tracker = Foreign::opentracker(free_address(Ipv4Addr::LOCALHOST), &payload.info_hash());
    // It knows no tracker, where it would find itself, connect to itself, and then take no other peer from the address
    // that it came from: that of the proxy.
    let seeder = Foreign::libtorrent(&payload);
    let output = TestFolder::new();
    let nobody = free_address(Ipv4Addr::LOCALHOST);
    let mut arguments = get(&payload, output.path(), &[nobody, seeder.address()]);
    let announce = format!("http://{}/announce", tracker.address());
    arguments.extend([
        "--tracker".into(),
        announce.into(),
        "-v".into(),
        "--timeout".into(),
        timeout.into(),
        "--proxy".into(),
        proxy.into(),
    ]);
    let outcome = Program::start_in_public(arguments).finish(LIMIT);
    let is_done = outcome.code == Some(0);
    if is_done {
        payload.assert_identical(output.path());
    }
    (outcome, is_done)
}

fn assert_fetched(scheme: &str, login: &str, at: SocketAddr) {
    let (outcome, is_done) = fetch(&format!("{scheme}://{login}{at}"), "60");
    assert!(
        is_done && outcome.output.contains(" peers, next announce in "),
        "{scheme} {at}:\n{}",
        outcome.output
    );
    // That the proxy could not reach one of the peers is not its fault.
    let blamed = outcome.output.contains("warning: the proxy ");
    assert!(!blamed && outcome.output.contains(": the proxy "), "{scheme} {at}:\n{}", outcome.output);
}

fn assert_refused(scheme: &str, login: &str, at: SocketAddr, expected: &str) {
    let (outcome, is_done) = fetch(&format!("{scheme}://{login}{at}"), "5");
    assert!(!is_done && outcome.output.contains(expected), "{scheme} {at}:\n{}", outcome.output);
}

#[test]
fn a_payload_arrives_through_each_proxy() {
    let [plain, tiny] = [squid("", None), tinyproxy(None)];
    assert_fetched("http", "", plain.address());
    assert_fetched("http", "", tiny.address());
    let [plain, tiny] = [squid("", Some(("me", "p:w"))), tinyproxy(Some(("me", "pw")))];
    assert_fetched("http", "me:p%3Aw@", plain.address());
    assert_fetched("http", "me:pw@", tiny.address());
    let wants = "requires a user name and password (use http://USER:PASSWORD@";
    assert_refused("http", "", plain.address(), wants);
    assert_refused("http", "", tiny.address(), wants);
    assert_refused("http", "me:wrong@", plain.address(), "rejected the user name and password");
    if !rustix::process::geteuid().is_root() {
        return skip("Dante knows the users of the system, and only root can give it another");
    }
    assert_fetched("socks5h", "", dante(None).address());
    let dante = dante(Some(("femto", "p@ss word")));
    assert_fetched("socks5h", "femto:p%40ss%20word@", dante.address());
    assert_refused("socks5h", "", dante.address(), "requires a user name and password (use socks5h://");
    assert_refused("socks5h", "femto:wrong@", dante.address(), "rejected the user name and password");
}

#[test]
fn squids_rule_keeps_us_from_peers_and_from_no_tracker_and_the_user_hears_why() {
    let squid = squid(SQUIDS_RULE, None);
    let (outcome, is_done) = fetch(&format!("http://{}", squid.address()), "5");
    assert!(!is_done && outcome.output.contains(" peers, next announce in "), "{}", outcome.output);
    let why = "status 403 (many HTTP proxies allow only port 443; try a SOCKS5 proxy)";
    assert!(outcome.output.contains(why), "{}", outcome.output);
}
