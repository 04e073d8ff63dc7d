//! nginx, which serves what a payload's torrent names.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::PATIENCE;
use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;

/// nginx at two addresses: one has the files, the other redirects there.
pub struct Nginx {
    child: Child,
    folder: TestFolder,
    files: SocketAddr,
    redirects: SocketAddr,
}

/// A request that nginx has answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answered {
    /// The number of the connection.
    pub connection: u64,
    /// The port that was asked.
    pub port: u16,
    /// The status.
    pub status: u16,
}

impl Nginx {
    /// nginx serves this folder.
    pub fn start(root: &Path) -> Self {
        let (files, redirects) = (free_address(Ipv4Addr::LOCALHOST), free_address(Ipv4Addr::LOCALHOST));
        let folder = TestFolder::new();
        let at = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/errors;
             events {{ worker_connections 64; }}
             http {{
                 {temporary}
                 log_format short '$connection $server_port $status';
                 access_log {at}/log short;
                 server {{ listen {files}; root {}; }}
                 server {{ listen {redirects}; location / {{ return 301 http://{files}$request_uri; }} }}
             }}",
            root.display()
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, configuration).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-c").arg(path).arg("-e").arg(folder.path().join("errors")).stdin(Stdio::null());
        let child = command.stderr(Stdio::null()).spawn().expect("nginx starts (make interop installs it)");
        let started = Instant::now();
        while TcpStream::connect(redirects).is_err() {
            assert!(started.elapsed() < PATIENCE, "nginx does not listen");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Self { child, folder, files, redirects }
    }

    /// The address of the files.
    pub fn url(&self) -> String {
        format!("http://{}/", self.files)
    }

    /// The address that redirects there.
    pub fn redirecting_url(&self) -> String {
        format!("http://{}/", self.redirects)
    }

    /// The port that has the files.
    pub fn port(&self) -> u16 {
        self.files.port()
    }

    /// What it has answered.
    pub fn answered(&self) -> Vec<Answered> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let answered = |line: &str| {
            let mut words = line.split(' ').map(|word| word.parse::<u64>().unwrap());
            let mut next = || words.next().unwrap();
            Answered { connection: next(), port: next() as u16, status: next() as u16 }
        };
        log.lines().map(answered).collect()
    }

    /// How many connections it has answered at the address of the files.
    pub fn connections(&self) -> usize {
        let answered = self.answered().into_iter().filter(|answered| answered.port == self.port());
        answered.map(|answered| answered.connection).collect::<BTreeSet<u64>>().len()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
