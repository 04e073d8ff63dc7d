use super::*;

/// Lets a peer answer at `rate` blocks a second with a round trip of `delay`, for `seconds`.
fn run(pipeline: &mut Pipeline, start: Instant, rate: f64, delay: f64, seconds: u32) {
    let step = 0.01;
    let mut sent: Vec<f64> = Vec::new();
    let mut asked: std::collections::VecDeque<f64> = std::collections::VecDeque::new();
    let mut free_at = 0.0_f64;
    for tick in 1..=seconds * 100 {
        let at = f64::from(tick) * step;
        while asked.len() < pipeline.depth() as usize {
            // The peer sends a block when the request has come and the line is free.
            free_at = free_at.max(at) + 1.0 / rate;
            asked.push_back(free_at.max(at + delay));
        }
        sent.clear();
        while asked.front().is_some_and(|due| *due <= at) {
            sent.extend(asked.pop_front());
        }
        let now = start + Duration::from_secs_f64(at);
        if !sent.is_empty() {
            pipeline.received(sent.len() as u32, now);
        }
        if tick % 25 == 0 {
            pipeline.tick(now);
        }
    }
}

#[test]
fn a_slow_peer_never_holds_more_than_four_seconds_of_its_rate() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    run(&mut pipeline, start, 2.0, 0.05, 30);
    assert!((2..=9).contains(&pipeline.depth()), "{}", pipeline.depth());
    assert!((pipeline.rate() / BLOCK_BYTES - 2.0).abs() < 0.5, "{}", pipeline.rate());
}

#[test]
fn a_peer_that_becomes_slow_soon_gets_fewer_requests() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    run(&mut pipeline, start, 1000.0, 0.1, 10);
    assert!(pipeline.depth() > 50, "{}", pipeline.depth());
    run(&mut pipeline, start + Duration::from_secs(10), 10.0, 0.1, 20);
    // Four seconds at 10 blocks a second, and a little more.
    assert!((10..=50).contains(&pipeline.depth()), "{}", pipeline.depth());
}

#[test]
fn a_fast_and_far_peer_gets_the_deepest_pipeline_within_two_seconds() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    run(&mut pipeline, start, 1e5, 0.1, 2);
    assert_eq!(pipeline.depth(), MAX_DEPTH);
}

#[test]
fn memory_holds_a_peer_whose_rate_grows_with_its_requests_and_no_other() {
    let start = Instant::now();
    let is_held = |rate, delay, share| {
        let mut pipeline = Pipeline::new(start);
        pipeline.set_queue_limit(500);
        pipeline.set_memory_share(share);
        run(&mut pipeline, start, rate, delay, 10);
        pipeline.is_held_by_memory()
    };
    assert!(is_held(5000.0, 0.5, 64), "it could send 2500 blocks in a round trip");
    assert!(!is_held(5000.0, 0.5, 500), "the deepest pipeline");
    assert!(!is_held(20.0, 0.05, 64), "as many would take more than two seconds");
}

#[test]
fn a_near_peer_gets_what_fills_its_line_and_no_more() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    // The line holds 20 blocks.
    run(&mut pipeline, start, 1000.0, 0.02, 10);
    assert!((32..=128).contains(&pipeline.depth()), "{}", pipeline.depth());
}

#[test]
fn a_peer_that_was_slow_and_is_fast_again_soon_gets_many_requests() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut pipeline = Pipeline::new(start);
    pipeline.set_queue_limit(500);
    run(&mut pipeline, start, 600.0, 0.1, 5);
    // Each time that it gets slower, it rests longer before more is tried.
    for round in 0..4 {
        run(&mut pipeline, at(5 + 40 * round), 600.0, 0.1, 5);
        run(&mut pipeline, at(10 + 40 * round), 0.6, 0.1, 35);
    }
    assert!(pipeline.depth() <= 4, "{}", pipeline.depth());
    run(&mut pipeline, at(165), 600.0, 0.1, 4);
    assert!(pipeline.depth() >= 60, "{}", pipeline.depth());
}

#[test]
fn a_greater_depth_is_found_when_the_round_trip_becomes_longer() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    run(&mut pipeline, start, 1000.0, 0.02, 5);
    let later = start + Duration::from_secs(5);
    run(&mut pipeline, later, 1000.0, 0.4, 60);
    assert!(pipeline.depth() > 300, "{}", pipeline.depth());
}

#[test]
fn a_peer_that_told_its_queue_length_never_gets_more() {
    let start = Instant::now();
    for reqq in [1, 20, 250, 100_000] {
        let mut pipeline = Pipeline::new(start);
        pipeline.set_queue_limit(reqq);
        run(&mut pipeline, start, 1e5, 0.1, 5);
        assert_eq!(pipeline.depth(), reqq.min(MAX_DEPTH));
    }
}

#[test]
fn a_peer_that_told_no_queue_length_gets_fifty_until_it_has_answered_those() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    let mut deepest = 0;
    for answered in 0..98 {
        pipeline.received(1, start + Duration::from_millis(answered * 40));
        deepest = deepest.max(pipeline.depth());
    }
    assert_eq!(deepest, UNTOLD_QUEUE);
    run(&mut pipeline, start + Duration::from_secs(4), 1e5, 0.1, 5);
    assert!(pipeline.depth() > UNTOLD_QUEUE);
}

