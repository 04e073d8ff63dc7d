//! Programs that are not ours, as child processes: three seeders, three leechers, a tracker and a DHT.
//!
//! Each is ready when its constructor returns, listens on loopback only where it can, and is killed
//! when it is dropped.

mod leeching;
mod nginx;
mod nodes;

pub use leeching::Leecher;
pub use nginx::Nginx;
pub use nodes::Nodes;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::payload::Payload;
use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;

/// How long a foreign program may take to check 5 GiB, or to do anything else.
const PATIENCE: Duration = Duration::from_secs(120);

/// A foreign program that runs.
pub struct Foreign {
    child: Child,
    lines: Receiver<String>,
    address: SocketAddr,
    /// What it keeps beside the payload; removed after it.
    _folder: Option<TestFolder>,
}

impl Foreign {
    /// libtorrent seeds the payload.
    pub fn libtorrent(payload: &Payload) -> Self {
        Self::libtorrent_from(payload, &payload.complete(), 0)
    }

    /// The same, and it takes only encrypted connections. `level`: see `libtorrent_encryption.py`.
    pub fn libtorrent_encrypting(payload: &Payload, level: &str) -> Self {
        Self::libtorrent_with(payload, &payload.complete(), 0, &[("ENCRYPTION", level)])
    }

    /// The same, and it takes only connections over uTP: encrypted ones if there is such a level.
    pub fn libtorrent_over_utp(payload: &Payload, level: Option<&str>) -> Self {
        let level = level.map(|level| ("ENCRYPTION", level));
        let variables: Vec<_> = [("UTP", "only")].into_iter().chain(level).collect();
        Self::libtorrent_with(payload, &payload.complete(), 0, &variables)
    }

    /// libtorrent serves what it finds in `folder`, at most `rate` bytes a second (0: no limit).
    pub fn libtorrent_from(payload: &Payload, folder: &Path, rate: u64) -> Self {
        Self::libtorrent_with(payload, folder, rate, &[])
    }

    fn libtorrent_with(payload: &Payload, folder: &Path, rate: u64, variables: &[(&str, &str)]) -> Self {
        let host = Ipv4Addr::new(127, 0, 0, 2);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/libtorrent_seed.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(payload.torrent()).arg(folder).arg(host.to_string()).arg(rate.to_string());
        command.envs(variables.iter().copied());
        let mut seeder = Self::start(command, SocketAddr::from((host, 0)), None);
        let port = seeder.expect_line("listening ");
        seeder.address.set_port(port.trim().parse().unwrap());
        seeder
    }

    /// libtorrent seeds the payload at an IPv4 and an IPv6 address, at most `rate` bytes a second. Its peer IDs begin
    /// with this name. Returns both addresses.
    pub fn libtorrent_at_two_addresses(payload: &Payload, rate: u64, name: &str) -> (Self, [SocketAddr; 2]) {
        let four = free_address(Ipv4Addr::LOCALHOST);
        let six = SocketAddr::from((Ipv6Addr::LOCALHOST, four.port()));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/libtorrent_seed.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(payload.torrent()).arg(payload.complete()).arg(format!("{four},{six}"));
        command.args([&rate.to_string(), name]);
        let seeder = Self::start(command, four, None);
        seeder.expect_line("listening ");
        (seeder, [four, six])
    }

    /// libtorrent shares the payload with those who exchange keys, with what this level allows behind it. It connects
    /// to a port of this host as often as is said.
    pub fn libtorrent_with_keys(payload: &Payload, level: &str, connects: Option<(u16, usize)>) -> Self {
        let host = Ipv4Addr::new(127, 0, 0, 2);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/libtorrent_keys.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(payload.torrent()).arg(payload.complete()).args([&host.to_string(), level]);
        command.args(connects.iter().flat_map(|(port, count)| [port.to_string(), count.to_string()]));
        let mut seeder = Self::start(command, SocketAddr::from((host, 0)), None);
        let port = seeder.expect_line("listening ");
        seeder.address.set_port(port.trim().parse().unwrap());
        seeder
    }

