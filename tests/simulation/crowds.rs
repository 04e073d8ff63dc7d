//! Swarms of leechers in which there is less upload than all of them could take: what counts is that nobody stands idle
//! for want of something that somebody lacks.

use crate::catalogue::{Entry, entry};
use crate::scene::{KB, KIB, MB, MIB, Member, Scene, seconds};

/// The scenes. They are held to [`Report::assert_near_ideal`].
///
/// [`Report::assert_near_ideal`]: crate::report::Report::assert_near_ideal
pub fn crowds() -> Vec<Entry> {
    let gives = |up: u64| Member::leecher().up(up * KB);
    vec![
        entry(
            "upload is scarce",
            "A seed of 2 MB/s and 10 leechers of 500 kB/s.",
            Scene::new(14, 32 * MIB, 256 * KIB).with(1, Member::seed().up(2 * MB)).with(10, gives(500)),
        ),
        entry(
            "upload is scarce, two seeds",
            "The same with two seeds of 1 MB/s.",
            Scene::new(61, 32 * MIB, 256 * KIB).with(2, Member::seed()).with(10, gives(500)),
        ),
        entry(
            "upload is scarce, uneven",
            "A seed of 1 MB/s, 10 leechers of 100 kB/s and 3 of 1 MB/s.",
            Scene::new(63, 32 * MIB, 256 * KIB)
                .with(1, Member::seed())
                .with(10, gives(100))
                .with(3, Member::leecher()),
        ),
        entry(
            "upload is scarce, three waves",
            "A seed of 1 MB/s and 12 leechers of 250 kB/s: four at once, four after 10 s and four after 20 s.",
            Scene::new(64, 32 * MIB, 256 * KIB)
                .with(1, Member::seed())
                .with(4, gives(250))
                .with(4, gives(250).joins(seconds(10)))
                .with(4, gives(250).joins(seconds(20))),
        ),
        entry(
            "upload is scarce, nobody stays",
            "A seed of 1 MB/s and 10 leechers of 250 kB/s that leave when they have everything.",
            Scene::new(65, 32 * MIB, 256 * KIB).with(1, Member::seed()).with(10, gives(250).leaves()),
        ),
        entry(
            "upload is scarce, pieces of 4 MiB",
            "A seed of 4 MB/s and 10 leechers of 1 MB/s, 256 MiB.",
            Scene::new(70, 256 * MIB, 4 * MIB).with(1, Member::seed().up(4 * MB)).with(10, Member::leecher()),
        ),
    ]
}

/// Seeds that are slower than each leecher, where they take much longer than the ideal.
pub fn thin_seeds() -> Vec<Entry> {
    let thin = Member::seed().up(200 * KB);
    vec![
        entry(
            "thin seed, 50 leechers",
            "A seed of 200 kB/s and 50 leechers of 1 MB/s.",
            Scene::new(13, 64 * MIB, 256 * KIB).with(1, thin).with(50, Member::leecher()),
        ),
        entry(
            "thin seed, large pieces",
            "10 leechers, 32 MiB in pieces of 512 KiB. A leecher passes on whole pieces only, and one takes 10 s or more \
             from a seed that serves four at once. Meanwhile it sends much that another leecher has already.",
            Scene::new(12, 32 * MIB, 512 * KIB).with(1, thin).with(10, Member::leecher()),
        ),
    ]
}

#[test]
fn a_crowd_is_as_fast_as_all_that_its_members_send() {
    for entry in crowds() {
        entry.scene.run().assert_near_ideal(entry.name);
    }
}