#[test]
fn rejects_and_silence_make_it_shallow_and_blocks_make_it_deep_again() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    run(&mut pipeline, start, 1e5, 0.1, 3);
    pipeline.rejected(start);
    assert_eq!(pipeline.depth(), MAX_DEPTH / 2);
    for _ in 0..100 {
        pipeline.rejected(start);
    }
    assert_eq!(pipeline.depth(), UNTOLD_QUEUE, "every peer takes as many");
    pipeline.snubbed(start);
    assert_eq!(pipeline.depth(), 1);
    run(&mut pipeline, start + Duration::from_secs(60), 1e5, 0.1, 5);
    assert!(pipeline.depth() > 100, "{}", pipeline.depth());
}

#[test]
fn a_peer_that_unchokes_us_late_still_begins_with_sixteen() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    let unchoked = start + Duration::from_secs(30);
    pipeline.resume(unchoked);
    pipeline.tick(unchoked + Duration::from_millis(250));
    assert_eq!(pipeline.depth(), INITIAL_DEPTH);
    run(&mut pipeline, unchoked, 1e5, 0.1, 3);
    assert_eq!(pipeline.depth(), MAX_DEPTH);
}

#[test]
fn between_the_blocks_of_a_slow_peer_its_rate_is_not_zero_and_in_silence_it_falls() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    let mut time = start;
    for tick in 1..=4 * 60 {
        time = start + Duration::from_millis(tick * 250);
        if tick % 20 == 0 {
            pipeline.received(1, time);
        }
        pipeline.tick(time);
        if tick > 80 {
            let block_time = pipeline.block_time().unwrap();
            assert!((3.0..8.0).contains(&block_time), "a block in 5 s, not in {block_time}");
        }
    }
    (1..=60).for_each(|second| pipeline.tick(time + Duration::from_secs(second)));
    assert!(pipeline.block_time().unwrap() > 20.0);
}

#[test]
fn a_careful_beginning_is_made_good_within_a_few_round_trips() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    pipeline.begin_with(0);
    assert_eq!(pipeline.depth(), CAREFUL_DEPTH);
    run(&mut pipeline, start, 1e5, 0.1, 1);
    assert!(pipeline.depth() > 50, "{}", pipeline.depth());
    let mut slow = Pipeline::new(start);
    slow.begin_with(0);
    run(&mut slow, start, 0.2, 0.1, 60);
    assert_eq!(slow.depth(), CAREFUL_DEPTH);
    pipeline.begin_with(0);
    assert!(pipeline.depth() > 50, "only before the first block");
}

#[test]
fn a_fast_peer_is_asked_for_what_it_sends_while_a_thread_sleeps_and_for_much_at_once() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    pipeline.set_queue_limit(500);
    // Half a gigabyte a second.
    pipeline.received(1000, start + MIN_MEASURING_TIME);
    let moment = pipeline.in_a_moment();
    assert!((64..=67).contains(&moment), "{moment}");
    let depth = pipeline.depth();
    assert!(depth >= moment && pipeline.least_order() == moment, "{depth}");
    pipeline.set_memory_share(8);
    assert_eq!((pipeline.depth(), pipeline.least_order()), (8, 4));
    pipeline.set_memory_share(500);
    pipeline.rejected(start);
    assert_eq!(pipeline.depth(), depth / 2, "it does not take as many");
    pipeline.snubbed(start);
    assert_eq!(pipeline.depth(), 1);
}

#[test]
fn an_order_to_a_slow_peer_is_a_quarter_of_its_pipeline() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    run(&mut pipeline, start, 100.0, 0.1, 10);
    assert_eq!(pipeline.least_order(), pipeline.depth() / 4);
}

#[test]
fn the_first_guess_of_a_rate_follows_the_blocks() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    let rates = [1_u64, 10, 100].map(|blocks| {
        // A thousand a second.
        (0..blocks).for_each(|_| pipeline.received(1, start + Duration::from_millis(blocks)));
        pipeline.rate() / BLOCK_BYTES
    });
    assert!(rates[0] < 50.0 && rates[2] > 900.0, "{rates:?}");
}

#[test]
fn a_peer_that_lost_a_run_of_requests_gets_no_more_than_it_kept() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    pipeline.set_queue_limit(500);
    pipeline.lost(11, start);
    assert_eq!(pipeline.depth(), 5);
    for tenth in 1..1000 {
        pipeline.received(10, start + Duration::from_millis(100 * tenth));
    }
    assert_eq!(pipeline.depth(), 5, "it is not tried with more again");
    pipeline.lost(5, start);
    assert_eq!(pipeline.depth(), MIN_DEPTH);
}

#[test]
fn after_a_stall_a_pipeline_is_a_quarter_as_deep_until_more_pays() {
    let start = Instant::now();
    let mut pipeline = Pipeline::new(start);
    pipeline.stalled(start);
    assert_eq!(pipeline.depth(), INITIAL_DEPTH / 4);
    for tenth in 1..100 {
        pipeline.received(10, start + Duration::from_millis(100 * tenth));
    }
    assert!(pipeline.depth() >= INITIAL_DEPTH, "{}", pipeline.depth());
}
