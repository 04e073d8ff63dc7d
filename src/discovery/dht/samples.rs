//! A sample of the torrents whose peers we keep, for those who index the DHT (BEP 51).
//!
//! Pure. Whoever asks gets the same sample until the interval is over, so asking more often brings nothing. It says
//! nothing about us: only about what others announced.

use super::peer_store::PeerStore;
use crate::chance;
use crate::metainfo::InfoHash;
use std::time::{Duration, Instant};

/// How long a sample stays the same.
const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Info-hashes in a sample: 400 bytes of them, so that nodes have room beside them.
const MOST: usize = 20;

/// What an answer says of the torrents that a node keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Seconds after which the sample is another one (`interval`).
    pub interval: u32,
    /// How many torrents the node keeps (`num`).
    pub count: u32,
    /// Some of their info-hashes (`samples`).
    pub info_hashes: Vec<InfoHash>,
}

/// The sample that is given out now.
#[derive(Debug)]
pub struct Sampler {
    info_hashes: Vec<InfoHash>,
    until: Instant,
}

impl Sampler {
    /// One that has given out nothing yet.
    pub fn new(now: Instant) -> Sampler {
        Sampler { info_hashes: Vec::new(), until: now }
    }

    /// The sample of this store. One that has room for all of them is never old.
    pub fn sample(&mut self, store: &PeerStore, now: Instant, random: &mut fastrand::Rng) -> Samples {
        let mut all = store.torrents(now);
        let count = all.len();
        if self.until <= now || self.info_hashes.len() < MOST || count <= MOST {
            chance::shuffle(&mut all, random);
            all.truncate(MOST);
            (self.info_hashes, self.until) = (all, now + INTERVAL);
        }
        let interval = u32::try_from(INTERVAL.as_secs()).unwrap_or_default();
        let count = u32::try_from(count).unwrap_or_default();
        Samples { interval, count, info_hashes: self.info_hashes.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn store(torrents: u8, now: Instant) -> PeerStore {
        let mut store = PeerStore::default();
        (0..torrents)
            .for_each(|number| store.add(InfoHash([number; 20]), ([1, 2, 3, number], 1).into(), now));
        store
    }

    #[test]
    fn a_sample_has_what_there_is_and_twenty_at_most_and_stays_the_same_for_its_interval() {
        let start = Instant::now();
        let (mut random, mut sampler) = (fastrand::Rng::with_seed(1), Sampler::new(start));
        assert_eq!(sampler.sample(&store(0, start), start, &mut random).count, 0);
        let few = sampler.sample(&store(7, start), start, &mut random);
        assert_eq!((few.count, few.info_hashes.len(), few.interval), (7, 7, 600));
        let many = store(100, start);
        let first = sampler.sample(&many, start, &mut random);
        let distinct: HashSet<InfoHash> = first.info_hashes.iter().copied().collect();
        assert_eq!((first.count, distinct.len()), (100, MOST));
        let just_before = start + INTERVAL - Duration::from_secs(1);
        assert_eq!(sampler.sample(&many, just_before, &mut random), first);
        assert_ne!(sampler.sample(&many, start + INTERVAL, &mut random), first);
        // What nobody has announced for half an hour is kept no more.
        assert_eq!(
            sampler.sample(&many, start + 3 * INTERVAL, &mut random),
            Samples { interval: 600, ..Samples::default() }
        );
    }
}
