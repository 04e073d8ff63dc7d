//! Both directions arrive byte for byte and end, over bad lines, and in time.

use crate::network::{Line, Network};
use femtotorrent::strategy::utp::EndReason;
use std::time::Duration;

const MIB: u64 = 1 << 20;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Runs two hosts that send so much to each other. Returns when the later one had read everything.
pub fn transfer(network: &mut Network, bytes: (u64, u64), until: Duration) -> Duration {
    let (one, other) = network.connect((0, 1), bytes, Duration::ZERO);
    network.run(until);
    let ends = [one, other].map(|host| {
        let host = &network.hosts[host];
        assert!(host.done_at.is_some(), "{} of {} bytes, {:?}", host.read, host.to_read, host.ended);
        assert!(host.talk.is_none(), "it is not forgotten: {:?}", host.ended);
        host.done_at.unwrap()
    });
    ends[0].max(ends[1])
}

#[test]
fn over_a_good_line_it_takes_little_more_than_the_line_does() {
    for (delay, rate, bytes) in [(5, MIB, 4), (50, MIB, 4), (50, 10 * MIB, 40), (1, 100 << 10, 1)] {
        let line = Line::with_delay(delay).slow(rate, u64::MAX);
        let mut network = Network::new(1, vec![line.clone(), line]);
        let took = transfer(&mut network, (bytes * MIB, 1000), seconds(1000));
        let times = took.as_secs_f64() / (bytes * MIB) as f64 * rate as f64;
        assert!(times < 1.4, "{delay} ms, {rate} bytes a second: {times} times");
        assert!(network.hosts.iter().all(|host| host.ended == Some(EndReason::Ours)));
    }
}

/// A line by chance, with this loss in a thousand packets.
fn bad_line(random: &mut fastrand::Rng, loss: u32) -> Line {
    let mut line = Line::with_delay(random.u64(1..100));
    (line.loss, line.doubled, line.late) = (loss, random.u32(..100), random.u32(..100));
    line.jitter = Duration::from_millis(random.u64(..10));
    if random.bool() {
        line = line.slow(random.u64(50_000..2_000_000), random.u64(10_000..200_000));
    }
    line
}

#[test]
fn both_directions_arrive_over_lines_that_lose_double_and_reorder() {
    for (loss, patience) in [(0, 1.0), (10, 2.5), (50, 5.0), (200, 30.0)] {
        for seed in 0..25 {
            let mut random = fastrand::Rng::with_seed(seed);
            let lines = vec![bad_line(&mut random, loss), bad_line(&mut random, loss)];
            let bytes = (random.u64(..500_000), random.u64(..500_000));
            let round_trip =
                (lines[0].delay + lines[1].delay + lines[0].jitter + lines[1].jitter).as_secs_f64();
            let alone = |bytes: u64, line: &Line| bytes as f64 / line.rate.unwrap_or(u64::MAX) as f64;
            let slower = alone(bytes.0, &lines[0]).max(alone(bytes.1, &lines[1]));
            // A window that was halved often is a few packets, and a lost last packet costs the longest wait.
            let most = 1.5 + 1.5 * slower + patience * (1.0 + 10.0 * round_trip);
            let mut network = Network::new(seed, lines);
            network.gains = [random.i64(-200..200), random.i64(-200..200)];
            let took = transfer(&mut network, bytes, seconds(1000)).as_secs_f64();
            assert!(took < most, "seed {seed}, loss {loss}: {took} s, and at most {most}");
        }
    }
}

#[test]
fn a_line_that_loses_one_packet_in_five_each_way_ends_nothing() {
    for (delay, most) in [(10, 80.0), (50, 120.0)] {
        let took = (0..20).map(|seed| {
            let mut line = Line::with_delay(delay);
            line.loss = 200;
            let mut network = Network::new(seed, vec![line.clone(), line]);
            transfer(&mut network, (MIB, 1000), seconds(1000)).as_secs_f64()
        });
        let mean = took.sum::<f64>() / 20.0;
        assert!(mean < most, "{delay} ms: {mean} s");
    }
}

