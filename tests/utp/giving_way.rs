//! A slow line with a long queue: conversations fill the line, keep the queue short, and share it.

use crate::network::{Line, Network};
use crate::transfers::transfer;
use std::time::Duration;

const MIB: u64 = 1 << 20;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_queue_of_a_slow_line_stays_near_the_target() {
    for delay in [5, 25, 80] {
        let line = Line::with_delay(delay).slow(MIB, u64::MAX);
        let mut network = Network::new(1, vec![line.clone(), line]);
        let took = transfer(&mut network, (20 * MIB, 0), seconds(1000));
        let (longest, sum, packets) = network.lines[0].waits;
        let mean = sum / packets;
        // The pauses are dense at first.
        assert!(took < seconds(25), "{delay} ms: the line is not full: {took:?}");
        assert!(mean < Duration::from_millis(115), "{delay} ms: packets wait {mean:?}");
        assert!(longest < Duration::from_millis(250), "{delay} ms: packets wait {longest:?}");
    }
}

#[test]
fn two_conversations_share_a_line() {
    for begins in [0, 5000] {
        let line = Line::with_delay(20).slow(MIB, u64::MAX);
        let mut network = Network::new(1, vec![line.clone(), line]);
        network.connect((0, 1), (1 << 30, 0), Duration::ZERO);
        network.connect((0, 1), (1 << 30, 0), Duration::from_millis(begins));
        network.run(seconds(60));
        let before = [network.hosts[1].read, network.hosts[3].read];
        network.run(seconds(120));
        let after = [network.hosts[1].read, network.hosts[3].read];
        let rates = [0, 1].map(|host| (after[host] - before[host]) / 1024 / 60);
        let [least, most] = [rates[0].min(rates[1]), rates[0].max(rates[1])];
        assert!(most < 2 * least, "the second begins after {begins} ms: {rates:?} KiB/s");
        assert!(least + most > 900, "the line is not full: {rates:?} KiB/s");
    }
}