    /// libtorrent, on the local network that the loopback interface is, with a torrent that it knows only
    /// the info-hash of.
    pub fn libtorrent_on_lan(info_hash: [u8; 20]) -> Self {
        let host = Ipv4Addr::LOCALHOST;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/libtorrent_lan.py");
        let digits: String = info_hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = Command::new("python3");
        command.arg(script).arg(host.to_string()).arg(digits);
        let mut program = Self::start(command, SocketAddr::from((host, 0)), None);
        let port = program.expect_line("listening ");
        program.address.set_port(port.trim().parse().unwrap());
        program
    }

    /// aria2 seeds the payload, at most `rate` bytes a second (0: no limit).
    pub fn aria2(payload: &Payload, rate: u64) -> Self {
        Self::aria2_with(payload, rate, &[])
    }

    /// aria2 seeds the payload with these options too.
    pub fn aria2_with(payload: &Payload, rate: u64, options: &[&str]) -> Self {
        let address = free_address(Ipv4Addr::LOCALHOST);
        let mut command = Command::new("aria2c");
        command
            .args(["--no-conf=true", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"])
            .args(["--enable-peer-exchange=false", "--seed-ratio=0", "--check-integrity=true"])
            .args(["--summary-interval=0", "--show-console-readout=false", "--console-log-level=notice"])
            .arg(format!("--listen-port={}", address.port()))
            .arg(format!("--max-overall-upload-limit={rate}"))
            .args(options)
            .arg("--dir")
            .arg(payload.complete())
            .arg(payload.torrent());
        let seeder = Self::start(command, address, None);
        seeder.expect_line("Verification finished successfully");
        seeder.expect_line("listening on TCP port");
        seeder
    }

    /// Transmission seeds the payload, at most `rate` bytes a second (0: no limit).
    ///
    /// It takes no peers from 127.0.0.0/8 out of a tracker's answer, but lets any of them connect.
    /// Each has an address of its own, so that several of them are several hosts.
    pub fn transmission(payload: &Payload, rate: u64) -> Self {
        Self::transmission_in(payload, &payload.complete(), rate, "--encryption-tolerated", "")
    }

    /// The same, and it takes connections over uTP as well.
    pub fn transmission_with_utp(payload: &Payload) -> Self {
        let over = r#", "utp-enabled": true"#;
        Self::transmission_in(payload, &payload.complete(), 0, "--encryption-tolerated", over)
    }

    /// The same, and it takes only encrypted connections.
    pub fn transmission_encrypting(payload: &Payload) -> Self {
        Self::transmission_in(payload, &payload.complete(), 0, "--encryption-required", "")
    }

    fn transmission_in(payload: &Payload, content: &Path, rate: u64, encryption: &str, over: &str) -> Self {
        static NEXT_HOST: AtomicU8 = AtomicU8::new(3);
        let host = Ipv4Addr::new(127, 0, 0, NEXT_HOST.fetch_add(1, Ordering::Relaxed));
        let address = free_address(host);
        let folder = TestFolder::new();
        let torrents = folder.path().join("torrents");
        std::fs::create_dir(&torrents).unwrap();
        std::fs::copy(payload.torrent(), torrents.join("payload.torrent")).unwrap();
        let settings = format!(
            r#"{{"rpc-enabled": false, "speed-limit-up-enabled": {}, "speed-limit-up": {}{over}}}"#,
            rate > 0,
            rate / 1000
        );
        std::fs::write(folder.path().join("settings.json"), settings).unwrap();
        let mut command = Command::new("transmission-daemon");
        command
            .args(["--foreground", "--log-debug", "--no-dht", "--no-lpd", "--no-portmap"])
            .args(over.is_empty().then_some("--no-utp"))
            .arg(encryption)
            .arg(format!("--bind-address-ipv4={host}"))
            .arg(format!("--peerport={}", address.port()))
            .arg(format!("--config-dir={}", folder.path().display()))
            .arg(format!("--download-dir={}", content.display()));
        let seeder = Self::start(command, address, Some(folder));
        seeder.expect_line("Verification is done");
        // It looks there for the metadata that it gives to others, and verifies nothing that is there when
        // it starts.
        std::fs::copy(payload.torrent(), torrents.join(format!("{}.torrent", payload.info_hash()))).unwrap();
        seeder
    }

    /// opentracker, at an address from [`free_address`], for one torrent.
    pub fn opentracker(address: SocketAddr, info_hash: &str) -> Self {
        let folder = TestFolder::new();
        // It makes this its root folder, if it may, so the list is named relative to it.
        std::fs::write(folder.path().join("known"), format!("{info_hash}\n")).unwrap();
        let port = address.port().to_string();
        let mut command = Command::new("opentracker");
        command.args(["-i", &address.ip().to_string(), "-p", &port, "-P", &port, "-w", "known", "-d"]);
        command.arg(folder.path());
        let tracker = Self::start(command, address, Some(folder));
        wait_until("opentracker listens", || TcpStream::connect(address).is_ok());
        tracker
    }

    /// A proxy that this command starts, at an address from [`free_address`], with its files in this folder.
    pub fn proxy(command: Command, address: SocketAddr, folder: TestFolder) -> Self {
        let proxy = Self::start(command, address, Some(folder));
        wait_until("the proxy listens", || TcpStream::connect(address).is_ok());
        proxy
    }

    /// Waits until this tracker knows this many seeders.
    pub fn wait_for_seeders(&self, info_hash: &str, count: u32) {
        wait_until("the seeders announce themselves", || {
            scrape(self.address, info_hash, "8:completei") == Some(count)
        });
    }

    /// Waits until this tracker knows this many leechers.
    pub fn wait_for_leechers(&self, info_hash: &str, count: u32) {
        wait_until("the leechers announce themselves", || {
            scrape(self.address, info_hash, "10:incompletei") == Some(count)
        });
    }

    /// Where to connect to it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a libtorrent has uploaded this many bytes of the payload.
    pub fn wait_until_uploaded(&self, bytes: u64) {
        while self.expect_line("uploaded ").trim().parse::<u64>().unwrap() < bytes {}
    }

    fn start(command: Command, address: SocketAddr, folder: Option<TestFolder>) -> Self {
        Self::start_with(command, Stdio::null(), address, folder)
    }

    fn start_with(
        mut command: Command,
        input: Stdio,
        address: SocketAddr,
        folder: Option<TestFolder>,
    ) -> Self {
        let mut child = command
            // The scripts are in the source tree, which is left as it is.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?} (make interop installs it): {error}"));
        let (sender, lines) = channel();
        forward_lines(child.stdout.take(), sender.clone());
        forward_lines(child.stderr.take(), sender);
        Self { child, lines, address, _folder: folder }
    }

    /// Waits for a line with this text, and returns what follows it.
    pub fn expect_line(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line with '{text}' within {PATIENCE:?}, or it ended; it printed:\n{seen}");
            };
            if let Some((_, rest)) = line.split_once(text) {
                return rest.to_owned();
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward_lines(stream: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let stream = BufReader::new(stream.unwrap());
    thread::spawn(move || stream.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
}

/// Asks again and again until the answer is yes.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        // These programs announce nothing when they get there, so there is nothing to block on.
        thread::sleep(Duration::from_millis(50));
    }
}

/// A number of the tracker's scrape page (BEP 48), by its bencoded key.
fn scrape(tracker: SocketAddr, info_hash: &str, key: &str) -> Option<u32> {
    let escaped: String =
        info_hash.as_bytes().chunks(2).flat_map(|pair| ['%', pair[0].into(), pair[1].into()]).collect();
    let mut stream = TcpStream::connect(tracker).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /scrape?info_hash={escaped} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (_, count) = answer.split_once(key)?;
    count.split_once('e')?.0.parse().ok()
}
