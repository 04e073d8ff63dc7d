//! Both directions arrive byte for byte and end, over bad lines.

use crate::network::{Line, Network};
use femtotorrent::strategy::utp::EndReason;
use std::time::Duration;

/// Runs two hosts that send so much to each other. Returns when the later one had read everything.
pub fn transfer(network: &mut Network, bytes: (u64, u64), until: Duration) -> Duration {
    let (one, other) = network.connect((0, 1), bytes, Duration::ZERO);
    network.run(until);
    let ends = [one, other].map(|host| {
        let host = &network.hosts[host];
        assert!(
            host.done_at.is_some(),
            "{} of {} bytes, {:?} {:#?}",
            host.read,
            host.to_read,
            host.ended,
            network
                .hosts
                .iter()
                .map(|h| h.talk.as_ref().map(|t| format!("{t:?}").replace("Sent {", "\nSent {")))
                .collect::<Vec<_>>()
        );
        assert!(host.talk.is_none(), "it is not forgotten: {:?}", host.ended);
        host.done_at.unwrap()
    });
    ends[0].max(ends[1])
}

#[test]
fn over_a_good_line_it_takes_a_few_round_trips_more_than_the_line_does() {
    for (delay, rate, bytes) in
        [(5, 1 << 20, 4 << 20), (50, 1 << 20, 4 << 20), (50, 10 << 20, 40 << 20), (1, 100 << 10, 1 << 20)]
    {
        let line = Line::with_delay(delay).slow(rate, u64::MAX);
        let mut network = Network::new(1, vec![line.clone(), line]);
        let took = transfer(&mut network, (bytes, 1000), Duration::from_secs(1000));
        let ideal = bytes as f64 / rate as f64;
        println!(
            "{delay} ms, {rate}: {:.2} s, {:.2} times, waits {:?}",
            took.as_secs_f64(),
            took.as_secs_f64() / ideal,
            network.lines[0].waits
        );
        assert!(network.hosts.iter().all(|host| host.ended == Some(EndReason::Ours)));
    }
}

#[test]
fn random() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut line = |seed: u64| {
            let mut line = Line::with_delay(random.u64(1..100));
            line.loss = [0, 10, 50, 200][(seed % 4) as usize];
            line.doubled = random.u32(..100);
            line.late = random.u32(..100);
            line.jitter = Duration::from_millis(random.u64(..10));
            if random.bool() {
                line = line.slow(random.u64(50_000..2_000_000), random.u64(10_000..200_000));
            }
            line
        };
        let lines = vec![line(seed), line(seed)];
        let bytes = (random.u64(..500_000), random.u64(..500_000));
        let mut network = Network::new(seed, lines.clone());
        let took = transfer(&mut network, bytes, Duration::from_secs(10000));
        println!(
            "{seed} {took:?} {bytes:?} {:?} {:?} loss {} rate {:?} {:?}",
            lines[0].delay, lines[1].delay, lines[0].loss, lines[0].rate, lines[1].rate
        );
    }
}
