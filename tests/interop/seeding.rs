//! femtotorrent seeds, and programs that are not ours download: from it alone, and in a swarm with it.

use std::net::Ipv4Addr;

use crate::foreign::{Foreign, Leecher};
use crate::payload::Payload;
use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::program::Program;
use crate::support::swarm_progress;
use crate::{LIMIT, get};

const MIB: u64 = 1024 * 1024;

#[test]
fn libtorrent_downloads_from_our_seed_alone() {
    let payload = Payload::single(256 * MIB);
    let (_seed, address) = Instance::seed(&payload.torrent(), &payload.complete(), &[]);
    let leecher = Leecher::libtorrent(&payload, &[address]);
    leecher.wait_until_complete();
    leecher.assert_identical(&payload);
}

#[test]
fn aria2_downloads_from_our_seed_alone() {
    let tracker = free_address(Ipv4Addr::LOCALHOST);
    let payload = Payload::single_announced(256 * MIB, &format!("http://{tracker}/announce"));
    let tracker = Foreign::opentracker(tracker, &payload.info_hash());
    let _seed = Instance::seed(&payload.torrent(), &payload.complete(), &[]);
    tracker.wait_for_seeders(&payload.info_hash(), 1);
    let leecher = Leecher::aria2(&payload);
    leecher.wait_until_complete();
    leecher.assert_identical(&payload);
}

#[test]
fn transmission_downloads_from_our_seed_alone() {
    let payload = Payload::single(256 * MIB);
    let leecher = Leecher::transmission(&payload);
    let peer = leecher.address().to_string();
    let _seed = Instance::seed(&payload.torrent(), &payload.complete(), &["--peer", &peer]);
    leecher.wait_until_complete();
    leecher.assert_identical(&payload);
}

#[test]
fn six_programs_finish_although_the_seed_leaves_when_one_copy_is_out() {
    let tracker = free_address(Ipv4Addr::LOCALHOST);
    let payload = Payload::single_announced(64 * MIB + 5, &format!("http://{tracker}/announce"));
    let (torrent, info_hash) = (payload.torrent(), payload.info_hash());
    let tracker = Foreign::opentracker(tracker, &info_hash);

    // Transmission is known to the tracker before the others come, as they must connect to it.
    let transmission = Leecher::transmission(&payload);
    tracker.wait_for_leechers(&info_hash, 1);
    let foreign = [transmission, Leecher::aria2(&payload), Leecher::libtorrent(&payload, &[])];
    let folders = [TestFolder::new(), TestFolder::new()];
    let ours = folders.each_ref().map(|folder| Instance::get(&torrent, folder.path(), &["--seed"]));
    // Slow enough that no leecher can have everything before the others have something.
    let (seed, _) = Instance::seed(&torrent, &payload.complete(), &["--up-limit", "8M"]);

    let copies = foreign.iter().map(Leecher::output).chain(folders.iter().map(TestFolder::path));
    let copies: Vec<_> = copies.flat_map(|folder| payload.copies_in(folder)).collect();
    swarm_progress::wait_until_one_copy_is_out(&payload.content(), payload.piece_length(), &copies);
    seed.stop();

    foreign.iter().for_each(Leecher::wait_until_complete);
    ours.iter().for_each(|instance| instance.wait_for("seeding, listening"));
    for (instance, folder) in ours.into_iter().zip(&folders) {
        instance.stop();
        payload.assert_identical(folder.path());
    }
    foreign.into_iter().for_each(|leecher| leecher.assert_identical(&payload));
}

#[test]
fn libtorrent_gets_a_whole_from_two_of_ours_that_have_half_of_the_files_each() {
    let payload = Payload::hundred_files();
    let origin = Foreign::libtorrent(&payload);
    let halves = [TestFolder::new(), TestFolder::new()];
    for (half, files) in halves.iter().zip(["0-49", "50-"]) {
        let mut arguments = get(&payload, half.path(), &[origin.address()]);
        arguments.extend(["--select".into(), files.into()]);
        let outcome = Program::start(arguments).finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
        // The piece in the middle is in no file of either half as a whole.
        let names = std::fs::read_dir(half.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().any(|name| name.to_string_lossy().ends_with(".femtotorrent-part")));
    }
    drop(origin);
    let seeds = halves.each_ref().map(|half| Instance::seed(&payload.torrent(), half.path(), &[]));
    let leecher = Leecher::libtorrent(&payload, &seeds.each_ref().map(|(_, address)| *address));
    leecher.wait_until_complete();
    leecher.assert_identical(&payload);
}

#[test]
fn libtorrents_get_a_whole_from_our_super_seed() {
    let payload = Payload::single(16 * MIB + 3);
    let (_seed, address) = Instance::seed(&payload.torrent(), &payload.complete(), &["--super"]);
    let first = Leecher::libtorrent(&payload, &[address]);
    let second = Leecher::libtorrent(&payload, &[address, first.address()]);
    for leecher in [first, second] {
        leecher.wait_until_complete();
        leecher.assert_identical(&payload);
    }
}
