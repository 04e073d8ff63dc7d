//! Ways on which large packets vanish without a word: both directions arrive all the same, with packets that pass.

use crate::network::{Line, Network};
use crate::transfers::transfer;
use std::time::Duration;

/// Bytes of the headers below ours, over IPv4.
const BELOW: usize = 28;
const BYTES: u64 = 1 << 20;

/// Sends as much in both directions, where packets above this size are lost, and others by chance, in a thousand.
/// Returns how long it takes, and how many packets the one who asked for the connection sends.
fn over(largest: usize, loss: u32, seed: u64) -> (f64, u64) {
    let mut line = Line::with_delay(10).slow(1 << 20, 100_000);
    (line.largest, line.loss) = (largest - BELOW, loss);
    let mut network = Network::new(seed, vec![line.clone(), line]);
    let took = transfer(&mut network, (BYTES, BYTES), Duration::from_secs(1000));
    (took.as_secs_f64(), network.hosts[0].packets_sent)
}

#[test]
fn what_large_packets_do_not_get_through_goes_in_smaller_ones_and_takes_hardly_longer() {
    let (good, _) = over(1500, 0, 1);
    for (largest, most) in [(1379, 1.2), (1300, 1.2), (1200, 1.3), (600, 1.3), (576, 1.3)] {
        let (took, _) = over(largest, 0, 1);
        assert!(took < good * most, "{largest}: {took} s, and where nothing is lost {good}");
    }
}

#[test]
fn that_is_so_where_others_are_lost_as_well() {
    for seed in 0..10 {
        for largest in [1300, 600] {
            let ((good, _), (took, _)) = (over(1500, 20, seed), over(largest, 20, seed));
            assert!(took < good * 3.0 + 2.0, "{largest}, seed {seed}: {took} s, else {good}");
        }
    }
}

#[test]
fn where_they_get_through_nearly_all_packets_are_large() {
    // As many as the bytes need, and as many words of what has come at most.
    let (_, sent) = over(1500, 0, 1);
    assert!(sent < 2 * BYTES / 1332 * 11 / 10, "{sent}");
    let (_, small) = over(600, 0, 1);
    assert!(small > BYTES / 528, "{small}");
    let (_, middle) = over(1300, 0, 1);
    assert!(middle < small, "{middle}, and where they are small {small}");
}
