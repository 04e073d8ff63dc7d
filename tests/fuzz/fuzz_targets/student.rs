//! What a student's program says to `demo --serve` and `demo --with`, and what its announce asks the tracker.
//!
//! Whatever comes, and however it is cut, it means the same; a request that is served lies in the torrent; and what is
//! told of it is bounded.

#![no_main]

use femtotorrent::cli::demo::student::client::{Answer, Client};
use femtotorrent::cli::demo::student::report::Report;
use femtotorrent::cli::demo::student::seeder::TheirSeeder;
use femtotorrent::cli::demo::student::{Expected, Student, announce};
use femtotorrent::metainfo::InfoHash;
use femtotorrent::piece::{Geometry, PieceDigest};
use femtotorrent::wire::Message;
use libfuzzer_sys::fuzz_target;

const HASH: InfoHash = InfoHash(*b"hhhhhhhhhhhhhhhhhhhh");

fuzz_target!(|bytes: &[u8]| {
    let whole = heard(bytes, bytes.len().max(1));
    assert_eq!(heard(bytes, 3), whole);
    let _ = announce::fault(&String::from_utf8_lossy(bytes), &HASH);
});

/// What is heard of these bytes, so many at a time, and the mistakes that are seen in it.
fn heard(bytes: &[u8], at_once: usize) -> (Vec<Vec<u8>>, String) {
    let geometry = Geometry::new(200_000, 65_536).expect("it has pieces");
    let mut student = Student::new(Expected { info_hash: HASH, of_file: [0; 20] }, geometry);
    let (mut client, mut report) = (Client::new(geometry), Report::default());
    let mut seeder = TheirSeeder::new(geometry, vec![PieceDigest::Sha1([0; 20]); 4]);
    let (mut said, mut out) = (Vec::new(), Vec::new());
    for part in bytes.chunks(at_once) {
        student.push(part);
        loop {
            let _ = student.stuck();
            match student.take() {
                Err(fault) => {
                    report.wrong(fault);
                    return (said, report.summary());
                }
                Ok(None) => break,
                Ok(Some(frame)) => {
                    if let (true, Some(message)) = (!said.is_empty(), Message::of_start(&frame)) {
                        match client.hear(&message, &mut report) {
                            Answer::Unchoke => client.was_told(true),
                            Answer::Send(wanted) => {
                                assert!(geometry.part(wanted.index, wanted.begin, wanted.length).is_some());
                                client.was_sent(wanted, wanted.begin == 0, &mut report);
                            }
                            Answer::Forget(_) | Answer::Nothing => {}
                        }
                        seeder.hear(&message, &mut report, &mut out);
                        let _ = (client.stuck(), seeder.silence());
                    }
                    said.push(frame);
                }
            }
        }
    }
    assert!(report.take().len() <= 2_000);
    (said, report.summary())
}