#[test]
fn a_reader_that_rests_and_a_room_that_changes_stop_nobody_for_ever() {
    for seed in 0..10 {
        let mut line = Line::with_delay(10);
        line.loss = 20 * (seed as u32 % 2);
        let mut network = Network::new(seed, vec![line.clone(), line]);
        network.reads = (16 * 1024, Duration::from_millis(40 + 300 * (seed % 2)));
        // 64 times 16 KiB, and what is on the way.
        let took = transfer(&mut network, (MIB, MIB), seconds(100));
        assert!(took < seconds(30), "seed {seed}: {took:?}");
        let mut line = Line::with_delay(10);
        line.room = Some([100, 1000, 10_000, 100_000][seed as usize % 4]);
        let mut network = Network::new(seed, vec![line.clone(), line]);
        let took = transfer(&mut network, (30_000, 30_000), seconds(1000));
        assert!(took < seconds(100), "seed {seed}: {took:?}");
    }
}

#[test]
fn a_peer_without_room_is_asked_until_it_has_some() {
    // The word that there is room again is lost.
    let mut line = Line::with_delay(10);
    let mut back = line.clone();
    back.dead = (Duration::from_millis(900), Duration::from_millis(1500));
    line.loss = 0;
    let mut network = Network::new(1, vec![line, back]);
    network.reads = (MIB as usize, seconds(1));
    let took = transfer(&mut network, (2 * MIB, 0), seconds(300));
    assert!(took < seconds(200), "{took:?}");
}

#[test]
fn a_line_that_is_dead_for_half_a_minute_ends_nothing_and_one_that_stays_dead_does() {
    for (dead, lives) in [(30, true), (3000, false)] {
        let mut line = Line::with_delay(30).slow(MIB, 100_000);
        line.dead = (seconds(2), seconds(2 + dead));
        let mut network = Network::new(1, vec![line.clone(), line]);
        network.connect((0, 1), (8 * MIB, 0), Duration::ZERO);
        network.run(seconds(1000));
        assert_eq!(network.hosts[1].done_at.is_some(), lives, "{:?}", network.hosts[0].ended);
        if !lives {
            assert_eq!(network.hosts[0].ended, Some(EndReason::TimedOut));
        }
    }
}

#[test]
fn clocks_may_wrap_and_be_anywhere() {
    let line = Line::with_delay(20).slow(MIB, u64::MAX);
    let mut network = Network::new(1, vec![line.clone(), line]);
    // A clock of 32 bits wraps after 4,295 s; the conversation has lasted nearly as long.
    network.connect((0, 1), (16 * MIB, 0), Duration::ZERO);
    network.hosts[0].to_write = 1000;
    network.hosts[0].closes = false;
    network.run(seconds(4290));
    network.hosts[0].to_write = 16 * MIB;
    let sum = network.lines[0].waits.1;
    network.run(seconds(4400));
    assert!(network.hosts[1].done_at.is_some_and(|at| at < seconds(4350)), "{:?}", network.hosts[1].done_at);
    let mean = (network.lines[0].waits.1 - sum) / network.lines[0].waits.2;
    assert!(mean < Duration::from_millis(115), "{mean:?}");
}

/// Both halves on one core, with no network between them: `cargo test --release --test utp -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    use femtotorrent::strategy::utp::Conversation;
    use femtotorrent::wire::utp::Packet;
    use std::time::Instant;
    const TOTAL: usize = 1 << 30;
    let start = Instant::now();
    let (mut one, mut two) = (Conversation::connect(1, 1, start), None::<Conversation>);
    let (mut packet, mut now, mut bytes) = (Vec::new(), start, vec![7; 64 * 1024]);
    let mut came = 0;
    while came < TOTAL {
        now += Duration::from_millis(1);
        one.write(&bytes);
        while one.next_packet(now, &mut packet) {
            let packet = Packet::read(&packet).unwrap();
            match &mut two {
                Some(two) => two.take(&packet, now),
                None => two = Conversation::accept(&packet, 1, now),
            }
        }
        let Some(two) = &mut two else { continue };
        came += two.read(&mut bytes);
        while two.next_packet(now, &mut packet) {
            one.take(&Packet::read(&packet).unwrap(), now);
        }
        one.expire(now);
    }
    let took = start.elapsed();
    println!("{:.0} MiB/s, both halves together", 1024.0 / took.as_secs_f64());
}
