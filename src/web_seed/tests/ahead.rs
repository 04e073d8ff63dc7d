//! Small files: their requests go out before the answers to those before them have come.

use super::*;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// What a server that plays a part has: the answer to a request for a path.
type Answers = dyn Fn(&str) -> Vec<u8>;

/// Reads a request. Returns its path, unless the connection is over.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    Some(head.split(' ').nth(1)?.to_owned())
}

/// Downloads so many files, which are called by their numbers, from a server that plays this with each connection.
/// Returns how many there were.
fn download(count: usize, length: usize, play: impl Fn(&TcpStream, &Answers) + Send + 'static) -> usize {
    let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let torrent = Torrent::folder(&names.iter().map(|name| (&**name, length)).collect::<Vec<_>>());
    let (payload, connections) = (torrent.payload.clone(), Arc::new(AtomicU32::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let counter = Arc::clone(&connections);
    thread::spawn(move || {
        let answer = move |path: &str| {
            let number: usize = path.rsplit('/').next().unwrap().parse().unwrap();
            part(&payload[number * length..][..length], &(0..length as u64)).bytes
        };
        for stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            play(&stream, &answer);
        }
    });
    let worker = torrent.worker(url);
    torrent.order_all(&worker);
    torrent.completes();
    connections.load(Ordering::SeqCst) as usize
}

#[test]
fn all_small_files_are_asked_for_before_the_second_of_them_comes() {
    let connections = download(20, 5_000, |mut stream, answer| {
        let mut reader = BufReader::new(stream);
        let first = request(&mut reader).unwrap();
        stream.write_all(&answer(&first)).unwrap();
        let others: Vec<String> = (1..20).map(|_| request(&mut reader).unwrap()).collect();
        let answers: Vec<u8> = others.iter().flat_map(|path| answer(path)).collect();
        stream.write_all(&answers).unwrap();
        assert_eq!(request(&mut reader), None);
    });
    assert_eq!(connections, 1);
}

#[test]
fn a_server_that_forgets_what_was_sent_ahead_is_asked_anew() {
    let connections = download(12, 20_000, |mut stream, answer| {
        let mut reader = BufReader::new(stream);
        for _ in 0..2 {
            let Some(path) = request(&mut reader) else { return };
            stream.write_all(&answer(&path)).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = reader.read_to_end(&mut Vec::new());
    });
    assert_eq!(connections, 6);
}
